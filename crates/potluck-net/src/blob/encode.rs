//! The verified stream, made from a file and its outboard.
//!
//! A group is read into the memory from which it is sent, with the hashes before it: [`Sink`]. [`send`](super::send)
//! says from which files.

use std::io::{self, Write};

use bao_tree::BaoTree;
use bao_tree::blake3::Hash;
use bao_tree::iter::BaoChunk;
use potluck_wire::Ranges;
use potluck_wire::ranges::{BLOCK_SIZE, GROUP};

use super::SendError;
use super::disk::ReadAt;
use super::tree::{self, Expected, PAIR};

/// Where a verified stream goes.
pub(crate) trait Sink {
    /// Takes `hashes`, and behind them the `length` bytes that `fill` puts into the memory that it is given. Where `fill`
    /// fails, nothing is taken.
    fn take(
        &mut self,
        hashes: &[u8],
        length: usize,
        fill: &mut dyn FnMut(&mut [u8]) -> Result<(), SendError>,
    ) -> Result<(), SendError>;
}

/// A writer as a sink.
pub(super) struct Through<'a> {
    to: &'a mut dyn Write,
    memory: Vec<u8>,
}

impl<'a> Through<'a> {
    pub(super) fn of(to: &'a mut dyn Write) -> Self {
        Self { to, memory: vec![0; GROUP as usize] }
    }
}

impl Sink for Through<'_> {
    fn take(
        &mut self,
        hashes: &[u8],
        length: usize,
        fill: &mut dyn FnMut(&mut [u8]) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let group = &mut self.memory[..length];
        fill(group)?;
        let written = self.to.write_all(hashes).and_then(|()| self.to.write_all(group));
        written.map_err(|_| SendError::Gone)
    }
}

/// Whether what is read is hashed before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// Each group, and each pair of hashes: nothing wrong is sent.
    Groups,
    /// The receiver does it.
    Nothing,
}

/// An outboard, read in ascending order.
pub(super) trait Outboard {
    /// The pair at a byte.
    fn pair(&mut self, at: u64) -> io::Result<[u8; PAIR]>;
}

/// An outboard in memory.
pub(super) struct Pairs<'a>(&'a [u8]);

impl<'a> Pairs<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl Outboard for Pairs<'_> {
    fn pair(&mut self, at: u64) -> io::Result<[u8; PAIR]> {
        let rest = usize::try_from(at).ok().and_then(|at| self.0.get(at..));
        let pair = rest.and_then(|rest| rest.first_chunk().copied());
        pair.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// How much of an outboard's file is held: the hashes over 4 MiB of content.
const WINDOW: usize = 4096;

/// An outboard in a file.
pub(super) struct Window<'a, F> {
    file: &'a F,
    memory: [u8; WINDOW],
    begin: u64,
    length: usize,
}

impl<'a, F: ReadAt> Window<'a, F> {
    pub(super) fn of(file: &'a F) -> Self {
        Self { file, memory: [0; WINDOW], begin: 0, length: 0 }
    }

    fn held(&self, at: u64) -> Option<[u8; PAIR]> {
        let at = usize::try_from(at.checked_sub(self.begin)?).ok()?;
        self.memory[..self.length].get(at..)?.first_chunk().copied()
    }
}

impl<F: ReadAt> Outboard for Window<'_, F> {
    /// Zeros where the file ends before it: they are no pair of anything.
    fn pair(&mut self, at: u64) -> io::Result<[u8; PAIR]> {
        if let Some(pair) = self.held(at) {
            return Ok(pair);
        }
        (self.begin, self.length) = (at, 0);
        while self.length < WINDOW {
            let place = at.saturating_add(self.length as u64);
            match self.file.read_at(place, &mut self.memory[self.length..]) {
                Ok(0) => break,
                Ok(count) => self.length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        }
        Ok(self.held(at).unwrap_or([0; PAIR]))
    }
}

/// Sends the verified stream of `ranges` of a file whose tree has this root.
pub(super) fn encode(
    file: &impl ReadAt,
    outboard: &mut impl Outboard,
    root: Hash,
    check: Check,
    ranges: &Ranges,
    to: &mut dyn Sink,
) -> Result<(), SendError> {
    let tree = BaoTree::new(ranges.size(), BLOCK_SIZE);
    let chunks = ranges.to_chunks();
    let is_checked = check == Check::Groups;
    let mut expected = Expected::of(root);
    let mut hashes = Vec::new();
    for item in tree::walk(tree, &chunks) {
        match item {
            BaoChunk::Parent { node, is_root, left, right, .. } => {
                let corrupt = || SendError::Corrupt { offset: node.chunk_range().start.to_bytes() };
                // Ranges are of whole groups, so that no node within one is asked for.
                let at = tree.pre_order_offset(node).ok_or_else(corrupt)?;
                let pair = outboard.pair(at * PAIR as u64)?;
                if is_checked && !expected.meets_pair(&pair, is_root, (left, right)) {
                    return Err(corrupt());
                }
                hashes.extend_from_slice(&pair);
            }
            BaoChunk::Leaf { start_chunk, size, is_root, .. } => {
                let offset = start_chunk.to_bytes();
                to.take(&hashes, size, &mut |group| {
                    file.read_exact_at(offset, group)?;
                    if is_checked && !expected.meets_group(group, offset, is_root) {
                        return Err(SendError::Corrupt { offset });
                    }
                    Ok(())
                })?;
                hashes.clear();
            }
        }
    }
    Ok(())
}
