//! Where uploads stand until they are admitted: bounded before a byte is written, one upload a blob.
//!
//! Bounds are of all uploads together, of each party's, and of the disk, whose room is reserved before the first
//! byte. What a cut upload left stays, so that it resumes; it counts as its party's, and gives way when the party
//! itself needs the room, then when others do (the oldest of whoever left most), and when nobody comes back for
//! it.

mod leftovers;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use potluck_core::{Author, Blake3, Code, FileEntry, Refusal};

use self::leftovers::{Leftover, Weigh};
use super::disk::{self, Disk, Reserved};

/// The most cut uploads that are kept, the empty ones too: whoever only announces files makes some as well.
const MAX_LEFTOVERS: usize = 1024;

/// How many bytes uploads may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// All together.
    pub total: u64,
    /// Each party's.
    pub party: u64,
}

/// The quarantine's folder and who has a place in it.
#[derive(Debug)]
pub struct Quarantine {
    folder: PathBuf,
    bounds: Mutex<Bounds>,
    disk: Arc<Disk>,
    /// Uploads under way, by blob.
    taken: Mutex<HashMap<Blake3, Taken>>,
}

/// An upload under way.
#[derive(Debug)]
struct Taken {
    party: String,
    /// The declared length in bytes.
    size: u64,
    /// Of which the disk holds no room.
    unreserved: u64,
}

/// An upload's place, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    quarantine: Arc<Quarantine>,
    blob: Blake3,
}

impl Quarantine {
    /// Takes the folder over, and removes what a kill left: unfinished soups, and what lies beside bytes that are
    /// gone.
    pub(super) fn open(folder: PathBuf, bounds: Bounds, disk: Arc<Disk>) -> io::Result<Self> {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_beside = name.ends_with(".obao") || name.ends_with(".party");
            let orphan = is_beside && !path.with_extension("part").exists();
            if name.starts_with('.') || name.starts_with(SOUP) || orphan {
                fs::remove_file(path)?;
            } else if name.ends_with(".part") {
                // A kill left it reserved.
                disk::release(&path)?;
            }
        }
        Ok(Self { folder, bounds: Mutex::new(bounds), disk, taken: Mutex::default() })
    }

    /// Other bounds from now on; what is under way goes on.
    pub fn set_bounds(&self, bounds: Bounds) {
        *self.bounds.lock().unwrap_or_else(PoisonError::into_inner) = bounds;
    }

    fn bounds(&self) -> Bounds {
        *self.bounds.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// A place for `author`'s upload of `file`, and room on disk for all of it.
    ///
    /// # Errors
    /// `busy` where these bytes are being uploaded already, or other uploads have taken the room;
    /// `expert-too-large` where there will never be room; `storage-full` where the disk has none; `internal` where
    /// the folder cannot be used.
    pub fn reserve(self: &Arc<Self>, file: &FileEntry, author: &Author) -> Result<Place, Refusal> {
        let party = author.to_string();
        let mut taken = self.taken();
        if taken.contains_key(&file.blake3) {
            return Err(busy("these bytes are being uploaded already", 10));
        }
        let largest = self.bounds().total.min(self.bounds().party);
        if file.size > largest {
            let sentence = format!("the file has {} bytes, an upload at most {largest}", file.size);
            return Err(Refusal::new(Code::ExpertTooLarge, sentence));
        }
        let all = sizes(&taken, |_| true).saturating_add(file.size);
        let own = sizes(&taken, |upload| upload.party == party).saturating_add(file.size);
        if own > self.bounds().party {
            return Err(busy("your own uploads under way have taken your room", 30));
        }
        if all > self.bounds().total {
            return Err(busy("other uploads have taken the room", 30));
        }
        let unusable = |error: io::Error| {
            tracing::error!(%error, "the quarantine cannot be used");
            Refusal::new(Code::Internal, "the aggregator cannot use its quarantine")
        };
        // What another left of the same bytes would tell that it has them: this party sends all of them.
        leftovers::owner(&self.folder, file.blake3)
            .filter(|owner| *owner != party)
            .map_or(Ok(()), |_| leftovers::remove(&self.folder, file.blake3))
            .map_err(unusable)?;
        let stays = |blob| blob == file.blake3 || taken.contains_key(&blob);
        let mut leftovers = leftovers::find(&self.folder, &stays).map_err(unusable)?;
        self.keep_within(&mut leftovers, (&party, own), all).map_err(unusable)?;
        let promised = taken.values().fold(0, |sum: u64, it| sum.saturating_add(it.unreserved));
        let unreserved = self.hold(file, promised, leftovers).map_err(unusable)??;
        leftovers::sign(&self.folder, file.blake3, &party).map_err(unusable)?;
        taken.insert(file.blake3, Taken { party, size: file.size, unreserved });
        Ok(Place { quarantine: Arc::clone(self), blob: file.blake3 })
    }

    /// Removes leftovers until those that remain fit beside uploads of so many bytes, the party's own and all, and
    /// are at most [`MAX_LEFTOVERS`].
    fn keep_within(
        &self,
        leftovers: &mut Vec<Leftover>,
        (party, own): (&str, u64),
        all: u64,
    ) -> io::Result<()> {
        let of_party = |left: &Leftover| left.party == party;
        let own_room = self.bounds().party.saturating_sub(own);
        while leftovers::sum(leftovers.iter().filter(|left| of_party(left))) > own_room {
            self.give_way(leftovers::oldest(leftovers, of_party))?;
        }
        while leftovers.len() > MAX_LEFTOVERS {
            self.give_way(leftovers::next_to_go(leftovers, Weigh::Number))?;
        }
        while leftovers::sum(&*leftovers) > self.bounds().total.saturating_sub(all) {
            self.give_way(leftovers::next_to_go(leftovers, Weigh::Bytes))?;
        }
        Ok(())
    }

    /// Reserves the disk's room for a file, for which leftovers give way if that helps. Says how many bytes the
    /// file system only promises.
    fn hold(
        &self,
        file: &FileEntry,
        promised: u64,
        mut leftovers: Vec<Leftover>,
    ) -> io::Result<Result<u64, Refusal>> {
        let part = self.part(file.blake3);
        let is_new = !part.exists();
        // The tree of hashes takes 64 bytes for each group of 64 KiB.
        let files = [(part.clone(), file.size), (part.with_extension("obao"), file.size >> 10)];
        loop {
            let mut outcome = Reserved::Held;
            for (path, size) in &files {
                match self.disk.reserve(path, *size, promised)? {
                    Reserved::Held => {}
                    other => outcome = other,
                }
            }
            match outcome {
                Reserved::Held => return Ok(Ok(0)),
                Reserved::Promised => return Ok(Ok(file.size)),
                Reserved::Full { left, lacking } => {
                    let room = left.saturating_add(leftovers::sum(&leftovers));
                    if room < lacking || leftovers.is_empty() {
                        if is_new {
                            leftovers::remove(&self.folder, file.blake3)?;
                        } else {
                            disk::release(&part)?;
                        }
                        tracing::warn!(
                            bytes = file.size,
                            left,
                            "an upload does not fit on the disk"
                        );
                        return Ok(Err(disk::full(file.size, left)));
                    }
                    self.give_way(leftovers::next_to_go(&mut leftovers, Weigh::Bytes))?;
                }
            }
        }
    }

    fn give_way(&self, left: Option<Leftover>) -> io::Result<()> {
        let Some(Leftover { blob, party, bytes, .. }) = left else { return Ok(()) };
        tracing::info!(blob = %blob.short(), party, bytes, "an unfinished upload gives way");
        leftovers::remove(&self.folder, blob)
    }

    /// Removes what nobody came back for within `grace`. How many, and how many bytes.
    ///
    /// # Errors
    /// What the file system says; what was removed before stays removed.
    pub fn sweep(&self, grace: Duration, now: SystemTime) -> io::Result<(usize, u64)> {
        // Held meanwhile, so that no upload begins on what is being removed.
        let taken = self.taken();
        let (mut count, mut bytes) = (0, 0u64);
        for left in leftovers::find(&self.folder, &|blob| taken.contains_key(&blob))? {
            if left.is_older_than(grace, now) {
                let (blob, party) = (left.blob.short(), &left.party);
                tracing::info!(%blob, party, left.bytes, "an abandoned upload is removed");
                leftovers::remove(&self.folder, left.blob)?;
                (count, bytes) = (count + 1, bytes.saturating_add(left.bytes));
            }
        }
        Ok((count, bytes))
    }

    /// How many bytes each party takes: what its uploads under way will, and what its cut ones left.
    ///
    /// # Errors
    /// What the file system says.
    pub fn by_party(&self) -> io::Result<BTreeMap<String, u64>> {
        let taken = self.taken();
        let left = leftovers::find(&self.folder, &|blob| taken.contains_key(&blob))?;
        let under_way = taken.values().map(|upload| (&upload.party, upload.size));
        let mut parties = BTreeMap::new();
        for (party, bytes) in under_way.chain(left.iter().map(|it| (&it.party, it.bytes))) {
            let sum: &mut u64 = parties.entry(party.clone()).or_default();
            *sum = sum.saturating_add(bytes);
        }
        Ok(parties)
    }

    /// Removes what is left of an upload whose bytes were refused. Its place must be held.
    ///
    /// # Errors
    /// What the file system says.
    pub fn discard(&self, blob: Blake3) -> io::Result<()> {
        leftovers::remove(&self.folder, blob)
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Blake3, Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the name of a soup that is being blended begins with.
const SOUP: &str = "soup-";

fn sizes(taken: &HashMap<Blake3, Taken>, meant: impl Fn(&Taken) -> bool) -> u64 {
    let sizes = taken.values().filter(|upload| meant(upload)).map(|upload| upload.size);
    sizes.fold(0, u64::saturating_add)
}

fn busy(what: &str, again: u32) -> Refusal {
    Refusal::new(Code::Busy, format!("{what}; try again in {again} s")).retry_after(again)
}

impl Drop for Place {
    fn drop(&mut self) {
        let quarantine = &self.quarantine;
        let mut taken = quarantine.taken();
        let (part, folder) = (quarantine.part(self.blob), &quarantine.folder);
        // A complete upload was renamed away; of a cut one the bytes stay, and the room behind them does not.
        let released = if part.exists() {
            disk::release(&part)
                .and_then(|()| disk::release(&folder.join(format!("{}.obao", self.blob))))
        } else {
            leftovers::remove(folder, self.blob)
        };
        if let Err(error) = released {
            tracing::warn!(%error, "what an upload leaves could not be tidied");
        }
        taken.remove(&self.blob);
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

    fn quarantine(folder: &Path, total: u64) -> Arc<Quarantine> {
        bounded(folder, Bounds { total, party: total })
    }

    fn bounded(folder: &Path, bounds: Bounds) -> Arc<Quarantine> {
        let disk = Arc::new(Disk::under(folder, 0));
        Arc::new(Quarantine::open(folder.to_owned(), bounds, disk).unwrap())
    }

    fn party(name: &str) -> Author {
        Author::Party(name.parse().unwrap())
    }

    impl Quarantine {
        fn place(self: &Arc<Self>, file: &FileEntry) -> Result<Place, Refusal> {
            self.reserve(file, &party("agency"))
        }
    }

    #[test]
    fn one_upload_a_blob_and_no_more_than_there_is_room_for() {
        let folder = tempfile::tempdir().unwrap();
        let quarantine = quarantine(folder.path(), 100);
        let code = |file: &FileEntry| quarantine.place(file).unwrap_err().code;
        let place = quarantine.place(&file(b"a", 60)).unwrap();
        assert_eq!(code(&file(b"a", 60)), Code::Busy);
        assert_eq!(code(&file(b"b", 41)), Code::Busy);
        assert_eq!(code(&file(b"b", 101)), Code::ExpertTooLarge);
        drop(place);
        assert!(quarantine.place(&file(b"b", 100)).is_ok());
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
        quarantine.place(&mine).unwrap();
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
        quarantine.place(&file(b"mine", 60)).unwrap();
        let ends = |ending: &str| {
            let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
            names.filter(|path| path.extension().is_some_and(|it| it == ending)).count()
        };
        // One's own was made and stays beside them.
        assert_eq!((ends("part"), ends("obao")), (MAX_LEFTOVERS + 1, MAX_LEFTOVERS));
    }

    #[test]
    fn hashes_without_bytes_are_removed_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, orphan) = (Blake3::of(b"whole"), Blake3::of(b"orphan"));
        for name in [
            format!("{whole}.part"),
            format!("{whole}.obao"),
            format!("{orphan}.obao"),
            format!("{orphan}.party"),
        ] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        quarantine(folder.path(), 1);
        assert!(folder.path().join(format!("{whole}.obao")).exists());
        assert!(!folder.path().join(format!("{orphan}.obao")).exists());
        assert!(!folder.path().join(format!("{orphan}.party")).exists());
    }

    #[test]
    fn unfinished_soups_are_removed_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let soup = quarantine(folder.path(), 1).soup(Blake3::of(b"recipe"));
        fs::write(&soup, b"half").unwrap();
        quarantine(folder.path(), 1);
        assert!(!soup.exists());
    }

    #[test]
    fn a_party_has_its_own_bound_and_its_leftovers_count() {
        let folder = tempfile::tempdir().unwrap();
        let quarantine = bounded(folder.path(), Bounds { total: 1000, party: 100 });
        let (agency, readers) = (party("agency"), party("readers"));
        let first = quarantine.reserve(&file(b"a", 60), &agency).unwrap();
        let refusal = quarantine.reserve(&file(b"b", 41), &agency).unwrap_err();
        assert_eq!((refusal.code, refusal.retry_after), (Code::Busy, Some(30)));
        let other = quarantine.reserve(&file(b"b", 41), &readers).unwrap();
        let held = quarantine.by_party().unwrap();
        assert_eq!(held, [("agency".to_owned(), 60), ("readers".to_owned(), 41)].into());
        for (file, bytes) in [(file(b"a", 60), 50), (file(b"b", 41), 40)] {
            fs::write(quarantine.part(file.blake3), vec![1; bytes]).unwrap();
        }
        drop((first, other));
        // What the agency left gives way to what it brings; what the readers left has nothing to do with it.
        let _third = quarantine.reserve(&file(b"c", 70), &agency).unwrap();
        assert!(!quarantine.part(file(b"a", 60).blake3).exists());
        assert!(quarantine.part(file(b"b", 41).blake3).exists());
        assert_eq!(code_of(&quarantine, &file(b"d", 101), &readers), Code::ExpertTooLarge);
    }

    fn code_of(quarantine: &Arc<Quarantine>, file: &FileEntry, author: &Author) -> Code {
        quarantine.reserve(file, author).unwrap_err().code
    }

    #[test]
    fn what_does_not_fit_on_the_disk_is_refused_and_nothing_gives_way_in_vain() {
        use std::sync::atomic::{AtomicU64, Ordering};
        let folder = tempfile::tempdir().unwrap();
        let free = Arc::new(AtomicU64::new(500));
        let says = Arc::clone(&free);
        let disk = Disk::saying(folder.path(), 100, move || says.load(Ordering::Relaxed));
        let bounds = Bounds { total: 10_000, party: 10_000 };
        let quarantine = Quarantine::open(folder.path().to_owned(), bounds, disk.into());
        let quarantine = Arc::new(quarantine.unwrap());
        let left = file(b"left", 300);
        let part = quarantine.part(left.blake3);
        drop(quarantine.place(&left).unwrap());
        fs::write(&part, [1; 300]).unwrap();

        let refusal = quarantine.place(&file(b"large", 701)).unwrap_err();
        assert_eq!((refusal.code, refusal.retry_after), (Code::StorageFull, Some(600)));
        assert!(refusal.sentence.contains("400 left"), "{}", refusal.sentence);
        assert!(part.exists(), "it would not have helped");
        assert!(!quarantine.part(file(b"large", 701).blake3).exists());
        free.store(600, Ordering::Relaxed);
        assert!(quarantine.place(&file(b"fits", 500)).is_ok());
        assert!(part.exists(), "there was room without");
    }

    #[test]
    fn an_abandoned_upload_goes_after_its_grace_and_one_under_way_stays() {
        let folder = tempfile::tempdir().unwrap();
        let quarantine = quarantine(folder.path(), 1000);
        let (here, gone) = (file(b"here", 60), file(b"gone", 60));
        let _place = quarantine.place(&here).unwrap();
        drop(quarantine.place(&gone).unwrap());
        for file in [&here, &gone] {
            fs::write(quarantine.part(file.blake3), [1; 50]).unwrap();
        }
        let (day, now) = (Duration::from_secs(86_400), SystemTime::now());
        assert_eq!(quarantine.sweep(day, now).unwrap(), (0, 0));
        assert_eq!(quarantine.sweep(day, now + 2 * day).unwrap(), (1, 50));
        assert!(quarantine.part(here.blake3).exists());
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 2, "the bytes under way, and whose they are");
    }
}
