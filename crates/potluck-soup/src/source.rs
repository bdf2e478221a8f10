//! One safetensors file, opened once: reads that say whose bytes are missing.
//!
//! Nothing is mapped: a file that somebody cuts short while it is read ends in an error that names it, never in a
//! signal. Whoever has read all that it wanted asks [`Source::check_unchanged`], so that what was made of a file
//! that was rewritten meanwhile is not taken for a soup. Whoever streams a soup cannot ask at the end, since what was sent
//! is gone: a [`Watch`] is asked before any byte is used. Called by [`crate::checkpoint`] and by what mixes.

use std::fmt::Debug;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// Asked before bytes of a file are used: whether they are those that the file is to have. Called from many threads.
pub trait Watch: Debug + Send + Sync {
    /// Lets a range of the file's bytes pass.
    ///
    /// # Errors
    /// With what the read of them then fails.
    fn check(&self, range: Range<u64>) -> io::Result<()>;
}

/// An open file of weights with its checked header.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    file: File,
    layout: Layout,
    seen: Seen,
    watch: Option<Arc<dyn Watch>>,
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
        Ok(Self { path: path.to_owned(), file, layout, seen: Seen::of(&metadata), watch: None })
    }

    /// As [`Self::open`]; nothing of the file is used that `watch` does not let pass, its header included.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_watched(
        path: &Path,
        limit: HeaderLimit,
        watch: Arc<dyn Watch>,
    ) -> Result<Self, SourceError> {
        let mut source = Self::open(path, limit)?;
        // A header may be anybody's; that it was read does no harm.
        watch.check(0..source.layout.data_start()).map_err(|error| source.unreadable(error))?;
        source.watch = Some(watch);
        Ok(source)
    }

    fn unreadable(&self, source: io::Error) -> SourceError {
        SourceError::Read { path: self.path.clone(), source }
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
        if let Some(watch) = &self.watch {
            let end = offset.saturating_add(bytes.len() as u64);
            watch.check(offset..end).map_err(|error| self.unreadable(error))?;
        }
        self.file.read_exact_at(bytes, offset).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => SourceError::Shrunk(self.path.clone()),
            _ => self.unreadable(source),
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

    /// Lets everything before a byte pass.
    #[derive(Debug)]
    struct Until(u64);

    impl Watch for Until {
        fn check(&self, range: Range<u64>) -> io::Result<()> {
            if range.end <= self.0 { Ok(()) } else { Err(io::Error::other("beyond")) }
        }
    }

    #[test]
    fn what_is_watched_is_read_only_where_it_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path());
        let open = |until| Source::open_watched(&path, HeaderLimit::BASE, Arc::new(Until(until)));
        let plain = Source::open(&path, HeaderLimit::BASE).unwrap();
        let data = plain.layout().data_start();
        assert!(matches!(open(data - 1), Err(SourceError::Read { .. })));
        let source = open(data + 4).unwrap();
        source.read_exact_at(&mut [0; 4], data).unwrap();
        assert!(matches!(source.read_exact_at(&mut [0; 5], data), Err(SourceError::Read { .. })));
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
