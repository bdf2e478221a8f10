//! Writing past the page cache (`O_DIRECT`).
//!
//! A checkpoint is larger than what is left of memory, and is read once, later: copied through the page cache it costs
//! several times the processor time, pushes out what others need, and leaves all of the disk's work to the `fsync` at the
//! end.

use std::fs::File;
use std::io;
use std::path::Path;

use bao_tree::io::sync::WriteAt as _;

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
    #[cfg(target_os = "linux")]
    pub(super) fn open(path: &Path) -> Option<Self> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let flag = i32::try_from(rustix::fs::OFlags::DIRECT.bits()).ok()?;
        let file = File::options().write(true).custom_flags(flag).open(path).ok()?;
        Some(Self { file, is_direct: true })
    }

    /// Nothing: the system has no such way.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn open(_path: &Path) -> Option<Self> {
        None
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
