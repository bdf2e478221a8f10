//! Where files lie: names, locks, durability.
//!
//! [`System`] is the machine's own file system, and what every program uses. The trait is there for the
//! simulation (`tests/sim`), whose disk loses what was not synced.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

pub use bao_tree::io::sync::{ReadAt, WriteAt};

pub use super::direct::{Direct, Shared};

/// A file system, as far as verified files need one.
pub trait Disk: Clone + Debug {
    /// An open file.
    type File: DiskFile;

    /// Opens a file that is there, to read.
    ///
    /// # Errors
    /// What the file system says.
    fn open(&self, path: &Path) -> io::Result<Self::File>;

    /// Opens a file to read and write, and makes it where it is not there.
    ///
    /// # Errors
    /// What the file system says.
    fn edit(&self, path: &Path) -> io::Result<Self::File>;

    /// A second handle to a file that is there, to write past every cache what is aligned; nothing where there is no such way.
    fn direct(&self, _path: &Path) -> Option<Direct> {
        None
    }

    /// Another handle to a file that is there, which several threads may read at once; nothing where there is none.
    fn shared(&self, _path: &Path) -> Option<Shared> {
        None
    }

    /// Opens a file to write, empty.
    ///
    /// # Errors
    /// What the file system says.
    fn create(&self, path: &Path) -> io::Result<Self::File>;

    /// Gives a file another name, in place of what stood there; not yet durable.
    ///
    /// # Errors
    /// What the file system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a name; not yet durable.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where there is none, and what else the file system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// What the file system says.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Writes the bytes of `from` to `to`, durably.
    ///
    /// # Errors
    /// What the file system says.
    fn copy(&self, from: &Path, to: &Path) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: ReadAt + WriteAt + Debug + Sized {
    /// How long it is, in bytes.
    ///
    /// # Errors
    /// What the file system says.
    fn length(&self) -> io::Result<u64>;

    /// Where bytes of it were written, as far as the file system knows: elsewhere nothing ever was. Ascending; ends where the
    /// file does, or before.
    ///
    /// # Errors
    /// What the file system says.
    fn written(&self) -> io::Result<Vec<Range<u64>>> {
        let all = 0..self.length()?;
        Ok(Vec::from([all]))
    }

    /// Cuts it, or fills it up with zeros.
    ///
    /// # Errors
    /// What the file system says.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Makes its bytes durable, not its name.
    ///
    /// # Errors
    /// What the file system says.
    fn sync(&self) -> io::Result<()>;

    /// Takes it for this handle alone, until that is dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where another handle has it.
    fn lock(&self) -> io::Result<()>;

    /// A second handle to the same file.
    ///
    /// # Errors
    /// What the file system says.
    fn again(&self) -> io::Result<Self>;
}

/// The machine's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Disk for System {
    type File = File;

    fn open(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }

    fn edit(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
    }

    fn direct(&self, path: &Path) -> Option<Direct> {
        Direct::open(path)
    }

    fn shared(&self, path: &Path) -> Option<Shared> {
        Shared::open(path)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        File::create(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    /// Unlike `fs::copy`, leaves the source's permissions behind: a store's files are its owner's to replace.
    fn copy(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut copied = File::create(to)?;
        io::copy(&mut File::open(from)?, &mut copied)?;
        copied.sync_all()
    }
}

impl DiskFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    #[cfg(target_os = "linux")]
    fn written(&self) -> io::Result<Vec<Range<u64>>> {
        super::direct::written(self)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }

    fn lock(&self) -> io::Result<()> {
        self.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                let sentence = "another transfer of this file is under way";
                io::Error::new(io::ErrorKind::WouldBlock, sentence)
            }
            TryLockError::Error(error) => error,
        })
    }

    fn again(&self) -> io::Result<Self> {
        self.try_clone()
    }
}

/// Reads a file from its beginning.
pub(super) struct FromStart<'a, F> {
    file: &'a F,
    at: u64,
}

impl<'a, F> FromStart<'a, F> {
    pub(super) fn of(file: &'a F) -> Self {
        Self { file, at: 0 }
    }
}

impl<F: ReadAt> io::Read for FromStart<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(self.at, buffer)?;
        // A file's length fits in a u64, and a buffer's wherever this runs.
        self.at += count as u64;
        Ok(count)
    }
}

/// `path` with `suffix` behind its whole name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Gives a synced file its final name, durably.
pub(super) fn publish(disk: &impl Disk, from: &Path, to: &Path) -> io::Result<()> {
    disk.rename(from, to)?;
    sync_parent(disk, to)
}

/// A rename is durable once its directory is.
fn sync_parent(disk: &impl Disk, path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => disk.sync_folder(parent),
        _ => disk.sync_folder(Path::new(".")),
    }
}

/// Removes a file if there is one.
pub(super) fn remove(disk: &impl Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
