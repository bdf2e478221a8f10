//! The tree of BLAKE3 hashes over a file's groups: what must come next, and whether it did.
//!
//! A verified stream holds, in pre-order, a pair of hashes for each node over what is meant, and the bytes of each group.
//! That is `bao-tree`'s encoding, and its iterator says what comes next ([`walk`]); the hashing stands here, so that bytes are
//! verified where they lie instead of in memory that is new for each group.

use std::io;
use std::ops::Range;

use bao_tree::blake3::hazmat::{
    HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root,
};
use bao_tree::blake3::{Hash, Hasher, hash};
use bao_tree::io::sync::truncate_ranges;
use bao_tree::iter::{BaoChunk, ResponseIterRef};
use bao_tree::{BaoTree, ChunkNum, ChunkRanges, ChunkRangesRef};

use super::encode::Outboard;

/// A node's two hashes, as they are sent and kept.
pub(super) const PAIR: usize = 64;

/// What the verified stream of `ranges`, which are of whole groups, holds.
pub(super) fn walk(tree: BaoTree, ranges: &ChunkRangesRef) -> impl Iterator<Item = BaoChunk> + '_ {
    ResponseIterRef::new(tree, truncate_ranges(ranges, tree.size()))
}

/// The hashes that are still to be met by what comes, the next one last. All of them follow from the root.
pub(super) struct Expected(Vec<Hash>);

impl Expected {
    /// Whatever follows must be of this root.
    pub(super) fn of(root: Hash) -> Self {
        Self(vec![root])
    }

    /// What is expected next.
    pub(super) fn next(&self) -> Option<&Hash> {
        self.0.last()
    }

    /// Nothing is known of what comes next.
    pub(super) fn pass_over(&mut self) {
        self.0.pop();
    }

    /// Whether a node's pair is the one expected; then its hashes are. `left` and `right`: which of them come.
    pub(super) fn meets_pair(
        &mut self,
        pair: &[u8; PAIR],
        is_root: bool,
        (left, right): (bool, bool),
    ) -> bool {
        let [left_hash, right_hash] = halves(pair);
        if self.0.pop() != Some(parent(&left_hash, &right_hash, is_root)) {
            return false;
        }
        if right {
            self.0.push(Hash::from_bytes(right_hash));
        }
        if left {
            self.0.push(Hash::from_bytes(left_hash));
        }
        true
    }

    /// Whether the group that begins at the byte `offset` is the one expected.
    pub(super) fn meets_group(&mut self, group: &[u8], offset: u64, is_root: bool) -> bool {
        self.0.pop() == Some(of_group(group, offset, is_root))
    }
}

/// Whether all pairs of an outboard follow from the root. Of the groups, nothing is known by that.
pub(super) fn agrees(tree: BaoTree, root: Hash, outboard: &mut impl Outboard) -> io::Result<bool> {
    let all = ChunkRanges::all();
    let mut expected = Expected::of(root);
    for item in walk(tree, &all) {
        match item {
            BaoChunk::Parent { node, is_root, left, right, .. } => {
                let Some(at) = tree.pre_order_offset(node) else { return Ok(false) };
                let pair = outboard.pair(at * PAIR as u64)?;
                if !expected.meets_pair(&pair, is_root, (left, right)) {
                    return Ok(false);
                }
            }
            BaoChunk::Leaf { .. } => expected.pass_over(),
        }
    }
    Ok(true)
}

/// Spans of bytes as the tree counts them. Halved until there is one, because to take in one after another costs the square of
/// their number, which a peer chooses.
pub(super) fn chunks_of(spans: &[Range<u64>]) -> ChunkRanges {
    match spans {
        [] => ChunkRanges::empty(),
        [span] => (ChunkNum::full_chunks(span.start)..ChunkNum::chunks(span.end)).into(),
        _ => {
            let (left, right) = spans.split_at(spans.len() / 2);
            chunks_of(left) | chunks_of(right)
        }
    }
}

/// Puts a span behind others, to which it may be joined.
pub(super) fn append(spans: &mut Vec<Range<u64>>, span: Range<u64>) {
    match spans.last_mut() {
        _ if span.is_empty() => (),
        Some(last) if last.end == span.start => last.end = span.end,
        _ => spans.push(span),
    }
}

/// The hash of the group that begins at the byte `offset`.
pub(super) fn of_group(group: &[u8], offset: u64, is_root: bool) -> Hash {
    if is_root {
        return hash(group);
    }
    let mut hasher = Hasher::new();
    hasher.set_input_offset(offset);
    Hash::from_bytes(hasher.update(group).finalize_non_root())
}

/// The hash over a pair.
pub(super) fn parent(left: &[u8; 32], right: &[u8; 32], is_root: bool) -> Hash {
    if is_root {
        merge_subtrees_root(left, right, Mode::Hash)
    } else {
        Hash::from_bytes(merge_subtrees_non_root(left, right, Mode::Hash))
    }
}

pub(super) fn halves(pair: &[u8; PAIR]) -> [[u8; 32]; 2] {
    let (left, right) = pair.split_at(PAIR / 2);
    [left, right].map(|half| half.try_into().expect("a half of 64 bytes has 32"))
}
