//! One safetensors file, opened once: reads that say whose bytes are missing.
//!
//! Nothing is mapped: a file that somebody cuts short while it is read ends in an error that names it, never in a
//! signal. Whoever has read all that it wanted asks [`Source::check_unchanged`], so that what was made of a file
//! that was rewritten meanwhile is not taken for a soup. Called by [`crate::checkpoint`] and by what mixes.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::layout::{HeaderLimit, Layout, LayoutError};

/// Why a file of weights could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It could not be opened or read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A pipe, a folder, a device.
    #[error("{} is no regular file", .0.display())]
    Special(PathBuf),
    /// Its header is none, or none that is allowed here.
    #[error("{} is no safetensors file that can be used", path.display())]
    Layout {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: LayoutError,
    },
    /// It became shorter while it was read.
    #[error("{} became shorter while it was read: leave the inputs alone meanwhile", .0.display())]
    Shrunk(PathBuf),
    /// It was written to while it was read.
    #[error("{} was changed while it was read: leave the inputs alone meanwhile", .0.display())]
    Changed(PathBuf),
}

/// An open file of weights with its checked header.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    file: File,
    layout: Layout,
    seen: Seen,
}

/// What a write to a file changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    length: u64,
    modified: (i64, i64),
}

impl Seen {
    fn of(metadata: &Metadata) -> Self {
        Self { length: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }
}

impl Source {
    /// Opens `path` and reads its header, nothing more.
    ///
    /// # Errors
    /// [`SourceError`], never the last two.
    pub fn open(path: &Path, limit: HeaderLimit) -> Result<Self, SourceError> {
        let failed = |source| SourceError::Read { path: path.to_owned(), source };
        // Does not wait for the writer of a pipe that stands where a file should.
        let mut options = OpenOptions::new();
        let file = options.read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(SourceError::Special(path.to_owned()));
        }
        let layout = Layout::read(&file, metadata.len(), limit).map_err(|source| match source {
            LayoutError::Read(source) => failed(source),
            source => SourceError::Layout { path: path.to_owned(), source },
        })?;
        Ok(Self { path: path.to_owned(), file, layout, seen: Seen::of(&metadata) })
    }

    /// Where its tensors lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length in bytes when it was opened.
    pub fn length(&self) -> u64 {
        self.seen.length
    }

    /// Fills `bytes` with what stands at `offset`, in bytes from the start of the file.
    ///
    /// # Errors
    /// [`SourceError::Read`], [`SourceError::Shrunk`].
    pub fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> Result<(), SourceError> {
        self.file.read_exact_at(bytes, offset).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => SourceError::Shrunk(self.path.clone()),
            _ => SourceError::Read { path: self.path.clone(), source },
        })
    }

    /// Asks whether the file is still the one that was opened.
    ///
    /// # Errors
    /// [`SourceError::Shrunk`], [`SourceError::Changed`], [`SourceError::Read`].
    pub fn check_unchanged(&self) -> Result<(), SourceError> {
        let now = self
            .file
            .metadata()
            .map_err(|source| SourceError::Read { path: self.path.clone(), source })?;
        match Seen::of(&now) {
            now if now == self.seen => Ok(()),
            now if now.length < self.seen.length => Err(SourceError::Shrunk(self.path.clone())),
            _ => Err(SourceError::Changed(self.path.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::samples::{f32s, file};

    fn written(folder: &Path) -> PathBuf {
        let path = folder.join("w.safetensors");
        std::fs::write(&path, file(&[f32s("w", &[1.0, 2.0])])).unwrap();
        path
    }

    #[test]
    fn a_file_that_is_cut_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path());
        let source = Source::open(&path, HeaderLimit::BASE).unwrap();
        source.check_unchanged().unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(source.length() - 4).unwrap();
        let range = source.layout().tensors()[0].range.clone();
        let cut = source.read_exact_at(&mut [0; 8], range.start).unwrap_err();
        assert!(matches!(&cut, SourceError::Shrunk(it) if *it == path), "{cut}");
        assert!(matches!(source.check_unchanged(), Err(SourceError::Shrunk(_))));
    }

    #[test]
    fn a_file_that_is_written_to_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path());
        let source = Source::open(&path, HeaderLimit::BASE).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"more").unwrap();
        assert!(matches!(source.check_unchanged(), Err(SourceError::Changed(it)) if it == path));
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let open = |path: &Path| Source::open(path, HeaderLimit::BASE).unwrap_err();
        assert!(matches!(open(folder.path()), SourceError::Special(_)));
        assert!(matches!(open(&folder.path().join("none")), SourceError::Read { .. }));
        let empty = folder.path().join("empty");
        std::fs::write(&empty, b"").unwrap();
        assert!(matches!(open(&empty), SourceError::Layout { .. }));
    }
}
