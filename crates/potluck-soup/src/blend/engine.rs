//! Making a file of a soup: blocks of the file, taken in turn by threads, each mixed, hashed and written while it
//! is in its core's cache.
//!
//! ```text
//! inputs ──pread──▶ block ──▶ BLAKE3 subtree ──▶ pwrite      (each thread by itself; one counter deals out blocks)
//! ```
//!
//! A block is a power of two of bytes, aligned in the file, so that it is a subtree of the file's BLAKE3. Memory:
//! for each thread as many blocks as there are inputs, and one.

use std::fs::File;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use potluck_core::{Blake3, Sha256};

use super::BlendError;
use super::digest::{Chain, Tree};
use super::plan::SoupFile;
use super::rule::Bench;
use crate::float_state;

/// The largest block, in bytes.
const MAX_BLOCK: usize = 256 << 10;
/// The smallest block, in bytes: below it the cost of a system call shows.
const MIN_BLOCK: usize = 32 << 10;
/// How many bytes of blocks a thread may have in hand. A second-level cache of 1 MiB spills a little at this size,
/// which costs less than the system calls that smaller blocks need.
const IN_HAND: usize = 1200 << 10;

/// With what means a file is made.
#[derive(Debug, Clone, Copy)]
pub struct Making {
    /// How many threads; the caller's own is one of them.
    pub threads: NonZeroUsize,
    /// Whether the file's BLAKE3 is wanted.
    pub blake3: bool,
    /// Whether the file's SHA-256 is wanted, which one core at a time computes.
    pub sha256: bool,
}

/// A file that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Its length in bytes.
    pub size: u64,
    /// BLAKE3 of its bytes, where it was wanted.
    pub blake3: Option<Blake3>,
    /// SHA-256 of its bytes, where it was wanted.
    pub sha256: Option<Sha256>,
}

/// The length of a block where so many inputs are read at once.
pub(super) fn block_bytes(width: usize) -> usize {
    let fits = IN_HAND / (width + 1);
    let power = fits.checked_ilog2().map_or(MIN_BLOCK, |power| 1 << power);
    power.clamp(MIN_BLOCK, MAX_BLOCK)
}

/// One file being made.
pub(super) struct Work<'a> {
    file: &'a SoupFile,
    making: Making,
    /// Where the bytes go, with its path for errors; nowhere where only digests are wanted.
    sink: Option<(&'a File, &'a Path)>,
    block: usize,
    blocks: u64,
    next: AtomicU64,
    done: AtomicU64,
    tree: Tree,
    chain: Chain,
    whole: Mutex<Option<Blake3>>,
    is_failed: AtomicBool,
    failure: Mutex<Option<(u64, BlendError)>>,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        file: &'a SoupFile,
        making: Making,
        sink: Option<(&'a File, &'a Path)>,
    ) -> Self {
        Self::in_blocks(file, making, sink, block_bytes(file.width()))
    }

    /// `block` is a power of two of at least 1024 bytes.
    pub(super) fn in_blocks(
        file: &'a SoupFile,
        making: Making,
        sink: Option<(&'a File, &'a Path)>,
        block: usize,
    ) -> Self {
        let blocks = file.length().div_ceil(block as u64);
        Self {
            file,
            making,
            sink,
            block,
            blocks,
            next: AtomicU64::new(0),
            done: AtomicU64::new(0),
            tree: Tree::default(),
            chain: Chain::default(),
            whole: Mutex::new(None),
            is_failed: AtomicBool::new(false),
            failure: Mutex::new(None),
        }
    }

    /// Makes all blocks; `progress` hears of bytes done, on the caller's thread.
    ///
    /// # Errors
    /// The first failure in the order of the file, whatever the number of threads: blocks are dealt out in order,
    /// and those before the one that failed are finished.
    pub(super) fn run(self, progress: &mut dyn FnMut(u64)) -> Result<Made, BlendError> {
        thread::scope(|scope| {
            let others =
                u64::try_from(self.making.threads.get()).unwrap_or(u64::MAX).min(self.blocks);
            for _ in 1..others {
                scope.spawn(|| self.work(&mut |_| {}));
            }
            self.work(progress);
        });
        if let Some((_, failure)) =
            self.failure.into_inner().unwrap_or_else(PoisonError::into_inner)
        {
            return Err(failure);
        }
        for source in self.file.sources() {
            source.check_unchanged()?;
        }
        progress(self.file.length());
        let whole = self.whole.into_inner().unwrap_or_else(PoisonError::into_inner);
        let blake3 = self.making.blake3.then(|| whole.unwrap_or_else(|| self.tree.finish()));
        let sha256 = self.making.sha256.then(|| self.chain.finish());
        Ok(Made { size: self.file.length(), blake3, sha256 })
    }

    fn work(&self, progress: &mut dyn FnMut(u64)) {
        let (mut bench, mut block) = (Bench::default(), vec![0; self.block]);
        while !self.is_failed.load(Ordering::Relaxed) {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.blocks {
                return;
            }
            match self.make(index, &mut bench, &mut block) {
                Ok(bytes) => progress(self.done.fetch_add(bytes, Ordering::Relaxed) + bytes),
                Err(failure) => return self.fail(index, failure),
            }
        }
    }

    fn make(&self, index: u64, bench: &mut Bench, block: &mut [u8]) -> Result<u64, BlendError> {
        // Asked for each block: whoever mixes may share its thread with code that changes the state.
        float_state::check()?;
        let offset = index * self.block as u64;
        let length = (self.file.length() - offset).min(self.block as u64);
        let block = &mut block[..usize::try_from(length).expect("it is at most a block's length")];
        self.file.fill(bench, offset, block)?;
        if self.making.blake3 {
            if self.blocks > 1 {
                self.tree.take(index, offset, block);
            } else {
                *self.whole.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(Blake3::of(block));
            }
        }
        if let Some((sink, path)) = self.sink {
            let failed = |source| BlendError::Write { path: path.to_owned(), source };
            sink.write_all_at(block, offset).map_err(failed)?;
        }
        if self.making.sha256 {
            self.chain.take(index, block);
        }
        Ok(length)
    }

    fn fail(&self, index: u64, failure: BlendError) {
        let mut first = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if first.as_ref().is_none_or(|(earlier, _)| index < *earlier) {
            *first = Some((index, failure));
        }
        drop(first);
        self.is_failed.store(true, Ordering::Relaxed);
        self.chain.give_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_powers_of_two_that_fit_the_cache() {
        assert_eq!(
            [1, 2, 4, 8, 16, 1000].map(block_bytes),
            [256, 256, 128, 128, 64, 32].map(|k| k << 10)
        );
    }
}
