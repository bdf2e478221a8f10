//! What of a file that is coming in stands elsewhere already: found by its tree of hashes, and copied.
//!
//! Files of one size have trees of one shape, so that equal groups at equal places have equal hashes at equal places. The tree
//! is checked against the root as it comes, pair by pair, and kept beside the file before anything is compared. What is
//! copied is hashed on its way like anything that comes from the network: neither the other file nor its hashes are
//! believed. After that nothing tells a group that was copied from one that was sent.
//!
//! ```text
//! take_hashes: tree ─► agrees with the root ─► .obao      copy_equal: hash stands in the other .obao ─► read ─► verified ─► .part
//! ```

use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::thread;

use bao_tree::blake3::Hash;
use bao_tree::io::outboard::PreOrderOutboard;
use bao_tree::io::sync::ReadAt as _;
use bao_tree::iter::BaoChunk;
use bao_tree::{ChunkNum, ChunkRanges};

use super::disk::{Disk, DiskFile as _};
use super::encode::{Outboard as _, Window};
use super::partial::{Partial, ReceiveError};
use super::tree::{self, Expected, PAIR};
use super::writer::{Content, Hashes};

/// In how many pieces a file is copied at most. Each is remembered, and of more gaps between them than
/// [`MAX_RANGES`](potluck_wire::ranges::MAX_RANGES) only the widest are of use; so many are more than a model has tensors.
const MAX_RUNS: u64 = 1 << 16;

/// A whole file that may be partly the same, and its hashes.
struct Other<F> {
    data: F,
    outboard: F,
}

impl<D: Disk> Partial<D> {
    /// Takes the file's tree of hashes from `from`, and no byte more: 64 bytes a group, in pre-order.
    ///
    /// # Errors
    /// [`ReceiveError::Corrupt`] at the first pair that is not of the digest. What came before it is kept, which is true.
    pub fn take_hashes(&mut self, from: &mut dyn Read) -> Result<(), ReceiveError> {
        // What is there verifies by hashes that this may write over.
        self.settle().map_err(ReceiveError::File)?;
        let mut hashes = Hashes::new(self.disk.direct(&self.part).is_some());
        let taken = self.take_pairs(from, &mut hashes);
        let saved = hashes.flush(&mut self.outboard.data).map_err(ReceiveError::File);
        taken.and(saved)?;
        // Content whose hashes a power cut took verifies again; where all that is there did already, none was taken.
        let there = self.data.length().map_err(ReceiveError::File)?;
        let end = ChunkNum::chunks(there);
        let all_verified = ChunkRanges::from(..end).is_subset(&self.valid);
        if all_verified { Ok(()) } else { self.rescan().map_err(ReceiveError::File) }
    }

    fn take_pairs(&mut self, from: &mut dyn Read, to: &mut Hashes) -> Result<(), ReceiveError> {
        let PreOrderOutboard { root, tree, data } = &mut self.outboard;
        let (all, mut expected) = (ChunkRanges::all(), Expected::of(*root));
        for item in tree::walk(*tree, &all) {
            let BaoChunk::Parent { node, is_root, left, right, .. } = item else {
                expected.pass_over();
                continue;
            };
            let mut pair = [0; PAIR];
            from.read_exact(&mut pair).map_err(ReceiveError::Cut)?;
            if !expected.meets_pair(&pair, is_root, (left, right)) {
                return Err(ReceiveError::Corrupt { offset: node.chunk_range().start.to_bytes() });
            }
            // All groups are meant, so that no node within one is asked for.
            let Some(at) = tree.pre_order_offset(node) else { continue };
            to.write(data, at * PAIR as u64, &pair).map_err(ReceiveError::File)?;
        }
        Ok(())
    }

    /// Whether the file's whole tree of hashes is here, from this time or an earlier one. Reads all of it, 0.1 % of the file.
    ///
    /// # Errors
    /// What the file system says.
    pub fn has_hashes(&self) -> io::Result<bool> {
        let PreOrderOutboard { root, tree, data } = &self.outboard;
        if data.length()? < tree.outboard_size() {
            return Ok(false);
        }
        tree::agrees(*tree, *root, &mut Window::of(data))
    }

    /// Copies what is missing here and stands at the same place in another file, of which `outboard` are the hashes. Takes
    /// what [`Self::has_hashes`]; without, or where the other file has another size, nothing is equal. `on_group` is told
    /// which bytes are verified and on their way to the disk.
    ///
    /// # Errors
    /// [`ReceiveError::File`] where this file cannot be written. That the other cannot be read, or is not what its hashes
    /// say, is no error: what it lacks is missing.
    pub fn copy_equal(
        &mut self,
        data: &Path,
        outboard: &Path,
        on_group: &mut dyn FnMut(Range<u64>),
    ) -> Result<(), ReceiveError> {
        let opened = (self.disk.open(data), self.disk.open(outboard));
        let (Ok(data), Ok(outboard)) = opened else { return Ok(()) };
        if data.length().ok() != Some(self.outboard.tree.size()) {
            return Ok(());
        }
        let other = Other { data, outboard };
        let direct = self.disk.direct(&self.part);
        thread::scope(|scope| {
            let mut content = Content::new(scope, direct);
            let copied = self.copy_groups(&other, &mut content, on_group);
            let (written, ended) = content.finish();
            self.note(&written);
            copied.and(ended).map_err(ReceiveError::File)
        })
    }

    fn copy_groups(
        &mut self,
        other: &Other<D::File>,
        content: &mut Content<'_, '_>,
        on_group: &mut dyn FnMut(Range<u64>),
    ) -> io::Result<()> {
        let (tree, lacking) = (self.outboard.tree, self.lacking());
        let (mut own, mut theirs) = (Window::of(&self.outboard.data), Window::of(&other.outboard));
        let mut expected = Expected::of(self.outboard.root);
        // What the other's tree says of what comes next; only compared.
        let mut there: Vec<Hash> = Vec::new();
        let (mut runs, mut end) = (0, None);
        for item in tree::walk(tree, &lacking) {
            match item {
                BaoChunk::Parent { node, is_root, left, right, .. } => {
                    let Some(at) = tree.pre_order_offset(node) else { break };
                    let at = at * PAIR as u64;
                    if !expected.meets_pair(&own.pair(at)?, is_root, (left, right)) {
                        break;
                    }
                    let Ok(pair) = theirs.pair(at) else { break };
                    there.pop();
                    let [left_hash, right_hash] = tree::halves(&pair).map(Hash::from_bytes);
                    there.extend(right.then_some(right_hash));
                    there.extend(left.then_some(left_hash));
                }
                BaoChunk::Leaf { start_chunk, size, is_root, .. } => {
                    let offset = start_chunk.to_bytes();
                    let is_there = there.pop();
                    if is_there.is_none() || is_there.as_ref() != expected.next() {
                        expected.pass_over();
                        continue;
                    }
                    runs += u64::from(end != Some(offset));
                    if runs > MAX_RUNS {
                        break;
                    }
                    end = Some(offset + size as u64);
                    if !content.fits(offset, size) {
                        content.hand_over()?;
                    }
                    let group = content.room(offset, size);
                    if other.data.read_exact_at(offset, group).is_err() {
                        expected.pass_over();
                    } else if expected.meets_group(group, offset, is_root) {
                        content.keep(&mut self.data, size)?;
                        // A group's length fits in a u64 wherever this runs.
                        on_group(offset..offset + size as u64);
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
