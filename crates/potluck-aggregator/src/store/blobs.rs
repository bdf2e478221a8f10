//! Whole files under their BLAKE3, each beside the tree of hashes by which any part of it is verified.
//!
//! `ab/<hex>` holds the bytes, `ab/<hex>.obao` the tree. The tree gets its name first, so where the bytes stand,
//! both do. What stands here was verified once; whoever reads it verifies again. Bytes that came in and whose entry did
//! not, because of a kill or a late refusal, have `ab/<hex>.party` beside them, whose they are.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use potluck_core::{Blake3, FileEntry};
use potluck_net::Ranges;
use potluck_net::blob::{self, Partial, SendError};

pub use potluck_net::blob::ImportError;

use super::durable;

/// The folder of blobs.
#[derive(Debug)]
pub struct Blobs {
    folder: PathBuf,
    held: Arc<Mutex<Held>>,
}

/// How many hold each blob.
type Held = HashMap<Blake3, usize>;

/// Keeps a blob, or one that may come, from being removed, for as long as it lives.
#[derive(Debug)]
pub struct Hold {
    blob: Blake3,
    held: Arc<Mutex<Held>>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        match held.get_mut(&self.blob) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(held.remove(&self.blob)),
        }
    }
}

/// The counts are whole between any two statements, so that a panic elsewhere cannot have torn them.
fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Blobs {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, held: Arc::default() }
    }

    /// Keeps a blob from being removed until what is built on it stands in the ledger.
    pub fn hold(&self, blob: Blake3) -> Hold {
        *lock(&self.held).entry(blob).or_default() += 1;
        Hold { blob, held: Arc::clone(&self.held) }
    }

    /// Removes a blob that nobody holds, and of which `is_unneeded` still says so while nobody can take hold of it.
    /// Whether it was there and is gone.
    ///
    /// # Errors
    /// What the file system says.
    pub fn remove(&self, blob: Blake3, is_unneeded: &dyn Fn() -> bool) -> io::Result<bool> {
        let held = lock(&self.held);
        if held.contains_key(&blob) || !is_unneeded() {
            return Ok(false);
        }
        // The bytes first: it is by them that a blob is found.
        for path in [self.data(blob), self.outboard(blob)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                removed => removed?,
            }
        }
        self.unsign(blob)?;
        Ok(true)
    }

    /// Where the bytes of a blob stand, if they are here.
    pub fn data(&self, blob: Blake3) -> PathBuf {
        let name = blob.to_string();
        self.folder.join(&name[..2]).join(name)
    }

    /// Where its tree of hashes stands.
    pub fn outboard(&self, blob: Blake3) -> PathBuf {
        self.data(blob).with_extension("obao")
    }

    /// Whether the blob is here. Looks at no byte of it.
    pub fn contains(&self, blob: Blake3) -> bool {
        self.data(blob).is_file()
    }

    /// Whether the blob is here and every byte still is what its digest says; reads all of it.
    ///
    /// # Errors
    /// What the file system says, other than that there is no such file.
    pub fn is_intact(&self, file: &FileEntry) -> io::Result<bool> {
        let (data, outboard) = (self.data(file.blake3), self.outboard(file.blake3));
        let Ok(all) = Ranges::all(file.size) else { return Ok(false) };
        match blob::send(&data, Some(&outboard), &file.blake3, &all, &mut io::sink()) {
            Ok(()) => Ok(true),
            Err(SendError::Corrupt { .. } | SendError::Gone) => Ok(false),
            Err(SendError::File(error)) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(SendError::File(error)) => Err(error),
        }
    }

    /// Takes a complete upload over, durably when it returns.
    ///
    /// # Errors
    /// What the file system says.
    pub fn take_in(&self, partial: Partial, blob: Blake3) -> io::Result<()> {
        partial.finish(&self.place(blob)?, &self.outboard(blob))
    }

    /// Remembers whose bytes these are until the ledger speaks of them; see [`Self::is_unrecorded_of`]. Lost in a power
    /// cut, the bytes are nobody's, and are sent again.
    ///
    /// # Errors
    /// What the file system says.
    pub fn sign(&self, blob: Blake3, party: &str) -> io::Result<()> {
        fs::write(self.place(blob)?.with_extension("party"), party)
    }

    /// The ledger speaks of the bytes: they are whose it says.
    ///
    /// # Errors
    /// What the file system says.
    pub fn unsign(&self, blob: Blake3) -> io::Result<()> {
        match fs::remove_file(self.data(blob).with_extension("party")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether bytes that the ledger does not speak of came from this party.
    pub fn is_unrecorded_of(&self, blob: Blake3, party: &str) -> bool {
        let signed = fs::read_to_string(self.data(blob).with_extension("party"));
        signed.is_ok_and(|signed| signed == party)
    }

    /// Copies a file that stands elsewhere, durably when it returns.
    ///
    /// # Errors
    /// [`ImportError`]: it is not the file expected, or what the file system says.
    pub fn import(&self, source: &Path, expected: &FileEntry) -> Result<(), ImportError> {
        let target = self.place(expected.blake3)?;
        let outboard = self.outboard(expected.blake3);
        blob::import(source, &expected.blake3, expected.size, &target, &outboard)
    }

    /// Takes over a synced file of the store's own, durably when it returns.
    ///
    /// # Errors
    /// As [`Self::import`].
    pub fn adopt(&self, source: &Path, expected: &FileEntry) -> Result<(), ImportError> {
        let target = self.place(expected.blake3)?;
        let found = blob::outboard(source, &self.outboard(expected.blake3))?;
        if found != (expected.blake3, expected.size) {
            return Err(ImportError::Differs);
        }
        Ok(durable::move_file(source, &target)?)
    }

    /// Every blob that stands here, with its length in bytes.
    ///
    /// # Errors
    /// What the file system says.
    pub fn list(&self) -> io::Result<Vec<(Blake3, u64)>> {
        let mut all = Vec::new();
        for shelf in fs::read_dir(&self.folder)? {
            let shelf = shelf?;
            if !shelf.file_type()?.is_dir() {
                continue;
            }
            for entry in fs::read_dir(shelf.path())? {
                let entry = entry?;
                if let Ok(blob) = entry.file_name().to_string_lossy().parse() {
                    all.push((blob, entry.metadata()?.len()));
                }
            }
        }
        Ok(all)
    }

    /// Moves the bytes of a blob, which are not its own, and their hashes to the folder `aside` beside the blobs, where
    /// nobody is served from. Where they are then.
    ///
    /// # Errors
    /// What the file system says.
    pub fn put_aside(&self, blob: Blake3) -> io::Result<PathBuf> {
        let aside = self.folder.with_file_name("aside");
        durable::make_folder(&aside)?;
        let target = aside.join(blob.to_string());
        let outboard = self.outboard(blob);
        if outboard.exists() {
            durable::move_file(&outboard, &target.with_extension("obao"))?;
        }
        durable::move_file(&self.data(blob), &target)?;
        Ok(target)
    }

    /// Makes the hashes beside the bytes anew, which must be right.
    ///
    /// # Errors
    /// What the file system says, and where the bytes are not right after all.
    pub fn hash_again(&self, file: &FileEntry) -> io::Result<()> {
        match blob::outboard(&self.data(file.blake3), &self.outboard(file.blake3))? {
            found if found == (file.blake3, file.size) => Ok(()),
            _ => Err(io::Error::other(format!("{} changed while it was checked", file.blake3))),
        }
    }

    /// The name of a blob, in a folder that is there.
    fn place(&self, blob: Blake3) -> io::Result<PathBuf> {
        let data = self.data(blob);
        let folder = data.parent().expect("a blob's name is a name in one of our folders");
        durable::make_folder(folder)?;
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_core::Sha256;

    fn file(content: &[u8]) -> FileEntry {
        let (blake3, sha256) = (Blake3::of(content), Sha256::of(content));
        FileEntry { path: "x".into(), size: content.len() as u64, blake3, sha256 }
    }

    #[test]
    fn what_is_imported_is_what_was_expected() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(folder.path().join("blobs"));
        let source = folder.path().join("source");
        let content = vec![7; 200_000];
        fs::write(&source, &content).unwrap();
        let file = file(&content);
        let other = FileEntry { size: 1, ..file.clone() };
        assert!(matches!(blobs.import(&source, &other), Err(ImportError::Differs)));
        assert!(!blobs.contains(file.blake3) && !blobs.is_intact(&file).unwrap());
        blobs.import(&source, &file).unwrap();
        assert!(source.exists() && blobs.is_intact(&file).unwrap());
        blobs.adopt(&source, &file).unwrap();
        assert!(!source.exists() && blobs.is_intact(&file).unwrap());
    }

    #[test]
    fn a_flipped_bit_on_disk_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(folder.path().join("blobs"));
        let (source, mut content) = (folder.path().join("source"), vec![7; 200_000]);
        fs::write(&source, &content).unwrap();
        let file = file(&content);
        blobs.import(&source, &file).unwrap();
        content[150_000] ^= 1;
        fs::write(blobs.data(file.blake3), &content).unwrap();
        assert!(blobs.contains(file.blake3) && !blobs.is_intact(&file).unwrap());
    }
}
