//! Stored files that are verified while they are read.
//!
//! What stands in the store was verified when it came in; a disk may have changed it since. So each MiB is compared with
//! the tree of hashes beside the file before the first byte of it is used, and that it was is remembered for an hour, for
//! which the file is kept open and from being swept. Comparing costs one more read and a BLAKE3 of what is read; a
//! soup's second stream of the hour pays nothing.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use potluck_core::{Blake3, FileEntry};
use potluck_net::Ranges;
use potluck_net::blob;
use potluck_soup::Checkpoint;
use potluck_soup::source::Watch;

use super::Failure;
use crate::store::Store;
use crate::store::blobs::Hold;

/// Bytes that are verified at once: whole groups of the tree.
const SPAN: u64 = 1 << 20;

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
        if let Some((_, file)) = open.get(&entry.blake3) {
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
    file: File,
    verified: Arc<Verified>,
    checkpoint: OnceLock<Checkpoint>,
    _hold: Hold,
}

impl StoredFile {
    fn open(store: &Store, entry: &FileEntry) -> Result<Self, Failure> {
        // First, so that no sweep removes it between.
        let hold = store.blobs.hold(entry.blake3);
        let data = store.blobs.data(entry.blake3);
        let file = File::open(&data).map_err(Failure::of)?;
        if file.metadata().map_err(Failure::of)?.len() != entry.size {
            return Err(Failure::of(damaged()));
        }
        let spans = entry.size.div_ceil(SPAN).div_ceil(64);
        let verified = Arc::new(Verified {
            data,
            outboard: store.blobs.outboard(entry.blake3),
            blake3: entry.blake3,
            size: entry.size,
            spans: (0..spans).map(|_| AtomicU64::new(0)).collect(),
        });
        Ok(Self { file, verified, checkpoint: OnceLock::new(), _hold: hold })
    }

    pub(super) fn blake3(&self) -> Blake3 {
        self.verified.blake3
    }

    pub(super) fn size(&self) -> u64 {
        self.verified.size
    }

    /// Fills `bytes` with what stands at `offset`, and is right.
    pub(super) fn read(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.verified.check(offset..offset.saturating_add(bytes.len() as u64))?;
        self.file.read_exact_at(bytes, offset)
    }

    /// As weights to be mixed, of which no byte is used that is not right.
    pub(super) fn checkpoint(&self) -> Result<Checkpoint, Failure> {
        if let Some(checkpoint) = self.checkpoint.get() {
            return Ok(checkpoint.clone());
        }
        let watch = Arc::clone(&self.verified);
        let opened = Checkpoint::open_watched(&self.verified.data, watch).map_err(Failure::of)?;
        Ok(self.checkpoint.get_or_init(|| opened).clone())
    }
}

/// Which parts of a file were found to be right.
#[derive(Debug)]
struct Verified {
    data: PathBuf,
    outboard: PathBuf,
    blake3: Blake3,
    size: u64,
    /// A bit for each span.
    spans: Vec<AtomicU64>,
}

impl Watch for Verified {
    fn check(&self, range: Range<u64>) -> io::Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        for span in range.start / SPAN..=(range.end - 1) / SPAN {
            let word = usize::try_from(span / 64).ok().and_then(|word| self.spans.get(word));
            // Past the file's end: the read says so.
            let Some(word) = word else { return Ok(()) };
            let bit = 1 << (span % 64);
            if word.load(Ordering::Acquire) & bit == 0 {
                self.verify(span * SPAN..((span + 1) * SPAN).min(self.size))?;
                word.fetch_or(bit, Ordering::Release);
            }
        }
        Ok(())
    }
}

impl Verified {
    fn verify(&self, range: Range<u64>) -> io::Result<()> {
        let pairs: &[[u64; 2]] = if range.is_empty() { &[] } else { &[[range.start, range.end]] };
        let ranges = Ranges::new(self.size, pairs).map_err(io::Error::other)?;
        let outboard = Some(self.outboard.as_path());
        match blob::send(&self.data, outboard, &self.blake3, &ranges, &mut io::sink()) {
            Ok(()) => Ok(()),
            Err(blob::SendError::File(error)) => Err(error),
            Err(_) => Err(damaged()),
        }
    }
}

fn damaged() -> io::Error {
    let sentence = "the stored bytes are not those that the ledger names; `potluck store check` finds and mends them";
    io::Error::new(io::ErrorKind::InvalidData, sentence)
}
