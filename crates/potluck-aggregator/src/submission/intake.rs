//! Receiving an expert: from the promise of an authentic envelope to bytes that are what it says.
//!
//! Content goes straight to the quarantine on disk, verified group by group; a cut upload leaves what was
//! verified, and the next one is asked for the rest alone. Bytes that are in the store already are not asked
//! for, but they are read and inspected like any other; unless the author may not know that they are there. Of other bytes, what
//! the base or the author's former expert has at the same place is copied from there (`formers`).

mod formers;

use std::io::{self, Read};
use std::mem;
use std::sync::Arc;

use potluck_core::federation::Authentic;
use potluck_core::{Blake3, Code, FileEntry, Refusal};
use potluck_net::blob::{Partial, ReceiveError, Share};
use potluck_net::{Compared, Ranges, Wanted};

use self::formers::Formers;
use super::submission;
use crate::server::Aggregator;
use crate::store::blobs::Hold;
use crate::store::disk::is_full;
use crate::store::quarantine::Place;
use crate::uploads::UnderWay;

/// An authentic submission whose content is to come.
pub struct Awaited {
    kept: Kept,
    authentic: Authentic,
    file: FileEntry,
    content: Content,
    /// With what it may be compared, until it was.
    formers: Formers,
}

/// What lasts until the entry is in: nobody removes the bytes, and the operator sees the upload.
pub struct Kept {
    _hold: Hold,
    under_way: Arc<UnderWay>,
}

/// A way in for pieces of a file in the quarantine.
struct Piecewise {
    share: Share,
    under_way: Arc<UnderWay>,
    blake3: Blake3,
}

impl potluck_net::Share for Piecewise {
    fn missing(&self) -> Ranges {
        self.share.missing()
    }

    fn receive(&self, ranges: &Ranges, content: &mut dyn Read) -> Result<(), Refusal> {
        let received =
            self.share.receive(ranges, content, &mut |group| self.under_way.verified(group));
        received.map_err(|error| {
            tracing::info!(%error, "a piece of an upload broke off");
            error.refusal(&self.blake3)
        })
    }
}

/// Where the content is, or will be.
#[expect(clippy::large_enum_variant, reason = "there is one for an upload")]
pub(super) enum Content {
    /// Among the blobs, from an earlier submission.
    Stored,
    /// In the quarantine, at a place that is held as long as this lives.
    Quarantined { partial: Partial, place: Place },
}

/// How much must be missing for a comparison to be worth a round trip, in bytes.
const WORTH_COMPARING: u64 = 1 << 20;

impl Awaited {
    /// Makes room for the content of a submission.
    ///
    /// # Errors
    /// `busy`, `expert-too-large`, `internal`; `manifest-refused` where it names no weights.
    pub fn new(aggregator: &Aggregator, authentic: Authentic) -> Result<Self, Refusal> {
        let weights = submission(&authentic)?.manifest.expert();
        let file = weights.cloned().ok_or_else(|| {
            Refusal::new(Code::ManifestRefused, "the submission's manifest names no weights")
        })?;
        // Before it is looked for: what is there must stay until the entry is in.
        let hold = aggregator.store.blobs.hold(file.blake3);
        let may_know = may_know(aggregator, &file, &authentic);
        if may_know && aggregator.store.blobs.is_intact(&file).map_err(|error| unusable(&error))? {
            let kept = keep(aggregator, hold, &authentic, (&file, file.size));
            let (content, formers) = (Content::Stored, Formers::default());
            return Ok(Self { kept, authentic, file, content, formers });
        }
        let quarantine = &aggregator.store.quarantine;
        let place = quarantine.reserve(&file, &authentic.statement().author)?;
        let partial = Partial::open_early(quarantine.folder(), &file.blake3, file.size);
        let partial = partial.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => {
                Refusal::new(Code::Busy, "these bytes are being uploaded already").retry_after(10)
            }
            io::ErrorKind::InvalidInput => {
                Refusal::new(Code::ManifestRefused, "no file has this size and digest")
            }
            _ => unusable(&error),
        })?;
        let verified = file.size.saturating_sub(partial.missing().byte_count());
        let kept = keep(aggregator, hold, &authentic, (&file, verified));
        let formers = Formers::of(aggregator, &file, &authentic);
        let content = Content::Quarantined { partial, place };
        let mut awaited = Self { kept, authentic, file, content, formers };
        // Of an upload that was cut after its tree came: nothing need be asked.
        if awaited.knows_its_tree().map_err(|error| unusable(&error))? {
            awaited.copy_equal().map_err(|error| error.refusal(&awaited.file.blake3))?;
        }
        Ok(awaited)
    }

    fn knows_its_tree(&self) -> io::Result<bool> {
        match &self.content {
            Content::Quarantined { partial, .. } if !self.formers.is_empty() => {
                partial.has_hashes()
            }
            _ => Ok(false),
        }
    }

    /// Copies what of it stands in what it may be compared with.
    fn copy_equal(&mut self) -> Result<(), ReceiveError> {
        let Content::Quarantined { partial, .. } = &mut self.content else { return Ok(()) };
        // They are of no use afterwards, and need not be kept from being removed.
        let formers = mem::take(&mut self.formers);
        let under_way = &self.kept.under_way;
        let mut bytes = 0u64;
        formers.copy_into(partial, &mut |span| {
            bytes = bytes.saturating_add(span.end - span.start);
            under_way.verified(span.end - span.start);
        })?;
        tracing::info!(blob = %self.file.blake3.short(), bytes, "taken from what is here");
        Ok(())
    }

    /// The file whose tree of hashes would be of use.
    pub fn comparable(&self) -> Vec<Compared> {
        match &self.content {
            Content::Quarantined { partial, .. }
                if !self.formers.is_empty()
                    && partial.missing().byte_count() >= WORTH_COMPARING =>
            {
                vec![Compared { blake3: self.file.blake3, size: self.file.size }]
            }
            _ => Vec::new(),
        }
    }

    /// Takes that tree, and what can be had by it.
    ///
    /// # Errors
    /// As [`Self::receive`].
    pub fn compare(&mut self, from: &mut dyn Read) -> Result<(), Refusal> {
        if self.comparable().is_empty() {
            return Ok(());
        }
        let Content::Quarantined { partial, .. } = &mut self.content else { return Ok(()) };
        let compared = partial.take_hashes(from).and_then(|()| self.copy_equal());
        compared.map_err(|error| {
            tracing::info!(%error, "a comparison broke off");
            error.refusal(&self.file.blake3)
        })
    }

    /// What is lacking.
    pub fn wanted(&self) -> Vec<Wanted> {
        let Content::Quarantined { partial, .. } = &self.content else { return Vec::new() };
        let ranges = partial.missing();
        if ranges.is_empty() {
            Vec::new()
        } else {
            vec![Wanted { blake3: self.file.blake3, ranges }]
        }
    }

    /// A way in for pieces of what is lacking.
    pub fn share(&self) -> Option<Box<dyn potluck_net::Share>> {
        let Content::Quarantined { partial, .. } = &self.content else { return None };
        let (share, under_way) = (partial.share(), Arc::clone(&self.kept.under_way));
        Some(Box::new(Piecewise { share, under_way, blake3: self.file.blake3 }))
    }

    /// Takes in what is lacking. What is kept beside it is to last until the entry is in.
    ///
    /// # Errors
    /// `content-corrupt` at the first group that is not of the digest, and where the content ends early; what
    /// was verified before it is kept for the next attempt.
    pub fn receive(mut self, from: &mut dyn Read) -> Result<(Received, Kept), Refusal> {
        if let Content::Quarantined { partial, .. } = &mut self.content {
            let ranges = partial.missing();
            let under_way = &self.kept.under_way;
            // What came in pieces is here.
            partial.receive(&ranges, from, &mut |group| under_way.verified(group)).map_err(
                |error| {
                    tracing::info!(%error, "an upload broke off");
                    error.refusal(&self.file.blake3)
                },
            )?;
            partial.settle().map_err(|error| unusable(&error))?;
            let damaged = partial.missing().byte_count();
            if damaged > 0 {
                tracing::warn!(blob = %self.file.blake3.short(), damaged, "what lay here does not verify");
                return Err(damaged_before(&self.file, damaged));
            }
        }
        let Self { kept, authentic, file, content, .. } = self;
        Ok((Received { authentic, file, content }, kept))
    }
}

/// Evidence that every byte of an authentic submission is under the BLAKE3 that its author signed.
pub struct Received {
    pub(super) authentic: Authentic,
    pub(super) file: FileEntry,
    pub(super) content: Content,
}

impl Received {
    /// Which bytes they are.
    pub fn blob(&self) -> Blake3 {
        self.file.blake3
    }
}

/// Whether the author may know that these bytes are here: the ledger speaks of them, so that every party may read them
/// and their digest, or they came from itself. Of other bytes not to ask for them would tell that somebody else has
/// them, and take them for the author's without their being shown.
fn may_know(aggregator: &Aggregator, file: &FileEntry, authentic: &Authentic) -> bool {
    let standing = aggregator.ledger.standing();
    let access = standing.federation.charter().access();
    let party = authentic.statement().author.to_string();
    standing.catalogue.listed(file.blake3, access).is_some()
        || aggregator.store.blobs.is_unrecorded_of(file.blake3, &party)
}

fn keep(
    aggregator: &Aggregator,
    hold: Hold,
    authentic: &Authentic,
    (file, verified): (&FileEntry, u64),
) -> Kept {
    let party = authentic.statement().author.to_string();
    let under_way = Arc::new(aggregator.uploads.begin(party, file, verified));
    Kept { _hold: hold, under_way }
}

/// What an earlier upload left was taken to be right until it was looked at, and some of it is not: a power cut, or a disk
/// that rots. It is asked for when the author comes again.
fn damaged_before(file: &FileEntry, damaged: u64) -> Refusal {
    let sentence = format!(
        "{damaged} bytes of {} that had come before did not survive; all else is here, send those again",
        file.blake3.short()
    );
    Refusal::new(Code::Busy, sentence).retry_after(1)
}

fn unusable(error: &io::Error) -> Refusal {
    if is_full(error) {
        tracing::error!(%error, "content cannot be received");
        let sentence = "the aggregator's disk is full; what came is kept";
        return Refusal::new(Code::StorageFull, sentence).retry_after(600);
    }
    tracing::error!(%error, "content cannot be received");
    Refusal::new(Code::Internal, "the aggregator cannot receive content")
}
