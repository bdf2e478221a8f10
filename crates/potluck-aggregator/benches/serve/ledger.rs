//! A federation's folder with a long ledger, as years of use would leave it: experts that are handed in again and again, a
//! round every thousand entries, and whatever else is short.
//!
//! Its experts' files were never anywhere, so that it can be asked and not loaded. The aggregator replays it when it starts.

use std::fs;
use std::path::{Path, PathBuf};

use potluck_aggregator::config::Limits;
use potluck_aggregator::store::Store;
use potluck_aggregator::store::ledger::{LedgerStore as _, RedbLedger};
use potluck_core::entry::{
    Admit, Genesis, OpenRound, Publish, Reinstate, Reveal, Submission, Suspend,
};
use potluck_core::envelope::Domain;
use potluck_core::federation::{Round, genesis_entry};
use potluck_core::manifest::WEIGHTS;
use potluck_core::{
    Author, Blake3, Body, Charter, Entry, Envelope, Federation, FileEntry, Keys, Kind, Manifest,
    Sha256, Statement,
};
use potluck_log::{Checkpoint, Frontier, NoteSigner};
use serde_json::{Value, json};

use self::federation::{key, now, party, sign};

#[path = "../ledger/federation.rs"]
#[expect(dead_code, reason = "its genesis is of the other bench")]
mod federation;

/// With experts; one more is suspended and reinstated.
const PARTIES: usize = 3;

/// Between the openings of two rounds.
const ENTRIES_A_ROUND: usize = 1000;

/// Entries that are written at once.
const BATCH: usize = 2000;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder, which is not there yet
    #[arg(long)]
    dir: PathBuf,
    /// How many entries
    #[arg(long, default_value_t = 100_000)]
    entries: usize,
    /// Where the server shall be asked
    #[arg(long)]
    http: String,
}

pub(crate) fn run(args: &Args) -> Value {
    let home = &args.dir;
    fs::create_dir_all(home.join("keys")).unwrap();
    fs::create_dir_all(home.join("base")).unwrap();
    fs::write(home.join("base").join(WEIGHTS), base()).unwrap();
    fs::write(home.join("keys/log.pem"), key("log").to_pem().as_bytes()).unwrap();
    let genesis = genesis();
    fs::write(home.join("genesis.json"), genesis.as_bytes()).unwrap();
    let settings = format!(
        "listen = \"127.0.0.1:0\"\n[http]\nlisten = \"{}\"\nrequests_per_second = 0\n",
        args.http
    );
    fs::write(home.join("aggregator.toml"), settings).unwrap();
    let mut story = Story::begin(&home.join("store"), &genesis);
    for number in story.federation.size() as usize..args.entries {
        let (author, body) = story.next(number);
        story.say(author, body);
        if story.waiting.len() == BATCH {
            story.write();
        }
    }
    story.write();
    json!({"entries": story.federation.size(), "rounds": story.federation.rounds().len()})
}

/// One weight, that a base may have.
fn base() -> Vec<u8> {
    let header = r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), &1f32.to_le_bytes()].concat()
}

fn file(bytes: &[u8]) -> FileEntry {
    let (blake3, sha256) = (Blake3::of(bytes), Sha256::of(bytes));
    FileEntry { path: WEIGHTS.to_owned(), size: bytes.len() as u64, blake3, sha256 }
}

fn genesis() -> Envelope {
    let seats: String = (0..=PARTIES).map(|n| format!("[parties.p{n}]\nweight = 1\n")).collect();
    let charter = format!(
        "name = 'bench'\nrule = 'mean'\n{seats}[access]\nexperts = 'anyone'\nsoups = 'anyone'\n"
    );
    let genesis = Genesis {
        charter: Charter::from_toml(&charter).unwrap(),
        operator: key("operator").public(),
        log: key("log").public(),
        base: Manifest::new(vec![file(&base())]).unwrap(),
        nonce: Blake3::of(b"nonce"),
    };
    let body = Body::Genesis(Box::new(genesis));
    let statement = Statement { author: Author::Operator, sequence: 0, previous: None, body };
    let domain = Domain { kind: Kind::Genesis, federation: None };
    Envelope::sign(domain, statement.to_payload(), &key("operator")).unwrap()
}

/// What was said so far, and what of it is not written yet.
struct Story {
    federation: Federation,
    tree: Frontier,
    waiting: Vec<Entry>,
    store: RedbLedger,
    _lock: Store,
}

impl Story {
    fn begin(store: &Path, genesis: &Envelope) -> Self {
        let (lock, store) = Store::open(store, &Limits::default()).unwrap();
        let first = genesis_entry(genesis, now()).unwrap();
        let federation = Federation::found(&first).unwrap();
        let mut tree = Frontier::new();
        tree.push(first.record()).unwrap();
        let mut story = Self { federation, tree, waiting: vec![first], store, _lock: lock };
        for number in 0..=PARTIES {
            let keys = Keys::signing(key(party(number).as_str()).public());
            story.say(Author::Operator, Body::Admit(Admit { party: party(number), keys }));
        }
        story
    }

    /// What is said at place `number`, and by whom.
    fn next(&self, number: usize) -> (Author, Body) {
        match self.federation.rounds().last().filter(|round| round.soup.is_none()) {
            Some(open) => self.step(open),
            None if number.is_multiple_of(ENTRIES_A_ROUND) => {
                let round = self.federation.rounds().len() as u64 + 1;
                (Author::Operator, Body::OpenRound(OpenRound { round }))
            }
            None => match number % 8 {
                turn @ 0..PARTIES => (Author::Party(party(turn)), self.submission(number)),
                _ => (Author::Operator, self.turn()),
            },
        }
    }

    /// The next step of a round.
    fn step(&self, open: &Round) -> (Author, Body) {
        let round = open.number;
        if open.agreement.is_some() {
            let recipe = self.federation.recipe(open).unwrap();
            let soup = file(&round.to_be_bytes());
            return (Author::Operator, Body::Publish(Publish { round, recipe, soup }));
        }
        let silent = open.experts.keys().find(|party| !open.proposals.contains_key(*party));
        // Another agreement in each round, so that its soup is another, too.
        let lambda = format!("p0={},p1={},p2=500000", 100_000 + round, 400_000 - round);
        let body = Body::Reveal(Reveal { round, lambda: lambda.parse().unwrap(), nonce: None });
        (Author::Party(silent.unwrap().clone()), body)
    }

    fn submission(&self, number: usize) -> Body {
        Body::Submit(Submission {
            base: self.federation.base_weights().blake3,
            manifest: Manifest::new(vec![file(&number.to_be_bytes())]).unwrap(),
            reward_commitment: None,
        })
    }

    /// The one without an expert comes and goes.
    fn turn(&self) -> Body {
        let party = party(PARTIES);
        let member = self.federation.members().get(&Author::Party(party.clone())).unwrap();
        match member.suspended {
            None => Body::Suspend(Suspend { party, reason: "under review".to_owned() }),
            Some(_) => Body::Reinstate(Reinstate { party }),
        }
    }

    fn say(&mut self, author: Author, body: Body) {
        let name = author.to_string();
        let envelope = sign(&self.federation, author, body, &key(&name));
        let authentic = self.federation.authenticate(&envelope).unwrap();
        let (entry, _) = self.federation.take(authentic, now()).unwrap();
        self.tree.push(entry.record()).unwrap();
        self.waiting.push(entry);
    }

    /// Writes what waits, under a checkpoint over all.
    fn write(&mut self) {
        let checkpoint = Checkpoint {
            origin: "potluck/bench".parse().unwrap(),
            size: self.tree.size(),
            root: self.tree.root(),
            state: *self.federation.digest().as_bytes(),
        };
        let signer = NoteSigner::new(checkpoint.origin.clone(), key("log").as_dalek().clone());
        let first = self.tree.size() - self.waiting.len() as u64;
        self.store.append(first, &self.waiting, &checkpoint.sign(&signer)).unwrap();
        self.waiting.clear();
    }
}
