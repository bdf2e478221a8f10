//! Content as it streams: soups that are mixed while they are sent, and stored files, from any byte on.
//!
//! ```text
//! opened experts ─▶ content ─▶ tiles ◀─ workers, in turn for each stream
//!                               │  ▲
//!                     stream ◀──┘  └─▶ cache (from the second reader of a soup on)
//! ```
//!
//! A content is cut into tiles of 512 KiB. A stream asks for a few tiles ahead of its reader, a fixed number of workers
//! makes them, each stream in its turn, and a tile that several streams wait for is made once. What is held is bounded
//! by the tiles asked for, whatever the number and the size of the contents.
//!
//! A soup's header is known before any weight is read, and is sent while the first tile is made.
//!
//! What is never sent: a byte of a stored file that was not compared with the digest that the ledger names
//! ([`stored`]). Called by [`crate::http`]; who may read what is decided there.

mod cache;
mod content;
mod memory;
mod stored;
mod stream;
mod tile;
mod workers;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use potluck_core::{FileEntry, Recipe};

pub(crate) use self::content::{Content, Failure};
pub(crate) use self::stream::Stream;

use self::cache::Cache;
pub(crate) use self::content::SoupContent;
use self::content::{Plans, StoredContent};
use self::memory::Memory;
use self::stored::StoredFiles;
use self::tile::Tiles;
use self::workers::Workers;
use crate::catalogue::Catalogue;
use crate::store::Store;

/// Bytes of a tile: some hundred microseconds of mixing, so that turns are short, and enough for one write to a socket.
const TILE: usize = 512 << 10;

/// Tiles that all streams together may have asked for ahead of their readers: 64 MiB.
const AHEAD: usize = 128;

/// The most tiles that one stream asks for ahead: what keeps every worker busy while one tile is being sent.
const MOST_AHEAD: usize = 8;

/// What streams, and who makes it.
#[derive(Debug)]
pub(crate) struct Streams {
    stored: StoredFiles,
    plans: Plans,
    cache: Arc<Cache>,
    tiles: Tiles,
    workers: Workers,
    seats: Arc<stream::Seats>,
}

impl Streams {
    /// `threads` mix; the cache lies in `folder`, which is its own, and takes at most `cache_bytes`.
    pub(crate) fn new(
        store: Arc<Store>,
        threads: NonZeroUsize,
        folder: &Path,
        cache_bytes: u64,
    ) -> Self {
        let memory = Arc::new(Memory::default());
        Self {
            cache: Arc::new(Cache::new(folder.to_owned(), cache_bytes, Arc::clone(&store))),
            stored: StoredFiles::new(store),
            plans: Plans::default(),
            tiles: Tiles::default(),
            workers: Workers::start(threads, &memory),
            seats: Arc::default(),
        }
    }

    /// The cache takes at most so many bytes from now on.
    pub(crate) fn set_cache_bytes(&self, bytes: u64) {
        self.cache.set_limit(bytes);
    }

    /// A stored file, which is verified while it is read. Blocking.
    ///
    /// # Errors
    /// [`Failure`] where it is not there.
    pub(crate) fn stored(&self, file: &FileEntry) -> Result<Arc<dyn Content>, Failure> {
        Ok(Arc::new(StoredContent::new(self.stored.open(file)?)))
    }

    /// The text of the configuration in the header of a stored adapter. Blocking.
    ///
    /// # Errors
    /// [`Failure`] where it is not there.
    pub(crate) fn adapter_config(&self, file: &FileEntry) -> Result<String, Failure> {
        let checkpoint = self.stored.open(file)?.checkpoint()?;
        let config = potluck_soup::adapter::packed_config(&checkpoint);
        // Admission let none in that has no configuration.
        Ok(config.unwrap_or("{}").to_owned())
    }

    /// The soup of a recipe, whose experts are those of the catalogue. Reads headers only. Blocking.
    ///
    /// # Errors
    /// [`Failure`] where an expert is not there, or cannot be mixed with the others.
    pub(crate) fn soup(
        &self,
        recipe: &Recipe,
        catalogue: &Catalogue,
    ) -> Result<Arc<SoupContent>, Failure> {
        self.plans.of(recipe, || {
            let open = |expert: &potluck_core::recipe::Ingredient| {
                let file = catalogue.expert(expert.manifest);
                let file =
                    file.ok_or_else(|| Failure::of(NoSuchExpert(expert.party.to_string())))?;
                let file = self.stored.open(file)?;
                Ok(((expert.party.clone(), file.checkpoint()?), file))
            };
            let opened = recipe.experts().iter().map(open).collect::<Result<Vec<_>, Failure>>()?;
            let (experts, files): (Vec<_>, Vec<_>) = opened.into_iter().unzip();
            let soup = potluck_soup::blend::planned(recipe, &experts).map_err(Failure::of)?;
            Ok(SoupContent::new(recipe, soup, files, Arc::clone(&self.cache)))
        })
    }

    /// The bytes of a content from `begin` to `end`, which lie within it.
    pub(crate) fn stream(
        self: &Arc<Self>,
        content: Arc<dyn Content>,
        begin: u64,
        end: u64,
    ) -> Stream {
        content.asked();
        Stream::new(Arc::clone(self), content, begin, end)
    }
}

/// The catalogue has no expert of that manifest.
#[derive(Debug, thiserror::Error)]
#[error("the ledger holds no such expert of {0}")]
struct NoSuchExpert(String);

#[cfg(test)]
mod tests;
