//! Soups that more than one asked for, kept on disk under a limit; the least recently asked for goes first.
//!
//! A soup is kept tile by tile, as its tiles are made for whoever reads it, so that a later reader finds what an earlier
//! one had made. The files have no name while they are used, so that nothing of them is left after a kill. Each tile
//! is compared with its BLAKE3 when it is read: what the disk changed is mixed again.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use potluck_core::Blake3;

use super::TILE;
use crate::store::Store;

/// Soups on disk, at most so many bytes of them.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
    limit: AtomicU64,
    store: Arc<Store>,
    /// The least recently asked for first.
    kept: Mutex<Vec<(Blake3, Arc<Kept>)>>,
}

impl Cache {
    pub(super) fn new(folder: PathBuf, limit: u64, store: Arc<Store>) -> Self {
        Self { folder, limit: limit.into(), store, kept: Mutex::default() }
    }

    /// Another limit from now on; what is beyond it goes.
    pub(super) fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes: u64 = kept.iter().map(|(_, it)| it.length).sum();
        let mut gone = 0;
        while bytes > limit {
            // The sum is of those that are there.
            bytes -= kept.get(gone).map_or(bytes, |(_, it)| it.length);
            gone += 1;
        }
        kept.drain(..gone);
    }

    /// The place of a soup of `length` bytes, made where there is none; nothing where it does not fit.
    pub(super) fn keep(&self, recipe: Blake3, length: u64) -> Option<Arc<Kept>> {
        let limit = self.limit.load(Ordering::Relaxed);
        if length > limit {
            return None;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = kept.iter().position(|(known, _)| *known == recipe) {
            let found = kept.remove(at);
            let soup = Arc::clone(&found.1);
            kept.push(found);
            return Some(soup);
        }
        let mut bytes: u64 = kept.iter().map(|(_, it)| it.length).sum();
        let mut gone = 0;
        while bytes > limit - length {
            bytes -= kept.get(gone)?.1.length;
            gone += 1;
        }
        kept.drain(..gone);
        let made = self.store.disk.check(length).map_err(io::Error::other);
        match made.and_then(|()| Kept::new(&self.folder, length)) {
            Ok(soup) => {
                let soup = Arc::new(soup);
                kept.push((recipe, Arc::clone(&soup)));
                Some(soup)
            }
            Err(error) => {
                // It is a convenience: the soup streams without it.
                tracing::warn!(%error, "a soup is not kept");
                None
            }
        }
    }
}

/// The tiles of a soup that are kept.
#[derive(Debug)]
pub(super) struct Kept {
    file: File,
    length: u64,
    /// For each tile that is there, the BLAKE3 of its bytes.
    tiles: Vec<OnceLock<Blake3>>,
}

impl Kept {
    fn new(folder: &Path, length: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join("soup.part");
        // What a kill left between the two: nobody else makes one meanwhile, for the cache is locked.
        let _ = fs::remove_file(&path);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        fs::remove_file(&path)?;
        let tiles = usize::try_from(length.div_ceil(TILE as u64)).map_err(io::Error::other)?;
        Ok(Self { file, length, tiles: (0..tiles).map(|_| OnceLock::new()).collect() })
    }

    fn place(&self, index: u64) -> Option<&OnceLock<Blake3>> {
        self.tiles.get(usize::try_from(index).ok()?)
    }

    /// Fills `bytes` with a tile, if it is there and is what was written.
    pub(super) fn read(&self, index: u64, bytes: &mut [u8]) -> bool {
        let Some(expected) = self.place(index).and_then(OnceLock::get) else { return false };
        match self.file.read_exact_at(bytes, index.saturating_mul(TILE as u64)) {
            Ok(()) if Blake3::of(bytes) == *expected => true,
            Ok(()) => {
                tracing::warn!(index, "a tile of a kept soup is damaged, and mixed again");
                false
            }
            Err(error) => {
                tracing::warn!(index, %error, "a tile of a kept soup cannot be read, and is mixed again");
                false
            }
        }
    }

    /// Keeps a tile, if the disk takes it.
    pub(super) fn write(&self, index: u64, bytes: &[u8]) {
        let Some(place) = self.place(index) else { return };
        match self.file.write_all_at(bytes, index.saturating_mul(TILE as u64)) {
            // Written twice it is the same.
            Ok(()) => drop(place.set(Blake3::of(bytes))),
            Err(error) => tracing::warn!(index, %error, "a tile of a soup is not kept"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Folder;

    fn cache(folder: &Folder, limit: u64) -> Cache {
        Cache::new(folder.path().join("kept"), limit, folder.open().store)
    }

    #[test]
    fn the_least_recently_asked_for_goes_first() {
        let folder = Folder::new();
        let cache = cache(&folder, 100);
        let [a, b, c] = [b"a", b"b", b"c"].map(|name| Blake3::of(name));
        let first = cache.keep(a, 40).unwrap();
        first.write(0, &[7; 40]);
        cache.keep(b, 40).unwrap();
        assert!(cache.keep(a, 40).unwrap().read(0, &mut [0; 40]));
        assert!(cache.keep(c, 101).is_none(), "it never fits");
        // Room for it is that of b, which was asked for before a.
        cache.keep(c, 40).unwrap();
        assert!(cache.keep(a, 40).unwrap().read(0, &mut [0; 40]));
        assert_eq!(cache.kept.lock().unwrap().len(), 2);
        // A lower limit holds at once.
        cache.set_limit(50);
        assert_eq!(cache.kept.lock().unwrap().len(), 1);
        assert!(cache.keep(b, 60).is_none());
        cache.set_limit(100);
        // Who still reads what went goes on.
        cache.keep(b, 100).unwrap();
        assert!(first.read(0, &mut [0; 40]));
        assert!(!cache.keep(a, 40).unwrap().read(0, &mut [0; 40]));
    }

    #[test]
    fn a_damaged_tile_is_as_good_as_none_and_nothing_is_left_on_the_disk() {
        let folder = Folder::new();
        let kept = cache(&folder, 100).keep(Blake3::of(b"a"), 40).unwrap();
        let mut bytes = [0; 40];
        assert!(!kept.read(0, &mut bytes) && !kept.read(9, &mut bytes));
        kept.write(0, &[7; 40]);
        assert!(kept.read(0, &mut bytes) && bytes == [7; 40]);
        kept.file.write_all_at(&[8], 3).unwrap();
        assert!(!kept.read(0, &mut bytes));
        assert_eq!(fs::read_dir(folder.path().join("kept")).unwrap().count(), 0);
    }
}
