//! The append-only Merkle tree of RFC 6962, in memory, without the records.
//!
//! It keeps the hash of every *complete* subtree, level by level; those never change again, so the
//! root and the proofs of any earlier size come out as cheaply as today's. Which nodes a proof
//! needs is `ct-merkle`'s arithmetic; this file only looks the nodes up.
//!
//! The aggregator pushes an entry's record when the entry is durable; whoever replays a ledger
//! pushes the records that it was sent and compares roots.

use ct_merkle::indices_for_consistency_proof;
use ct_merkle::indices_for_inclusion_proof;

use crate::consistency::ConsistencyProof;
use crate::hash::{Hash, leaf_hash, node_hash};
use crate::inclusion::InclusionProof;

/// The largest tree, in leaves, of which a checkpoint or a proof may speak.
///
/// Far above any real log, and low enough that no index arithmetic on an untrusted size overflows.
pub const MAX_TREE_SIZE: u64 = 1 << 62;

/// An append-only Merkle tree over the hashes of its leaves.
///
/// Memory is two hashes (64 bytes) a leaf. Roots and proofs cost time in the order of the logarithm
/// of the size, for the present size and for every earlier one.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// `levels[k][i]` is the hash over the leaves `i·2ᵏ .. (i+1)·2ᵏ`, present once all exist.
    levels: Vec<Vec<Hash>>,
}

/// Why the tree has no such proof to give.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf lies outside the tree of the size asked for.
    #[error("no leaf {index} in a tree of {size} leaves")]
    NoSuchLeaf {
        /// The leaf asked for, counted from 0.
        index: u64,
        /// The tree size asked for.
        size: u64,
    },
    /// The size asked for has not been reached yet.
    #[error("the log has {len} leaves, fewer than the {size} asked for")]
    NotYet {
        /// The tree size asked for.
        size: u64,
        /// The tree's present size.
        len: u64,
    },
    /// A consistency proof was asked for from a larger tree to a smaller one.
    #[error("a log never shrinks, so {old} leaves cannot come before {new}")]
    Shrinks {
        /// The earlier size asked for.
        old: u64,
        /// The later size asked for.
        new: u64,
    },
}

impl Tree {
    /// A tree with no leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a record and returns its index, counted from 0.
    pub fn push(&mut self, record: &[u8]) -> u64 {
        self.push_leaf(leaf_hash(record))
    }

    /// Appends a leaf whose hash is already known, and returns its index.
    pub fn push_leaf(&mut self, leaf: Hash) -> u64 {
        let index = self.len();
        let mut node = leaf;
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let row = &mut self.levels[level];
            row.push(node);
            match row.as_slice() {
                [.., left, right] if row.len().is_multiple_of(2) => node = node_hash(left, right),
                _ => break,
            }
        }
        index
    }

    /// How many leaves the tree has.
    pub fn len(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Whether the tree has no leaves.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The hash of leaf `index`, if there is one.
    pub fn leaf(&self, index: u64) -> Option<Hash> {
        self.levels.first()?.get(usize::try_from(index).ok()?).copied()
    }

    /// The Merkle tree hash over all leaves.
    pub fn root(&self) -> Hash {
        self.prefix_root(self.len())
    }

    /// The root that the tree had when it had `size` leaves; nothing if it has fewer.
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        (size <= self.len()).then(|| self.prefix_root(size))
    }

    /// The audit path of leaf `index` in the tree of `size` leaves (RFC 6962 §2.1.1).
    pub fn inclusion(&self, index: u64, size: u64) -> Result<InclusionProof, ProofError> {
        self.reached(size)?;
        if index >= size {
            return Err(ProofError::NoSuchLeaf { index, size });
        }
        let nodes = indices_for_inclusion_proof(size, index);
        Ok(InclusionProof::of(self.nodes(&nodes, size)))
    }

    /// The proof that the tree of `new` leaves extends the tree of `old` leaves (RFC 6962 §2.1.2).
    ///
    /// From the empty tree, and between equal sizes, the proof is empty.
    pub fn consistency(&self, old: u64, new: u64) -> Result<ConsistencyProof, ProofError> {
        self.reached(new)?;
        let Some(additions) = new.checked_sub(old) else {
            return Err(ProofError::Shrinks { old, new });
        };
        if old == 0 {
            return Ok(ConsistencyProof::of(Vec::new()));
        }
        let nodes = indices_for_consistency_proof(old, additions);
        Ok(ConsistencyProof::of(self.nodes(&nodes, new)))
    }

    fn reached(&self, size: u64) -> Result<(), ProofError> {
        let len = self.len();
        if size > len { Err(ProofError::NotYet { size, len }) } else { Ok(()) }
    }

    fn prefix_root(&self, size: u64) -> Hash {
        if size == 0 { Hash::empty_root() } else { self.range(0, size) }
    }

    /// Looks up nodes of the tree of `size` leaves by their array index (RFC 9420, appendix C): a
    /// node of level k has k trailing ones, and above them the number of its subtree.
    fn nodes(&self, indices: &[u64], size: u64) -> Vec<Hash> {
        let node = |&index: &u64| {
            let level = index.trailing_ones();
            let first = (index >> (level + 1)) << level;
            self.range(first, (size - first).min(1 << level))
        };
        indices.iter().map(node).collect()
    }

    /// `MTH(D[first .. first + count])` of RFC 6962 §2.1, for a range that the tree has.
    ///
    /// `count` is at least 1, and `first` a multiple of the power of two at or above `count`.
    fn range(&self, first: u64, count: u64) -> Hash {
        if count.is_power_of_two() {
            let level = count.ilog2();
            return self.levels[level as usize][(first >> level) as usize];
        }
        let left = 1 << count.ilog2();
        node_hash(&self.range(first, left), &self.range(first + left, count - left))
    }
}

#[cfg(test)]
mod tests;
