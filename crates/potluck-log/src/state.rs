//! The state note: what replaying the ledger must lead to, signed beside each checkpoint.
//!
//! ```text
//! potluck/state/1
//! origin
//! federation, hexadecimal
//! size, decimal
//! digest of the federation's state after `size` entries, hexadecimal
//! <blank>
//! — origin base64(key id || signature)
//! ```
//!
//! Checkpoints carry no extension lines, so the digest has a note of its own: two replays that
//! differ are seen at once. Its first line and its length keep it apart from a checkpoint, so that
//! the log's one key can sign both. How a state is digested is not this room's business.

use std::fmt;

use crate::decimal;
use crate::key::{NoteSigner, VerifierKey};
use crate::note::{Note, NoteParseError, NoteVerifyError, VerifiedText};
use crate::origin::Origin;
use crate::tree::MAX_TREE_SIZE;

/// The first line of every state note: kind and version.
const DOMAIN: &str = "potluck/state/1";

/// The longest federation id or digest: 64 bytes in hexadecimal.
const MAX_HEX_DIGITS: usize = 128;

/// What a state note says; as a bare value nobody has vouched for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateNote {
    origin: Origin,
    federation: String,
    size: u64,
    digest: String,
}

/// Evidence: a state note that the log's own key was checked to have signed, as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedState {
    state: StateNote,
    note: String,
}

/// Why something is no state note of the log that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateNoteError {
    /// It is no note.
    #[error("the state is not a signed note")]
    Note(#[source] NoteParseError),
    /// The log's key did not sign it.
    #[error("the state is not signed by the log")]
    Signature(#[source] NoteVerifyError),
    /// The key signed it under another origin than its name.
    #[error("the state is for another log than {expected}")]
    OtherLog {
        /// The origin expected.
        expected: Origin,
    },
    /// It is signed, and its text is not five lines that begin with `potluck/state/1`.
    #[error("the signed text is not a state note")]
    Body,
    /// The federation is not 2 to 128 lower-case hexadecimal digits, of even number.
    #[error("the federation of a state note is not hexadecimal")]
    Federation,
    /// The digest is not 2 to 128 lower-case hexadecimal digits, of even number.
    #[error("the digest of a state note is not hexadecimal")]
    Digest,
    /// It speaks of more entries than [`MAX_TREE_SIZE`].
    #[error("a log of {size} entries is larger than any log")]
    TooBig {
        /// The size claimed.
        size: u64,
    },
}

impl StateNote {
    /// States that the first `size` entries of the log lead `federation` to a state with `digest`.
    ///
    /// `federation` and `digest` are lower-case hexadecimal, of 1 to 64 bytes each.
    pub fn new(
        origin: Origin,
        federation: impl Into<String>,
        size: u64,
        digest: impl Into<String>,
    ) -> Result<Self, StateNoteError> {
        let (federation, digest) = (federation.into(), digest.into());
        if !is_hex(&federation) {
            return Err(StateNoteError::Federation);
        }
        if !is_hex(&digest) {
            return Err(StateNoteError::Digest);
        }
        if size > MAX_TREE_SIZE {
            return Err(StateNoteError::TooBig { size });
        }
        Ok(Self { origin, federation, size, digest })
    }

    /// Signs the state; the result is the text of a note.
    ///
    /// The signer's name must be the origin, or [`SignedState::open`] refuses the note.
    pub fn sign(&self, signer: &NoteSigner) -> String {
        let Self { origin, federation, size, digest } = self;
        let text = format!("{DOMAIN}\n{origin}\n{federation}\n{size}\n{digest}\n");
        Note::sign(text, signer).to_string()
    }

    fn from_verified(text: VerifiedText<'_>, origin: &Origin) -> Result<Self, StateNoteError> {
        let lines: Vec<&str> = text.as_str().splitn(7, '\n').collect();
        // The text ends with a newline, so an empty sixth piece follows the five lines.
        let [DOMAIN, first, federation, size, digest, ""] = lines[..] else {
            return Err(StateNoteError::Body);
        };
        if first != origin.as_str() {
            return Err(StateNoteError::OtherLog { expected: origin.clone() });
        }
        let size = decimal::parse(size).ok_or(StateNoteError::Body)?;
        Self::new(origin.clone(), federation, size, digest)
    }

    /// The log that speaks.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The federation's id, in hexadecimal.
    pub fn federation(&self) -> &str {
        &self.federation
    }

    /// After how many entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The digest of the federation's state, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

fn is_hex(text: &str) -> bool {
    let digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    (2..=MAX_HEX_DIGITS).contains(&text.len())
        && text.len().is_multiple_of(2)
        && text.bytes().all(digit)
}

impl SignedState {
    /// Reads a note and checks that it is a state note by the log whose key is `log`.
    pub fn open(note: &str, log: &VerifierKey) -> Result<Self, StateNoteError> {
        let note = Note::parse(note.as_bytes()).map_err(StateNoteError::Note)?;
        let text = note.verify(log).map_err(StateNoteError::Signature)?;
        let state = StateNote::from_verified(text, log.name())?;
        Ok(Self { state, note: note.to_string() })
    }

    /// What the note says.
    pub fn state(&self) -> &StateNote {
        &self.state
    }

    /// The note as it was received.
    pub fn note(&self) -> &str {
        &self.note
    }
}

impl fmt::Display for SignedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.note)
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
    use crate::hash::Hash;

    fn log() -> NoteSigner {
        NoteSigner::new("example.org/log".parse().unwrap(), SigningKey::from_bytes(&[1; 32]))
    }

    fn origin() -> Origin {
        log().verifier_key().name().clone()
    }

    fn open(body: &str) -> Result<SignedState, StateNoteError> {
        let note = Note::sign(body.to_owned(), &log()).to_string();
        SignedState::open(&note, log().verifier_key())
    }

    #[test]
    fn the_signed_bytes_are_known() {
        let state = StateNote::new(origin(), "00ff", 7, "ab".repeat(32)).unwrap();
        let note = state.sign(&log());
        // Made independently, by Python's hashlib and cryptography.
        let expected = "potluck/state/1\nexample.org/log\n00ff\n7\n\
            abababababababababababababababababababababababababababababababab\n\n\
            — example.org/log jxP55AT9QVjMgNj8QyA3LyeFkv9mDvHARX9bpw2OxPFAfNozjo5fF7h+AEf4B//\
            kI84W8EaWJIJ6JXT8I507Sq8/JgQ=\n";
        assert_eq!(note, expected);
        let opened = SignedState::open(&note, log().verifier_key()).unwrap();
        assert_eq!(opened.state(), &state);
        assert_eq!(opened.note(), note);
    }

    #[test]
    fn signed_nonsense_has_names() {
        let head = "potluck/state/1\nexample.org/log";
        for body in [
            format!("{head}\n00\n7\n"),
            format!("{head}\n00\n07\nab\n"),
            format!("{head}\n00\n7\nab\nmore\n"),
            format!("{head}\n00\n7\nab\n\n"),
            "potluck/state/2\nexample.org/log\n00\n7\nab\n".to_owned(),
        ] {
            assert_eq!(open(&body), Err(StateNoteError::Body), "{body:?}");
        }
        for wrong in ["", "a", "abc", "AB", "xy", &"ab".repeat(65)] {
            let body = format!("{head}\n{wrong}\n7\nab\n");
            assert_eq!(open(&body), Err(StateNoteError::Federation), "{wrong:?}");
            let body = format!("{head}\nab\n7\n{wrong}\n");
            assert_eq!(open(&body), Err(StateNoteError::Digest), "{wrong:?}");
        }
        let other = open("potluck/state/1\nexample.org/other\n00\n7\nab\n");
        assert_eq!(other, Err(StateNoteError::OtherLog { expected: origin() }));
        let too_big = StateNote::new(origin(), "00", u64::MAX, "ab");
        assert_eq!(too_big, Err(StateNoteError::TooBig { size: u64::MAX }));
    }

    #[test]
    fn a_state_is_no_checkpoint_and_a_checkpoint_no_state() {
        let state = StateNote::new(origin(), "00", 7, "ab").unwrap().sign(&log());
        let refused = SignedCheckpoint::open(&state, log().verifier_key());
        assert_eq!(refused, Err(CheckpointError::Body));
        let checkpoint = Checkpoint { origin: origin(), size: 7, root: Hash([0; 32]) };
        let refused = SignedState::open(&checkpoint.sign(&log()), log().verifier_key());
        assert_eq!(refused, Err(StateNoteError::Body));
    }
}
