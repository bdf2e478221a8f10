//! Who really said it: the questions that come before any other.

use crate::admission::{Code, Refusal};
use crate::entry::{Author, Body, Entry, Genesis, Kind, Record, Role, Statement};
use crate::envelope::Envelope;
use crate::federation::Federation;
use crate::ids::{FederationId, KeyId, Sha256};
use crate::keys::PublicKey;

/// Evidence that a statement is its author's next one: signed for this federation by the author's active key.
#[derive(Debug, Clone)]
pub struct Authentic {
    statement: Statement,
    digest: Sha256,
    envelope: Envelope,
}

impl Authentic {
    /// What was said.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The leaf that the log will hold for it, if it is taken in at `time`.
    pub fn record(&self, time: u64) -> Record {
        Record::of(&self.envelope, self.digest, &self.statement, time)
    }

    /// The entry to append at `time`.
    pub fn into_entry(self, time: u64) -> Entry {
        Entry::new(&self.record(time), self.envelope)
    }

    pub(super) fn entry(&self, time: u64) -> Entry {
        Entry::new(&self.record(time), self.envelope.clone())
    }

    /// SHA-256 of the envelope, by which the log names it.
    pub fn digest(&self) -> Sha256 {
        self.digest
    }

    pub(super) fn into_statement(self) -> Statement {
        self.statement
    }
}

impl Federation {
    /// Verifies an envelope and its place in its author's chain.
    ///
    /// # Errors
    /// [`Refusal`], in this order: `federation-mismatch`; `key-unknown` or `key-revoked`; `signature-invalid`;
    /// `statement-malformed`; `author-mismatch`; `author-suspended`; `sequence-wrong`.
    pub fn authenticate(&self, envelope: &Envelope) -> Result<Authentic, Refusal> {
        self.check_federation(envelope)?;
        let key = envelope.key();
        let statement = match self.members.owner(key) {
            Some((owner, Role::Sign)) => {
                let sign = self.members.get(owner).and_then(|member| member.sign);
                opened(envelope, &sign.expect("the owner of a signing key has it"))?
            }
            _ if envelope.domain().kind == Kind::Join => self.newcomer(envelope)?,
            _ => return Err(self.unknown(key)),
        };
        self.check_author(envelope, &statement)?;
        Ok(authentic(envelope, statement))
    }

    /// What [`Self::authenticate`] asks, without the signature: that verified once, whatever became of its key
    /// since.
    pub(super) fn authenticate_again(&self, authentic: &Authentic) -> Result<(), Refusal> {
        self.check_federation(&authentic.envelope)?;
        self.check_author(&authentic.envelope, &authentic.statement)
    }

    fn check_federation(&self, envelope: &Envelope) -> Result<(), Refusal> {
        if envelope.domain().federation != Some(self.id) {
            return refuse(
                Code::FederationMismatch,
                "the envelope was signed for another federation",
            );
        }
        Ok(())
    }

    /// That the key is its author's, and the statement the next one.
    fn check_author(&self, envelope: &Envelope, statement: &Statement) -> Result<(), Refusal> {
        match self.members.owner(envelope.key()) {
            Some((owner, Role::Sign)) => self.check_speaker(owner, &statement.author)?,
            _ if envelope.domain().kind == Kind::Join => (),
            _ => return Err(self.unknown(envelope.key())),
        }
        self.check_place(statement)
    }

    /// A statement of somebody who is not in yet, signed with the key that it brings.
    ///
    /// Parsing comes before verification here, as in a genesis; nothing of it is used unless the signature holds.
    fn newcomer(&self, envelope: &Envelope) -> Result<Statement, Refusal> {
        let statement = parse(envelope, envelope.unverified_payload())?;
        let Body::Join(join) = &statement.body else {
            return refuse(Code::StatementMalformed, "the payload is no join");
        };
        let sign = join.keys.sign;
        if sign.id() != envelope.key() {
            return refuse(Code::KeyUnknown, "a join is signed with the key that it brings");
        }
        opened(envelope, &sign)
    }

    /// Why a key may not sign here.
    fn unknown(&self, key: KeyId) -> Refusal {
        if let Some(retired) = self.members.retired(key) {
            let why = retired.reason.as_deref().unwrap_or("another key took its place");
            let sentence = format!(
                "key {} of {} is void since entry {}: {why}",
                key.short(),
                retired.of,
                retired.index
            );
            return Refusal::new(Code::KeyRevoked, sentence);
        }
        let sentence = format!("key {} signs for nobody in this federation", key.short());
        Refusal::new(Code::KeyUnknown, sentence)
    }

    fn check_speaker(&self, owner: &Author, author: &Author) -> Result<(), Refusal> {
        if author != owner {
            let sentence = format!("signed by {owner}, but it speaks for {author}");
            return refuse(Code::AuthorMismatch, sentence);
        }
        match self.members.get(owner).and_then(|member| member.suspended.as_ref()) {
            Some(reason) => {
                refuse(Code::AuthorSuspended, format!("{owner} is suspended: {reason}"))
            }
            None => Ok(()),
        }
    }

    /// That the statement is its author's next one.
    fn check_place(&self, statement: &Statement) -> Result<(), Refusal> {
        let member = self.members.get(&statement.author);
        let (next, previous) = member.map_or((0, None), |member| (member.next, member.previous));
        if (statement.sequence, statement.previous) != (next, previous) {
            let sentence = format!(
                "entry {} of {} came where entry {next} is next, or does not follow its previous one",
                statement.sequence, statement.author
            );
            return refuse(Code::SequenceWrong, sentence);
        }
        Ok(())
    }
}

/// The statement that `key` signed.
fn opened(envelope: &Envelope, key: &PublicKey) -> Result<Statement, Refusal> {
    let Ok(payload) = envelope.open(key) else {
        let sentence = format!("the signature of key {} does not verify", envelope.key().short());
        return refuse(Code::SignatureInvalid, sentence);
    };
    parse(envelope, payload)
}

/// Verifies a genesis, which names the key that must have signed it.
///
/// Parsing comes before verification here and nowhere else; nothing of it is used unless the signature holds.
pub(super) fn genesis(envelope: &Envelope) -> Result<(FederationId, Genesis, Authentic), Refusal> {
    if envelope.domain().federation.is_some() {
        return refuse(Code::FederationMismatch, "the first entry is not a genesis");
    }
    let payload = envelope.unverified_payload();
    let statement = parse(envelope, payload)?;
    let Body::Genesis(genesis) = &statement.body else {
        return refuse(Code::StatementMalformed, "the first entry is not a genesis");
    };
    let genesis = Genesis::clone(genesis);
    if genesis.operator.id() != envelope.key() || genesis.operator == genesis.log {
        return refuse(Code::KeyUnknown, "the genesis is not signed by the operator that it names");
    }
    if envelope.open(&genesis.operator).is_err() {
        return refuse(Code::SignatureInvalid, "the signature of the genesis does not verify");
    }
    if (&statement.author, statement.sequence, statement.previous) != (&Author::Operator, 0, None) {
        return refuse(Code::SequenceWrong, "a genesis is its operator's first entry");
    }
    Ok((FederationId::of_genesis(payload), genesis, authentic(envelope, statement)))
}

/// A genesis that its operator signed, ready to be founded and appended at `time`.
///
/// # Errors
/// As [`Federation::found`].
pub fn genesis_entry(envelope: &Envelope, time: u64) -> Result<Entry, Refusal> {
    genesis(envelope).map(|(_, _, authentic)| authentic.into_entry(time))
}

fn parse(envelope: &Envelope, payload: &[u8]) -> Result<Statement, Refusal> {
    // A bundle's was read, and found to be in its one spelling, when the envelope was.
    if let Some(bundle) = envelope.bundle() {
        return Ok(bundle.statement().clone());
    }
    let statement: Statement = serde_json::from_slice(payload).map_err(|error| {
        Refusal::new(Code::StatementMalformed, format!("the payload is no statement: {error}"))
    })?;
    if statement.body.kind() != envelope.domain().kind {
        return refuse(
            Code::StatementMalformed,
            "the payload is not of the kind that its type says",
        );
    }
    // Repeated names and fields given as a list are read in more than one way; white space is room for anything.
    if statement.to_payload() != payload {
        return refuse(
            Code::StatementMalformed,
            "the payload is not compact JSON with its fields in their order",
        );
    }
    Ok(statement)
}

fn authentic(envelope: &Envelope, statement: Statement) -> Authentic {
    Authentic { statement, digest: envelope.sha256(), envelope: envelope.clone() }
}

fn refuse<T>(code: Code, sentence: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(code, sentence))
}
