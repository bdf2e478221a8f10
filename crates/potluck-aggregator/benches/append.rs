//! How fast the ledger takes entries, on a real disk: by how many come at once.
//!
//! ```text
//! cargo bench -p potluck-aggregator --bench append [-- DIR]
//! threads  appends/s  commits  ms at the median  ms at the 99th of 100
//! ```
//!
//! Each thread is a party that replaces its witness key again and again: the smallest entry that many authors can
//! make at the same time. DIR is where the store is put, which should lie on the disk that is meant; the system's
//! folder for temporary files otherwise. Signing is done by the parties, and is not measured.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on stops")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use potluck_aggregator::config::Limits;
use potluck_aggregator::ledger::Ledger;
use potluck_aggregator::store::Store;
use potluck_aggregator::store::ledger::{LedgerStore, LedgerStoreError, RedbLedger, Window};
use potluck_aggregator::submission::record::{Plain, Warrant};
use potluck_core::entry::{Admit, Genesis, RotateKey, possession_text};
use potluck_core::envelope::Domain;
use potluck_core::manifest::WEIGHTS;
use potluck_core::{
    Author, Blake3, Body, Charter, Entry, Envelope, Federation, FileEntry, Keys, Kind, Manifest,
    PartyId, PrivateKey, Role, Sha256, Signature, Statement,
};
use potluck_net::archive::Folder;

/// How many come at once.
const THREADS: [usize; 5] = [1, 4, 16, 64, 256];

/// Appends of one row, shared by its threads.
const APPENDS: usize = 1024;

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

fn main() {
    // `cargo bench` adds a flag of its own.
    let dir = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let dir = dir.map_or_else(std::env::temp_dir, PathBuf::from);
    println!("threads  appends/s  commits  median ms  99th ms");
    for threads in THREADS {
        row(&dir, threads);
    }
}

fn row(dir: &Path, threads: usize) {
    let folder = tempfile::tempdir_in(dir).unwrap();
    let (_store, entries) = Store::open(folder.path(), &Limits::default()).unwrap();
    let commits = Arc::new(AtomicU64::new(0));
    let store = Box::new(Counted(entries, Arc::clone(&commits)));
    let files = Arc::new(Folder::new(&folder.path().join("log")));
    let ledger =
        Ledger::open(store, files, &genesis(threads), &key("log"), Arc::default()).unwrap();
    for number in 0..threads {
        let name = party(number);
        let keys = Keys::signing(key(name.as_str()).public());
        let federation = ledger.standing().federation.clone();
        let body = Body::Admit(Admit { party: name, keys });
        say(&ledger, &sign(&federation, Author::Operator, body, &key("operator")));
    }
    commits.store(0, Ordering::Relaxed);
    let (barrier, began) = (Barrier::new(threads), Instant::now());
    let mut took: Vec<Duration> = thread::scope(|scope| {
        let one = |number| {
            let (ledger, barrier) = (&ledger, &barrier);
            scope.spawn(move || replace_keys(ledger, number, APPENDS / threads, barrier))
        };
        let all: Vec<_> = (0..threads).map(one).collect();
        all.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let whole = began.elapsed().as_secs_f64();
    took.sort_unstable();
    let ms = |at: usize| took[at.min(took.len() - 1)].as_secs_f64() * 1e3;
    println!(
        "{threads:7}  {:9.0}  {:7}  {:9.2}  {:7.2}",
        took.len() as f64 / whole,
        commits.load(Ordering::Relaxed),
        ms(took.len() / 2),
        ms(took.len() * 99 / 100),
    );
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
        let body = Body::RotateKey(RotateKey { role, key: new.public(), proof });
        let envelope = sign(federation, author.clone(), body, &key(name.as_str()));
        say(ledger, &envelope)
    };
    (0..count).map(append).collect()
}

/// From an envelope to its receipt.
fn say(ledger: &Ledger, envelope: &Envelope) -> Duration {
    let began = Instant::now();
    let authentic = ledger.standing().federation.authenticate(envelope).unwrap();
    ledger.record(Warrant::Plain(Plain::new(authentic).unwrap())).unwrap();
    began.elapsed()
}

fn key(name: &str) -> PrivateKey {
    PrivateKey::from_seed(Blake3::of(name.as_bytes()).as_bytes())
}

fn party(number: usize) -> PartyId {
    format!("p{number}").parse().unwrap()
}

fn genesis(parties: usize) -> Envelope {
    let seats: String = (0..parties).map(|n| format!("[parties.p{n}]\nweight = 1\n")).collect();
    let (blake3, sha256) = (Blake3::of(b""), Sha256::of(b""));
    let base = FileEntry { path: WEIGHTS.into(), size: 0, blake3, sha256 };
    let genesis = Genesis {
        charter: Charter::from_toml(&format!("name = 'bench'\nrule = 'mean'\n{seats}")).unwrap(),
        operator: key("operator").public(),
        log: key("log").public(),
        base: Manifest::new(vec![base]).unwrap(),
        nonce: Blake3::of(b"nonce"),
    };
    let body = Body::Genesis(Box::new(genesis));
    let statement = Statement { author: Author::Operator, sequence: 0, previous: None, body };
    let domain = Domain { kind: Kind::Genesis, federation: None };
    Envelope::sign(domain, statement.to_payload(), &key("operator")).unwrap()
}

fn sign(federation: &Federation, author: Author, body: Body, key: &PrivateKey) -> Envelope {
    let member = federation.members().get(&author);
    let (sequence, previous) = member.map_or((0, None), |member| (member.next, member.previous));
    let domain = federation.domain(body.kind());
    let statement = Statement { author, sequence, previous, body };
    Envelope::sign(domain, statement.to_payload(), key).unwrap()
}
