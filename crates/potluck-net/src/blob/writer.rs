//! Groups on their way to the disk, past the page cache where the file system allows it.
//!
//! A checkpoint is larger than what is left of memory, and is read once, later: copied through the page cache it costs
//! several times the processor time, pushes out what others need, and leaves all of the disk's work to the `fsync` at the
//! end. So groups are gathered in a block, and written with `O_DIRECT`. What is not aligned (the end of a file), and every
//! file system that refuses, takes the usual way.

use std::io;
use std::ops::Range;

use super::disk::DiskFile;

/// What is written at once. Measured: with 64 KiB the disk waits for us, above 1 MiB nothing is gained. A kill loses at
/// most so much of what had arrived.
const BLOCK: usize = 1 << 20;

/// More than the hashes of a block, with which they are written. Pair by pair, they cost as many system calls as the content and far more than their share.
const HASHES: usize = 4 << 10;

/// What positions, lengths and addresses are multiples of for `O_DIRECT` on every usual disk.
const ALIGNMENT: usize = 4096;

/// Writes groups into a file that is open elsewhere too.
#[derive(Debug)]
pub(super) struct Writer<F> {
    /// Where the file system allows it.
    direct: Option<F>,
    /// As long as a block and an alignment together, so that an aligned block is in it; it never grows. Empty where groups
    /// are not gathered.
    memory: Vec<u8>,
    /// Where in the memory the block begins.
    begin: usize,
    /// Where in the file the block begins.
    offset: u64,
    /// How much of the block is filled.
    length: usize,
    /// How much fits in it.
    block: usize,
}

impl<F: DiskFile> Writer<F> {
    /// A writer of content; `direct` goes past the page cache, where the file system has such a way to the file.
    pub(super) fn content(direct: Option<F>) -> Self {
        // Without that way there is nothing to gather for.
        let memory = vec![0; if direct.is_some() { BLOCK + ALIGNMENT } else { 0 }];
        let begin = memory.as_ptr().align_offset(ALIGNMENT);
        Self { direct, memory, begin, offset: 0, length: 0, block: BLOCK }
    }

    /// A writer of hashes, of which there are few, in many small pieces; they are gathered where the content is.
    pub(super) fn hashes(are_gathered: bool) -> Self {
        let memory = vec![0; if are_gathered { HASHES } else { 0 }];
        Self { direct: None, memory, begin: 0, offset: 0, length: 0, block: HASHES }
    }

    /// Takes a group, and says what was written because of it, in bytes of the file.
    pub(super) fn write(
        &mut self,
        file: &mut F,
        offset: u64,
        group: &[u8],
    ) -> io::Result<Option<Range<u64>>> {
        if self.memory.is_empty() {
            file.write_all_at(offset, group)?;
            return Ok(Some(offset..offset + group.len() as u64));
        }
        let follows = offset == self.offset + self.length as u64;
        let fits = self.length + group.len() <= self.block;
        let written = if follows && fits { None } else { self.flush(file)? };
        if self.length == 0 {
            self.offset = offset;
        }
        let at = self.begin + self.length;
        self.memory[at..at + group.len()].copy_from_slice(group);
        self.length += group.len();
        Ok(written)
    }

    /// Writes what is left.
    pub(super) fn flush(&mut self, file: &mut F) -> io::Result<Option<Range<u64>>> {
        if self.length == 0 {
            return Ok(None);
        }
        let block = &self.memory[self.begin..self.begin + self.length];
        let (offset, length) = (self.offset, std::mem::take(&mut self.length));
        let whole = length - length % ALIGNMENT;
        let mut rest = block;
        if let Some(direct) = &mut self.direct
            && whole > 0
            && offset % ALIGNMENT as u64 == 0
        {
            match direct.write_all_at(offset, &block[..whole]) {
                Ok(()) => rest = &block[whole..],
                // A disk that wants more than our alignment.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.direct = None,
                Err(error) => return Err(error),
            }
        }
        let end = offset + length as u64;
        if !rest.is_empty() {
            file.write_all_at(end - rest.len() as u64, rest)?;
        }
        Ok(Some(offset..end))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::super::disk::{Disk as _, System};
    use super::*;

    /// Writes runs of groups at their offsets; the file then holds them, and every byte was reported once.
    fn check(direct: bool, writes: &[(u64, usize)]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        let mut writer = Writer::content(System.direct(&path).filter(|_| direct));
        let mut expected = Vec::new();
        let mut written = Vec::new();
        for (number, (offset, length)) in writes.iter().enumerate() {
            let group: Vec<u8> = (0..*length).map(|at| (at * 7 + number) as u8).collect();
            let end = *offset as usize + length;
            expected.resize(expected.len().max(end), 0);
            expected[*offset as usize..end].copy_from_slice(&group);
            written.extend(writer.write(&mut file, *offset, &group).unwrap());
        }
        written.extend(writer.flush(&mut file).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), expected);
        let total: u64 = written.iter().map(|range| range.end - range.start).sum();
        assert_eq!(total, writes.iter().map(|(_, length)| *length as u64).sum::<u64>());
        assert_eq!(writer.flush(&mut file).unwrap(), None);
    }

    #[test]
    fn what_is_written_is_there_whatever_its_order_and_alignment() {
        const GROUP: usize = 64 << 10;
        let row: Vec<_> = (0..40).map(|at| (at * GROUP as u64, GROUP)).collect();
        let ragged = [&row[..39], &[(39 * GROUP as u64, 777)]].concat();
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
