//! Groups on their way to the disk, past the page cache where the file system allows it.
//!
//! A checkpoint is larger than what is left of memory, and is read once, later: copied through the page cache it costs
//! several times the processor time, pushes out what others need, and leaves all of the disk's work to the `fsync` at the
//! end. So groups are gathered in a block, and written with `O_DIRECT`. What is not aligned (the end of a file), and every
//! file system that refuses, takes the usual way.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// What is written at once. Measured: with 64 KiB the disk waits for us, above 1 MiB nothing is gained. A kill loses at
/// most so much of what had arrived.
const BLOCK: usize = 1 << 20;

/// More than the hashes of a block, with which they are written. Pair by pair, they cost as many system calls as the content and far more than their share.
const HASHES: usize = 4 << 10;

/// What positions, lengths and addresses are multiples of for `O_DIRECT` on every usual disk.
const ALIGNMENT: usize = 4096;

/// Writes groups into a file that is open elsewhere too.
#[derive(Debug)]
pub(super) struct Writer {
    /// Where the file system allows it.
    direct: Option<File>,
    /// As long as a block and an alignment together, so that an aligned block is in it; it never grows.
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

impl Writer {
    /// A writer of content into the file at `path`.
    pub(super) fn content(path: &Path) -> Self {
        let memory = vec![0; BLOCK + ALIGNMENT];
        let begin = memory.as_ptr().align_offset(ALIGNMENT);
        Self { direct: direct(path), memory, begin, offset: 0, length: 0, block: BLOCK }
    }

    /// A writer of hashes, of which there are few, in many small pieces.
    pub(super) fn hashes() -> Self {
        let memory = vec![0; HASHES];
        Self { direct: None, memory, begin: 0, offset: 0, length: 0, block: HASHES }
    }

    /// Takes a group, and says what was written because of it, in bytes of the file.
    pub(super) fn write(
        &mut self,
        file: &File,
        offset: u64,
        group: &[u8],
    ) -> io::Result<Option<Range<u64>>> {
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
    pub(super) fn flush(&mut self, file: &File) -> io::Result<Option<Range<u64>>> {
        if self.length == 0 {
            return Ok(None);
        }
        let block = &self.memory[self.begin..self.begin + self.length];
        let (offset, length) = (self.offset, std::mem::take(&mut self.length));
        let whole = length - length % ALIGNMENT;
        let mut rest = block;
        if let Some(direct) = &self.direct
            && whole > 0
            && offset % ALIGNMENT as u64 == 0
        {
            match direct.write_all_at(&block[..whole], offset) {
                Ok(()) => rest = &block[whole..],
                // A disk that wants more than our alignment.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.direct = None,
                Err(error) => return Err(error),
            }
        }
        let end = offset + length as u64;
        if !rest.is_empty() {
            file.write_all_at(rest, end - rest.len() as u64)?;
        }
        Ok(Some(offset..end))
    }
}

#[cfg(target_os = "linux")]
fn direct(path: &Path) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flag = i32::try_from(rustix::fs::OFlags::DIRECT.bits()).ok()?;
    OpenOptions::new().write(true).custom_flags(flag).open(path).ok()
}

#[cfg(not(target_os = "linux"))]
fn direct(_path: &Path) -> Option<File> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes runs of groups at their offsets; the file then holds them, and every byte was reported once.
    fn check(direct: bool, writes: &[(u64, usize)]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        let mut writer = Writer::content(&path);
        if !direct {
            writer.direct = None;
        }
        let mut expected = Vec::new();
        let mut written = Vec::new();
        for (number, (offset, length)) in writes.iter().enumerate() {
            let group: Vec<u8> = (0..*length).map(|at| (at * 7 + number) as u8).collect();
            let end = *offset as usize + length;
            expected.resize(expected.len().max(end), 0);
            expected[*offset as usize..end].copy_from_slice(&group);
            written.extend(writer.write(&file, *offset, &group).unwrap());
        }
        written.extend(writer.flush(&file).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), expected);
        let total: u64 = written.iter().map(|range| range.end - range.start).sum();
        assert_eq!(total, writes.iter().map(|(_, length)| *length as u64).sum::<u64>());
        assert_eq!(writer.flush(&file).unwrap(), None);
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
