//! What of a partial file verifies: all that lies on disk is read and hashed, when it is opened.
//!
//! Nothing that was noted about it is believed, as it could disagree with the disk after a kill or a power cut. What is long
//! is cut into parts that threads scan at the same time, each down its own paths from the root. A resume need not wait for
//! this: what was never written is known at once, and can come meanwhile ([`Unsure`]).

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Builder, JoinHandle};

use bao_tree::blake3::Hash;
use bao_tree::io::sync::ReadAt;
use bao_tree::iter::BaoChunk;
use bao_tree::{BaoTree, ChunkNum, ChunkRanges};
use potluck_wire::ranges::GROUP;

use super::direct::{ALIGNMENT, Shared};
use super::disk::{Disk, DiskFile as _};
use super::encode::{Outboard as _, Window};
use super::tree::{self, PAIR};

/// What a thread is worth beginning for.
const PART: u64 = 32 << 20;

/// They wait for the disk rather than for the processor, as content is written and read past the page cache: more than there
/// are cores, and no more than a disk has use for.
const THREADS: u64 = 4;

/// What is read at once of a long part.
const PIECE: usize = 256 << 10;

/// And of a short one.
const SMALL_PIECE: usize = GROUP as usize;

/// A file that may be partly there, and what must be true of it.
pub(super) struct Scanned {
    pub(super) root: Hash,
    pub(super) tree: BaoTree,
    /// Where content and hashes lie.
    pub(super) paths: (PathBuf, PathBuf),
    /// Set where nobody waits for it any more.
    pub(super) stopped: Arc<AtomicBool>,
}

/// Groups that lie on the disk and were not looked at yet, or are being looked at by a thread.
#[derive(Debug)]
pub(super) struct Unsure {
    /// Which.
    pub(super) chunks: ChunkRanges,
    /// Nothing where no thread can: then it is still to be done.
    thread: Option<JoinHandle<io::Result<ChunkRanges>>>,
    stopped: Arc<AtomicBool>,
}

impl Unsure {
    /// Looks at them on a thread, where the disk lets one.
    pub(super) fn begin<D: Disk>(
        disk: &D,
        scanned: Scanned,
        (end, chunks): (u64, ChunkRanges),
    ) -> io::Result<Self> {
        let stopped = Arc::clone(&scanned.stopped);
        let thread = match scanned.shared(disk) {
            None => None,
            Some(shared) => {
                let scan = move || scanned.scan_shared(&shared, end);
                Some(Builder::new().name("rescan".into()).spawn(scan)?)
            }
        };
        Ok(Self { chunks, thread, stopped })
    }

    /// Waits for what the thread found; nothing where there is none.
    pub(super) fn found(mut self) -> io::Result<Option<ChunkRanges>> {
        let Some(thread) = self.thread.take() else { return Ok(None) };
        thread.join().map_err(|_| panicked())?.map(Some)
    }
}

impl Drop for Unsure {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

fn panicked() -> io::Error {
    io::Error::other("a thread that hashes panicked")
}

impl Scanned {
    /// The groups that are there and verify.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn valid<D: Disk>(
        &self,
        disk: &D,
        (data, outboard): (&D::File, &D::File),
    ) -> io::Result<ChunkRanges> {
        let end = self.end(data.length()?);
        let shared = if parts(end) > 1 { self.shared(disk) } else { None };
        match shared {
            None => Ok(tree::chunks_of(&self.scan(data, outboard, 0..end)?)),
            Some(shared) => self.scan_shared(&shared, end),
        }
    }

    /// What lies behind a file's end is not there.
    pub(super) fn end(&self, length: u64) -> u64 {
        length.div_ceil(GROUP).saturating_mul(GROUP).min(self.tree.size())
    }

    fn shared<D: Disk>(&self, disk: &D) -> Option<(Shared, Shared)> {
        disk.shared(&self.paths.0).zip(disk.shared(&self.paths.1))
    }

    /// As [`Self::valid`], by several threads where there is enough for them.
    fn scan_shared(
        &self,
        (data, outboard): &(Shared, Shared),
        end: u64,
    ) -> io::Result<ChunkRanges> {
        let parts = parts(end);
        let spans = thread::scope(|scope| {
            // At bounds of groups; the last part ends with the rest.
            let bound =
                |part: u64| if part == parts { end } else { end / GROUP * part / parts * GROUP };
            let scanning =
                |part| scope.spawn(move || self.scan(data, outboard, bound(part)..bound(part + 1)));
            let threads: Vec<_> = (0..parts).map(scanning).collect();
            let mut spans = Vec::new();
            for thread in threads {
                spans.extend(thread.join().map_err(|_| panicked())??);
            }
            Ok::<_, io::Error>(spans)
        })?;
        Ok(tree::chunks_of(&spans))
    }

    /// The groups of a part that verify, in bytes; neighbours are one.
    fn scan(
        &self,
        data: &impl ReadAt,
        outboard: &impl ReadAt,
        part: Range<u64>,
    ) -> io::Result<Vec<Range<u64>>> {
        let (mut spans, mut pieces) = (Vec::new(), Pieces::of(data, &part));
        if part.is_empty() {
            return Ok(spans);
        }
        let first = ChunkNum::full_chunks(part.start);
        let chunks = match part.end {
            // Open, by which the iterator knows that the last group is meant whole.
            end if end == self.tree.size() => ChunkRanges::from(first..),
            end => ChunkRanges::from(first..ChunkNum::full_chunks(end)),
        };
        let mut outboard = Window::of(outboard);
        // The hashes that are still to be met, the next one last; nothing where a pair above was not met.
        let mut expected = vec![Some(self.root)];
        for item in tree::walk(self.tree, &chunks) {
            if self.stopped.load(Ordering::Relaxed) {
                break;
            }
            let hash = expected.pop().flatten();
            match item {
                BaoChunk::Parent { node, is_root, left, right, .. } => {
                    let at = self.tree.pre_order_offset(node).filter(|_| hash.is_some());
                    let pair = at.map(|at| outboard.pair(at * PAIR as u64)).transpose()?;
                    let halves = pair.as_ref().map(tree::halves);
                    let halves = halves
                        .filter(|[left, right]| hash == Some(tree::parent(left, right, is_root)));
                    let [left_hash, right_hash] = halves.map_or([None; 2], |halves| {
                        halves.map(|half| Some(Hash::from_bytes(half)))
                    });
                    expected.extend(right.then_some(right_hash));
                    expected.extend(left.then_some(left_hash));
                }
                BaoChunk::Leaf { start_chunk, size, is_root, .. } => {
                    let (Some(hash), offset) = (hash, start_chunk.to_bytes()) else { continue };
                    let Some(group) = pieces.group(offset, size)? else { continue };
                    if tree::of_group(group, offset, is_root) == hash {
                        // A group's length fits in a u64 wherever this runs.
                        tree::append(&mut spans, offset..offset + size as u64);
                    }
                }
            }
        }
        Ok(spans)
    }
}

/// By how many threads so many bytes are looked at.
fn parts(end: u64) -> u64 {
    (end / PART).clamp(1, THREADS)
}

/// A file's bytes, read in pieces from its beginning to its end.
struct Pieces<'a, F> {
    file: &'a F,
    /// So long that an aligned piece is in it; it never grows.
    memory: Vec<u8>,
    /// Where in the memory that begins.
    aligned: usize,
    begin: u64,
    length: usize,
    /// Behind which nothing is asked for.
    end: u64,
    /// How much is read at once.
    piece: usize,
}

impl<'a, F: ReadAt> Pieces<'a, F> {
    fn of(file: &'a F, part: &Range<u64>) -> Self {
        let piece = if part.end - part.start < PART { SMALL_PIECE } else { PIECE };
        let memory = vec![0; if part.is_empty() { 0 } else { piece + ALIGNMENT }];
        let aligned = memory.as_ptr().align_offset(ALIGNMENT);
        Self { file, memory, aligned, begin: 0, length: 0, end: part.end, piece }
    }

    /// A group, if the file has all of it.
    fn group(&mut self, offset: u64, size: usize) -> io::Result<Option<&[u8]>> {
        if self.held(offset, size).is_none() {
            self.read(offset)?;
        }
        Ok(self.held(offset, size).map(|held| &self.memory[self.aligned..][held]))
    }

    fn held(&self, offset: u64, size: usize) -> Option<Range<usize>> {
        let begin = usize::try_from(offset.checked_sub(self.begin)?).ok()?;
        let end = begin.checked_add(size)?;
        (end <= self.length).then_some(begin..end)
    }

    fn read(&mut self, offset: u64) -> io::Result<()> {
        let left = usize::try_from(self.end.saturating_sub(offset)).unwrap_or(self.piece);
        // At a file's end some bytes more than there are, by which the disk is asked for whole sectors.
        let piece = left.min(self.piece).next_multiple_of(ALIGNMENT);
        let memory = &mut self.memory[self.aligned..][..piece];
        (self.begin, self.length) = (offset, 0);
        while self.length < piece {
            let place = offset.saturating_add(self.length as u64);
            match self.file.read_at(place, &mut memory[self.length..]) {
                Ok(0) => break,
                Ok(count) => self.length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
