//! Appends: what one costs beside the fsync that it needs, and how many share one when they come together.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use potluck_aggregator::config::Limits;
use potluck_aggregator::ledger::Ledger;
use potluck_aggregator::log_keys::LogKeys;
use potluck_aggregator::store::Store;
use potluck_aggregator::store::ledger::{LedgerStore, LedgerStoreError, RedbLedger, Window};
use potluck_aggregator::submission::record::{Plain, Warrant};
use potluck_core::entry::{Admit, Reinstate, RotateKey, Suspend, possession_text};
use potluck_core::{Author, Body, Entry, Envelope, Keys, Role, Sha256, Signature};
use potluck_net::archive::Folder;

use super::federation::{self, key, party, sign};

/// Appends of one row, shared by its threads.
const APPENDS: usize = 1000;

/// One append after the other, to its receipt, at the median, in seconds, and how many commits each took. The
/// entries are suspensions and their ends, so that the state stays as small as it is.
pub(super) fn alone(dir: &Path) -> (f64, f64) {
    let folder = fresh(dir);
    let (_store, entries) = Store::open(&folder, &Limits::default()).unwrap();
    let commits = Arc::new(AtomicU64::new(0));
    let store = Box::new(Counted(entries, Arc::clone(&commits)));
    let files = Arc::new(Folder::new(&folder.join("log")));
    let ledger = Ledger::open(
        store,
        files,
        &federation::genesis(1),
        LogKeys::of([key("log")]),
        Arc::default(),
    )
    .unwrap();
    let operator = |body| {
        let federation = ledger.standing().federation.clone();
        say(&ledger, &sign(&federation, Author::Operator, body, &key("operator")))
    };
    let keys = Keys::signing(key(party(0).as_str()).public());
    operator(Body::Admit(Admit { party: party(0), keys }));
    commits.store(0, Ordering::Relaxed);
    let turn = |turn| match turn % 2 {
        0 => Body::Suspend(Suspend { party: party(0), reason: "under review".to_owned() }),
        _ => Body::Reinstate(Reinstate { party: party(0) }),
    };
    let mut took: Vec<Duration> = (0..APPENDS).map(|number| operator(turn(number))).collect();
    took.sort_unstable();
    let commits = commits.load(Ordering::Relaxed) as f64 / APPENDS as f64;
    (took[took.len() / 2].as_secs_f64(), commits)
}

/// What so many threads took.
pub(super) struct Row {
    pub(super) threads: usize,
    pub(super) appends: usize,
    pub(super) commits: u64,
    pub(super) seconds: f64,
}

/// A folder that is left to whoever gave `dir`: a file system that is busy with what was just deleted (ext4 passes
/// over such inodes for some seconds) would be measured instead.
fn fresh(dir: &Path) -> PathBuf {
    tempfile::tempdir_in(dir).unwrap().keep()
}

/// Pages that one commit of one entry writes, here and there in the store's file (as `strace` shows them): leaves
/// and roots of four trees, and the header.
const PAGES: u64 = 10;

/// Pages of the file among which they lie.
const FILE: u64 = 400;

/// The writes of one commit, bare, and their fsync, at the median, in seconds.
pub(super) fn fsync(dir: &Path) -> f64 {
    let folder = fresh(dir);
    let file = File::create(folder.join("pages")).unwrap();
    file.write_all_at(&vec![0; FILE as usize * PAGE], 0).unwrap();
    file.sync_all().unwrap();
    let once = |number: u64| {
        let began = Instant::now();
        for page in 0..PAGES {
            // A stride that has no factor in common with the file's length.
            let place = (number * PAGES + page) * 37 % FILE;
            file.write_all_at(&[number as u8; PAGE], place * PAGE as u64).unwrap();
        }
        file.sync_data().unwrap();
        began.elapsed()
    };
    let mut took: Vec<Duration> = (0..APPENDS as u64).map(once).collect();
    took.sort_unstable();
    took[took.len() / 2].as_secs_f64()
}

const PAGE: usize = 4096;

/// The store, with its commits counted.
struct Counted(RedbLedger, Arc<AtomicU64>);

impl LedgerStore for Counted {
    fn page(&self, from: u64, window: Window) -> Result<Vec<Entry>, LedgerStoreError> {
        self.0.page(from, window)
    }

    fn index_of(&self, envelope: Sha256) -> Result<Option<u64>, LedgerStoreError> {
        self.0.index_of(envelope)
    }

    fn checkpoint(&self) -> Result<Option<String>, LedgerStoreError> {
        self.0.checkpoint()
    }

    fn append(&self, first: u64, entries: &[Entry], note: &str) -> Result<(), LedgerStoreError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.append(first, entries, note)
    }

    fn cosigned(&self) -> Result<Vec<String>, LedgerStoreError> {
        self.0.cosigned()
    }

    fn keep_cosigned(&self, size: u64, note: &str, drop: &[u64]) -> Result<(), LedgerStoreError> {
        self.0.keep_cosigned(size, note, drop)
    }
}

/// One row: `threads` parties at once.
pub(super) fn row(dir: &Path, threads: usize) -> Row {
    let folder = fresh(dir);
    let (_store, entries) = Store::open(&folder, &Limits::default()).unwrap();
    let commits = Arc::new(AtomicU64::new(0));
    let store = Box::new(Counted(entries, Arc::clone(&commits)));
    let files = Arc::new(Folder::new(&folder.join("log")));
    let ledger = Ledger::open(
        store,
        files,
        &federation::genesis(threads),
        LogKeys::of([key("log")]),
        Arc::default(),
    )
    .unwrap();
    for number in 0..threads {
        let name = party(number);
        let keys = Keys::signing(key(name.as_str()).public());
        let federation = ledger.standing().federation.clone();
        let body = Body::Admit(Admit { party: name, keys });
        say(&ledger, &sign(&federation, Author::Operator, body, &key("operator")));
    }
    commits.store(0, Ordering::Relaxed);
    let (barrier, began) = (Barrier::new(threads), Instant::now());
    let took: Vec<Duration> = thread::scope(|scope| {
        let one = |number| {
            let (ledger, barrier) = (&ledger, &barrier);
            scope.spawn(move || replace_keys(ledger, number, APPENDS / threads, barrier))
        };
        let all: Vec<_> = (0..threads).map(one).collect();
        all.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let whole = began.elapsed().as_secs_f64();
    Row { threads, appends: took.len(), commits: commits.load(Ordering::Relaxed), seconds: whole }
}

/// What one party does: so many new keys, one after the other; how long each took.
fn replace_keys(ledger: &Ledger, number: usize, count: usize, barrier: &Barrier) -> Vec<Duration> {
    let (name, author) = (party(number), Author::Party(party(number)));
    barrier.wait();
    let append = |turn: usize| {
        let standing = ledger.standing();
        let (federation, role) = (&standing.federation, Role::Witness);
        let new = key(&format!("{name} {turn}"));
        let text = possession_text(federation.id(), &author, role, &new.public());
        let proof = Signature::from_bytes(new.sign(text.as_bytes()));
        let body = Body::RotateKey(RotateKey { role, key: new.public(), proof, handover: None });
        let envelope = sign(federation, author.clone(), body, &key(name.as_str()));
        say(ledger, &envelope)
    };
    (0..count).map(append).collect()
}

/// From a statement that was authenticated to its receipt.
fn say(ledger: &Ledger, envelope: &Envelope) -> Duration {
    let authentic = ledger.standing().federation.authenticate(envelope).unwrap();
    let warrant = Warrant::Plain(Plain::new(authentic).unwrap());
    let began = Instant::now();
    ledger.record(warrant).unwrap();
    began.elapsed()
}
