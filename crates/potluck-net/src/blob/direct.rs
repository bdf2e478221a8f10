//! Writing and reading past the page cache (`O_DIRECT`).
//!
//! A checkpoint is larger than what is left of memory, and is read once, later: copied through the page cache it costs
//! several times the processor time, pushes out what others need, and leaves all of the disk's work to the `fsync` at the
//! end.

use std::fs::File;
use std::io;
use std::path::Path;

use bao_tree::io::sync::{ReadAt, WriteAt as _};

/// What positions, lengths and addresses are multiples of on every usual disk.
pub(super) const ALIGNMENT: usize = 4096;

/// A second handle to a file, for what is aligned. The rest takes the usual way.
#[derive(Debug)]
pub struct Direct {
    file: File,
    is_direct: bool,
}

impl Direct {
    /// Nothing where the system or the file system has no such way.
    pub(super) fn open(path: &Path) -> Option<Self> {
        let file = open(path, File::options().write(true))?;
        Some(Self { file, is_direct: true })
    }

    /// Writes a block, whose memory is aligned.
    pub(super) fn write(&mut self, offset: u64, block: &[u8]) -> io::Result<()> {
        let is_aligned = offset.is_multiple_of(ALIGNMENT as u64);
        let mut whole = if is_aligned { block.len() - block.len() % ALIGNMENT } else { 0 };
        if self.is_direct && whole > 0 {
            match self.file.write_all_at(offset, &block[..whole]) {
                Ok(()) => (),
                // A disk that wants more than our alignment.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => whole = 0,
                Err(error) => return Err(error),
            }
        } else {
            whole = 0;
        }
        if whole == block.len() {
            return Ok(());
        }
        // A file's end, after which nothing comes; or a disk that refuses, and will again.
        self.use_page_cache()?;
        // A block's length fits in a u64 wherever this runs.
        self.file.write_all_at(offset + whole as u64, &block[whole..])
    }

    fn use_page_cache(&mut self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if self.is_direct {
            use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
            fcntl_setfl(&self.file, fcntl_getfl(&self.file)?.difference(OFlags::DIRECT))?;
        }
        self.is_direct = false;
        Ok(())
    }
}

/// A handle that several threads may read at once. What is aligned is read past the page cache: what was written past it is not
/// there, and to put it there would cost more than to hash it.
#[derive(Debug)]
pub struct Shared {
    file: File,
    direct: Option<File>,
}

impl Shared {
    pub(super) fn open(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        Some(Self { file, direct: open(path, File::options().read(true)) })
    }
}

impl ReadAt for Shared {
    fn read_at(&self, at: u64, memory: &mut [u8]) -> io::Result<usize> {
        let is_aligned = at.is_multiple_of(ALIGNMENT as u64)
            && memory.len().is_multiple_of(ALIGNMENT)
            && memory.as_ptr().addr().is_multiple_of(ALIGNMENT);
        match self.direct.as_ref().filter(|_| is_aligned).map(|file| file.read_at(at, memory)) {
            // A disk that wants more than our alignment.
            Some(Err(error)) if error.kind() == io::ErrorKind::InvalidInput => (),
            Some(read) => return read,
            None => (),
        }
        self.file.read_at(at, memory)
    }
}

/// In how many pieces a file is taken to be at most: what lies behind them counts as written.
#[cfg(target_os = "linux")]
const MAX_PIECES: usize = 4096;

/// Where a file has bytes, and where it has room alone or not even that (lseek(2)). A file system that does not know says that
/// all is written.
#[cfg(target_os = "linux")]
pub(super) fn written(file: &File) -> io::Result<Vec<std::ops::Range<u64>>> {
    use rustix::fs::{SeekFrom, seek};
    use rustix::io::Errno;
    let length = file.metadata()?.len();
    let (mut written, mut at) = (Vec::new(), 0);
    while at < length {
        let begin = match seek(file, SeekFrom::Data(at)) {
            Ok(begin) if begin < length && written.len() < MAX_PIECES => begin,
            // There is none behind.
            Ok(_) | Err(Errno::NXIO) if written.len() < MAX_PIECES => break,
            _ => {
                written.push(at..length);
                break;
            }
        };
        at = seek(file, SeekFrom::Hole(begin)).map_or(length, |end| end.min(length));
        written.push(begin..at);
    }
    Ok(written)
}

#[cfg(target_os = "linux")]
fn open(path: &Path, options: &mut std::fs::OpenOptions) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flag = i32::try_from(rustix::fs::OFlags::DIRECT.bits()).ok()?;
    options.custom_flags(flag).open(path).ok()
}

/// Nothing: the system has no such way.
#[cfg(not(target_os = "linux"))]
fn open(_path: &Path, _options: &mut std::fs::OpenOptions) -> Option<File> {
    None
}
