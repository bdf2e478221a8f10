//! What a log asks of a witness (C2SP tlog-witness, "add-checkpoint").
//!
//! ```text
//! old <size>
//! base64(hash), one a line: the consistency proof from the old size
//! <blank>
//! the checkpoint's note
//! ```

use std::fmt;

use crate::checkpoint::SignedCheckpoint;
use crate::consistency::ConsistencyProof;
use crate::decimal;
use crate::hash::Hash;
use crate::inclusion::{MAX_PROOF_HASHES, TooManyHashes};
use crate::note::{MAX_NOTE_BYTES, Note, NoteParseError};

/// The longest request, in bytes: a note, and 8 KiB for all that stands before it.
pub const MAX_ADD_CHECKPOINT_BYTES: usize = MAX_NOTE_BYTES + 8 * 1024;

/// A checkpoint for a witness to cosign, with the proof that it extends the one of the old size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    pub(super) old_size: u64,
    pub(super) proof: ConsistencyProof,
    pub(super) checkpoint: Note,
}

/// Why bytes are no [`AddCheckpoint`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddCheckpointError {
    /// Longer than [`MAX_ADD_CHECKPOINT_BYTES`].
    #[error("a request has at most {MAX_ADD_CHECKPOINT_BYTES} bytes, and this one {bytes}")]
    TooLong {
        /// How many bytes there were.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("a request is UTF-8 text")]
    NotUtf8,
    /// The first line is not `old` and a number.
    #[error("the first line of a request is `old` and a size")]
    OldSize,
    /// A line of the proof is not base64 of a hash.
    #[error("line {line} of the request is not a hash")]
    NotAHash {
        /// Which line, counted from 1.
        line: usize,
    },
    /// There are more hashes than any proof has.
    #[error("the request's proof is too long")]
    Hashes(#[source] TooManyHashes),
    /// There is no blank line before a checkpoint.
    #[error("the request has no checkpoint")]
    NoCheckpoint,
    /// What follows the blank line is no note.
    #[error("the checkpoint in the request is not a signed note")]
    Checkpoint(#[source] NoteParseError),
}

impl AddCheckpoint {
    /// Asks for a cosignature of `checkpoint`, which `proof` shows to extend the tree of `old_size`
    /// leaves: the latest that the witness cosigned, 0 if there is none.
    pub fn new(old_size: u64, proof: ConsistencyProof, checkpoint: &SignedCheckpoint) -> Self {
        Self { old_size, proof, checkpoint: checkpoint.parsed_note().clone() }
    }

    /// Reads a request's body.
    pub fn parse(body: &[u8]) -> Result<Self, AddCheckpointError> {
        if body.len() > MAX_ADD_CHECKPOINT_BYTES {
            return Err(AddCheckpointError::TooLong { bytes: body.len() });
        }
        let text = std::str::from_utf8(body).map_err(|_| AddCheckpointError::NotUtf8)?;
        // The lines before the checkpoint are never empty, so the first blank line divides.
        let (head, note) = text.split_once("\n\n").ok_or(AddCheckpointError::NoCheckpoint)?;
        let mut lines = head.split('\n');
        let old_size = lines
            .next()
            .and_then(|line| line.strip_prefix("old "))
            .and_then(decimal::parse)
            .ok_or(AddCheckpointError::OldSize)?;
        let hashes = lines
            .take(MAX_PROOF_HASHES + 1)
            .zip(2..) // after the old size
            .map(|(line, at)| {
                Hash::from_base64(line).ok_or(AddCheckpointError::NotAHash { line: at })
            })
            .collect::<Result<_, _>>()?;
        let proof = ConsistencyProof::from_hashes(hashes).map_err(AddCheckpointError::Hashes)?;
        let checkpoint = Note::parse(note.as_bytes()).map_err(AddCheckpointError::Checkpoint)?;
        Ok(Self { old_size, proof, checkpoint })
    }

    /// Reads a witness's answer 409: the size from which to ask again, and nothing if it is none.
    pub fn parse_conflict(body: &[u8]) -> Option<u64> {
        decimal::parse(std::str::from_utf8(body).ok()?.strip_suffix('\n')?)
    }

    /// The size from which the proof leads.
    pub fn old_size(&self) -> u64 {
        self.old_size
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        self.proof.hashes().iter().try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))?;
        write!(f, "\n{}", self.checkpoint)
    }
}
