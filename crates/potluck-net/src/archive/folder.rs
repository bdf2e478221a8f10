//! Where the files of a log lie: a folder, or what stands for one in a test.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use potluck_log::{TileId, TileReader};

use super::ArchiveFile;

/// Named files. Names are relative, with `/` between their parts, and are never anybody's input as it came.
pub trait Files {
    /// The bytes of a file: all, or one more than `limit` of them; nothing if it is not there.
    ///
    /// # Errors
    /// What the system says.
    fn read(&self, name: &str, limit: usize) -> io::Result<Option<Vec<u8>>>;

    /// Gives a file these bytes, so that whoever reads meanwhile sees it whole, as it was or as it is now.
    ///
    /// # Errors
    /// What the system says.
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// The names in a folder; none if it is not there.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Removes a file, or a folder with all that is in it; does nothing if it is not there.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, name: &str) -> io::Result<()>;
}

/// A folder on disk.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`, which the first file that is put there makes.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

impl Files for Folder {
    fn read(&self, name: &str, limit: usize) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = found(File::open(self.0.join(name)))? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // What is right stays, so that a folder is mended without being written anew.
        if self.read(name, bytes.len())?.is_some_and(|there| there == bytes) {
            return Ok(());
        }
        let path = self.0.join(name);
        let mut unfinished = path.clone().into_os_string();
        unfinished.push(".unfinished");
        if found(fs::write(&unfinished, bytes))?.is_none() {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(&unfinished, bytes)?;
        }
        fs::rename(&unfinished, &path)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let Some(entries) = found(fs::read_dir(self.0.join(folder)))? else { return Ok(vec![]) };
        // A name that is no text is none of ours.
        let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(Result::transpose).collect()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.0.join(name);
        let Some(metadata) = found(fs::symlink_metadata(&path))? else { return Ok(()) };
        if metadata.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
    }
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The tiles among some files.
#[derive(Debug, Clone, Copy)]
pub struct Shelf<'a, F>(pub &'a F);

impl<F: Files> TileReader for Shelf<'_, F> {
    type Error = io::Error;

    fn read(&self, tile: TileId) -> io::Result<Option<Vec<u8>>> {
        self.0.read(&tile.to_string(), ArchiveFile::Tile(tile).max_bytes())
    }
}

impl<F: Files + ?Sized> Files for Arc<F> {
    fn read(&self, name: &str, limit: usize) -> io::Result<Option<Vec<u8>>> {
        (**self).read(name, limit)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        (**self).put(name, bytes)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        (**self).list(folder)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        (**self).remove(name)
    }
}
