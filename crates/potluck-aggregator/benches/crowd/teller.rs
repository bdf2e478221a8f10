//! Tells the ledger of the crowd, entry by entry, and writes it as a store has it.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use potluck_aggregator::config::Limits;
use potluck_aggregator::store::Store;
use potluck_aggregator::store::ledger::LedgerStore as _;
use potluck_core::entry::{
    Admit, Ballot, CommitScores, Genesis, Nominate, OpenRound, Publish, Reinstate, Reveal,
    RevealScores, Row, Submission, Suspend, ballot_commitment,
};
use potluck_core::envelope::Domain;
use potluck_core::federation::{Phase, genesis_entry};
use potluck_core::manifest::WEIGHTS;
use potluck_core::{
    Author, Blake3, Body, Charter, Entry, Envelope, Federation, FileEntry, Keys, Kind, Lambda,
    Manifest, PartyId, PrivateKey, Sha256, Statement,
};
use potluck_log::{Checkpoint, Frontier, NoteSigner};

/// As many as a dashboard draws at most.
pub(super) const PARTIES: usize = 8;

const BARGAIN: &str =
    "[bargain]\nbatches = 4\nnominations = 16\nfinalists = 0\nleast_prompts = 10\n";

pub(super) struct Teller {
    federation: Federation,
    entries: Vec<Entry>,
    time: u64,
    /// Counts what must differ from all before.
    turn: u64,
}

fn key(name: &str) -> PrivateKey {
    PrivateKey::from_seed(Blake3::of(name.as_bytes()).as_bytes())
}

fn party(number: usize) -> PartyId {
    format!("p{number}").parse().unwrap()
}

fn file(path: &str, content: &[u8]) -> FileEntry {
    FileEntry {
        path: path.to_owned(),
        size: content.len() as u64,
        blake3: Blake3::of(content),
        sha256: Sha256::of(content),
    }
}

/// A base of one weight.
fn weights() -> Vec<u8> {
    let header = r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(&1_f32.to_le_bytes());
    file
}

impl Teller {
    /// Founds it in a folder, and lets everybody in with an expert.
    pub(super) fn found(dir: &Path) -> Self {
        let seats: String = (0..PARTIES).map(|n| format!("[parties.p{n}]\nweight = 1\n")).collect();
        let charter = format!("name = 'crowd'\nrule = 'mean'\n{seats}{BARGAIN}");
        let genesis = Genesis {
            charter: Charter::from_toml(&charter).unwrap(),
            operator: key("operator").public(),
            log: key("log").public(),
            base: Manifest::new(vec![file("config.json", b"{}"), file(WEIGHTS, &weights())])
                .unwrap(),
            nonce: Blake3::of(b"nonce"),
        };
        let body = Body::Genesis(Box::new(genesis));
        let statement = Statement { author: Author::Operator, sequence: 0, previous: None, body };
        let domain = Domain { kind: Kind::Genesis, federation: None };
        let envelope = Envelope::sign(domain, statement.to_payload(), &key("operator")).unwrap();
        fs::create_dir_all(dir.join("keys")).unwrap();
        fs::write(dir.join("keys/log.pem"), key("log").to_pem()).unwrap();
        fs::write(dir.join("genesis.json"), envelope.as_bytes()).unwrap();
        fs::write(dir.join("base/config.json"), "{}").unwrap();
        fs::write(dir.join("base").join(WEIGHTS), weights()).unwrap();
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let first = genesis_entry(&envelope, time).unwrap();
        let federation = Federation::found(&first).unwrap();
        let mut teller = Self { federation, entries: vec![first], time, turn: 0 };
        for number in 0..PARTIES {
            let party = party(number);
            let keys = Keys::signing(key(party.as_str()).public());
            teller.say(Author::Operator, Body::Admit(Admit { party, keys }));
            teller.submit(number);
        }
        teller
    }

    pub(super) fn size(&self) -> u64 {
        self.federation.size()
    }

    /// How many mixtures were scored, in all rounds.
    pub(super) fn scored(&self) -> usize {
        let rounds = self.federation.rounds().iter().filter_map(|round| round.bargain.as_ref());
        rounds.map(|bargain| bargain.candidates.len()).sum()
    }

    fn say(&mut self, author: Author, body: Body) {
        let member = self.federation.members().get(&author);
        let (sequence, previous) =
            member.map_or((0, None), |member| (member.next, member.previous));
        let name = author.to_string();
        let statement = Statement { author, sequence, previous, body };
        let signer = key(&name);
        let envelope =
            potluck_interchange::seal(&self.federation, &statement, &signer, self.time).unwrap();
        let entry = self.federation.authenticate(&envelope).unwrap().into_entry(self.time);
        self.federation.apply(self.federation.size(), &entry).unwrap();
        self.entries.push(entry);
    }

    /// A party hands in an expert that was never there before.
    fn submit(&mut self, number: usize) {
        self.turn += 1;
        let body = Body::Submit(Submission {
            base: self.federation.base_weights().blake3,
            manifest: Manifest::new(vec![file(WEIGHTS, &self.turn.to_be_bytes())]).unwrap(),
            reward_commitment: None,
        });
        self.say(Author::Party(party(number)), body);
    }

    /// One round, from its opening to its soup.
    pub(super) fn round(&mut self, round: u64) {
        self.say(Author::Operator, Body::OpenRound(OpenRound { round }));
        loop {
            let charter = self.federation.charter().clone();
            let now = self.federation.rounds().last().unwrap();
            let phase = now.phase(&charter, self.time);
            let missing = now.missing(&charter, self.time).first().map(|it| (*it).clone());
            match (phase, missing) {
                (Phase::Over, _) => return,
                (Phase::Publish, _) => {
                    let recipe = self.federation.recipe(now).unwrap();
                    let soup = file(WEIGHTS, &round.to_be_bytes());
                    self.say(Author::Operator, Body::Publish(Publish { round, recipe, soup }));
                }
                (phase, Some(party)) => {
                    let body = self.words(phase, round, &party);
                    self.say(Author::Party(party), body);
                }
                (phase, None) => panic!("nobody is waited for in {phase:?}"),
            }
        }
    }

    fn words(&mut self, phase: Phase, round: u64, party: &PartyId) -> Body {
        let id = self.federation.id();
        let nonce = Blake3::of(format!("{round} {party}").as_bytes());
        match phase {
            Phase::Reveal => Body::Reveal(Reveal { round, lambda: self.lambda(), nonce: None }),
            Phase::Nominate => {
                let batch = self.batches() + 1;
                Body::Nominate(Nominate { round, batch, lambda: Some(self.lambda()) })
            }
            Phase::Score => {
                let (batch, ballot) = self.ballot(party);
                let commitment = ballot_commitment(id, (round, batch), party, &nonce, &ballot);
                Body::CommitScores(CommitScores { round, batch, commitment })
            }
            Phase::Show => {
                let (batch, ballot) = self.ballot(party);
                Body::RevealScores(RevealScores { round, batch, ballot, nonce })
            }
            other => panic!("{other:?} has no words"),
        }
    }

    fn batches(&self) -> u32 {
        let bargain = self.federation.rounds().last().unwrap().bargain.as_ref().unwrap();
        u32::try_from(bargain.batches.len()).unwrap()
    }

    /// Another λ each time.
    fn lambda(&mut self) -> Lambda {
        self.turn += 1;
        let digest = Blake3::of(&self.turn.to_be_bytes());
        let parts: Vec<u32> =
            digest.as_bytes()[..PARTIES].iter().map(|byte| 1 + u32::from(*byte)).collect();
        let sum: u32 = parts.iter().sum();
        let mut ppm: Vec<u32> = parts.iter().map(|part| part * (1_000_000 / sum)).collect();
        ppm[0] += 1_000_000 - ppm.iter().sum::<u32>();
        Lambda::new((0..PARTIES).map(party).zip(ppm).collect()).unwrap()
    }

    /// A party gains by its own share, and by others' shares next to it; the same when it binds itself and when it shows.
    fn ballot(&self, of: &PartyId) -> (u32, Ballot) {
        let bargain = self.federation.rounds().last().unwrap().bargain.as_ref().unwrap();
        let (number, batch) = bargain.batch().unwrap();
        let row = |candidate: &usize| {
            let lambda = &bargain.candidates[*candidate];
            let share = |party: &PartyId| {
                lambda.active().find(|(it, _)| *it == party).map_or(0, |(_, ppm)| i64::from(ppm))
            };
            let own = share(of);
            Row {
                score: 300_000 + own / 2 + (own * (1_000_000 - own)) / 1_000_000,
                error: 15_000,
                accept: true,
            }
        };
        let rows = batch.candidates.iter().map(row).collect();
        let least = self.federation.charter().bargain().unwrap().least_prompts;
        (number, Ballot { prompts: batch.prompts(least), rows })
    }

    /// Says what there is to say until the ledger has so many entries.
    pub(super) fn fill(&mut self, entries: u64) {
        let last = party(PARTIES - 1);
        while self.size() < entries {
            match self.size() % 8 {
                turn @ 0..3 => self.submit(usize::try_from(turn).unwrap()),
                _ => {
                    let author = Author::Party(last.clone());
                    let party = last.clone();
                    let is_suspended =
                        self.federation.members().get(&author).unwrap().suspended.is_some();
                    let body = if is_suspended {
                        Body::Reinstate(Reinstate { party })
                    } else {
                        Body::Suspend(Suspend { party, reason: "under review".to_owned() })
                    };
                    self.say(Author::Operator, body);
                }
            }
        }
    }

    /// Writes the ledger into the store of a folder, under a checkpoint of the log's key.
    pub(super) fn store(&self, dir: &Path) {
        let log = key("log");
        let signer = NoteSigner::new("potluck/crowd".parse().unwrap(), log.as_dalek().clone());
        let mut frontier = Frontier::new();
        for entry in &self.entries {
            frontier.push(entry.record()).unwrap();
        }
        let checkpoint = Checkpoint {
            origin: signer.verifier_key().name().clone(),
            size: frontier.size(),
            root: frontier.root(),
            state: *self.federation.digest().as_bytes(),
        };
        let (_store, ledger) = Store::open(&dir.join("store"), &Limits::default()).unwrap();
        ledger.append(0, &self.entries, checkpoint.sign(&signer).as_ref()).unwrap();
    }
}
