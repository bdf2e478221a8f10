//! The state as bytes: what is digested, and from which a replay can go on.
//!
//! A snapshot proves nothing by itself. Its digest stands in the checkpoint of its size, which the log and its
//! witnesses signed: whoever starts from one compares first.

use super::Federation;

/// The largest snapshot that is read, in bytes.
pub const MAX_SNAPSHOT: usize = 64 << 20;

/// More entries than any ledger has, and so many that whatever counts them can go on: the log's trees are no larger.
const MAX_ENTRIES: u64 = 1 << 62;

/// Why bytes are no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// More bytes than [`MAX_SNAPSHOT`].
    #[error("the snapshot has {0} bytes; at most {MAX_SNAPSHOT} are read")]
    TooLarge(usize),
    /// Not the JSON of a state.
    #[error("the snapshot is malformed: {0}")]
    Malformed(String),
    /// Read back, it has another spelling.
    #[error("the snapshot is not spelt as this version spells a state")]
    Spelling,
}

impl Federation {
    /// The canonical state: compact JSON, fields in the order of their definition, maps by ascending key.
    pub fn snapshot(&self) -> Vec<u8> {
        serde_json::to_vec(self)
            .expect("strings, integers, lists and maps by text have a JSON form")
    }

    /// Reads a snapshot back. It is as good as its digest: compare [`Self::digest`] with a checkpoint's.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn from_snapshot(bytes: &[u8]) -> Result<Self, SnapshotError> {
        if bytes.len() > MAX_SNAPSHOT {
            return Err(SnapshotError::TooLarge(bytes.len()));
        }
        let state: Self = serde_json::from_slice(bytes)
            .map_err(|error| SnapshotError::Malformed(error.to_string()))?;
        if state.base.weights().is_none() {
            return Err(SnapshotError::Malformed("a base without weights".to_owned()));
        }
        if !state.is_countable() {
            let what = "it counts more entries than there can be".to_owned();
            return Err(SnapshotError::Malformed(what));
        }
        if state.snapshot() != bytes { Err(SnapshotError::Spelling) } else { Ok(state) }
    }

    /// No author has more entries than the ledger, and the ledger no more than any.
    fn is_countable(&self) -> bool {
        let of_authors = self.members.iter().all(|(_, member)| member.next <= self.size);
        (1..=MAX_ENTRIES).contains(&self.size) && of_authors
    }
}
