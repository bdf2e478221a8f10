//! Checkpoints (C2SP tlog-checkpoint): a log's size and root, signed.
//!
//! ```text
//! origin
//! size, decimal
//! base64(root)
//! potluck-state/1 hexadecimal(state)
//! <blank>
//! — origin base64(key id || signature)
//! ```
//!
//! The fourth line is an extension line: the digest of what replaying the log's entries must lead
//! to, under the same signature, so that a log cannot show two states for one root without leaving
//! proof of it. How a state is digested is not this room's business. Any other extension line, and
//! none at all, is refused: one checkpoint has one text. The rule that a log never signs two
//! inconsistent checkpoints is the signer's to keep; whoever reads them asks for a
//! [`ConsistencyProof`].
//!
//! [`ConsistencyProof`]: crate::ConsistencyProof

use std::fmt;

use crate::decimal;
use crate::hash::Hash;
use crate::key::{NoteSigner, VerifierKey};
use crate::note::{Note, NoteParseError, NoteSignature, NoteVerifyError, VerifiedText};
use crate::origin::Origin;
use crate::tree::MAX_TREE_SIZE;

/// What the extension line begins with: kind and version.
const STATE_PREFIX: &str = "potluck-state/1 ";

/// What a checkpoint says; as a bare value nobody has vouched for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log that speaks.
    pub origin: Origin,
    /// How many leaves its tree has, at most [`MAX_TREE_SIZE`].
    pub size: u64,
    /// The root of that tree.
    pub root: Hash,
    /// The digest of the federation's state after those leaves, as replay must find it.
    pub state: [u8; 32],
}

/// Evidence: a checkpoint that the log's own key was checked to have signed, as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
    /// What `note` writes.
    text: String,
}

/// Why a note is no checkpoint of the log that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It is no note.
    #[error("the checkpoint is not a signed note")]
    Note(#[source] NoteParseError),
    /// The log's key did not sign it.
    #[error("the checkpoint is not the log's")]
    Signature(#[source] NoteVerifyError),
    /// The key signed it under another origin than its name.
    #[error("the checkpoint is for another log than {expected}")]
    OtherLog {
        /// The origin expected.
        expected: Origin,
    },
    /// It is signed, and its text is not the four lines of a checkpoint.
    #[error("the signed text is not a checkpoint of four lines: origin, size, root, state")]
    Body,
    /// It speaks of more leaves than [`MAX_TREE_SIZE`].
    #[error("a tree of {size} leaves is larger than any log")]
    TreeTooBig {
        /// The size claimed.
        size: u64,
    },
}

impl Checkpoint {
    /// Signs the checkpoint; the result is the text of a note.
    ///
    /// The signer's name must be the origin, or [`SignedCheckpoint::open`] refuses the note.
    pub fn sign(&self, signer: &NoteSigner) -> String {
        Note::sign(self.body(), signer).to_string()
    }

    /// Signs the checkpoint of the signer's own log; `earlier` are keys that this log had before, for readers who
    /// know no later one.
    ///
    /// The signatures just made are not verified.
    ///
    /// # Errors
    /// As [`SignedCheckpoint::open`] of the note, where a signer's name is not the origin, or the tree is too
    /// large.
    pub fn into_signed<'s>(
        self,
        signer: &NoteSigner,
        earlier: impl IntoIterator<Item = &'s NoteSigner>,
    ) -> Result<SignedCheckpoint, CheckpointError> {
        if self.size > MAX_TREE_SIZE {
            return Err(CheckpointError::TreeTooBig { size: self.size });
        }
        let mut note = Note::sign(self.body(), signer);
        for signer in earlier {
            self.check_name(signer)?;
            note.add(signer);
        }
        self.check_name(signer)?;
        let text = note.to_string();
        Ok(SignedCheckpoint { checkpoint: self, note, text })
    }

    fn check_name(&self, signer: &NoteSigner) -> Result<(), CheckpointError> {
        let expected = signer.verifier_key().name();
        if self.origin != *expected {
            return Err(CheckpointError::OtherLog { expected: expected.clone() });
        }
        Ok(())
    }

    fn body(&self) -> String {
        let Self { origin, size, root, state } = self;
        let (root, state) = (root.to_base64(), hex::encode(state));
        format!("{origin}\n{size}\n{root}\n{STATE_PREFIX}{state}\n")
    }

    /// Reads a checkpoint of the log `origin` from text that the log has signed.
    fn from_verified(text: VerifiedText<'_>, origin: &Origin) -> Result<Self, CheckpointError> {
        let lines = text.as_str().strip_suffix('\n').ok_or(CheckpointError::Body)?;
        let mut lines = lines.split('\n');
        let [first, size, root, state] = std::array::from_fn(|_| lines.next());
        let (Some(first), Some(size), Some(root), Some(state), None) =
            (first, size, root, state, lines.next())
        else {
            return Err(CheckpointError::Body);
        };
        if first != origin.as_str() {
            return Err(CheckpointError::OtherLog { expected: origin.clone() });
        }
        let size = decimal::parse(size).ok_or(CheckpointError::Body)?;
        if size > MAX_TREE_SIZE {
            return Err(CheckpointError::TreeTooBig { size });
        }
        let root = Hash::from_base64(root).ok_or(CheckpointError::Body)?;
        let state = parse_state(state).ok_or(CheckpointError::Body)?;
        Ok(Self { origin: origin.clone(), size, root, state })
    }
}

fn parse_state(line: &str) -> Option<[u8; 32]> {
    // The hash's reader takes one text a value, which is what a signed line needs.
    let Hash(state) = line.strip_prefix(STATE_PREFIX)?.parse().ok()?;
    Some(state)
}

impl SignedCheckpoint {
    /// Reads a note and checks that it is a checkpoint by the log whose key is `log`.
    pub fn open(note: &str, log: &VerifierKey) -> Result<Self, CheckpointError> {
        let note = Note::parse(note.as_bytes()).map_err(CheckpointError::Note)?;
        Self::open_note(&note, log)
    }

    /// The same for a note that is parsed already.
    pub(crate) fn open_note(note: &Note, log: &VerifierKey) -> Result<Self, CheckpointError> {
        let text = note.verify(log).map_err(CheckpointError::Signature)?;
        let checkpoint = Checkpoint::from_verified(text, log.name())?;
        Ok(Self { checkpoint, note: note.clone(), text: note.to_string() })
    }

    /// Whether this key signed it, too.
    pub fn is_signed_by(&self, key: &VerifierKey) -> bool {
        self.note.verify(key).is_ok()
    }

    /// The note, parsed: the log's signature is checked, the others are not.
    pub(crate) fn parsed_note(&self) -> &Note {
        &self.note
    }

    /// Exchanges the signatures; the log's, which is evidence, must be among the new ones.
    pub(crate) fn replace_signatures(&mut self, signatures: Vec<NoteSignature>) {
        self.note = self.note.with_signatures(signatures);
        self.text = self.note.to_string();
    }

    /// What the checkpoint says.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The log that speaks.
    pub fn origin(&self) -> &Origin {
        &self.checkpoint.origin
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        self.checkpoint.root
    }

    /// The digest of the federation's state after the tree's leaves.
    pub fn state(&self) -> [u8; 32] {
        self.checkpoint.state
    }

    /// The note as it was received, signatures of others included.
    pub fn note(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
