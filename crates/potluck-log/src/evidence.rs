//! Proof, for anybody who knows a log's key, that the log showed two histories.
//!
//! ```json
//! {"format": "potluck-fork/1",
//!  "older": "<note of a checkpoint>",
//!  "newer": "<note of another one, of the same size or a larger one>",
//!  "ancestry": ["<hash, hexadecimal>", …]}
//! ```
//!
//! Two checkpoints of one size that say different things need no more than themselves. Of two
//! sizes, the ancestry is the newer tree's own consistency path (RFC 6962 §2.1.2; the walk is that
//! of RFC 9162 §2.1.4.2), with the old root in front where that path leaves it out: its hashes
//! rebuild the root that the log signed for the newer tree, so they are of that tree, and at the
//! same time they determine what its first leaves hash to. If that is not the root that the log
//! signed for the older tree, no honest log can have signed both.
//!
//! It needs nobody's trust, the accuser's least of all: the log's signatures are the evidence, and a
//! false accusation does not verify. It says nothing of which history is the true one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::checkpoint::{CheckpointError, SignedCheckpoint};
use crate::hash::{Hash, node_hash};
use crate::inclusion::{MAX_PROOF_HASHES, TooManyHashes};
use crate::key::VerifierKey;
use crate::note::{MAX_NOTE_BYTES, Note, NoteParseError};

/// The longest evidence, in bytes: two notes, escaped, and the hashes.
pub const MAX_EVIDENCE_BYTES: usize = 4 * MAX_NOTE_BYTES;

/// Kind and version.
const FORMAT: &str = "potluck-fork/1";

/// Two checkpoints that are said to contradict each other; nothing of it has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkEvidence {
    older: Note,
    newer: Note,
    ancestry: Vec<Hash>,
}

/// Evidence: one log key was checked to have signed two checkpoints that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkProof {
    kind: ForkKind,
    older: SignedCheckpoint,
    newer: SignedCheckpoint,
}

/// In what two checkpoints contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForkKind {
    /// One size, two roots.
    TwoRoots,
    /// One size and root, two states.
    TwoStates,
    /// The larger tree began with other leaves than the smaller one.
    Rewritten {
        /// The root of the older size within the newer tree.
        root: Hash,
    },
}

/// Why a text is no [`ForkEvidence`].
#[derive(Debug, thiserror::Error)]
pub enum ParseEvidenceError {
    /// Longer than [`MAX_EVIDENCE_BYTES`].
    #[error("evidence has at most {MAX_EVIDENCE_BYTES} bytes, and this one {bytes}")]
    TooLong {
        /// How many bytes there were.
        bytes: usize,
    },
    /// Not JSON of those fields.
    #[error("the evidence is not JSON of the expected fields")]
    Json(#[source] serde_json::Error),
    /// Another kind or version.
    #[error("the evidence is not of the format {FORMAT}")]
    Format,
    /// One of the two checkpoints is no note.
    #[error("a checkpoint in the evidence is not a signed note")]
    Note(#[source] NoteParseError),
    /// There are more hashes than any path has.
    #[error("the evidence is too long")]
    Ancestry(#[source] TooManyHashes),
}

/// Why evidence proves no fork.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAFork {
    /// The older checkpoint is not this log's.
    #[error("the older checkpoint is not the log's")]
    Older(#[source] CheckpointError),
    /// The newer checkpoint is not this log's.
    #[error("the newer checkpoint is not the log's")]
    Newer(#[source] CheckpointError),
    /// The checkpoint called older is of the larger tree.
    #[error("the checkpoint called older has {older} leaves, and the newer only {newer}")]
    Order {
        /// The size of the checkpoint called older.
        older: u64,
        /// The size of the checkpoint called newer.
        newer: u64,
    },
    /// Both checkpoints say the same.
    #[error("both checkpoints say the same")]
    Same,
    /// The number of hashes is wrong for these two sizes.
    #[error("{count} hashes do not lead from {older} to {newer} leaves")]
    WrongLength {
        /// How many hashes there are.
        count: usize,
        /// The size of the older checkpoint.
        older: u64,
        /// The size of the newer checkpoint.
        newer: u64,
    },
    /// The hashes are not of the newer tree, so they say nothing about it.
    #[error("the hashes do not lead to the root of the newer checkpoint")]
    OtherTree,
    /// The hashes show that the newer tree extends the older one.
    #[error("the newer tree extends the older one, as it should")]
    Consistent,
}

impl ForkEvidence {
    /// Puts two checkpoints of one size side by side, in any order.
    pub fn of_one_size(one: &SignedCheckpoint, other: &SignedCheckpoint) -> Self {
        let [older, newer] = [one, other].map(|checkpoint| checkpoint.parsed_note().clone());
        Self { older, newer, ancestry: Vec::new() }
    }

    /// Puts two checkpoints of different sizes side by side; `ancestry` is of the newer tree, from
    /// whoever has it (see [`Tiles::ancestry`](crate::Tiles::ancestry)).
    ///
    /// Where the older size is no power of two, it is also the consistency proof that a log offers
    /// for its newer checkpoint.
    pub fn rewritten(
        older: &SignedCheckpoint,
        newer: &SignedCheckpoint,
        ancestry: Vec<Hash>,
    ) -> Result<Self, TooManyHashes> {
        let [older, newer] = [older, newer].map(|checkpoint| checkpoint.parsed_note().clone());
        Ok(Self { older, newer, ancestry: bounded(ancestry)? })
    }

    /// Checks that the log whose key is `log` signed both, and that they contradict each other.
    pub fn verify(&self, log: &VerifierKey) -> Result<ForkProof, NotAFork> {
        let older = SignedCheckpoint::open_note(&self.older, log).map_err(NotAFork::Older)?;
        let newer = SignedCheckpoint::open_note(&self.newer, log).map_err(NotAFork::Newer)?;
        let kind = self.contradiction(&older, &newer)?;
        Ok(ForkProof { kind, older, newer })
    }

    fn contradiction(
        &self,
        older: &SignedCheckpoint,
        newer: &SignedCheckpoint,
    ) -> Result<ForkKind, NotAFork> {
        let (m, n) = (older.size(), newer.size());
        if m > n {
            return Err(NotAFork::Order { older: m, newer: n });
        }
        let wrong_length = NotAFork::WrongLength { count: self.ancestry.len(), older: m, newer: n };
        if m == n {
            return match (older.root() == newer.root(), older.state() == newer.state()) {
                _ if !self.ancestry.is_empty() => Err(wrong_length),
                (false, _) => Ok(ForkKind::TwoRoots),
                (true, false) => Ok(ForkKind::TwoStates),
                (true, true) => Err(NotAFork::Same),
            };
        }
        let (root, rebuilt) = roots(&self.ancestry, m, n).ok_or(wrong_length)?;
        // Every tree begins with no leaves, whatever its root is.
        if m > 0 && rebuilt != newer.root() {
            return Err(NotAFork::OtherTree);
        }
        if root == older.root() {
            return Err(NotAFork::Consistent);
        }
        Ok(ForkKind::Rewritten { root })
    }
}

/// The roots of the first `m` and of all `n` leaves that a path from m to n leads to, `m < n`, if it
/// has the right length (RFC 9162 §2.1.4.2). From 0 there is no path, and only the first is meant.
fn roots(path: &[Hash], m: u64, n: u64) -> Option<(Hash, Hash)> {
    if m == 0 {
        let empty = Hash::empty_root();
        return path.is_empty().then_some((empty, empty));
    }
    let (&first, rest) = path.split_first()?;
    let (mut a, mut b) = (m - 1, n - 1);
    let shared = a.trailing_ones();
    (a, b) = (a >> shared, b >> shared);
    let (mut old, mut new) = (first, first);
    for hash in rest {
        if b == 0 {
            return None;
        }
        if a % 2 == 1 || a == b {
            (old, new) = (node_hash(hash, &old), node_hash(hash, &new));
            // The levels at which the tree's last node has no sibling. `b` is not 0, and where `a`
            // is, only the step below is left to take.
            let skipped = if a == 0 { 0 } else { a.trailing_zeros() };
            (a, b) = (a >> skipped, b >> skipped);
        } else {
            new = node_hash(&new, hash);
        }
        (a, b) = (a >> 1, b >> 1);
    }
    (b == 0).then_some((old, new))
}

fn bounded(ancestry: Vec<Hash>) -> Result<Vec<Hash>, TooManyHashes> {
    // A path of the most hashes, and the old root in front.
    match ancestry.len() {
        count if count > MAX_PROOF_HASHES + 1 => Err(TooManyHashes { count }),
        _ => Ok(ancestry),
    }
}

impl ForkProof {
    /// In what the two contradict each other.
    pub fn kind(&self) -> ForkKind {
        self.kind
    }

    /// The checkpoint of the smaller tree.
    pub fn older(&self) -> &SignedCheckpoint {
        &self.older
    }

    /// The checkpoint of the larger tree.
    pub fn newer(&self) -> &SignedCheckpoint {
        &self.newer
    }
}

/// Evidence as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    older: String,
    newer: String,
    ancestry: Vec<Hash>,
}

impl fmt::Display for ForkEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = File {
            format: FORMAT.to_owned(),
            older: self.older.to_string(),
            newer: self.newer.to_string(),
            ancestry: self.ancestry.clone(),
        };
        // Strings alone, which no writer of JSON refuses.
        f.write_str(&serde_json::to_string(&file).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for ForkEvidence {
    type Err = ParseEvidenceError;

    fn from_str(text: &str) -> Result<Self, ParseEvidenceError> {
        if text.len() > MAX_EVIDENCE_BYTES {
            return Err(ParseEvidenceError::TooLong { bytes: text.len() });
        }
        let file: File = serde_json::from_str(text).map_err(ParseEvidenceError::Json)?;
        if file.format != FORMAT {
            return Err(ParseEvidenceError::Format);
        }
        let note = |text: &str| Note::parse(text.as_bytes()).map_err(ParseEvidenceError::Note);
        let ancestry = bounded(file.ancestry).map_err(ParseEvidenceError::Ancestry)?;
        Ok(Self { older: note(&file.older)?, newer: note(&file.newer)?, ancestry })
    }
}

#[cfg(test)]
mod tests;
