//! A receipt that can be checked offline (C2SP `tlog-proof@v1`): index, inclusion proof, checkpoint.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! index <n>
//! base64(hash), one a line, leaf's sibling first
//! <blank>
//! the checkpoint's note
//! ```
//!
//! The aggregator hands one out for an entry that is durable; the party keeps it and can show it to
//! anyone who knows the log's key. The optional `extra` line is refused: nothing signs it, and
//! Potluck has no use for it.

use std::fmt;
use std::str::FromStr;

use crate::checkpoint::{CheckpointError, SignedCheckpoint};
use crate::decimal;
use crate::hash::Hash;
use crate::inclusion::{InclusionError, InclusionProof, MAX_PROOF_HASHES, TooManyHashes};
use crate::key::VerifierKey;
use crate::note::{MAX_NOTE_BYTES, Note, NoteParseError};

/// The longest proof, in bytes: a note, and 8 KiB for all that stands before it.
pub const MAX_TLOG_PROOF_BYTES: usize = MAX_NOTE_BYTES + 8 * 1024;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// An index, an inclusion proof and a checkpoint, none of them checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    index: u64,
    inclusion: InclusionProof,
    checkpoint: Note,
}

/// Evidence: a record was checked to stand at this index under a checkpoint that the log signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    index: u64,
    leaf: Hash,
    checkpoint: SignedCheckpoint,
}

/// Why a text is no [`TlogProof`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofParseError {
    /// Longer than [`MAX_TLOG_PROOF_BYTES`].
    #[error("a log proof has at most {MAX_TLOG_PROOF_BYTES} bytes, and this one {bytes}")]
    TooLong {
        /// How many bytes there were.
        bytes: usize,
    },
    /// The first line is another.
    #[error("a log proof begins with the line {HEADER}")]
    Header,
    /// The second line is not `index` and a number.
    #[error("the second line of a log proof is `index` and a number")]
    Index,
    /// There is no blank line before a checkpoint.
    #[error("the log proof has no checkpoint")]
    NoCheckpoint,
    /// A line of the proof is not base64 of a hash.
    #[error("line {line} of the log proof is not a hash")]
    NotAHash {
        /// Which line of the text, counted from 1.
        line: usize,
    },
    /// There are more hashes than any proof has.
    #[error("the log proof is too long")]
    Hashes(#[source] TooManyHashes),
    /// What follows the blank line is no note.
    #[error("the checkpoint in the log proof is not a signed note")]
    Checkpoint(#[source] NoteParseError),
}

/// Why a record is not shown to be in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// The checkpoint is not this log's.
    #[error("the proof's checkpoint is refused")]
    Checkpoint(#[source] CheckpointError),
    /// The record is not under the checkpoint.
    #[error("the record is not under the proof's checkpoint")]
    Inclusion(#[source] InclusionError),
}

impl TlogProof {
    /// Puts together a receipt for leaf `index`; `inclusion` must be for the checkpoint's size.
    pub fn new(index: u64, inclusion: InclusionProof, checkpoint: &SignedCheckpoint) -> Self {
        Self { index, inclusion, checkpoint: checkpoint.parsed_note().clone() }
    }

    /// The index claimed, counted from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The way from the record up to the root, unchecked.
    pub fn inclusion(&self) -> &InclusionProof {
        &self.inclusion
    }

    /// Checks that the log whose key is `log` has `record` under the proof's checkpoint.
    ///
    /// The checkpoint's signature is checked first, then the way from the record to its root.
    pub fn verify(&self, record: &[u8], log: &VerifierKey) -> Result<Logged, TlogProofError> {
        let checkpoint = SignedCheckpoint::open_note(&self.checkpoint, log)
            .map_err(TlogProofError::Checkpoint)?;
        let included = self
            .inclusion
            .verify(record, self.index, checkpoint.size(), &checkpoint.root())
            .map_err(TlogProofError::Inclusion)?;
        Ok(Logged { index: included.index(), leaf: included.leaf(), checkpoint })
    }
}

impl FromStr for TlogProof {
    type Err = TlogProofParseError;

    fn from_str(text: &str) -> Result<Self, TlogProofParseError> {
        if text.len() > MAX_TLOG_PROOF_BYTES {
            return Err(TlogProofParseError::TooLong { bytes: text.len() });
        }
        // The lines before the checkpoint are never empty, so the first blank line divides.
        let (head, note) = text.split_once("\n\n").ok_or(TlogProofParseError::NoCheckpoint)?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(TlogProofParseError::Header);
        }
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(decimal::parse)
            .ok_or(TlogProofParseError::Index)?;
        let inclusion = parse_hashes(lines)?;
        let checkpoint = Note::parse(note.as_bytes()).map_err(TlogProofParseError::Checkpoint)?;
        Ok(Self { index, inclusion, checkpoint })
    }
}

fn parse_hashes<'a>(
    lines: impl Iterator<Item = &'a str>,
) -> Result<InclusionProof, TlogProofParseError> {
    let hashes = lines
        .take(MAX_PROOF_HASHES + 1)
        .zip(3..) // after the header and the index
        .map(|(text, line)| Hash::from_base64(text).ok_or(TlogProofParseError::NotAHash { line }))
        .collect::<Result<_, _>>()?;
    InclusionProof::from_hashes(hashes).map_err(TlogProofParseError::Hashes)
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\nindex {}", self.index)?;
        self.inclusion.hashes().iter().try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl Logged {
    /// The record's index, counted from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The record's leaf hash.
    pub fn leaf(&self) -> Hash {
        self.leaf
    }

    /// The checkpoint under which the record stands.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }
}

#[cfg(test)]
mod tests;
