//! Judging an expert: the questions of admission that need its bytes, in their fixed order.

use std::fs::File;
use std::io;
use std::path::Path;
use std::thread::{self, Builder};

use potluck_core::federation::Authentic;
use potluck_core::{Author, Code, PartyId, Refusal, Sha256};
use potluck_soup::adapter::inspect::AdapterLimits;
use potluck_soup::adapter::{self, Adapter};
use potluck_soup::{
    ChangeLimit, Checkpoint, HeaderLimit, Inspection, Layout, file_entry, inspect, open_plain,
    sha256_of,
};

use super::intake::{Content, Received};
use crate::in_full;
use crate::server::Aggregator;

/// Evidence that an expert passed every question, and that its bytes are in the store, durably.
#[derive(Debug)]
pub struct Admitted(Authentic);

impl Admitted {
    /// The statement, for the ledger's writer.
    pub(crate) fn into_authentic(self) -> Authentic {
        self.0
    }
}

impl Received {
    /// Asks the digests, then the header, the tensors, every weight, and the change; stores what passes.
    ///
    /// What fails is kept in the folder of the refused, unless the ledger speaks of the same bytes.
    ///
    /// # Errors
    /// [`Refusal`] with the first question that it failed; `internal` where the store fails.
    pub fn inspect(self, aggregator: &Aggregator) -> Result<Admitted, Refusal> {
        let path = match &self.content {
            Content::Stored => aggregator.store.blobs.data(self.file.blake3),
            Content::Quarantined { .. } => aggregator.store.quarantine.part(self.file.blake3),
        };
        if let Err(refusal) = self.judge(aggregator, &path) {
            if refusal.code != Code::Internal {
                self.keep_refused(aggregator, &refusal, &path);
            }
            return Err(refusal);
        }
        if let Content::Quarantined { partial, place } = self.content {
            let blobs = &aggregator.store.blobs;
            let party = self.authentic.statement().author.to_string();
            if let Err(error) = blobs.sign(self.file.blake3, &party) {
                // On a full disk, say. Without it the bytes are asked for again if the entry does not follow.
                tracing::info!(%error, "whose bytes these are is not remembered");
            }
            blobs
                .take_in(partial, self.file.blake3)
                .map_err(|error| aggregator.fault.raise("store an expert", &error))?;
            drop(place);
        }
        Ok(Admitted(self.authentic))
    }

    fn judge(&self, aggregator: &Aggregator, path: &Path) -> Result<(), Refusal> {
        let unreadable = |error: io::Error| failed(&error);
        let mut bytes = open_plain(path).map_err(|error| failed(&error))?;
        thread::scope(|scope| {
            // What costs most, beside the rest: both then read the same bytes at about the same time, and the disk once.
            let hashing = Builder::new().name("sha-256".into());
            let hashing = hashing.spawn_scoped(scope, move || sha256_of(&mut bytes));
            let hashing = hashing.map_err(unreadable)?;
            let inspected = self.inspect_weights(aggregator, path);
            let panicked = |_| unreadable(io::Error::other("hashing panicked"));
            let found = hashing.join().map_err(panicked)?.map_err(unreadable)?;
            // Its question comes first, whatever the inspection says.
            self.compare_digests(found, path)?;
            inspected
        })
    }

    /// Asks whether the bytes on disk are those of the manifest. That each group is of its BLAKE3 was seen before it was
    /// written; that it is what was written, the SHA-256 tells with the same certainty.
    fn compare_digests(&self, found: (u64, Sha256), path: &Path) -> Result<(), Refusal> {
        if found == (self.file.size, self.file.sha256) {
            return Ok(());
        }
        // Whose fault it is: the author's, who signed two digests of different bytes, or this disk's.
        let found = file_entry(path, &self.file.path, &mut |_, _| {}).map_err(|e| failed(&e))?;
        if (found.blake3, found.size) != (self.file.blake3, self.file.size) {
            let sentence = "the bytes changed on the aggregator's disk while they were received";
            return Err(Refusal::new(Code::Internal, sentence));
        }
        let sentence = "the manifest's SHA-256 is not that of the bytes under its BLAKE3";
        Err(Refusal::new(Code::ManifestRefused, sentence))
    }

    fn inspect_weights(&self, aggregator: &Aggregator, path: &Path) -> Result<(), Refusal> {
        let federation = &aggregator.ledger.standing().federation;
        let base = federation.base_weights();
        if !aggregator.store.blobs.is_intact(base).map_err(|error| failed(&error))? {
            tracing::error!(blob = %base.blake3.short(), "the stored base is damaged");
            let sentence =
                "the aggregator's copy of the base is damaged, so it can judge no expert";
            return Err(Refusal::new(Code::Internal, sentence));
        }
        let base = aggregator.store.blobs.data(base.blake3);
        let unreadable = |error: io::Error| failed(&error);
        let (expert, base) =
            (File::open(path).map_err(unreadable)?, File::open(base).map_err(unreadable)?);
        let layout = Layout::of(&base, HeaderLimit::BASE).map_err(|error| failed(&error))?;
        let change = ChangeLimit { permille: federation.charter().limits().change_permille };
        let Some(rules) = federation.charter().adapters() else {
            inspect(&expert, &base, &layout, change).map_err(refused)?;
            return Ok(());
        };
        let Author::Party(party) = &self.authentic.statement().author else {
            return Err(Refusal::new(Code::NotPermitted, "an expert is handed in by a party"));
        };
        let limits = AdapterLimits { max_rank: rules.max_rank, change };
        let adapter =
            adapter::inspect::inspect(party, path, (&base, &layout), limits).map_err(refused)?;
        agree(aggregator, party, adapter)
    }

    fn keep_refused(&self, aggregator: &Aggregator, refusal: &Refusal, path: &Path) {
        if matches!(self.content, Content::Stored) {
            // The bytes may be somebody's good expert, whatever this manifest says of them.
            return;
        }
        let (entry, store) = (self.authentic.clone().into_entry(0), &aggregator.store);
        let kept = store.refused.keep(entry.envelope(), refusal, path);
        if let Err(error) = kept.and_then(|()| store.quarantine.discard(self.file.blake3)) {
            tracing::warn!(%error, "a refused expert could not be kept");
        }
    }
}

/// Asks whether the adapter can be mixed with those that are in force. One that could not would be found out by the soup
/// alone, when nobody can do anything about it but begin a new round.
fn agree(aggregator: &Aggregator, party: &PartyId, adapter: Adapter) -> Result<(), Refusal> {
    let federation = &aggregator.ledger.standing().federation;
    let others = federation.experts().iter().filter(|(other, _)| *other != party);
    let mut all = vec![adapter];
    for (other, expert) in others {
        let Some(file) = expert.manifest.expert() else { continue };
        let path = aggregator.store.blobs.data(file.blake3);
        let opened = Checkpoint::open(&path).map_err(|error| failed(&error))?;
        all.push(Adapter::open(other, &opened).map_err(|error| failed(&error))?);
    }
    adapter::agree(&all).map_err(|error| {
        let sentence =
            format!("it cannot be mixed with the adapters that are in: {}", in_full(&error));
        Refusal::new(Code::AdapterRefused, sentence)
    })
}

/// The code of a failed inspection, with its whole reason as the sentence.
fn refused(inspection: Inspection) -> Refusal {
    let code = match &inspection {
        Inspection::HeaderInvalid { .. } => Code::HeaderInvalid,
        Inspection::TensorsDiffer { .. } => Code::TensorsDiffer,
        Inspection::TargetDiffers { .. } => Code::TensorsDiffer,
        Inspection::AdapterRefused { .. } => Code::AdapterRefused,
        Inspection::NotFinite { .. } => Code::WeightsNotFinite,
        Inspection::NormExceeded { .. } => Code::ChangeTooLarge,
        Inspection::Io(_) | Inspection::FloatState(_) => return failed(&inspection),
    };
    Refusal::new(code, in_full(&inspection))
}

fn failed(error: &dyn std::error::Error) -> Refusal {
    tracing::error!(error = %in_full(error), "an expert could not be inspected");
    Refusal::new(Code::Internal, "the aggregator could not inspect the expert")
}
