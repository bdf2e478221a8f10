//! A soup's file as bytes that are made when they are asked for.
//!
//! [`SoupFile::read_at`] is for whoever serves ranges; [`SoupReader`] is the same as a stream. Only the tensors
//! that lie under the bytes asked for are read from the inputs.

use std::io::{self, Read, Seek, SeekFrom};

use super::BlendError;
use super::engine::block_bytes;
use super::plan::SoupFile;
use super::rule::Bench;
use crate::float_state;

/// Every element begins at a multiple of its size, and the widest has so many bytes.
const ALIGNMENT: u64 = 8;

impl SoupFile {
    /// Fills `output` with the file's bytes from `offset` on. Both ends stand where an element begins or ends.
    pub(super) fn fill(
        &self,
        bench: &mut Bench,
        offset: u64,
        output: &mut [u8],
    ) -> Result<(), BlendError> {
        let (mut at, mut rest) = (offset, output);
        let header = self.header();
        if let Some(begun) = usize::try_from(at).ok().and_then(|at| header.get(at..)) {
            let (now, later) = rest.split_at_mut(begun.len().min(rest.len()));
            now.copy_from_slice(&begun[..now.len()]);
            at += now.len() as u64;
            rest = later;
        }
        let first = self.tensors().partition_point(|placed| placed.end <= at);
        for placed in &self.tensors()[first..] {
            if rest.is_empty() {
                return Ok(());
            }
            let length =
                usize::try_from(placed.end - at).map_or(rest.len(), |it| it.min(rest.len()));
            let (now, later) = rest.split_at_mut(length);
            placed.tensor.rule.fill(bench, at - placed.start, now)?;
            at += length as u64;
            rest = later;
        }
        Ok(())
    }

    /// Fills `output` with the bytes at `offset`, any byte, and says how many there were: fewer than asked for
    /// only at the file's end.
    ///
    /// Computes on the caller's thread. Memory: what is asked for, at most a block, once for each input.
    ///
    /// # Errors
    /// [`BlendError`], with the first element of this piece that fails.
    pub fn read_at(
        &self,
        bench: &mut Bench,
        offset: u64,
        output: &mut [u8],
    ) -> Result<usize, BlendError> {
        float_state::check()?;
        let left = self.length().saturating_sub(offset);
        let length = usize::try_from(left).map_or(output.len(), |left| left.min(output.len()));
        let (mut at, mut rest) = (offset, &mut output[..length]);
        while !rest.is_empty() {
            let piece = rest.len().min(block_bytes(self.width()));
            let (now, later) = rest.split_at_mut(piece);
            let begin = at - at % ALIGNMENT;
            let end = (at + piece as u64).next_multiple_of(ALIGNMENT).min(self.length());
            if (begin, end) == (at, at + piece as u64) {
                self.fill(bench, begin, now)?;
            } else {
                let mut around =
                    vec![0; usize::try_from(end - begin).expect("a little more than a piece")];
                self.fill(bench, begin, &mut around)?;
                let skip = usize::try_from(at - begin).expect("less than an element");
                now.copy_from_slice(&around[skip..skip + piece]);
            }
            at += piece as u64;
            rest = later;
        }
        Ok(length)
    }

    /// The file as a stream, from its start.
    pub fn reader(&self) -> SoupReader<'_> {
        SoupReader { file: self, bench: Bench::default(), position: 0, ready: Vec::new(), begin: 0 }
    }
}

/// A soup's file as a stream that can be sought in; its length is [`SoupFile::length`].
///
/// It makes a block at a time, but never begins a tensor before somebody reads from it. After an error the same
/// place can be tried again.
#[derive(Debug)]
pub struct SoupReader<'a> {
    file: &'a SoupFile,
    bench: Bench,
    position: u64,
    /// Bytes made and not all read yet, which begin at `begin`.
    ready: Vec<u8>,
    begin: u64,
}

impl SoupReader<'_> {
    fn ready(&self) -> &[u8] {
        let within = self.position.checked_sub(self.begin).and_then(|it| usize::try_from(it).ok());
        within.and_then(|within| self.ready.get(within..)).unwrap_or_default()
    }

    /// Makes the bytes at the position up to the end of the tensor under it, at most a block.
    fn make(&mut self) -> Result<(), BlendError> {
        let tensors = self.file.tensors();
        let header = self.file.header().len() as u64;
        let end = if self.position < header {
            header
        } else {
            let under = tensors.partition_point(|placed| placed.end <= self.position);
            tensors.get(under).map_or(self.position, |placed| placed.end)
        };
        let block = block_bytes(self.file.width()) as u64;
        let length = (end - self.position.min(end)).min(block);
        self.begin = self.position;
        self.ready.resize(usize::try_from(length).expect("at most a block"), 0);
        let made = self.file.read_at(&mut self.bench, self.begin, &mut self.ready);
        if made.is_err() {
            self.ready.clear();
        }
        made.map(|_| ())
    }
}

impl Read for SoupReader<'_> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        if output.is_empty() {
            return Ok(0);
        }
        if self.ready().is_empty() {
            self.make().map_err(io::Error::other)?;
        }
        let ready = self.ready();
        let length = ready.len().min(output.len());
        output[..length].copy_from_slice(&ready[..length]);
        self.position += length as u64;
        Ok(length)
    }
}

impl Seek for SoupReader<'_> {
    /// A position beyond the end is allowed, and nothing is read there.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(distance) => self.file.length().checked_add_signed(distance),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
        };
        self.position = position.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "before the start of the soup")
        })?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests;
