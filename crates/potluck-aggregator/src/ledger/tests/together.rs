//! Those who come at the same time share a commit, and each gets what it would have got alone.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use potluck_core::{PartyId, PrivateKey};
use potluck_log::{Checkpoint, NoteSigner, Tree};

use super::signers::origin;
use super::*;
use crate::fixture::{genesis_under, party, party_key, witness_key};
use crate::store::ledger::disk::{Disk, open_on};

const CROWD: usize = 1010;

/// How many of them come before the others.
const ALONE: usize = 10;

fn name(number: usize) -> String {
    format!("p{number}")
}

/// A ledger in which `parties` are admitted, on `store`.
fn crowded(store: &dyn LedgerStore, parties: usize) -> Envelope {
    let seats: String =
        (0..parties).map(|n| format!("[parties.{}]\nweight = 1\n", name(n))).collect();
    let genesis = genesis_under(&format!("name = 'news'\nrule = 'mean'\n{seats}"), 0);
    let mut entries = vec![genesis_entry(&genesis, 1).unwrap()];
    let mut federation = Federation::found(&entries[0]).unwrap();
    for number in 0..parties {
        let envelope = sign(&federation, Author::Operator, admit(&name(number)), &operator());
        let entry = federation.authenticate(&envelope).unwrap().into_entry(1);
        federation.apply(entries.len() as u64, &entry).unwrap();
        entries.push(entry);
    }
    let mut tree = Tree::new();
    entries.iter().for_each(|entry| _ = tree.push(entry.record()));
    let signer = NoteSigner::new(origin(&federation), log_key().as_dalek().clone());
    let (origin, state) = (origin(&federation), *federation.digest().as_bytes());
    let checkpoint = Checkpoint { origin, size: tree.len(), root: tree.root(), state };
    store.append(0, &entries, &checkpoint.sign(&signer)).unwrap();
    genesis
}

fn open_on_disk(disk: &Disk, genesis: &Envelope, files: &Shelves) -> Ledger {
    let store = Box::new(open_on(disk.clone()).unwrap());
    Ledger::open(store, Arc::new(files.clone()), genesis, LogKeys::of([log_key()]), Arc::default())
        .unwrap()
}

/// What each of the crowd has to say.
fn statements(ledger: &Ledger) -> Vec<Envelope> {
    let federation = &ledger.standing().federation;
    let parties: Vec<&PartyId> = federation.charter().parties().keys().collect();
    let statement = |party_id: &&PartyId| {
        let author = party(party_id.as_str());
        let key = PrivateKey::from_seed(
            potluck_core::Blake3::of(party_id.as_str().repeat(2).as_bytes()).as_bytes(),
        );
        let body = witness_key(federation, &author, &key);
        sign(federation, author, body, &party_key(party_id.as_str()))
    };
    parties.iter().map(statement).collect()
}

#[test]
fn a_thousand_at_once_need_few_syncs_and_one_alone_needs_its_own() {
    let (disk, files) = (Disk::empty(), Shelves::default());
    let genesis = crowded(&open_on(disk.clone()).unwrap(), CROWD);
    let ledger = open_on_disk(&disk, &genesis, &files);
    let envelopes = statements(&ledger);
    let (alone, crowd) = envelopes.split_at(ALONE);

    let before = disk.syncs();
    for envelope in alone {
        ledger.record(warrant(&ledger, envelope)).unwrap();
    }
    let syncs = disk.syncs() - before;
    // One each, and what the store needs now and then to grow.
    assert!(
        2 * syncs <= 3 * ALONE as u64,
        "{syncs} syncs for {ALONE} appends, one after the other"
    );

    let (barrier, before) = (Barrier::new(crowd.len()), disk.syncs());
    let receipts: Vec<Receipt> = thread::scope(|scope| {
        let recording: Vec<_> = crowd
            .iter()
            .map(|envelope| {
                let warrant = warrant(&ledger, envelope);
                scope.spawn(|| {
                    barrier.wait();
                    ledger.record(warrant).unwrap().into_receipt()
                })
            })
            .collect();
        recording.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let syncs = disk.syncs() - before;
    // Some ten where nothing else runs; how many arrive while one sync is under way is the scheduler's.
    assert!(syncs < 200, "{syncs} syncs for {} appends", crowd.len());

    let mut places: Vec<u64> = receipts.iter().map(|receipt| receipt.index).collect();
    places.sort_unstable();
    let size = ledger.standing().federation.size();
    assert!(places.into_iter().eq((1 + CROWD + ALONE) as u64..size));
    for receipt in &receipts {
        assert!(verified(&ledger, receipt) <= size);
    }
    for (envelope, receipt) in crowd.iter().zip(&receipts) {
        assert_eq!(ledger.recorded(envelope).unwrap().unwrap().index(), receipt.index);
    }
    let reopened = open_on_disk(&Disk::of(disk.image().1), &genesis, &Shelves::default());
    assert_eq!(reopened.standing().checkpoint, ledger.standing().checkpoint);
}

#[test]
fn what_is_refused_takes_nobody_with_it() {
    let store = Memory::default();
    let genesis = crowded(&store, 40);
    let ledger = open_with(&store, &genesis).unwrap();
    let good = statements(&ledger);
    let (refused, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let barrier = Barrier::new(2 * good.len());
    thread::scope(|scope| {
        for envelope in good.iter().chain(&good) {
            // Everybody comes twice; half of them with an opening of a round that cannot be.
            let first = warrant(&ledger, envelope);
            let body = open_round(1);
            let rival = warrant(&ledger, &signed(&ledger, body));
            let (ledger, refused, taken, barrier) = (&ledger, &refused, &taken, &barrier);
            scope.spawn(move || {
                barrier.wait();
                assert_eq!(ledger.record(rival).unwrap_err().code, Code::RoundWrong);
                refused.fetch_add(1, Ordering::SeqCst);
                let receipt = ledger.record(first).unwrap().into_receipt();
                verified(ledger, &receipt);
                taken.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    assert_eq!((refused.into_inner(), taken.into_inner()), (80, 80));
    assert_eq!(ledger.standing().federation.size(), 1 + 40 + 40);
    invariant_the_folder_is_the_ledger(&ledger);
    let after = open_with(&store, &genesis).unwrap().standing();
    assert_eq!(after.checkpoint, ledger.standing().checkpoint);
}
