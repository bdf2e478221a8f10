//! The right edge of the tree, from which it goes on growing: the roots of the complete subtrees
//! into which a size splits, one for each one-bit of it.
//!
//! Whoever replays a log of any length needs no more than this, at most 62 hashes, to know the root
//! after every leaf. Kept as a snapshot, replay goes on from it:
//!
//! ```text
//! potluck-frontier/1
//! size, decimal
//! base64(hash), one a line, the largest subtree first
//! ```
//!
//! A snapshot is signed by nobody: whoever reads one compares its root with a checkpoint's.

use std::fmt;
use std::str::FromStr;

use crate::decimal;
use crate::hash::{Hash, leaf_hash, node_hash};
use crate::inclusion::InclusionProof;
use crate::tree::MAX_TREE_SIZE;

/// The first line of every snapshot: kind and version.
const HEADER: &str = "potluck-frontier/1";

/// A tree's size, and the roots of the complete subtrees that it is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// The largest subtree, which is the leftmost, first: one hash for each one-bit of `size`.
    roots: Vec<Hash>,
}

/// The tree has [`MAX_TREE_SIZE`] leaves already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no tree has more than {MAX_TREE_SIZE} leaves")]
pub struct TreeFull;

/// Why a text is no snapshot of a [`Frontier`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseFrontierError {
    /// The first line is another.
    #[error("a frontier begins with the line {HEADER}")]
    Header,
    /// The second line is no size from 0 to [`MAX_TREE_SIZE`].
    #[error("the second line of a frontier is the number of leaves")]
    Size,
    /// A line is not base64 of a hash, or does not end.
    #[error("line {line} of the frontier is not a hash")]
    NotAHash {
        /// Which line of the text, counted from 1.
        line: usize,
    },
    /// The number of hashes is not that of the one-bits of the size.
    #[error("a frontier of {size} leaves has {expected} hashes")]
    WrongLength {
        /// The size claimed.
        size: u64,
        /// How many hashes belong to it.
        expected: u32,
    },
}

impl Frontier {
    /// The frontier of the tree with no leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// A frontier of the subtrees of `size`, largest first; the caller has looked up one a one-bit.
    pub(crate) fn of(size: u64, roots: Vec<Hash>) -> Self {
        Self { size, roots }
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a record and returns its index, counted from 0.
    pub fn push(&mut self, record: &[u8]) -> Result<u64, TreeFull> {
        self.push_leaf(leaf_hash(record))
    }

    /// Appends a leaf whose hash is already known, and returns its index.
    pub fn push_leaf(&mut self, leaf: Hash) -> Result<u64, TreeFull> {
        let index = self.size;
        if index >= MAX_TREE_SIZE {
            return Err(TreeFull);
        }
        // Each trailing one-bit is a subtree of the new node's size, which it completes to a pair.
        let mut node = leaf;
        for _ in 0..index.trailing_ones() {
            let Some(left) = self.roots.pop() else { break };
            node = node_hash(&left, &node);
        }
        self.roots.push(node);
        self.size = index + 1;
        Ok(index)
    }

    /// The proof that the leaf which is pushed next stands in the tree that it makes.
    ///
    /// From the leaf upwards its siblings are the subtrees to its left (RFC 6962, section 2.1.1, with m = n − 1): first those
    /// which it completes to larger ones, then those which are larger still. That is this frontier, the smallest first.
    pub fn next_inclusion(&self) -> InclusionProof {
        InclusionProof::of(self.roots.iter().rev().copied().collect())
    }

    /// The Merkle tree hash over all leaves.
    pub fn root(&self) -> Hash {
        let joined =
            self.roots.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        joined.unwrap_or_else(Hash::empty_root)
    }
}

impl fmt::Display for Frontier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\n{}", self.size)?;
        self.roots.iter().try_for_each(|root| writeln!(f, "{}", root.to_base64()))
    }
}

impl FromStr for Frontier {
    type Err = ParseFrontierError;

    fn from_str(text: &str) -> Result<Self, ParseFrontierError> {
        let mut lines = text.split_inclusive('\n').map(|line| line.strip_suffix('\n'));
        if lines.next().flatten() != Some(HEADER) {
            return Err(ParseFrontierError::Header);
        }
        let size = lines.next().flatten().and_then(decimal::parse);
        let size = size.filter(|&size| size <= MAX_TREE_SIZE).ok_or(ParseFrontierError::Size)?;
        let expected = size.count_ones();
        let roots = lines
            .take(expected as usize + 1) // one more is as wrong as a thousand
            .zip(3..) // after the header and the size
            .map(|(text, line)| {
                let hash = text.and_then(Hash::from_base64);
                hash.ok_or(ParseFrontierError::NotAHash { line })
            })
            .collect::<Result<Vec<Hash>, _>>()?;
        if roots.len() != expected as usize {
            return Err(ParseFrontierError::WrongLength { size, expected });
        }
        Ok(Self { size, roots })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    #[test]
    fn every_root_is_the_trees_and_every_snapshot_goes_on() {
        let (mut frontier, mut tree) = (Frontier::new(), Tree::new());
        for n in 0..300u32 {
            assert_eq!(frontier.root(), tree.root());
            let text = frontier.to_string();
            assert_eq!(text.parse(), Ok(frontier.clone()));
            frontier = text.parse().unwrap();
            assert_eq!(frontier.push(&n.to_be_bytes()), Ok(u64::from(n)));
            assert_eq!(tree.push(&n.to_be_bytes()), frontier.size() - 1);
        }
    }

    #[test]
    fn the_frontier_proves_the_next_leaf() {
        let (mut frontier, mut tree) = (Frontier::new(), Tree::new());
        for size in 1..=600u64 {
            let record = size.to_be_bytes();
            let proof = frontier.next_inclusion();
            frontier.push(&record).unwrap();
            tree.push(&record);
            assert_eq!(proof, tree.inclusion(size - 1, size).unwrap(), "{size}");
            proof.verify(&record, size - 1, size, &frontier.root()).unwrap();
        }
    }

    #[test]
    fn a_full_tree_takes_no_leaf() {
        let mut full = Frontier::of(MAX_TREE_SIZE, vec![Hash([1; 32])]);
        assert_eq!(full.push(b"one more"), Err(TreeFull));
        let mut last = Frontier::of(MAX_TREE_SIZE - 1, vec![Hash([1; 32]); 62]);
        assert_eq!(last.push(b"the last"), Ok(MAX_TREE_SIZE - 1));
        assert_eq!((last.size(), last.roots.len()), (MAX_TREE_SIZE, 1));
        assert_eq!(last.to_string().parse(), Ok(last));
    }

    #[test]
    fn each_malformed_snapshot_has_its_name() {
        let mut frontier = Frontier::new();
        (0..3).for_each(|n| _ = frontier.push(&[n]).unwrap());
        let good = frontier.to_string();
        let refused = |text: &str| text.parse::<Frontier>().unwrap_err();
        assert_eq!(refused(""), ParseFrontierError::Header);
        assert_eq!(refused(&good.replace("/1\n", "/2\n")), ParseFrontierError::Header);
        for size in ["", "03", "-1", "4611686018427387905"] {
            let altered = good.replace("\n3\n", &format!("\n{size}\n"));
            assert_eq!(refused(&altered), ParseFrontierError::Size, "{size:?}");
        }
        let wrong = |size, expected| ParseFrontierError::WrongLength { size, expected };
        assert_eq!(refused(&good.replace("\n3\n", "\n4\n")), wrong(4, 1));
        assert_eq!(refused(&good.replace("\n3\n", "\n7\n")), wrong(7, 3));
        assert_eq!(refused(&format!("{good}{}", &good[21..])), wrong(3, 2));
        let not_a_hash = |line| ParseFrontierError::NotAHash { line };
        assert_eq!(refused(good.trim_end()), not_a_hash(4));
        assert_eq!(refused(&good.replace("=\n", "=\r\n")), not_a_hash(3));
        assert_eq!(refused(&format!("{good}\n")), not_a_hash(5));
    }
}
