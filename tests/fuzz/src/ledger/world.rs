//! What the plays are set in: the committed ledger of `tests/vectors/ledger`, and two histories of one log.

use std::sync::OnceLock;

use ed25519_dalek::SigningKey;
use potluck_core::{Blake3, Entry, Federation, PrivateKey};
use potluck_log::{Checkpoint, Hash, NoteSigner, SignedCheckpoint, Tree};
use serde_json::Value;

/// The names whose BLAKE3 are the seeds of the committed ledger's keys.
pub(super) const NAMES: [&str; 9] =
    ["operator", "log", "a", "b", "a 2", "b 2", "a witness", "invite a", "stranger"];

pub(super) fn key(name: &str) -> PrivateKey {
    PrivateKey::from_seed(Blake3::of(name.as_bytes()).as_bytes())
}

/// The committed ledger, entry by entry, with the state before each and after the last.
pub(super) struct Story {
    pub(super) entries: Vec<Entry>,
    /// `states[n]` has taken in `n + 1` entries.
    pub(super) states: Vec<Federation>,
}

pub(super) fn story() -> &'static Story {
    static STORY: OnceLock<Story> = OnceLock::new();
    STORY.get_or_init(|| {
        let text = include_str!("../../../vectors/ledger/story.json");
        let story: Value = serde_json::from_str(text).unwrap();
        let half = |entry: &Value, name: &str| entry[name].as_str().unwrap().as_bytes().to_vec();
        let entry = |it: &Value| Entry::parse(&half(it, "record"), &half(it, "envelope")).unwrap();
        let entries: Vec<_> = story["entries"].as_array().unwrap().iter().map(entry).collect();
        let mut federation = Federation::found(&entries[0]).unwrap();
        let mut states = vec![federation.clone()];
        for (index, entry) in entries.iter().enumerate().skip(1) {
            federation.apply(index as u64, entry).unwrap();
            states.push(federation.clone());
        }
        Story { entries, states }
    })
}

/// How many leaves the two histories have.
pub(super) const LEAVES: u64 = 24;

/// The first leaf that is another in the second history.
pub(super) const FORK: u64 = 7;

/// Two histories of one log, and what it signed of each.
pub(super) struct Histories {
    pub(super) trees: [Tree; 2],
    /// By history, size and state, of which there are two.
    signed: Vec<SignedCheckpoint>,
    /// Roots and leaves of both: what a proof might be made of.
    pub(super) hashes: Vec<Hash>,
}

/// The log's key. Made once: a play of many requests would else do little but make it again.
pub(super) fn signer() -> &'static NoteSigner {
    static SIGNER: OnceLock<NoteSigner> = OnceLock::new();
    SIGNER.get_or_init(|| {
        NoteSigner::new("example.org/log".parse().unwrap(), SigningKey::from_bytes(&[1; 32]))
    })
}

pub(super) fn record(history: usize, leaf: u64) -> Vec<u8> {
    if history == 1 && leaf >= FORK {
        return format!("another {leaf}").into_bytes();
    }
    format!("record {leaf}").into_bytes()
}

pub(super) fn histories() -> &'static Histories {
    static HISTORIES: OnceLock<Histories> = OnceLock::new();
    HISTORIES.get_or_init(|| {
        let mut trees = [Tree::new(), Tree::new()];
        for (history, tree) in trees.iter_mut().enumerate() {
            (0..LEAVES).for_each(|leaf| _ = tree.push(&record(history, leaf)));
        }
        let mut signed = Vec::new();
        let mut hashes = Vec::new();
        for tree in &trees {
            for size in 0..=LEAVES {
                let root = tree.root_at(size).unwrap();
                hashes.push(root);
                signed.extend([0, 1].map(|state| checkpoint(size, root, [state; 32])));
            }
        }
        let leaves = (0..2).flat_map(|history| (0..LEAVES).map(move |leaf| record(history, leaf)));
        hashes.extend(leaves.map(|record| potluck_log::leaf_hash(&record)));
        Histories { trees, signed, hashes }
    })
}

impl Histories {
    pub(super) fn signed(&self, history: usize, size: u64, state: u8) -> &SignedCheckpoint {
        &self.signed[(history * (LEAVES as usize + 1) + size as usize) * 2 + usize::from(state)]
    }

    pub(super) fn root(&self, history: usize, size: u64) -> Hash {
        self.trees[history].root_at(size).unwrap()
    }
}

fn checkpoint(size: u64, root: Hash, state: [u8; 32]) -> SignedCheckpoint {
    let signer = signer();
    let origin = signer.verifier_key().name().clone();
    let note = Checkpoint { origin, size, root, state }.sign(signer);
    SignedCheckpoint::open(&note, signer.verifier_key()).unwrap()
}
