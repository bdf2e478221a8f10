//! Stored files that are verified while they are read.
//!
//! What stands in the store was verified when it came in; a disk may have changed it since. So each group of 64 KiB is
//! compared with the tree of hashes beside the file before the first byte of it is used, and that it was is remembered for
//! an hour, for which the file is kept open and from being swept. Comparing costs one more read and a BLAKE3 of what is
//! read; a soup's second stream of the hour pays nothing. Of groups and not of more at once, because two workers who make
//! neighbouring tiles would both compare what lies around the border. A file that was found to be damaged is opened anew by
//! whoever asks next: it may have been mended.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use potluck_core::{Blake3, FileEntry};
use potluck_net::Ranges;
use potluck_net::blob::{GROUP, SendError, Verifier};
use potluck_soup::Checkpoint;
use potluck_soup::source::Watch;

use super::Failure;
use crate::store::Store;
use crate::store::blobs::Hold;

/// How long it is remembered what was verified.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// Files that are open at once: a federation's experts, and what stands beside them.
const OPEN: usize = 256;

/// Files of the store, opened when they are asked for.
#[derive(Debug)]
pub(super) struct StoredFiles {
    store: Arc<Store>,
    open: Mutex<HashMap<Blake3, (Instant, Arc<StoredFile>)>>,
}

impl StoredFiles {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store, open: Mutex::default() }
    }

    /// Opens a file, or finds it open.
    ///
    /// # Errors
    /// [`Failure`] where it is not there, or not as long as it should be.
    pub(super) fn open(&self, entry: &FileEntry) -> Result<Arc<StoredFile>, Failure> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, (since, _)| since.elapsed() < REMEMBERED);
        if let Some((_, file)) = open.get(&entry.blake3)
            && !file.is_damaged()
        {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(StoredFile::open(&self.store, entry)?);
        if open.len() >= OPEN {
            let oldest = open.iter().min_by_key(|(_, (since, _))| *since).map(|(blob, _)| *blob);
            oldest.map(|blob| open.remove(&blob));
        }
        open.insert(entry.blake3, (Instant::now(), Arc::clone(&file)));
        Ok(file)
    }
}

/// A file of the store, open.
#[derive(Debug)]
pub(super) struct StoredFile {
    data: PathBuf,
    blake3: Blake3,
    verified: Arc<Verified>,
    checkpoint: OnceLock<Checkpoint>,
    _hold: Hold,
}

impl StoredFile {
    fn open(store: &Store, entry: &FileEntry) -> Result<Self, Failure> {
        // First, so that no sweep removes it between.
        let hold = store.blobs.hold(entry.blake3);
        let (data, outboard) = (store.blobs.data(entry.blake3), store.blobs.outboard(entry.blake3));
        let file = Verifier::open(&data, &outboard, &entry.blake3, entry.size);
        let file = file.map_err(|error| Failure::of(why(error)))?;
        let words = entry.size.div_ceil(GROUP).div_ceil(64);
        let groups = (0..words).map(|_| AtomicU64::new(0)).collect();
        let verified = Arc::new(Verified { file, groups, is_damaged: AtomicBool::new(false) });
        let (blake3, checkpoint) = (entry.blake3, OnceLock::new());
        Ok(Self { data, blake3, verified, checkpoint, _hold: hold })
    }

    pub(super) fn blake3(&self) -> Blake3 {
        self.blake3
    }

    pub(super) fn size(&self) -> u64 {
        self.verified.file.size()
    }

    /// Whether a byte of it was found to be another than it should be.
    pub(super) fn is_damaged(&self) -> bool {
        self.verified.is_damaged.load(Ordering::Relaxed)
    }

    /// Fills `bytes` with what stands at `offset`, and is right.
    pub(super) fn read(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.verified.check(offset..offset.saturating_add(bytes.len() as u64))?;
        self.verified.file.file().read_exact_at(bytes, offset)
    }

    /// As weights to be mixed, of which no byte is used that is not right.
    pub(super) fn checkpoint(&self) -> Result<Checkpoint, Failure> {
        if let Some(checkpoint) = self.checkpoint.get() {
            return Ok(checkpoint.clone());
        }
        let watch = Arc::clone(&self.verified);
        let opened = Checkpoint::open_watched(&self.data, watch).map_err(Failure::of)?;
        Ok(self.checkpoint.get_or_init(|| opened).clone())
    }
}

/// Which parts of a file were found to be right.
#[derive(Debug)]
struct Verified {
    file: Verifier,
    /// A bit for each group.
    groups: Vec<AtomicU64>,
    is_damaged: AtomicBool,
}

impl Watch for Verified {
    fn check(&self, range: Range<u64>) -> io::Result<()> {
        // Past the file's end: the read says so.
        let end = range.end.min(self.file.size()).div_ceil(GROUP);
        let mut group = range.start / GROUP;
        while group < end {
            let begin = group;
            while group < end && !self.is_right(group) {
                group += 1;
            }
            if begin < group {
                self.verify(begin..group)?;
            }
            group += 1;
        }
        Ok(())
    }
}

impl Verified {
    /// The word and the bit of a group; nothing where the file has no such group.
    fn place(&self, group: u64) -> Option<(&AtomicU64, u64)> {
        let word = self.groups.get(usize::try_from(group / 64).ok()?)?;
        Some((word, 1 << (group % 64)))
    }

    fn is_right(&self, group: u64) -> bool {
        self.place(group).is_some_and(|(word, bit)| word.load(Ordering::Acquire) & bit != 0)
    }

    fn verify(&self, groups: Range<u64>) -> io::Result<()> {
        let size = self.file.size();
        let pair = [groups.start * GROUP, (groups.end * GROUP).min(size)];
        let ranges = Ranges::new(size, &[pair]).map_err(io::Error::other)?;
        if let Err(error) = self.file.check(&ranges) {
            self.is_damaged.store(true, Ordering::Relaxed);
            return Err(why(error));
        }
        for (word, bit) in groups.filter_map(|group| self.place(group)) {
            word.fetch_or(bit, Ordering::Release);
        }
        Ok(())
    }
}

fn why(error: SendError) -> io::Error {
    match error {
        SendError::File(error) => error,
        SendError::Corrupt { .. } | SendError::Gone => {
            let sentence = "the stored bytes are not those that the ledger names; `potluck store check` finds and mends them";
            io::Error::new(io::ErrorKind::InvalidData, sentence)
        }
    }
}
