//! What signs the log's checkpoints: its key in force, and those before it that are still held, for readers who
//! pinned one of them and have not read yet that another took its place.

use potluck_core::{Federation, PublicKey};
use potluck_log::{Checkpoint, CheckpointError, NoteSigner, Origin, SignedCheckpoint, VerifierKey};

use crate::log_keys::LogKeys;

/// How many earlier keys sign beside the one in force. A note has room for 64 lines, and witnesses need it more.
const EARLIER: usize = 3;

/// The signers of one state of the federation.
pub(super) struct Signers {
    now: NoteSigner,
    earlier: Vec<NoteSigner>,
    /// Every key that was ever the log's, the latest first: what they signed is ours.
    known: Vec<VerifierKey>,
}

impl Signers {
    /// Those of this state; the key in force where it is not held.
    pub(super) fn of(federation: &Federation, keys: &LogKeys) -> Result<Self, Box<PublicKey>> {
        let origin = origin(federation);
        let signer = |key: &PublicKey| {
            let held = keys.find(key)?;
            Some(NoteSigner::new(origin.clone(), held.as_dalek().clone()))
        };
        let all: Vec<_> = federation.log_keys().map(|it| it.key).rev().collect();
        let now = signer(federation.log()).ok_or_else(|| Box::new(*federation.log()))?;
        let earlier = all.iter().skip(1).take(EARLIER).filter_map(signer).collect();
        let known = all.iter().map(|key| VerifierKey::new(origin.clone(), *key.as_dalek()));
        // A `PublicKey` is canonical and not weak, which is all that a verifier key asks.
        Ok(Self { now, earlier, known: known.filter_map(Result::ok).collect() })
    }

    /// Whether they are still those of this state.
    pub(super) fn are_of(&self, federation: &Federation) -> bool {
        self.now.verifier_key().public_key().as_bytes() == federation.log().as_bytes()
    }

    /// The key in force, by which an auditor knows the log.
    pub(super) fn verifier_key(&self) -> &VerifierKey {
        self.now.verifier_key()
    }

    /// Signs a checkpoint of this log.
    pub(super) fn sign(&self, checkpoint: Checkpoint) -> SignedCheckpoint {
        let signed = checkpoint.into_signed(&self.now, &self.earlier);
        signed.expect("it bears the name that all signers have, and is of a tree that could grow")
    }

    /// Opens a note that one of this log's keys signed.
    pub(super) fn open(&self, note: &str) -> Result<SignedCheckpoint, CheckpointError> {
        let opened = SignedCheckpoint::open(note, self.verifier_key());
        let earlier = || self.known.iter().find_map(|key| SignedCheckpoint::open(note, key).ok());
        opened.or_else(|error| earlier().ok_or(error))
    }
}

/// The log's name, which is also the name of the keys that sign for it.
pub(super) fn origin(federation: &Federation) -> Origin {
    let name = format!("potluck/{}", federation.charter().name());
    name.parse().expect("a federation's name is short and has no space, '+' or control character")
}
