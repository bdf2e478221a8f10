//! Groups on their way to the disk.
//!
//! Where the file system lets content past the page cache ([`Direct`]), groups are gathered in blocks, and a thread writes
//! one block while the next is filled, so that network, hashing and disk work at the same time. Each group is received into the
//! block in which it is written, and counts once it is verified. Everywhere else each group is written when it is there.
//!
//! ```text
//! room ─► bytes come ─► verified ─► keep ─► block full ─ hand_over ─► thread: written ─► the block is used again
//! ```

use std::io;
use std::mem;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope};

use bao_tree::io::sync::WriteAt;
use potluck_wire::ranges::GROUP;

use super::direct::{ALIGNMENT, Direct};
use super::tree;

/// What is written at once. Measured: with 64 KiB the disk waits for us, above 1 MiB nothing is gained.
const BLOCK: usize = 1 << 20;

/// One is filled, one written, and one waits for either. A kill loses at most so much of what had arrived.
const BLOCKS: usize = 3;

/// More than the hashes of a block, with which they are written. Pair by pair, they cost as many system calls as the content and far more than their share.
const HASHES: usize = 4 << 10;

/// What is gathered for one write.
#[derive(Debug)]
struct Block {
    /// So long that an aligned block is in it; it never grows.
    memory: Vec<u8>,
    /// Where in the memory that begins.
    begin: usize,
    /// Where in the file.
    offset: u64,
    /// How much of it is filled with what verified.
    length: usize,
}

impl Block {
    fn new(size: usize) -> Self {
        let memory = vec![0; size + ALIGNMENT];
        let begin = memory.as_ptr().align_offset(ALIGNMENT);
        Self { memory, begin, offset: 0, length: 0 }
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[self.begin..self.begin + self.length]
    }

    /// The file's bytes that it holds.
    fn range(&self) -> Range<u64> {
        // Offset and length are of one file, whose size fits.
        self.offset..self.offset + self.length as u64
    }
}

/// The way of content into a file that is open elsewhere too.
pub(super) struct Content<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    /// Where the file system allows it; nothing once the thread has it.
    direct: Option<Direct>,
    is_gathered: bool,
    /// What is filled now.
    block: Block,
    thread: Option<Thread>,
    written: Vec<Range<u64>>,
}

/// The thread that writes.
struct Thread {
    full: SyncSender<Block>,
    done: Receiver<(Block, io::Result<()>)>,
    /// How many blocks there are, the one that is filled included.
    blocks: usize,
}

impl<'scope, 'env> Content<'scope, 'env> {
    /// `scope`: in which the thread runs, from the first full block on.
    pub(super) fn new(scope: &'scope Scope<'scope, 'env>, direct: Option<Direct>) -> Self {
        let is_gathered = direct.is_some();
        let block = Block::new(if is_gathered { BLOCK } else { GROUP as usize });
        Self { scope, direct, is_gathered, block, thread: None, written: Vec::new() }
    }

    /// Whether a group fits behind what is there; else that is to be handed over first.
    pub(super) fn fits(&self, offset: u64, length: usize) -> bool {
        let follows = self.block.length == 0 || self.block.range().end == offset;
        follows && self.block.length + length <= BLOCK
    }

    /// Where to put a group that fits. What is put there is not written unless it is kept.
    pub(super) fn room(&mut self, offset: u64, length: usize) -> &mut [u8] {
        if self.block.length == 0 {
            self.block.offset = offset;
        }
        let at = self.block.begin + self.block.length;
        &mut self.block.memory[at..at + length]
    }

    /// What was put into the room is verified.
    pub(super) fn keep(&mut self, file: &mut impl WriteAt, length: usize) -> io::Result<()> {
        self.block.length += length;
        if self.is_gathered {
            return Ok(());
        }
        file.write_all_at(self.block.offset, self.block.bytes())?;
        let range = self.block.range();
        self.block.length = 0;
        self.note(range);
        Ok(())
    }

    /// Gives what is gathered to the thread, and goes on with another block as soon as there is one.
    pub(super) fn hand_over(&mut self) -> io::Result<()> {
        if self.block.length == 0 {
            return Ok(());
        }
        if let Some(direct) = self.direct.take() {
            self.thread = Some(Thread::start(self.scope, direct)?);
        }
        let Some(thread) = &mut self.thread else { return Ok(()) };
        let next = if thread.blocks < BLOCKS {
            thread.blocks += 1;
            Some(Block::new(BLOCK))
        } else {
            None
        };
        let (mut next, result) = match next {
            Some(next) => (next, Ok(())),
            None => thread.done.recv().map_err(|_| stopped())?,
        };
        let range = next.range();
        next.length = 0;
        let full = mem::replace(&mut self.block, next);
        thread.full.send(full).map_err(|_| stopped())?;
        result?;
        self.note(range);
        Ok(())
    }

    /// What is gathered and was not handed over is not to be written.
    pub(super) fn discard(&mut self) {
        self.block.length = 0;
    }

    /// Writes what is left, and says what of all was written, in bytes of the file.
    pub(super) fn finish(mut self) -> (Vec<Range<u64>>, io::Result<()>) {
        let last = mem::replace(&mut self.block, Block::new(0));
        let mut ended = Ok(());
        if let Some(Thread { full, done, .. }) = self.thread.take() {
            // It is gone only where it panicked: then its scope does.
            let _ = full.send(last);
            drop(full);
            while let Ok((block, result)) = done.recv() {
                match result {
                    Ok(()) => self.note(block.range()),
                    Err(error) => ended = ended.and(Err(error)),
                }
            }
        } else if let Some(direct) = &mut self.direct {
            ended = direct.write(last.offset, last.bytes());
            if ended.is_ok() {
                self.note(last.range());
            }
        }
        (self.written, ended)
    }

    fn note(&mut self, range: Range<u64>) {
        tree::append(&mut self.written, range);
    }
}

impl Thread {
    fn start<'scope>(scope: &'scope Scope<'scope, '_>, mut direct: Direct) -> io::Result<Self> {
        // As many as there are, so that nobody waits to give one.
        let ((full, to_write), (written, done)) = (sync_channel(BLOCKS), sync_channel(BLOCKS));
        Builder::new().name("writer".into()).spawn_scoped(scope, move || {
            let to_write: Receiver<Block> = to_write;
            for block in to_write {
                let result = direct.write(block.offset, block.bytes());
                if written.send((block, result)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { full, done, blocks: 1 })
    }
}

fn stopped() -> io::Error {
    io::Error::other("the thread that writes content stopped")
}

/// The way of hashes into their file: of few bytes, in many small pieces.
#[derive(Debug)]
pub(super) struct Hashes {
    /// Of no length where they are written one by one, as their groups are.
    memory: Vec<u8>,
    offset: u64,
    length: usize,
}

impl Hashes {
    /// They are gathered where the content is.
    pub(super) fn new(are_gathered: bool) -> Self {
        let memory = vec![0; if are_gathered { HASHES } else { 0 }];
        Self { memory, offset: 0, length: 0 }
    }

    /// Takes a pair.
    pub(super) fn write(
        &mut self,
        file: &mut impl WriteAt,
        offset: u64,
        pair: &[u8],
    ) -> io::Result<()> {
        if self.memory.is_empty() {
            return file.write_all_at(offset, pair);
        }
        let follows = offset == self.offset + self.length as u64;
        if !follows || self.length + pair.len() > self.memory.len() {
            self.flush(file)?;
            self.offset = offset;
        }
        self.memory[self.length..self.length + pair.len()].copy_from_slice(pair);
        self.length += pair.len();
        Ok(())
    }

    /// Writes what is gathered.
    pub(super) fn flush(&mut self, file: &mut impl WriteAt) -> io::Result<()> {
        let length = mem::take(&mut self.length);
        if length > 0 {
            file.write_all_at(self.offset, &self.memory[..length])?;
            self.offset += length as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::thread;

    use super::super::disk::{Disk as _, System};
    use super::*;

    /// Writes runs of groups at their offsets; the file then holds them, and every byte was reported once.
    fn check(direct: bool, writes: &[(u64, usize)]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        let mut expected = Vec::new();
        let direct = System.direct(&path).filter(|_| direct);
        let (written, ended) = thread::scope(|scope| {
            let mut content = Content::new(scope, direct);
            for (number, (offset, length)) in writes.iter().enumerate() {
                let group: Vec<u8> = (0..*length).map(|at| (at * 7 + number) as u8).collect();
                let end = *offset as usize + length;
                expected.resize(expected.len().max(end), 0);
                expected[*offset as usize..end].copy_from_slice(&group);
                if !content.fits(*offset, *length) {
                    content.hand_over().unwrap();
                }
                content.room(*offset, *length).copy_from_slice(&group);
                content.keep(&mut file, *length).unwrap();
            }
            if content.fits(0, GROUP as usize) {
                // Bytes that did not verify leave no trace.
                content.room(0, GROUP as usize).fill(7);
            }
            content.finish()
        });
        ended.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), expected);
        let total: u64 = written.iter().map(|range| range.end - range.start).sum();
        assert_eq!(total, writes.iter().map(|(_, length)| *length as u64).sum::<u64>());
    }

    #[test]
    fn what_is_written_is_there_whatever_its_order_and_alignment() {
        const GROUP: usize = 64 << 10;
        let row: Vec<_> = (0..80).map(|at| (at * GROUP as u64, GROUP)).collect();
        let ragged = [&row[..79], &[(79 * GROUP as u64, 777)]].concat();
        let apart = [(0, GROUP), (5 * GROUP as u64, GROUP), (2 * GROUP as u64, 100), (1000, 5000)];
        for direct in [true, false] {
            check(direct, &row);
            check(direct, &ragged);
            check(direct, &apart);
            check(direct, &[(0, 1)]);
            check(direct, &[]);
        }
    }
}
