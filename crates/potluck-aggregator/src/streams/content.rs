//! What can be streamed: a soup that is mixed for it, or a stored file.

use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use potluck_core::{Blake3, Recipe};
use potluck_soup::blend::{Bench, Soup, SoupFile};

use super::TILE;
use super::cache::{Cache, Kept};
use super::stored::StoredFile;

/// Why something cannot be streamed; all who wait for it hear the same.
#[derive(Debug, Clone)]
pub(crate) struct Failure(Arc<dyn std::error::Error + Send + Sync>);

impl Failure {
    pub(super) fn of(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::in_full(&*self.0))
    }
}

impl std::error::Error for Failure {}

/// Bytes that can be made from any tile on, always the same.
pub(crate) trait Content: Debug + Send + Sync {
    /// What tells it from every other content.
    fn key(&self) -> Blake3;

    /// Its length in bytes.
    fn length(&self) -> u64;

    /// Fills `bytes` with its tile `index`, on the caller's thread.
    ///
    /// # Errors
    /// [`Failure`].
    fn fill(&self, bench: &mut Bench, index: u64, bytes: &mut [u8]) -> Result<(), Failure>;

    /// Its bytes from `offset` on, as far as they are there without being made; nothing where they have to be.
    fn at_once(&self, _offset: u64) -> Option<Bytes> {
        None
    }

    /// Hears that one more asks for it.
    fn asked(&self) {}
}

/// A file of the store.
#[derive(Debug)]
pub(super) struct StoredContent(Arc<StoredFile>);

impl StoredContent {
    pub(super) fn new(file: Arc<StoredFile>) -> Self {
        Self(file)
    }
}

impl Content for StoredContent {
    fn key(&self) -> Blake3 {
        self.0.blake3()
    }

    fn length(&self) -> u64 {
        self.0.size()
    }

    fn fill(&self, _: &mut Bench, index: u64, bytes: &mut [u8]) -> Result<(), Failure> {
        self.0.read(bytes, index.saturating_mul(TILE as u64)).map_err(Failure::of)
    }
}

/// A soup that is mixed while it is sent. Its first reader has it mixed and nothing else; once there is a second, its tiles
/// are kept, as far as the cache has room.
#[derive(Debug)]
pub(crate) struct SoupContent {
    recipe: Blake3,
    /// In one file.
    soup: Soup,
    /// What it is mixed of.
    experts: Vec<Arc<StoredFile>>,
    cache: Arc<Cache>,
    readers: AtomicUsize,
    kept: Mutex<std::sync::Weak<Kept>>,
    /// How many rules and inputs its plan has.
    weight: usize,
}

impl SoupContent {
    /// The soup of a recipe, which is planned in one file.
    pub(super) fn new(
        recipe: &Recipe,
        soup: Soup,
        experts: Vec<Arc<StoredFile>>,
        cache: Arc<Cache>,
    ) -> Self {
        let tensors: usize = soup.files().iter().map(|file| file.tensor_names().count()).sum();
        let weight = tensors.saturating_mul(recipe.experts().len() + 2);
        let (recipe, readers, kept) = (recipe.digest(), AtomicUsize::new(0), Mutex::default());
        Self { recipe, soup, experts, cache, readers, kept, weight }
    }

    /// What belongs beside the soup of adapters for PEFT: it stands in the header that was planned.
    pub(crate) fn adapter_config(&self) -> Option<String> {
        self.file().adapter_config()
    }

    fn file(&self) -> &SoupFile {
        &self.soup.files()[0]
    }

    fn kept(&self) -> Option<Arc<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }
}

impl Content for SoupContent {
    fn key(&self) -> Blake3 {
        self.recipe
    }

    fn length(&self) -> u64 {
        self.file().length()
    }

    fn fill(&self, bench: &mut Bench, index: u64, bytes: &mut [u8]) -> Result<(), Failure> {
        let kept = self.kept();
        if kept.as_ref().is_some_and(|kept| kept.read(index, bytes)) {
            return Ok(());
        }
        let offset = index.saturating_mul(TILE as u64);
        self.file().read_at(bench, offset, bytes).map_err(Failure::of)?;
        if let Some(kept) = kept {
            kept.write(index, bytes);
        }
        Ok(())
    }

    /// The header, which is known before any weight is read.
    fn at_once(&self, offset: u64) -> Option<Bytes> {
        let header = self.file().header();
        let rest = header.get(usize::try_from(offset).ok()?..)?;
        // One that reaches into another tile is made like the rest.
        let is_short = !rest.is_empty() && header.len() < TILE;
        is_short.then(|| Bytes::copy_from_slice(rest))
    }

    fn asked(&self) {
        if self.readers.fetch_add(1, Ordering::Relaxed) > 0 {
            let kept = self.cache.keep(self.recipe, self.length());
            let kept = kept.as_ref().map_or_else(std::sync::Weak::new, Arc::downgrade);
            *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        }
    }
}

/// Rules and inputs of all plans that are held, some 64 bytes each: 64 MiB, and several hundred soups of three experts of 300
/// tensors. A plan beyond it is held by whoever reads it, and no longer.
const HELD: usize = 1 << 20;

/// The plans of soups that were asked for last.
#[derive(Debug, Default)]
pub(super) struct Plans {
    held: Mutex<Vec<(u64, Arc<SoupContent>)>>,
    clock: AtomicU64,
}

impl Plans {
    /// The plan of a recipe, made by `plan` where it is not held.
    pub(super) fn of(
        &self,
        recipe: &Recipe,
        plan: impl FnOnce() -> Result<SoupContent, Failure>,
    ) -> Result<Arc<SoupContent>, Failure> {
        let (digest, now) = (recipe.digest(), self.clock.fetch_add(1, Ordering::Relaxed));
        if let Some(found) = self.found(digest, now) {
            return Ok(found);
        }
        let planned = Arc::new(plan()?);
        // Another may have planned the same meanwhile: one of the two is kept, so that readers meet.
        if let Some(found) = self.found(digest, now) {
            return Ok(found);
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut weight: usize = held.iter().map(|(_, it)| it.weight).sum();
        while weight.saturating_add(planned.weight) > HELD {
            let oldest = held.iter().enumerate().min_by_key(|(_, (used, _))| *used);
            let Some((at, _)) = oldest else { return Ok(planned) };
            weight -= held.swap_remove(at).1.weight;
        }
        held.push((now, Arc::clone(&planned)));
        Ok(planned)
    }

    fn found(&self, recipe: Blake3, now: u64) -> Option<Arc<SoupContent>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        // One over a damaged file is made anew: the file may have been mended since.
        held.retain(|(_, it)| !it.experts.iter().any(|expert| expert.is_damaged()));
        let (used, found) = held.iter_mut().find(|(_, it)| it.recipe == recipe)?;
        *used = now;
        Some(Arc::clone(found))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Three tiles and a little, each byte the tile's number; it counts what is made.
    #[derive(Debug, Default)]
    pub(crate) struct Counted {
        pub(crate) made: AtomicUsize,
    }

    impl Content for Counted {
        fn key(&self) -> Blake3 {
            Blake3::of(b"counted")
        }

        fn length(&self) -> u64 {
            3 * TILE as u64 + 10
        }

        fn fill(&self, _: &mut Bench, index: u64, bytes: &mut [u8]) -> Result<(), Failure> {
            self.made.fetch_add(1, Ordering::Relaxed);
            bytes.fill(u8::try_from(index).unwrap());
            Ok(())
        }
    }
}
