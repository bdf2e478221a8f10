//! A disk in memory, which forgets nothing and never fails.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use potluck_net::blob::disk::{Disk, DiskFile, ReadAt, WriteAt};

/// All files, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Rc<RefCell<BTreeMap<PathBuf, MemoryFile>>>);

/// A file, and all handles to it.
#[derive(Debug, Clone, Default)]
pub(super) struct MemoryFile(Rc<RefCell<Vec<u8>>>);

impl Memory {
    /// A file with these bytes.
    pub(super) fn place(&self, path: &str, bytes: &[u8]) {
        let file = MemoryFile(Rc::new(RefCell::new(bytes.to_vec())));
        self.0.borrow_mut().insert(path.into(), file);
    }

    /// What a file holds; nothing where there is none.
    pub(super) fn bytes(&self, path: &str) -> Vec<u8> {
        self.0.borrow().get(Path::new(path)).map_or(Vec::new(), |file| file.0.borrow().clone())
    }
}

impl Disk for Memory {
    type File = MemoryFile;

    fn open(&self, path: &Path) -> io::Result<MemoryFile> {
        self.0.borrow().get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn edit(&self, path: &Path) -> io::Result<MemoryFile> {
        Ok(self.0.borrow_mut().entry(path.to_owned()).or_default().clone())
    }

    fn create(&self, path: &Path) -> io::Result<MemoryFile> {
        let file = MemoryFile::default();
        self.0.borrow_mut().insert(path.to_owned(), file.clone());
        Ok(file)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let file = self.0.borrow_mut().remove(from).ok_or(io::ErrorKind::NotFound)?;
        self.0.borrow_mut().insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = self.0.borrow_mut().remove(path);
        removed.map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_folder(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }

    fn copy(&self, from: &Path, to: &Path) -> io::Result<()> {
        let bytes = self.open(from)?.0.borrow().clone();
        *self.create(to)?.0.borrow_mut() = bytes;
        Ok(())
    }
}

impl DiskFile for MemoryFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.borrow().len() as u64)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.borrow_mut().resize(length as usize, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self) -> io::Result<()> {
        Ok(())
    }

    fn again(&self) -> io::Result<Self> {
        Ok(self.clone())
    }
}

impl ReadAt for MemoryFile {
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.borrow();
        let rest = bytes.get(at as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

impl WriteAt for MemoryFile {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<usize> {
        let (mut all, at) = (self.0.borrow_mut(), at as usize);
        if all.len() < at + bytes.len() {
            all.resize(at + bytes.len(), 0);
        }
        all[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
