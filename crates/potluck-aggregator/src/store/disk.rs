//! Room on the file system of the store: asked for before the first byte, so that a full disk is a refusal and
//! not a surprise.
//!
//! What is promised is reserved (`fallocate`), where the file system can; where it cannot, what other uploads still
//! have to come is counted as gone. Some room is never given to uploads: the ledger must be able to grow when
//! parties have filled the rest.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use potluck_core::{Code, Refusal};
use rustix::fs::{Access, FallocateFlags, StatVfsMountFlags, access, fallocate, statvfs};
use rustix::io::Errno;

/// What the ledger must find before an entry is begun, in bytes: an entry and its commit, many times over. A write
/// that fails in the middle ends the server, a refusal does not.
const LEDGER_ROOM: u64 = 16 << 20;

/// After how many seconds it may be asked again whether there is room: somebody has to make it.
const RETRY_AFTER: u32 = 600;

/// What says how many bytes are free.
type Free = dyn Fn(&Path) -> io::Result<u64> + Send + Sync;

/// The file system under a store.
pub struct Disk {
    folder: PathBuf,
    spare: AtomicU64,
    free: Box<Free>,
}

/// How an attempt to reserve ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reserved {
    /// The room is the file's, whatever others write.
    Held,
    /// There is room, but the file system holds none for anybody.
    Promised,
    /// There is not enough.
    Full {
        /// Bytes that are free for uploads.
        left: u64,
        /// Bytes that the file still needs.
        lacking: u64,
    },
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Disk {
    /// The file system of `folder`, of which `spare` bytes are not for uploads.
    pub fn under(folder: &Path, spare: u64) -> Self {
        Self { folder: folder.to_owned(), spare: spare.into(), free: Box::new(free) }
    }

    /// One that says of itself what a test wants it to.
    #[cfg(test)]
    pub(crate) fn saying(
        folder: &Path,
        spare: u64,
        free: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        let free = Box::new(move |_: &Path| Ok(free()));
        Self { folder: folder.to_owned(), spare: spare.into(), free }
    }

    /// Bytes that are free for uploads and soups.
    ///
    /// # Errors
    /// What the file system says.
    pub fn left(&self) -> io::Result<u64> {
        let spare = self.spare.load(Ordering::Relaxed);
        Ok((self.free)(&self.folder)?.saturating_sub(spare))
    }

    /// From now on so many bytes are not for uploads.
    pub fn set_spare(&self, spare: u64) {
        self.spare.store(spare, Ordering::Relaxed);
    }

    /// Whether it takes writes at all.
    pub fn is_writable(&self) -> bool {
        let is_mounted_so = statvfs(&self.folder)
            .is_ok_and(|system| !system.f_flag.contains(StatVfsMountFlags::RDONLY));
        is_mounted_so && access(&self.folder, Access::WRITE_OK).is_ok()
    }

    /// Asks whether so many bytes fit.
    ///
    /// # Errors
    /// `storage-full`; `internal` where the file system does not say.
    pub fn check(&self, bytes: u64) -> Result<(), Refusal> {
        let left = self.left().map_err(|error| unknown(&error))?;
        if left < bytes { Err(full(bytes, left)) } else { Ok(()) }
    }

    /// Asks whether the ledger can grow.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn check_ledger(&self) -> Result<(), Refusal> {
        let free = (self.free)(&self.folder).map_err(|error| unknown(&error))?;
        if free >= LEDGER_ROOM {
            return Ok(());
        }
        tracing::error!(free, "the disk is full: no entry is taken");
        let sentence = "the aggregator's disk is full, and it takes no entry until there is room";
        Err(Refusal::new(Code::StorageFull, sentence).retry_after(RETRY_AFTER))
    }

    /// Reserves room for all of the file at `path`, which is made where it is not there; its length stays as it
    /// is. `promised` bytes are as good as gone.
    pub(super) fn reserve(&self, path: &Path, size: u64, promised: u64) -> io::Result<Reserved> {
        if size == 0 {
            return Ok(Reserved::Held);
        }
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        let lacking = size.saturating_sub(held(&file.metadata()?));
        let left = self.left()?.saturating_sub(promised);
        if left < lacking {
            return Ok(Reserved::Full { left, lacking });
        }
        match fallocate(&file, FallocateFlags::KEEP_SIZE, 0, size) {
            Ok(()) => Ok(Reserved::Held),
            Err(Errno::NOSPC | Errno::DQUOT) => {
                release(path)?;
                Ok(Reserved::Full { left, lacking })
            }
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NODEV | Errno::SPIPE) => {
                Ok(Reserved::Promised)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Gives back what is reserved beyond the file's end.
pub(super) fn release(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).open(path) {
        // To the length that it has: the file system then frees what lies behind it.
        Ok(file) => file.set_len(file.metadata()?.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Bytes of a file that really stand on the disk, of its length.
pub(super) fn held(file: &fs::Metadata) -> u64 {
    file.len().min(file.blocks().saturating_mul(512))
}

/// Bytes that a user without privileges may still write.
fn free(folder: &Path) -> io::Result<u64> {
    let system = statvfs(folder)?;
    Ok(system.f_bavail.saturating_mul(system.f_frsize))
}

/// What the author is told where so many bytes do not fit.
pub(super) fn full(bytes: u64, left: u64) -> Refusal {
    let sentence = format!(
        "{bytes} bytes do not fit on the aggregator's disk, which has {left} left for uploads; the operator has to \
         make room"
    );
    Refusal::new(Code::StorageFull, sentence).retry_after(RETRY_AFTER)
}

fn unknown(error: &io::Error) -> Refusal {
    tracing::error!(%error, "the disk does not say how much room it has");
    Refusal::new(Code::Internal, "the aggregator cannot tell how much room its disk has")
}

/// Whether an error, or what caused it, is that there is no room.
pub fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_is_gone_for_others_until_it_is_released() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::under(folder.path(), 0);
        let path = folder.path().join("x.part");
        fs::write(&path, [1; 5000]).unwrap();
        let size = 8 << 20;
        if disk.reserve(&path, size, 0).unwrap() != Reserved::Held {
            // A file system that reserves nothing has nothing to release.
            return;
        }
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.len(), 5000, "the length stays: it says how far the upload is");
        assert!(metadata.blocks() * 512 >= size);
        assert_eq!(held(&metadata), 5000);
        release(&path).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert!(metadata.blocks() * 512 < size, "{} blocks", metadata.blocks());
        assert_eq!(fs::read(&path).unwrap(), [1; 5000]);
    }

    #[test]
    fn what_does_not_fit_is_said_and_the_spare_room_is_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::saying(folder.path(), 1000, || 5000);
        let path = folder.path().join("x.part");
        let full = |left, lacking| Reserved::Full { left, lacking };
        assert_eq!(disk.reserve(&path, 4001, 0).unwrap(), full(4000, 4001));
        assert_ne!(disk.reserve(&path, 4000, 0).unwrap(), full(4000, 4000));
        assert_eq!(disk.reserve(&path.with_extension("y"), 4000, 1).unwrap(), full(3999, 4000));
        assert!(disk.check(4000).is_ok());
        let refusal = disk.check(4001).unwrap_err();
        assert_eq!((refusal.code, refusal.retry_after), (Code::StorageFull, Some(600)));
        assert_eq!(disk.check_ledger().unwrap_err().code, Code::StorageFull);
        assert!(Disk::saying(folder.path(), 1000, || LEDGER_ROOM).check_ledger().is_ok());
    }

    #[test]
    fn a_full_disk_is_known_behind_other_errors() {
        #[derive(Debug, thiserror::Error)]
        #[error("a soup could not be written")]
        struct Outer(#[source] io::Error);
        assert!(is_full(&Outer(io::Error::from_raw_os_error(28))));
        assert!(is_full(&Outer(io::Error::from_raw_os_error(122))));
        assert!(!is_full(&Outer(io::ErrorKind::NotFound.into())));
    }
}
