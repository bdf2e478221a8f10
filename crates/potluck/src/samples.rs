//! A small federation for tests, made with the rules alone: two parties, one round, one soup.

pub(crate) mod bargain;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use potluck_core::entry::{
    Admit, Genesis, Keys, OpenRound, Publish, Reveal, RotateKey, Submission, handover_text,
    possession_text,
};
use potluck_core::envelope::Domain;
use potluck_core::federation::genesis_entry;
use potluck_core::manifest::WEIGHTS;
use potluck_core::{
    Author, Blake3, Body, Charter, Entry, Envelope, Federation, FileEntry, Kind, Manifest, PartyId,
    PrivateKey, Role, Sha256, Signature, Statement,
};
use potluck_interchange::seal;
use potluck_log::{Checkpoint, NoteSigner, SignedCheckpoint, TlogProof, Tree, VerifierKey};

use potluck_net::archive::ArchiveWriter;
use potluck_net::{LedgerPage, Receipt};

use crate::failure::Failure;
use crate::ledger::{Followed, Leaves, Ledger, Replay, Source, Visit};

const CHARTER: &str =
    "name = 'news'\nrule = 'mean'\n[parties.agency]\nweight = 1\n[parties.readers]\nweight = 1\n";

/// The same with both parties as witnesses of what is published.
pub(crate) const WITNESSED: &str = "name = 'news'\nrule = 'mean'\n[parties.agency]\nweight = 1\n[parties.readers]\nweight = 1\n[witnesses]\nquorum = 2\n";

/// When the story begins.
pub(crate) const TIME: u64 = 1_700_000_000;

/// A federation beside the entries from which it came.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    federation: Federation,
    pub(crate) entries: Vec<Entry>,
    /// What the log states for the next entry.
    pub(crate) time: u64,
    /// What its author's clock says when it signs it.
    pub(crate) signed_at: u64,
    /// Whose keys sign its checkpoints: the log's first is called so.
    pub(crate) log: Vec<&'static str>,
    /// What the log serves as the latest cosigned checkpoint.
    pub(crate) cosigned: Option<String>,
}

pub(crate) fn file(path: &str, content: &str) -> FileEntry {
    let bytes = content.as_bytes();
    FileEntry {
        path: path.into(),
        size: bytes.len() as u64,
        blake3: Blake3::of(bytes),
        sha256: Sha256::of(bytes),
    }
}

/// A safetensors file with this metadata, of tensors by name, dtype, dimensions and bytes.
pub(crate) fn weights(metadata: &str, tensors: &[(&str, &str, &str, &[u8])]) -> Vec<u8> {
    let (mut header, mut data) = (format!(r#"{{"__metadata__":{metadata}"#), Vec::new());
    for (name, dtype, shape, bytes) in tensors {
        let (begin, end) = (data.len(), data.len() + bytes.len());
        header += &format!(
            r#","{name}":{{"dtype":"{dtype}","shape":[{shape}],"data_offsets":[{begin},{end}]}}"#
        );
        data.extend_from_slice(bytes);
    }
    header.push('}');
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat()
}

/// Signs, and says the same thing the same way again: a short-lived key is chosen by chance, and a history made
/// twice is to be the same.
fn sealed(federation: &Federation, statement: &Statement, key: &PrivateKey, now: u64) -> Envelope {
    static SAID: Mutex<BTreeMap<String, Envelope>> = Mutex::new(BTreeMap::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    let what = format!("{} {now} {statement:?}", federation.digest());
    let first = || seal(federation, statement, key, now).unwrap();
    said.entry(what).or_insert_with(first).clone()
}

fn key(name: &str) -> PrivateKey {
    PrivateKey::from_seed(Blake3::of(name.as_bytes()).as_bytes())
}

/// Signs, and witnesses with another key.
fn keys(name: &str) -> Keys {
    let witness = Some(witness_key(name).public());
    Keys { witness, ..Keys::signing(key(name).public()) }
}

/// A party's witness key.
pub(crate) fn witness_key(name: &str) -> PrivateKey {
    key(&format!("{name}'s witness"))
}

fn log(name: &str) -> NoteSigner {
    NoteSigner::new("potluck/news".parse().unwrap(), key(name).as_dalek().clone())
}

impl Story {
    /// The genesis alone.
    pub(crate) fn founded() -> Self {
        Self::founded_with(CHARTER)
    }

    pub(crate) fn founded_with(charter: &str) -> Self {
        let files = vec![file(WEIGHTS, "base"), file("config.json", "{}")];
        let genesis = Genesis {
            charter: Charter::from_toml(charter).unwrap(),
            operator: key("operator").public(),
            log: key("log").public(),
            base: Manifest::new(files).unwrap(),
            nonce: Blake3::from_bytes([0; 32]),
        };
        let body = Body::Genesis(Box::new(genesis));
        let statement = Statement { author: Author::Operator, sequence: 0, previous: None, body };
        let domain = Domain { kind: Kind::Genesis, federation: None };
        let envelope = Envelope::sign(domain, statement.to_payload(), &key("operator")).unwrap();
        let genesis = genesis_entry(&envelope, TIME).unwrap();
        Self {
            federation: Federation::found(&genesis).unwrap(),
            entries: vec![genesis],
            time: TIME,
            signed_at: TIME,
            log: vec!["log"],
            cosigned: None,
        }
    }

    /// Both parties in, round 1 open over both experts.
    pub(crate) fn with_round() -> Self {
        Self::founded().joined()
    }

    fn joined(self) -> Self {
        let mut story = self;
        for name in ["agency", "readers"] {
            let party: PartyId = name.parse().unwrap();
            story.say("operator", Body::Admit(Admit { party, keys: keys(name) }));
        }
        for name in ["agency", "readers"] {
            story.submit(name, name);
        }
        story.say("operator", Body::OpenRound(OpenRound { round: 1 }));
        story
    }

    /// Round 1 agreed on and its soup published.
    pub(crate) fn published() -> Self {
        Self::with_round().concluded()
    }

    /// The same under another charter.
    pub(crate) fn published_with(charter: &str) -> Self {
        Self::founded_with(charter).joined().concluded()
    }

    fn concluded(self) -> Self {
        let mut story = self;
        story.propose("agency", "agency=0.75,readers=0.25");
        story.propose("readers", "agency=0.25,readers=0.75");
        story.publish();
        story
    }

    pub(crate) fn submit(&mut self, party: &str, content: &str) {
        let manifest = Manifest::new(vec![file(WEIGHTS, content)]).unwrap();
        let base = self.federation.base_weights().blake3;
        self.say(party, Body::Submit(Submission { base, manifest, reward_commitment: None }));
    }

    pub(crate) fn propose(&mut self, party: &str, lambda: &str) {
        self.say(
            party,
            Body::Reveal(Reveal { round: 1, lambda: lambda.parse().unwrap(), nonce: None }),
        );
    }

    pub(crate) fn publish(&mut self) {
        let recipe = self.federation.recipe(self.federation.rounds().last().unwrap()).unwrap();
        let soup = file(WEIGHTS, "soup");
        self.say("operator", Body::Publish(Publish { round: 1, recipe, soup }));
    }

    fn say(&mut self, who: &str, body: Body) {
        let author = match who {
            "operator" => Author::Operator,
            party => Author::Party(party.parse().unwrap()),
        };
        let chain = self.federation.members().get(&author).unwrap();
        let (sequence, previous) = (chain.next, chain.previous);
        let statement = Statement { author, sequence, previous, body };
        let envelope = sealed(&self.federation, &statement, &key(who), self.signed_at);
        let entry = self.federation.authenticate(&envelope).unwrap().into_entry(self.time);
        self.federation.apply(self.federation.size(), &entry).unwrap();
        self.entries.push(entry);
    }

    pub(crate) fn federation(&self) -> &Federation {
        &self.federation
    }

    /// The log's key, as it is pinned.
    pub(crate) fn log_key() -> VerifierKey {
        Self::log_key_of("log")
    }

    /// A key that the log may have later.
    pub(crate) fn log_key_of(name: &str) -> VerifierKey {
        log(name).verifier_key().clone()
    }

    /// The log's key hands over to another; the old one signs no more.
    pub(crate) fn hand_over(&mut self, new: &'static str) {
        let (id, author, role) = (self.federation.id(), Author::Operator, Role::Log);
        let (old, key) = (key(self.log.last().unwrap()), key(new));
        let public = key.public();
        let proof = key.sign(possession_text(id, &author, role, &public).as_bytes());
        let handover = old.sign(handover_text(id, &old.public(), &public).as_bytes());
        let (proof, handover) = (Signature::from_bytes(proof), Signature::from_bytes(handover));
        let rotate = RotateKey { role, key: public, proof, handover: Some(handover) };
        self.say("operator", Body::RotateKey(rotate));
        self.log = vec![new];
    }

    /// The checkpoint that the log signs over these entries.
    pub(crate) fn checkpoint(&self) -> SignedCheckpoint {
        self.checkpoint_with(self.entries.len(), *self.federation.digest().as_bytes())
    }

    /// A checkpoint that the log signs over the first entries, with any state.
    pub(crate) fn checkpoint_with(&self, size: usize, state: [u8; 32]) -> SignedCheckpoint {
        let mut tree = Tree::new();
        for entry in &self.entries[..size] {
            tree.push(entry.record());
        }
        let origin = "potluck/news".parse().unwrap();
        let checkpoint = Checkpoint { origin, size: tree.len(), root: tree.root(), state };
        let signers: Vec<_> = self.log.iter().map(|name| log(name)).collect();
        checkpoint.into_signed(&signers[0], &signers[1..]).unwrap()
    }

    /// As a reader holds it.
    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::of(self.followed(), None).unwrap()
    }

    /// As it is right after it was followed from the genesis.
    pub(crate) fn followed(&self) -> Followed {
        let mut replay = Replay::found(&self.entries[0], Leaves::Dropped).unwrap();
        for entry in &self.entries[1..] {
            replay.apply(entry).unwrap();
        }
        Followed { replay, checkpoint: self.checkpoint(), cosigned: None }
    }

    /// The log's receipt for an entry.
    pub(crate) fn receipt(&self, index: u64) -> Receipt {
        let mut tree = Tree::new();
        for entry in &self.entries {
            tree.push(entry.record());
        }
        let inclusion = tree.inclusion(index, tree.len()).unwrap();
        let proof = TlogProof::new(index, inclusion, &self.checkpoint()).to_string();
        let record = self.entries[index as usize].record().to_vec();
        Receipt { index, record: String::from_utf8(record).unwrap(), proof }
    }
}

/// Serves a story, three entries a page.
impl Source for Story {
    async fn page(&self, from: u64) -> Result<LedgerPage, Failure> {
        let entries = self.entries.iter().skip(from as usize).take(3).cloned().collect();
        let checkpoint = self.checkpoint().note().to_owned();
        Ok(LedgerPage { checkpoint, cosigned: self.cosigned.clone(), entries })
    }
}

/// Runs what awaits nothing but itself.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Reads a story from its genesis, without a memory.
pub(crate) fn read_whole(story: &Story, visit: Visit<'_>) -> Result<Ledger, Failure> {
    block_on(Ledger::read_whole(story, &Story::log_key(), None, visit))
}

/// The same for what hands long work to other threads.
pub(crate) fn block_on_threads<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap().block_on(future)
}

/// Lays a story out as a mirror.
pub(crate) fn mirror_of(story: &Story, folder: &Path) {
    let mut writer = ArchiveWriter::begin(folder);
    story.entries.iter().for_each(|entry| writer.push(entry).unwrap());
    writer.seal(story.checkpoint().note()).unwrap();
}
