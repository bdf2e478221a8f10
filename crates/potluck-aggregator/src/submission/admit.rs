//! Judging an expert: the questions of admission that need its bytes, in their fixed order.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::PoisonError;
use std::thread::{self, Builder};

use potluck_core::federation::Authentic;
use potluck_core::{Author, Blake3, Code, Federation, PartyId, Refusal, Sha256};
use potluck_soup::adapter::inspect::AdapterLimits;
use potluck_soup::adapter::{self, Adapter};
use potluck_soup::{
    ChangeLimit, Checkpoint, HeaderLimit, Inspection, Layout, file_entry, inspect, open_plain,
    sha256_of,
};

use super::intake::{Content, Received};
use super::record::{Recorded, Warrant};
use crate::in_full;
use crate::server::Aggregator;

/// Evidence that an expert passed every question, and that its bytes are in the store, durably.
#[derive(Debug)]
pub struct Admitted {
    authentic: Authentic,
    adapter: Option<Agreed>,
}

/// The parties' adapters beside which one was found good, by the digest of each file.
type Others = BTreeMap<PartyId, Blake3>;

/// Evidence that an adapter can be mixed with some others.
#[derive(Debug)]
struct Agreed {
    party: PartyId,
    file: Blake3,
    others: Others,
}

impl Admitted {
    /// The statement, for the ledger's writer.
    pub(crate) fn into_authentic(self) -> Authentic {
        self.authentic
    }

    /// Has the expert recorded. Of two adapters that were inspected at the same time neither was held against the other; so
    /// they are recorded one at a time, and each is asked once more if there are others by then.
    ///
    /// # Errors
    /// `adapter-refused` where it cannot be mixed with what came meanwhile, and [`Refusal`] as the ledger has it.
    pub fn record(self, aggregator: &Aggregator) -> Result<Recorded, Refusal> {
        let Some(adapter) = &self.adapter else {
            return aggregator.ledger.record(Warrant::Expert(self));
        };
        // Nothing is guarded but the order: whoever panicked within left nothing half done.
        let _turn = aggregator.agreeing.lock().unwrap_or_else(PoisonError::into_inner);
        let others = others(&aggregator.ledger.standing().federation, &adapter.party);
        if others != adapter.others {
            let path = aggregator.store.blobs.data(adapter.file);
            agree(aggregator, open(&path, &adapter.party)?, &others)?;
        }
        aggregator.ledger.record(Warrant::Expert(self))
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
        let adapter = match self.judge(aggregator, &path) {
            Ok(adapter) => adapter,
            Err(refusal) => {
                if refusal.code != Code::Internal {
                    self.keep_refused(aggregator, &refusal, &path);
                }
                return Err(refusal);
            }
        };
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
        Ok(Admitted { authentic: self.authentic, adapter })
    }

    fn judge(&self, aggregator: &Aggregator, path: &Path) -> Result<Option<Agreed>, Refusal> {
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

    /// What the other adapters were, where it is one.
    fn inspect_weights(
        &self,
        aggregator: &Aggregator,
        path: &Path,
    ) -> Result<Option<Agreed>, Refusal> {
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
            return Ok(None);
        };
        let Author::Party(party) = &self.authentic.statement().author else {
            return Err(Refusal::new(Code::NotPermitted, "an expert is handed in by a party"));
        };
        let limits = AdapterLimits {
            max_rank: rules.max_rank,
            shared_a: rules.shared_a.map(u64::from),
            change,
        };
        let adapter =
            adapter::inspect::inspect(party, path, (&base, &layout), limits).map_err(refused)?;
        let others = others(federation, party);
        agree(aggregator, adapter, &others)?;
        Ok(Some(Agreed { party: party.clone(), file: self.file.blake3, others }))
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

/// The adapters of all parties but one that are in force.
fn others(federation: &Federation, party: &PartyId) -> Others {
    let others = federation.experts().iter().filter(|(other, _)| *other != party);
    let files =
        others.filter_map(|(other, expert)| Some((other.clone(), expert.manifest.expert()?)));
    files.map(|(other, file)| (other, file.blake3)).collect()
}

/// Asks whether the adapter can be mixed with others. One that could not would be found out by the soup
/// alone, when nobody can do anything about it but begin a new round.
fn agree(aggregator: &Aggregator, adapter: Adapter, others: &Others) -> Result<(), Refusal> {
    let mut all = vec![adapter];
    for (other, file) in others {
        all.push(open(&aggregator.store.blobs.data(*file), other)?);
    }
    adapter::agree(&all).map_err(|error| {
        let sentence =
            format!("it cannot be mixed with the adapters that are in: {}", in_full(&error));
        Refusal::new(Code::AdapterRefused, sentence)
    })
}

fn open(path: &Path, party: &PartyId) -> Result<Adapter, Refusal> {
    let opened = Checkpoint::open(path).map_err(|error| failed(&error))?;
    Adapter::open(party, &opened).map_err(|error| failed(&error))
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

#[cfg(test)]
mod tests;
