//! Checkpoints (C2SP tlog-checkpoint): a log's size and root, signed.
//!
//! ```text
//! origin
//! size, decimal
//! base64(root)
//! <blank>
//! — origin base64(key id || signature)
//! ```
//!
//! Extension lines are refused: what else Potluck says beside a checkpoint is a note of its own
//! ([`StateNote`](crate::StateNote)). The rule that a log never signs two inconsistent checkpoints
//! is the signer's to keep; whoever reads them asks for a [`ConsistencyProof`].
//!
//! [`ConsistencyProof`]: crate::ConsistencyProof

use std::fmt;

use crate::decimal;
use crate::hash::Hash;
use crate::key::{NoteSigner, VerifierKey};
use crate::note::{Note, NoteParseError, NoteVerifyError, VerifiedText};
use crate::origin::Origin;
use crate::tree::MAX_TREE_SIZE;

/// What a checkpoint says; as a bare value nobody has vouched for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log that speaks.
    pub origin: Origin,
    /// How many leaves its tree has, at most [`MAX_TREE_SIZE`].
    pub size: u64,
    /// The root of that tree.
    pub root: Hash,
}

/// Evidence: a checkpoint that the log's own key was checked to have signed, as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: String,
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
    /// It is signed, and its text is not three lines of a checkpoint.
    #[error("the signed text is not a checkpoint of three lines: origin, size, root")]
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

    fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root.to_base64())
    }

    /// Reads a checkpoint of the log `origin` from text that the log has signed.
    fn from_verified(text: VerifiedText<'_>, origin: &Origin) -> Result<Self, CheckpointError> {
        let lines = text.as_str().strip_suffix('\n').ok_or(CheckpointError::Body)?;
        let mut lines = lines.split('\n');
        let (Some(first), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
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
        Ok(Self { origin: origin.clone(), size, root })
    }
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
        Ok(Self { checkpoint, note: note.to_string() })
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

    /// The note as it was received, signatures of others included.
    pub fn note(&self) -> &str {
        &self.note
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.note)
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;

    const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

    fn log() -> NoteSigner {
        let key = SigningKey::from_bytes(&[1; 32]);
        NoteSigner::new("example.com/behind-the-sofa".parse().unwrap(), key)
    }

    fn open(body: &str) -> Result<SignedCheckpoint, CheckpointError> {
        let log = log();
        let note = Note::sign(body.to_owned(), &log).to_string();
        SignedCheckpoint::open(&note, log.verifier_key())
    }

    #[test]
    fn the_body_of_the_specification_is_read_and_written() {
        let body = format!("example.com/behind-the-sofa\n20852163\n{ROOT}\n");
        let opened = open(&body).unwrap();
        assert_eq!(opened.size(), 20_852_163);
        assert_eq!(opened.root().to_base64(), ROOT);
        assert_eq!(opened.checkpoint().body(), body);
        assert_eq!(opened.checkpoint().sign(&log()), opened.note());
    }

    #[test]
    fn the_signed_bytes_are_known() {
        // The note was made independently, by Python's hashlib and cryptography.
        let root = Hash::empty_root();
        let empty = Checkpoint { origin: log().verifier_key().name().clone(), size: 0, root };
        assert_eq!(
            empty.sign(&log()),
            "example.com/behind-the-sofa\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\
             — example.com/behind-the-sofa be1zqQjgAsaCiPVyGtYGkQCKZsBFgyPrN12F/xlHTv81Ez\
             H3aFzv1D1YkaxixPm0i9xAqnpZhgXEUnTBBvpjUGFBPQs=\n"
        );
    }

    #[test]
    fn signed_nonsense_has_names() {
        let origin = "example.com/behind-the-sofa";
        let bodies = [
            format!("{origin}\n1\n"),
            format!("{origin}\n1\n{ROOT}\nextension\n"),
            format!("{origin}\n1\n{ROOT}\n\n"),
            format!("{origin}\n01\n{ROOT}\n"),
            format!("{origin}\n-1\n{ROOT}\n"),
            format!("{origin}\n18446744073709551616\n{ROOT}\n"),
            format!("{origin}\n1\n{}\n", &ROOT[4..]),
            format!("{origin}\n1\n{} \n", ROOT),
        ];
        for body in bodies {
            assert_eq!(open(&body), Err(CheckpointError::Body), "{body:?}");
        }
        let size = MAX_TREE_SIZE + 1;
        let too_big = open(&format!("{origin}\n{size}\n{ROOT}\n"));
        assert_eq!(too_big, Err(CheckpointError::TreeTooBig { size }));
        let expected = origin.parse().unwrap();
        let other = open(&format!("example.com/other\n1\n{ROOT}\n"));
        assert_eq!(other, Err(CheckpointError::OtherLog { expected }));
    }

    #[test]
    fn a_strangers_checkpoint_is_refused() {
        let stranger =
            NoteSigner::new(log().verifier_key().name().clone(), SigningKey::from_bytes(&[2; 32]));
        let body = format!("example.com/behind-the-sofa\n1\n{ROOT}\n");
        let note = Note::sign(body, &stranger).to_string();
        let refused = SignedCheckpoint::open(&note, log().verifier_key());
        assert!(matches!(
            refused,
            Err(CheckpointError::Signature(NoteVerifyError::Unsigned { .. }))
        ));
    }
}
