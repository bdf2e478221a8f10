//! Proof that a record stands at an index under a root (RFC 6962 §2.1.1).
//!
//! The walk up the tree is `ct-merkle`'s; this file bounds what reaches it and keeps the evidence.

use ct_merkle::InclusionVerifError;
use ct_merkle::RootHash;
use sha2::Sha256;

use crate::hash::{Hash, leaf_hash};
use crate::tree::MAX_TREE_SIZE;

/// The most hashes that a proof of either kind may hold: one a level of the largest tree.
pub const MAX_PROOF_HASHES: usize = 63;

/// The hashes from a leaf's sibling up to the root's child. Nothing is known of it until
/// [`verify`](Self::verify) says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof(Vec<Hash>);

/// Evidence: a record was checked to stand at this index in the tree of this size and root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Included {
    index: u64,
    size: u64,
    root: Hash,
    leaf: Hash,
}

/// A proof with more than [`MAX_PROOF_HASHES`] hashes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a proof has at most {MAX_PROOF_HASHES} hashes, and this one {count}")]
pub struct TooManyHashes {
    /// How many hashes there were.
    pub count: usize,
}

/// Why a record is not shown to be included.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InclusionError {
    /// The index is not below the size.
    #[error("no leaf {index} in a tree of {size} leaves")]
    NoSuchLeaf {
        /// The index claimed.
        index: u64,
        /// The tree size claimed.
        size: u64,
    },
    /// The size is above [`MAX_TREE_SIZE`].
    #[error("a tree of {size} leaves is larger than any log")]
    TreeTooBig {
        /// The tree size claimed.
        size: u64,
    },
    /// The number of hashes is wrong for this leaf and size.
    #[error("{count} hashes are not a proof for leaf {index} of {size}")]
    WrongLength {
        /// How many hashes the proof has.
        count: usize,
        /// The index claimed.
        index: u64,
        /// The tree size claimed.
        size: u64,
    },
    /// Record and proof lead to another root: one of the three was altered.
    #[error("record and proof do not lead to the root of the tree")]
    WrongRoot,
}

impl InclusionProof {
    /// Takes hashes as they were received, leaf's sibling first.
    pub fn from_hashes(hashes: Vec<Hash>) -> Result<Self, TooManyHashes> {
        bounded(hashes).map(Self)
    }

    /// A proof made by the tree itself, which is bounded by construction.
    pub(crate) fn of(hashes: Vec<Hash>) -> Self {
        Self(hashes)
    }

    /// The hashes, leaf's sibling first.
    pub fn hashes(&self) -> &[Hash] {
        &self.0
    }

    /// Checks that `record` is leaf `index` of the tree of `size` leaves with this `root`.
    ///
    /// `size` and `root` must come from one checked checkpoint: for one proof and root, RFC 6962
    /// lets several sizes pass.
    pub fn verify(
        &self,
        record: &[u8],
        index: u64,
        size: u64,
        root: &Hash,
    ) -> Result<Included, InclusionError> {
        if size > MAX_TREE_SIZE {
            return Err(InclusionError::TreeTooBig { size });
        }
        let proof = ct_merkle::InclusionProof::try_from_bytes(concat(&self.0))
            .expect("the bytes are whole hashes");
        RootHash::<Sha256>::new(root.0.into(), size)
            .verify_inclusion(&record, index, &proof)
            .map_err(|refused| self.blame(refused, index, size))?;
        Ok(Included { index, size, root: *root, leaf: leaf_hash(record) })
    }

    fn blame(&self, refused: InclusionVerifError, index: u64, size: u64) -> InclusionError {
        match refused {
            InclusionVerifError::IndexOutOfRange | InclusionVerifError::TreeEmpty => {
                InclusionError::NoSuchLeaf { index, size }
            }
            InclusionVerifError::MalformedProof => {
                InclusionError::WrongLength { count: self.0.len(), index, size }
            }
            InclusionVerifError::IncorrectHash => InclusionError::WrongRoot,
        }
    }
}

impl Included {
    /// The record's index, counted from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The size of the tree, in leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// The record's leaf hash.
    pub fn leaf(&self) -> Hash {
        self.leaf
    }
}

/// Refuses more hashes than any proof has.
pub(crate) fn bounded(hashes: Vec<Hash>) -> Result<Vec<Hash>, TooManyHashes> {
    match hashes.len() {
        count if count > MAX_PROOF_HASHES => Err(TooManyHashes { count }),
        _ => Ok(hashes),
    }
}

/// The form in which `ct-merkle` takes a proof.
pub(crate) fn concat(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_claims_have_names() {
        let root = leaf_hash(b"only");
        let empty = InclusionProof::from_hashes(vec![]).unwrap();
        assert!(empty.verify(b"only", 0, 1, &root).is_ok());
        assert_eq!(empty.verify(b"other", 0, 1, &root), Err(InclusionError::WrongRoot));
        assert_eq!(
            empty.verify(b"only", 1, 1, &root),
            Err(InclusionError::NoSuchLeaf { index: 1, size: 1 })
        );
        assert_eq!(
            empty.verify(b"only", 0, 0, &root),
            Err(InclusionError::NoSuchLeaf { index: 0, size: 0 })
        );
        assert_eq!(
            empty.verify(b"only", 0, 2, &root),
            Err(InclusionError::WrongLength { count: 0, index: 0, size: 2 })
        );
        for size in [MAX_TREE_SIZE + 1, 1 << 63, u64::MAX] {
            let refused = empty.verify(b"only", size - 1, size, &root);
            assert_eq!(refused, Err(InclusionError::TreeTooBig { size }));
        }
    }

    #[test]
    fn the_largest_tree_is_walked_without_overflow() {
        let proof = InclusionProof::from_hashes(vec![Hash([7; 32]); 62]).unwrap();
        let refused = proof.verify(b"x", MAX_TREE_SIZE - 1, MAX_TREE_SIZE, &Hash([0; 32]));
        assert_eq!(refused, Err(InclusionError::WrongRoot));
    }

    #[test]
    fn a_proof_has_a_greatest_length() {
        let hashes = |count| InclusionProof::from_hashes(vec![Hash([0; 32]); count]);
        assert!(hashes(63).is_ok());
        assert_eq!(hashes(64), Err(TooManyHashes { count: 64 }));
    }
}
