//! Where uploads stand until they are admitted: bounded before a byte is written, one upload a blob.
//!
//! What a cut upload left stays, so that it resumes; it gives way, oldest first, when another upload needs
//! the room, or when there are too many of them.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use potluck_core::{Blake3, Code, FileEntry, Refusal};

/// The most cut uploads that are kept, the empty ones too: whoever only announces files makes some as well.
const MAX_LEFTOVERS: usize = 1024;

/// The quarantine's folder and who has a place in it.
#[derive(Debug)]
pub struct Quarantine {
    folder: PathBuf,
    capacity: u64,
    /// Uploads under way, by blob, with their declared length in bytes.
    taken: Mutex<HashMap<Blake3, u64>>,
}

/// An upload's place, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    quarantine: Arc<Quarantine>,
    blob: Blake3,
}

/// What a cut upload left.
struct Leftover {
    blob: String,
    bytes: u64,
    touched: SystemTime,
}

impl Quarantine {
    /// Takes the folder over, and removes what a kill left: unfinished soups, and hashes without their bytes.
    pub(super) fn open(folder: PathBuf, capacity: u64) -> io::Result<Self> {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let orphan = name.ends_with(".obao") && !path.with_extension("part").exists();
            if name.starts_with('.') || name.starts_with(SOUP) || orphan {
                fs::remove_file(path)?;
            }
        }
        Ok(Self { folder, capacity, taken: Mutex::default() })
    }

    /// Where the files stand.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the bytes of an upload stand until it is complete.
    pub fn part(&self, blob: Blake3) -> PathBuf {
        self.folder.join(format!("{blob}.part"))
    }

    /// Where the soup of a recipe is blended before it is a blob.
    pub fn soup(&self, recipe: Blake3) -> PathBuf {
        self.folder.join(format!("{SOUP}{recipe}"))
    }

    /// A place for an upload of `file`, and room on disk for all of it.
    ///
    /// # Errors
    /// `busy` where these bytes are being uploaded already, or other uploads have taken the room;
    /// `expert-too-large` where there will never be room; `internal` where the folder cannot be used.
    pub fn reserve(self: &Arc<Self>, file: &FileEntry) -> Result<Place, Refusal> {
        let mut taken = self.taken();
        if taken.contains_key(&file.blake3) {
            return Err(Refusal::new(Code::Busy, "these bytes are being uploaded already"));
        }
        if file.size > self.capacity {
            let sentence =
                format!("the file has {} bytes, there is room for {}", file.size, self.capacity);
            return Err(Refusal::new(Code::ExpertTooLarge, sentence));
        }
        let active = taken.values().fold(file.size, |sum, size| sum.saturating_add(*size));
        if active > self.capacity {
            return Err(Refusal::new(
                Code::Busy,
                "other uploads have taken the room; try again later",
            ));
        }
        let stays = |name: &str| {
            name.parse().is_ok_and(|blob| blob == file.blake3 || taken.contains_key(&blob))
        };
        self.make_room(self.capacity - active, &stays).map_err(|error| {
            tracing::error!(%error, "the quarantine cannot be used");
            Refusal::new(Code::Internal, "the aggregator cannot use its quarantine")
        })?;
        taken.insert(file.blake3, file.size);
        Ok(Place { quarantine: Arc::clone(self), blob: file.blake3 })
    }

    /// Removes what is left of an upload whose bytes were refused. Its place must be held.
    ///
    /// # Errors
    /// What the file system says.
    pub fn discard(&self, blob: Blake3) -> io::Result<()> {
        self.remove(&blob.to_string())
    }

    /// The bytes last: it is by them that a leftover is found.
    fn remove(&self, blob: &str) -> io::Result<()> {
        for ending in ["obao", "part"] {
            match fs::remove_file(self.folder.join(format!("{blob}.{ending}"))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes leftovers, oldest first, until those that remain take at most `room` bytes, and are at most
    /// [`MAX_LEFTOVERS`].
    fn make_room(&self, room: u64, stays: &dyn Fn(&str) -> bool) -> io::Result<()> {
        let mut leftovers = self.leftovers(stays)?;
        let mut held = leftovers.iter().fold(0u64, |sum, left| sum.saturating_add(left.bytes));
        leftovers.sort_by_key(|left| left.touched);
        let mut surplus = leftovers.len().saturating_sub(MAX_LEFTOVERS);
        for left in leftovers {
            if held <= room && surplus == 0 {
                break;
            }
            surplus = surplus.saturating_sub(1);
            tracing::info!(blob = &left.blob[..8], "an unfinished upload gives way");
            self.remove(&left.blob)?;
            held = held.saturating_sub(left.bytes);
        }
        Ok(())
    }

    fn leftovers(&self, stays: &dyn Fn(&str) -> bool) -> io::Result<Vec<Leftover>> {
        let mut leftovers = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(blob) =
                name.strip_suffix(".part").filter(|blob| blob.parse::<Blake3>().is_ok())
            else {
                continue;
            };
            if !stays(blob) {
                let metadata = entry.metadata()?;
                let touched = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                leftovers.push(Leftover { blob: blob.to_owned(), bytes: metadata.len(), touched });
            }
        }
        Ok(leftovers)
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Blake3, u64>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the name of a soup that is being blended begins with.
const SOUP: &str = "soup-";

impl Drop for Place {
    fn drop(&mut self) {
        self.quarantine.taken().remove(&self.blob);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_core::Sha256;

    fn file(content: &[u8], size: u64) -> FileEntry {
        let (blake3, sha256) = (Blake3::of(content), Sha256::of(content));
        FileEntry { path: "model.safetensors".into(), size, blake3, sha256 }
    }

    fn quarantine(folder: &Path, capacity: u64) -> Arc<Quarantine> {
        Arc::new(Quarantine::open(folder.to_owned(), capacity).unwrap())
    }

    #[test]
    fn one_upload_a_blob_and_no_more_than_there_is_room_for() {
        let folder = tempfile::tempdir().unwrap();
        let quarantine = quarantine(folder.path(), 100);
        let code = |file: &FileEntry| quarantine.reserve(file).unwrap_err().code;
        let place = quarantine.reserve(&file(b"a", 60)).unwrap();
        assert_eq!(code(&file(b"a", 60)), Code::Busy);
        assert_eq!(code(&file(b"b", 41)), Code::Busy);
        assert_eq!(code(&file(b"b", 101)), Code::ExpertTooLarge);
        drop(place);
        assert!(quarantine.reserve(&file(b"b", 100)).is_ok());
    }

    #[test]
    fn leftovers_give_way_but_one_s_own_stays() {
        let folder = tempfile::tempdir().unwrap();
        let quarantine = quarantine(folder.path(), 100);
        let (mine, other) = (file(b"mine", 60), file(b"other", 60));
        let part = |file: &FileEntry| folder.path().join(format!("{}.part", file.blake3));
        for file in [&mine, &other] {
            fs::write(part(file), [0; 60]).unwrap();
        }
        quarantine.reserve(&mine).unwrap();
        assert!(part(&mine).exists() && !part(&other).exists());
    }

    #[test]
    fn leftovers_that_take_no_room_give_way_by_their_number() {
        let folder = tempfile::tempdir().unwrap();
        let quarantine = quarantine(folder.path(), 100);
        for left in 0..=MAX_LEFTOVERS {
            let blob = Blake3::of(&left.to_le_bytes());
            for ending in ["part", "obao"] {
                fs::write(folder.path().join(format!("{blob}.{ending}")), b"").unwrap();
            }
        }
        quarantine.reserve(&file(b"mine", 60)).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2 * MAX_LEFTOVERS);
    }

    #[test]
    fn hashes_without_bytes_are_removed_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, orphan) = (Blake3::of(b"whole"), Blake3::of(b"orphan"));
        for name in [format!("{whole}.part"), format!("{whole}.obao"), format!("{orphan}.obao")] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        quarantine(folder.path(), 1);
        assert!(folder.path().join(format!("{whole}.obao")).exists());
        assert!(!folder.path().join(format!("{orphan}.obao")).exists());
    }

    #[test]
    fn unfinished_soups_are_removed_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let soup = quarantine(folder.path(), 1).soup(Blake3::of(b"recipe"));
        fs::write(&soup, b"half").unwrap();
        quarantine(folder.path(), 1);
        assert!(!soup.exists());
    }
}
