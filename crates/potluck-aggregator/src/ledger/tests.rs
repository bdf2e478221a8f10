//! The writer and the replay, over a store in memory.

mod cosigning;
mod faults;
mod together;

use std::collections::BTreeMap;

use potluck_core::{Author, Body, Sha256};
use potluck_log::{SignedCheckpoint, TlogProof, VerifierKey};
use potluck_net::archive::ArchiveReader;
use potluck_wire::Receipt;

use super::*;
use crate::fixture::{Shelves, admit, genesis, log_key, open_round, operator, sign};
use crate::submission::record::Plain;

/// A ledger in memory that fails when it is told to.
#[derive(Debug, Default, Clone)]
struct Memory(Arc<Mutex<Kept>>, Shelves);

#[derive(Debug, Default)]
struct Kept {
    entries: Vec<Entry>,
    checkpoint: Option<String>,
    cosigned: BTreeMap<u64, String>,
    failing: bool,
}

impl LedgerStore for Memory {
    fn page(&self, from: u64, window: Window) -> Result<Vec<Entry>, LedgerStoreError> {
        let kept = self.0.lock().unwrap();
        Ok(kept.entries.iter().skip(from as usize).take(window.entries).cloned().collect())
    }

    fn index_of(&self, envelope: Sha256) -> Result<Option<u64>, LedgerStoreError> {
        let kept = self.0.lock().unwrap();
        let index = kept.entries.iter().position(|entry| entry.envelope().sha256() == envelope);
        Ok(index.map(|index| index as u64))
    }

    fn checkpoint(&self) -> Result<Option<String>, LedgerStoreError> {
        Ok(self.0.lock().unwrap().checkpoint.clone())
    }

    fn append(
        &self,
        first: u64,
        entries: &[Entry],
        checkpoint: &str,
    ) -> Result<(), LedgerStoreError> {
        let mut kept = self.0.lock().unwrap();
        if kept.failing {
            let failed = redb::Error::Io(std::io::Error::other("no space"));
            return Err(LedgerStoreError::Write(Box::new(failed)));
        }
        assert_eq!(first, kept.entries.len() as u64);
        kept.entries.extend_from_slice(entries);
        kept.checkpoint = Some(checkpoint.to_owned());
        Ok(())
    }

    fn cosigned(&self) -> Result<Vec<String>, LedgerStoreError> {
        Ok(self.0.lock().unwrap().cosigned.values().cloned().collect())
    }

    fn keep_cosigned(
        &self,
        size: u64,
        note: &str,
        dropped: &[u64],
    ) -> Result<(), LedgerStoreError> {
        let mut kept = self.0.lock().unwrap();
        kept.cosigned.insert(size, note.to_owned());
        dropped.iter().for_each(|size| _ = kept.cosigned.remove(size));
        Ok(())
    }
}

fn open(store: &Memory) -> Result<Ledger, OpenError> {
    open_as(store, 0)
}

fn open_as(store: &Memory, nonce: u8) -> Result<Ledger, OpenError> {
    open_with(store, &genesis(nonce))
}

fn open_with(store: &Memory, genesis: &Envelope) -> Result<Ledger, OpenError> {
    let files = Arc::new(store.1.clone());
    Ledger::open(Box::new(store.clone()), files, genesis, LogKeys::of([log_key()]), Arc::default())
}

fn signed(ledger: &Ledger, body: Body) -> Envelope {
    sign(&ledger.standing().federation, Author::Operator, body, &operator())
}

fn warrant(ledger: &Ledger, envelope: &Envelope) -> Warrant {
    let authentic = ledger.standing().federation.authenticate(envelope).unwrap();
    Warrant::Plain(Plain::new(authentic).unwrap())
}

fn say(ledger: &Ledger, body: Body) -> Result<Recorded, Refusal> {
    ledger.record(warrant(ledger, &signed(ledger, body)))
}

fn verified(ledger: &Ledger, receipt: &Receipt) -> u64 {
    let key: VerifierKey = ledger.verifier_key().parse().unwrap();
    let proof: TlogProof = receipt.proof.parse().unwrap();
    let logged = proof.verify(receipt.record.as_bytes(), &key).unwrap();
    assert_eq!(logged.index(), receipt.index);
    logged.checkpoint().size()
}

/// The log's folder says what the ledger says.
fn invariant_the_folder_is_the_ledger(ledger: &Ledger) {
    ledger.settle();
    let reader = ArchiveReader::over(Arc::clone(ledger.files())).unwrap();
    let standing = ledger.standing();
    let there =
        SignedCheckpoint::open(reader.checkpoint(), ledger.signers().verifier_key()).unwrap();
    assert_eq!(there.checkpoint(), standing.checkpoint.checkpoint());
    assert_eq!(reader.tiles().unwrap().root().unwrap(), there.root());
    let entries: Vec<Entry> = reader.entries(0).map(Result::unwrap).collect();
    assert!(entries == ledger.page(0).unwrap().entries);
}

#[test]
fn what_is_recorded_is_replayed() {
    let store = Memory::default();
    let ledger = open(&store).unwrap();
    let receipt = say(&ledger, admit("agency")).unwrap().into_receipt();
    assert_eq!(verified(&ledger, &receipt), 2);
    say(&ledger, admit("readers")).unwrap();
    let before = ledger.standing();
    let after = open(&store).unwrap().standing();
    assert_eq!((&after.checkpoint, &after.federation), (&before.checkpoint, &before.federation));
    invariant_the_folder_is_the_ledger(&ledger);
}

#[test]
fn an_envelope_is_recorded_once_and_its_receipt_is_made_anew() {
    let store = Memory::default();
    let ledger = open(&store).unwrap();
    let envelope = signed(&ledger, admit("agency"));
    let (first, second) = (warrant(&ledger, &envelope), warrant(&ledger, &envelope));
    assert_eq!(ledger.record(first).unwrap().index(), 1);
    say(&ledger, admit("readers")).unwrap();
    let again = ledger.record(second).unwrap().into_receipt();
    assert_eq!((again.index, verified(&ledger, &again)), (1, 3));
    assert_eq!(store.0.lock().unwrap().entries.len(), 3);
}

#[test]
fn the_writer_asks_the_federation_once_more() {
    let ledger = open(&Memory::default()).unwrap();
    let (first, rival) = (signed(&ledger, admit("agency")), signed(&ledger, admit("readers")));
    let (first, rival) = (warrant(&ledger, &first), warrant(&ledger, &rival));
    ledger.record(first).unwrap();
    assert_eq!(ledger.record(rival).unwrap_err().code, Code::SequenceWrong);
    assert_eq!(say(&ledger, open_round(1)).unwrap_err().code, Code::RoundWrong);
}

#[test]
fn after_a_failed_write_nothing_more_is_taken_and_nothing_is_lost() {
    let store = Memory::default();
    let ledger = open(&store).unwrap();
    say(&ledger, admit("agency")).unwrap();
    store.0.lock().unwrap().failing = true;
    assert_eq!(say(&ledger, admit("readers")).unwrap_err().code, Code::Internal);
    store.0.lock().unwrap().failing = false;
    assert_eq!(say(&ledger, admit("readers")).unwrap_err().code, Code::Internal);
    assert!(ledger.fault.first().unwrap().contains("no space"));
    assert_eq!(ledger.standing().federation.size(), 2);
    let ledger = open(&store).unwrap();
    assert!(say(&ledger, admit("readers")).is_ok());
}

#[test]
fn a_ledger_that_is_not_what_was_signed_is_not_served() {
    let store = Memory::default();
    let ledger = open(&store).unwrap();
    let founded = ledger.standing().checkpoint.note().to_owned();
    say(&ledger, admit("agency")).unwrap();
    let note = ledger.standing().checkpoint.note().to_owned();
    assert!(matches!(open_as(&store, 1), Err(OpenError::OtherFederation)));

    let with = |change: &dyn Fn(&mut Kept)| {
        let mut kept = Kept { checkpoint: Some(note.clone()), ..Kept::default() };
        kept.entries = store.0.lock().unwrap().entries.clone();
        change(&mut kept);
        open(&Memory(Arc::new(Mutex::new(kept)), Shelves::default())).err().unwrap()
    };
    let lost = with(&|kept| kept.entries.truncate(1));
    assert!(matches!(lost, OpenError::Differs { size: 1 }));
    let stale = with(&|kept| kept.checkpoint = Some(founded.clone()));
    assert!(matches!(stale, OpenError::Differs { size: 2 }));
    assert!(matches!(with(&|kept| kept.checkpoint = None), OpenError::NoCheckpoint));
    let forged = with(&|kept| kept.checkpoint.as_mut().unwrap().push('x'));
    assert!(matches!(forged, OpenError::Checkpoint(_)));
    let doubled = with(&|kept| kept.entries.push(kept.entries[1].clone()));
    assert!(matches!(doubled, OpenError::Entry { index: 2, .. }));
}

#[test]
fn a_page_ends_where_its_checkpoint_does() {
    let ledger = open(&Memory::default()).unwrap();
    say(&ledger, admit("agency")).unwrap();
    let Page { checkpoint: note, cosigned: None, entries } = ledger.page(1).unwrap() else {
        panic!("nobody cosigned it")
    };
    let key = ledger.verifier_key().parse().unwrap();
    let checkpoint = SignedCheckpoint::open(&note, &key).unwrap();
    assert_eq!((entries.len(), checkpoint.size()), (1, 2));
    let is_empty = |from| ledger.page(from).unwrap().entries.is_empty();
    assert!(is_empty(2) && is_empty(u64::MAX));
}
