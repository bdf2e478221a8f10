//! Proof that a later tree only appended to an earlier one (RFC 6962 §2.1.2).
//!
//! Whoever remembers a checkpoint asks for one of these before it believes the next, and so sees a
//! log that rewrites its past.

use ct_merkle::ConsistencyVerifError;
use ct_merkle::RootHash;
use sha2::Sha256;

use crate::hash::Hash;
use crate::inclusion::{TooManyHashes, bounded, concat};
use crate::tree::MAX_TREE_SIZE;

/// The hashes that lead from an earlier root and to a later one. Nothing is known of it until
/// [`verify`](Self::verify) says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof(Vec<Hash>);

/// Evidence: the tree of the new size and root was checked to extend the old one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consistent {
    old_size: u64,
    new_size: u64,
    new_root: Hash,
}

/// Why the later tree is not shown to extend the earlier one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsistencyError {
    /// The later tree is smaller.
    #[error("a log never shrinks, so {old} leaves cannot come before {new}")]
    Shrinks {
        /// The earlier size.
        old: u64,
        /// The later size.
        new: u64,
    },
    /// The size is above [`MAX_TREE_SIZE`].
    #[error("a tree of {size} leaves is larger than any log")]
    TreeTooBig {
        /// The later size.
        size: u64,
    },
    /// The number of hashes is wrong for these two sizes.
    #[error("{count} hashes are not a proof from {old} to {new} leaves")]
    WrongLength {
        /// How many hashes the proof has.
        count: usize,
        /// The earlier size.
        old: u64,
        /// The later size.
        new: u64,
    },
    /// The two roots do not belong to one history, or the proof was altered.
    #[error("the tree of {new} leaves does not extend the tree of {old} that was seen before")]
    Forked {
        /// The earlier size.
        old: u64,
        /// The later size.
        new: u64,
    },
}

impl ConsistencyProof {
    /// Takes hashes as they were received, in the order of RFC 6962 §2.1.2.
    pub fn from_hashes(hashes: Vec<Hash>) -> Result<Self, TooManyHashes> {
        bounded(hashes).map(Self)
    }

    /// A proof made by the tree itself, which is bounded by construction.
    pub(crate) fn of(hashes: Vec<Hash>) -> Self {
        Self(hashes)
    }

    /// The hashes, in the order of RFC 6962 §2.1.2.
    pub fn hashes(&self) -> &[Hash] {
        &self.0
    }

    /// Checks that the tree of `new_size` and `new_root` extends that of `old_size` and `old_root`.
    ///
    /// Each size and root must come from one checked checkpoint. Everything extends the empty tree,
    /// with an empty proof, and equal sizes must have equal roots (C2SP tlog-witness).
    pub fn verify(
        &self,
        old_size: u64,
        old_root: &Hash,
        new_size: u64,
        new_root: &Hash,
    ) -> Result<Consistent, ConsistencyError> {
        if new_size > MAX_TREE_SIZE {
            return Err(ConsistencyError::TreeTooBig { size: new_size });
        }
        if old_size == 0 {
            self.verify_from_empty(old_root, new_size, new_root)?;
        } else {
            let proof = ct_merkle::ConsistencyProof::try_from_bytes(concat(&self.0))
                .expect("the bytes are whole hashes");
            let old = RootHash::<Sha256>::new(old_root.0.into(), old_size);
            RootHash::new(new_root.0.into(), new_size)
                .verify_consistency(&old, &proof)
                .map_err(|refused| self.blame(refused, old_size, new_size))?;
        }
        Ok(Consistent { old_size, new_size, new_root: *new_root })
    }

    fn verify_from_empty(
        &self,
        old_root: &Hash,
        new_size: u64,
        new_root: &Hash,
    ) -> Result<(), ConsistencyError> {
        if !self.0.is_empty() {
            let count = self.0.len();
            return Err(ConsistencyError::WrongLength { count, old: 0, new: new_size });
        }
        let empty = Hash::empty_root();
        if *old_root != empty || (new_size == 0 && *new_root != empty) {
            return Err(ConsistencyError::Forked { old: 0, new: new_size });
        }
        Ok(())
    }

    fn blame(&self, refused: ConsistencyVerifError, old: u64, new: u64) -> ConsistencyError {
        match refused {
            ConsistencyVerifError::OldTreeLarger => ConsistencyError::Shrinks { old, new },
            ConsistencyVerifError::NewTreeTooBig => ConsistencyError::TreeTooBig { size: new },
            ConsistencyVerifError::MalformedProof => {
                ConsistencyError::WrongLength { count: self.0.len(), old, new }
            }
            // An empty old tree is judged before `ct-merkle` is asked.
            ConsistencyVerifError::VerificationFailure | ConsistencyVerifError::OldTreeEmpty => {
                ConsistencyError::Forked { old, new }
            }
        }
    }
}

impl Consistent {
    /// The earlier size, in leaves.
    pub fn old_size(&self) -> u64 {
        self.old_size
    }

    /// The later size, in leaves.
    pub fn new_size(&self) -> u64 {
        self.new_size
    }

    /// The root of the later tree.
    pub fn new_root(&self) -> Hash {
        self.new_root
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;

    #[test]
    fn wrong_claims_have_names() {
        let (root, other, empty) = (leaf_hash(b"a"), leaf_hash(b"b"), Hash::empty_root());
        let none = ConsistencyProof::from_hashes(vec![]).unwrap();
        let one = ConsistencyProof::from_hashes(vec![root]).unwrap();

        assert!(none.verify(0, &empty, 0, &empty).is_ok());
        assert!(none.verify(0, &empty, 5, &root).is_ok());
        assert!(none.verify(1, &root, 1, &root).is_ok());

        let forked = |old, new| Err(ConsistencyError::Forked { old, new });
        assert_eq!(none.verify(0, &root, 5, &root), forked(0, 5));
        assert_eq!(none.verify(0, &empty, 0, &root), forked(0, 0));
        assert_eq!(none.verify(1, &root, 1, &other), forked(1, 1));
        assert_eq!(one.verify(1, &root, 2, &root), forked(1, 2));

        let wrong = |count, old, new| Err(ConsistencyError::WrongLength { count, old, new });
        assert_eq!(one.verify(0, &empty, 5, &root), wrong(1, 0, 5));
        assert_eq!(none.verify(1, &root, 2, &root), wrong(0, 1, 2));

        let shrinks = Err(ConsistencyError::Shrinks { old: 2, new: 1 });
        assert_eq!(none.verify(2, &root, 1, &root), shrinks);
        let too_big = Err(ConsistencyError::TreeTooBig { size: u64::MAX });
        assert_eq!(none.verify(1, &root, u64::MAX, &root), too_big);
    }

    #[test]
    fn the_largest_trees_are_walked_without_overflow() {
        let proof = ConsistencyProof::from_hashes(vec![Hash([7; 32]); 63]).unwrap();
        for old in [1, 3, (1 << 61) + 1, MAX_TREE_SIZE - 1, MAX_TREE_SIZE] {
            assert!(proof.verify(old, &Hash([0; 32]), MAX_TREE_SIZE, &Hash([1; 32])).is_err());
        }
    }
}
