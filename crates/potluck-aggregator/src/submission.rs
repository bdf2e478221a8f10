//! From an envelope to a receipt. Each step takes the evidence of the one before, so that a skipped check
//! does not compile.
//!
//! ```text
//! Envelope ─ authenticate ─▶ Authentic ─ await_content ─▶ Awaited        (size, sequence, base, limits)
//!   Awaited ─ compare ─▶ Awaited           what of it is here already is copied, where its author may know that it is
//!   Awaited ─ receive ─▶ Received       every byte is under the signed digests
//!   Received ─ inspect ─▶ Admitted      header, tensors, finite weights, change
//!   Admitted ─ record ─▶ Recorded       durable, under a signed checkpoint: the receipt
//! ```
//!
//! Entries without content go from `Authentic` to `Recorded` at once ([`append`]). Nothing of a submission is
//! read before its envelope is its author's next entry and the federation would take it.

pub mod intake;

pub mod admit;

pub mod record;

use std::io::Read;

use potluck_core::entry::{Admit, Body, Invite, Role, Submission};
use potluck_core::federation::Authentic;
use potluck_core::{Blake3, Code, Envelope, PartyId, PublicKey, Refusal, reserved};
use potluck_interchange::verify_interchange;
use potluck_net::{Compared, Offer, Share, Upload, Wanted};
use potluck_wire::Receipt;

use self::intake::Awaited;
use self::record::{Plain, Recorded, Warrant};
use crate::in_full;
use crate::round::publish;
use crate::server::{Aggregator, told};

/// Takes an entry that brings no content: any but a submission.
///
/// # Errors
/// [`Refusal`] with the first question that it failed.
pub fn append(aggregator: &Aggregator, envelope: &Envelope) -> Result<Receipt, Refusal> {
    let authentic = match authenticate(aggregator, envelope)? {
        Heard::Before(recorded) => return Ok(recorded.into_receipt()),
        Heard::New(authentic) => *authentic,
    };
    aggregator.store.disk.check_ledger()?;
    let warrant = match &authentic.statement().body {
        Body::RotateKey(rotate) if rotate.role == Role::Log => {
            check_held(aggregator, &rotate.key)?;
            Warrant::Plain(Plain::new(authentic)?)
        }
        Body::Admit(Admit { party, .. }) | Body::Invite(Invite { party, .. }) => {
            check_name(party)?;
            Warrant::Plain(Plain::new(authentic)?)
        }
        Body::Publish(_) => Warrant::Soup(publish::compare(aggregator, authentic)?),
        _ => Warrant::Plain(Plain::new(authentic)?),
    };
    let recorded = log(aggregator.ledger.record(warrant))?;
    Ok(recorded.into_receipt())
}

/// A party whose name is a word of something else could not be spoken of. No rule of the ledger: auditors do not ask.
fn check_name(party: &PartyId) -> Result<(), Refusal> {
    let taken = |error: reserved::Reserved| Refusal::new(Code::NotPermitted, error.to_string());
    reserved::party(party).map_err(taken)
}

/// A log key that nobody here holds could sign nothing once it is in force.
fn check_held(aggregator: &Aggregator, key: &PublicKey) -> Result<(), Refusal> {
    if aggregator.log_keys().find(key).is_some() {
        return Ok(());
    }
    let sentence = format!(
        "the aggregator does not hold the log key {}: put its file into keys/ of the federation's folder, under a name of the form log*.pem",
        key.id().short()
    );
    Err(Refusal::new(Code::KeyRefused, sentence))
}

/// Takes an envelope that hands in an expert as far as it goes without the expert.
///
/// # Errors
/// [`Refusal`] with the first question that it failed.
pub fn offer(
    aggregator: &Aggregator,
    peer: &PublicKey,
    envelope: &Envelope,
) -> Result<Offer, Refusal> {
    let authentic = match authenticate(aggregator, envelope)? {
        Heard::Before(recorded) => return Ok(Offer::Recorded(recorded.into_receipt())),
        Heard::New(authentic) => *authentic,
    };
    let standing = aggregator.ledger.standing();
    if standing.federation.peer(peer.id()) != Some(&authentic.statement().author) {
        // A relay could hold the party's place in the quarantine for as long as it likes.
        let sentence = "an expert is handed in over a connection of its author's own key";
        return Err(Refusal::new(Code::NotPermitted, sentence));
    }
    let files = submission(&authentic)?.manifest.files();
    let span = tracing::Span::current();
    span.record("party", tracing::field::display(&authentic.statement().author));
    // What it says of itself, and so perhaps too much for a number.
    let bytes = files.iter().fold(0u64, |sum, file| sum.saturating_add(file.size));
    span.record("bytes", bytes);
    check_interchange(aggregator, envelope, aggregator.ledger.now())?;
    aggregator.fault.check()?;
    let awaited = Awaited::new(aggregator, authentic)?;
    let aggregator = aggregator.clone();
    let envelope = envelope.clone();
    Ok(Offer::Wanted(Box::new(Intake { aggregator, envelope, awaited, span })))
}

/// For how long an expert that was inspected may wait to be recorded, in seconds, at the most.
const RECORDED_WITHIN: u64 = 300;

/// What the envelope holds for other tools, at `time`: the federation's rules have no need of it, auditors ask.
fn check_interchange(
    aggregator: &Aggregator,
    envelope: &Envelope,
    time: u64,
) -> Result<(), Refusal> {
    let federation = &aggregator.ledger.standing().federation;
    let owner = federation.members().owner(envelope.key());
    let key = owner.and_then(|(author, _)| federation.members().get(author)?.sign);
    let Some(key) = key else {
        return Err(Refusal::new(Code::KeyUnknown, "the key is no longer in force"));
    };
    verify_interchange(envelope, &key, time)
        .map_err(|error| Refusal::new(Code::SignatureInvalid, in_full(&error)))
}

/// An upload between its two halves.
struct Intake {
    aggregator: Aggregator,
    envelope: Envelope,
    awaited: Awaited,
    /// The submission's span, so that both halves stand under one.
    span: tracing::Span,
}

impl Upload for Intake {
    fn wanted(&self) -> Vec<Wanted> {
        self.awaited.wanted()
    }

    fn comparable(&self) -> Vec<Compared> {
        self.awaited.comparable()
    }

    fn compare(&mut self, hashes: &mut dyn Read) -> Result<(), Refusal> {
        let _span = self.span.clone().entered();
        told(&self.aggregator.counts, self.awaited.compare(hashes))
    }

    fn share(&self, _blob: &Blake3) -> Option<Box<dyn Share>> {
        // There is one file.
        self.awaited.share()
    }

    fn receive(self: Box<Self>, content: &mut dyn Read) -> Result<Receipt, Refusal> {
        let Self { aggregator, envelope, awaited, span } = *self;
        let _span = span.entered();
        told(&aggregator.counts, hand_in(&aggregator, &envelope, awaited, content))
    }
}

/// The steps of a submission, in their order.
fn hand_in(
    aggregator: &Aggregator,
    envelope: &Envelope,
    awaited: Awaited,
    content: &mut dyn Read,
) -> Result<Receipt, Refusal> {
    let (received, _kept) = awaited.receive(content)?;
    let blob = received.blob();
    let admitted = received.inspect(aggregator)?;
    // The content may have taken longer than the short-lived key lives.
    check_interchange(aggregator, envelope, aggregator.ledger.now() + RECORDED_WITHIN)?;
    aggregator.store.disk.check_ledger()?;
    let recorded = log(admitted.record(aggregator))?;
    if let Err(error) = aggregator.store.blobs.unsign(blob) {
        tracing::warn!(%error, "a note of whose bytes these are was left beside them");
    }
    Ok(recorded.into_receipt())
}

/// An authentic envelope, or one that was recorded before.
enum Heard {
    New(Box<Authentic>),
    Before(Recorded),
}

/// Asks who said it and whether the federation would take it; an envelope that is in already gets its receipt.
fn authenticate(aggregator: &Aggregator, envelope: &Envelope) -> Result<Heard, Refusal> {
    let federation = &aggregator.ledger.standing().federation;
    let authentic = match federation.authenticate(envelope) {
        Ok(authentic) => authentic,
        // Its author's chain may have moved past it, or its key be void, because it is in.
        Err(refusal) => {
            return match aggregator.ledger.recorded(envelope)? {
                Some(recorded) => Ok(Heard::Before(recorded)),
                None => Err(refusal),
            };
        }
    };
    federation.check(&authentic, aggregator.ledger.now())?;
    Ok(Heard::New(Box::new(authentic)))
}

fn log(recorded: Result<Recorded, Refusal>) -> Result<Recorded, Refusal> {
    if let Ok(recorded) = &recorded {
        let index = recorded.index();
        tracing::Span::current().record("entry", index);
        tracing::info!(index, "entry {index} appended");
    }
    recorded
}

/// The submission that a statement makes.
fn submission(authentic: &Authentic) -> Result<&Submission, Refusal> {
    match &authentic.statement().body {
        Body::Submit(submission) => Ok(submission),
        body => {
            let sentence = format!("an entry of kind {} hands in no expert", body.kind().as_str());
            Err(Refusal::new(Code::ProtocolError, sentence))
        }
    }
}
