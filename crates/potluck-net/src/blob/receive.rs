//! The verified stream, taken apart: each pair of hashes and each group is checked, and written where it belongs.

use std::io::Read;
use std::ops::Range;
use std::thread;

use bao_tree::BaoTree;
use bao_tree::blake3::Hash;
use bao_tree::io::sync::WriteAt;
use bao_tree::iter::BaoChunk;
use potluck_wire::Ranges;

use super::direct::Direct;
use super::partial::ReceiveError;
use super::tree::{self, Expected, PAIR};
use super::writer::{Content, Hashes};

/// Where what comes is written, and what must be true of it.
pub(super) struct Way<'a, F> {
    pub(super) root: Hash,
    pub(super) tree: BaoTree,
    /// Past the page cache, where there is such a way.
    pub(super) direct: Option<Direct>,
    pub(super) data: &'a mut F,
    pub(super) hashes: &'a mut F,
}

impl<F: WriteAt> Way<'_, F> {
    /// Takes the verified stream of `ranges`, and no byte more. What of it verified and is written with its hashes, in bytes of
    /// the file, even where it broke off.
    pub(super) fn receive(
        mut self,
        ranges: &Ranges,
        from: &mut dyn Read,
        on_group: &mut dyn FnMut(u64),
    ) -> (Vec<Range<u64>>, Result<(), ReceiveError>) {
        let direct = self.direct.take();
        let mut hashes = Hashes::new(direct.is_some());
        thread::scope(|scope| {
            let mut content = Content::new(scope, direct);
            let received = self.decode(ranges, from, (&mut content, &mut hashes), on_group);
            // Even where it broke off: what verified is kept. But not content whose hashes may be lost, which would be worth
            // nothing: those of all that was handed over before are written.
            let saved = match received {
                Err(ReceiveError::File(_)) => {
                    content.discard();
                    Ok(())
                }
                _ => hashes.flush(self.hashes).inspect_err(|_| content.discard()),
            };
            let (written, ended) = content.finish();
            match saved.and(ended) {
                Ok(()) => (written, received),
                Err(error) => (written, Err(ReceiveError::File(error))),
            }
        })
    }

    fn decode(
        &mut self,
        ranges: &Ranges,
        from: &mut dyn Read,
        (content, hashes): (&mut Content<'_, '_>, &mut Hashes),
        on_group: &mut dyn FnMut(u64),
    ) -> Result<(), ReceiveError> {
        let chunks = ranges.to_chunks();
        let mut expected = Expected::of(self.root);
        for item in tree::walk(self.tree, &chunks) {
            match item {
                BaoChunk::Parent { node, is_root, left, right, .. } => {
                    let mut pair = [0; PAIR];
                    from.read_exact(&mut pair).map_err(ReceiveError::Cut)?;
                    if !expected.meets_pair(&pair, is_root, (left, right)) {
                        let offset = node.chunk_range().start.to_bytes();
                        return Err(ReceiveError::Corrupt { offset });
                    }
                    // Nodes within a group are not kept.
                    let Some(at) = self.tree.pre_order_offset(node) else { continue };
                    let saved = hashes.write(self.hashes, at * PAIR as u64, &pair);
                    saved.map_err(ReceiveError::File)?;
                }
                BaoChunk::Leaf { start_chunk, size, is_root, .. } => {
                    let offset = start_chunk.to_bytes();
                    if !content.fits(offset, size) {
                        // Content without its hashes would be worth nothing after a kill.
                        let saved = hashes.flush(self.hashes);
                        saved.and_then(|()| content.hand_over()).map_err(ReceiveError::File)?;
                    }
                    let group = content.room(offset, size);
                    from.read_exact(group).map_err(ReceiveError::Cut)?;
                    if !expected.meets_group(group, offset, is_root) {
                        return Err(ReceiveError::Corrupt { offset });
                    }
                    content.keep(self.data, size).map_err(ReceiveError::File)?;
                    // A group's length fits in a u64 wherever this runs.
                    on_group(size as u64);
                }
            }
        }
        Ok(())
    }
}
