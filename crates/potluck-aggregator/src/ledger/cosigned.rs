//! What witnesses cosigned: kept by the size of the checkpoint, from the latest on that enough of them did.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use potluck_core::{Code, Refusal};
use potluck_log::{CosignerKey, SignedCheckpoint};

use super::signers::Signers;
use super::{Ledger, OpenError, Standing};
use crate::in_full;
use crate::store::ledger::LedgerStore;

/// How many sizes are kept above the latest that enough witnesses cosigned: so many entries may come while
/// witnesses are slow. The smallest give way.
const KEPT: usize = 64;

type Notes = BTreeMap<u64, SignedCheckpoint>;

/// Our checkpoints with the lines of witnesses.
#[derive(Debug)]
pub(super) struct Cosignatures {
    notes: Mutex<Notes>,
    latest: RwLock<Option<Counted>>,
}

/// The latest with enough lines, if there is one, and the witnesses among whom they were counted.
#[derive(Debug, Clone)]
struct Counted {
    witnesses: Arc<Vec<CosignerKey>>,
    note: Option<String>,
}

impl Cosignatures {
    /// Reads what was kept.
    pub(super) fn open(store: &dyn LedgerStore, signers: &Signers) -> Result<Self, OpenError> {
        let mut notes = Notes::new();
        for note in store.cosigned()? {
            let opened = signers.open(&note).map_err(OpenError::Checkpoint)?;
            notes.insert(opened.size(), opened);
        }
        Ok(Self { notes: Mutex::new(notes), latest: RwLock::default() })
    }

    /// The checkpoint of `size` with its lines, if a witness cosigned it.
    pub(super) fn note(&self, size: u64) -> Option<String> {
        self.notes().get(&size).map(SignedCheckpoint::to_string)
    }

    /// The latest checkpoint that enough of the witnesses of `standing` cosigned; at least one.
    pub(super) fn latest(&self, standing: &Standing) -> Option<String> {
        let known = self.latest.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known
            && Arc::ptr_eq(&known.witnesses, &standing.witnesses)
        {
            return known.note;
        }
        self.count(&self.notes(), standing)
    }

    /// Keeps the lines of witnesses on `note`; whether there was something new.
    pub(super) fn keep(&self, note: &str, ledger: &Ledger) -> Result<bool, Refusal> {
        let standing = ledger.standing();
        let signers = ledger.signers();
        let given = signers.open(note).map_err(|error| refused(in_full(&error)))?;
        check_ours(&given, &standing, ledger)?;
        let known = given.cosigned_by(&standing.witnesses);
        if known.map_err(|error| refused(in_full(&error)))?.is_empty() {
            return Err(refused("no line on the checkpoint is a witness's of this federation"));
        }
        let mut notes = self.notes();
        let before = notes.get(&given.size());
        let mut merged = match before {
            Some(before) => before.clone(),
            None => signers.sign(given.checkpoint().clone()),
        };
        let lines = given.note().split_once("\n\n").map_or("", |(_, lines)| lines);
        merged
            .add_cosignatures(lines, &standing.witnesses)
            .map_err(|error| refused(in_full(&error)))?;
        if before == Some(&merged) {
            return Ok(false);
        }
        let (size, text) = (merged.size(), merged.to_string());
        let mut next = notes.clone();
        next.insert(size, merged);
        let dropped = thin_out(&mut next, &standing);
        if dropped.contains(&size) {
            // A later one has all the lines that it needs.
            return Ok(false);
        }
        ledger
            .store
            .keep_cosigned(size, &text, &dropped)
            .map_err(|error| ledger.fault.raise("keep a cosignature", &in_full(&error)))?;
        *notes = next;
        self.count(&notes, &standing);
        Ok(true)
    }

    fn count(&self, notes: &Notes, standing: &Standing) -> Option<String> {
        let note = cosigned(notes, standing).map(SignedCheckpoint::to_string);
        let witnesses = Arc::clone(&standing.witnesses);
        let counted = Counted { witnesses, note: note.clone() };
        *self.latest.write().unwrap_or_else(PoisonError::into_inner) = Some(counted);
        note
    }

    /// It is replaced whole, so one who panicked left it good.
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The latest checkpoint that enough witnesses cosigned.
fn cosigned<'a>(notes: &'a Notes, standing: &Standing) -> Option<&'a SignedCheckpoint> {
    let quorum = standing.federation.charter().witnesses().quorum.max(1);
    let enough = |note: &&SignedCheckpoint| {
        let by = note.cosigned_by(&standing.witnesses);
        by.is_ok_and(|by| by.len() as u64 >= u64::from(quorum))
    };
    notes.values().rev().find(enough)
}

/// Drops what is below the latest with enough lines, and the smallest of too many; the sizes dropped.
fn thin_out(notes: &mut Notes, standing: &Standing) -> Vec<u64> {
    let floor = cosigned(notes, standing).map(SignedCheckpoint::size);
    let mut dropped: Vec<u64> = match floor {
        Some(floor) => notes.range(..floor).map(|(size, _)| *size).collect(),
        None => Vec::new(),
    };
    let rest = notes.keys().filter(|size| Some(**size) > floor);
    let surplus = rest.clone().count().saturating_sub(KEPT);
    dropped.extend(rest.take(surplus));
    dropped.iter().for_each(|size| _ = notes.remove(size));
    dropped
}

/// That the log not only signed the checkpoint, but has the tree of which it speaks.
fn check_ours(
    given: &SignedCheckpoint,
    standing: &Standing,
    ledger: &Ledger,
) -> Result<(), Refusal> {
    let size = standing.checkpoint.size();
    if given.size() > size {
        let sentence = format!("the checkpoint is over {} entries of {size}", given.size());
        return Err(refused(sentence));
    }
    let tiles = standing.tiles(&ledger.files);
    let root = tiles.and_then(|tiles| tiles.root_at(given.size())).map_err(|error| {
        tracing::error!(error = %in_full(&error), "the log's tiles give no root");
        Refusal::new(Code::Internal, "the aggregator cannot read its ledger")
    })?;
    if root == given.root() { Ok(()) } else { Err(refused("the checkpoint is over other entries")) }
}

fn refused(sentence: impl Into<String>) -> Refusal {
    Refusal::new(Code::CheckpointRefused, sentence)
}
