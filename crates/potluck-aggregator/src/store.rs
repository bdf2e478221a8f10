//! The store: one folder, one server, and an order of steps under which a kill loses nothing.
//!
//! ```text
//! store/
//!   lock                     held while a server runs
//!   ledger.redb              entries, notes, what was blended     (ledger, soups)
//!   log/                     the ledger as files, derived         (`potluck_net::archive`)
//!   blobs/ab/<hex>[.obao]    whole, verified, under their BLAKE3  (blobs)
//!   quarantine/              uploads that are not admitted yet    (quarantine)
//!                            (all of it on one file system, whose room is asked for first: disk)
//!   aside/<hex>              what a check found to be corrupt     (blobs)
//!   refused/<envelope>/      what was refused, for the operator   (refused)
//!   kept/, recipes.jsonl     soups and recipes that were asked for over HTTP, as far as they are remembered
//! ```
//!
//! Bytes are written to the quarantine, synced, renamed into the blobs, the name synced, and only then does an
//! entry that speaks of them get appended. A kill between leaves a blob that no entry speaks of: it is served
//! to nobody and used again when the same bytes are handed in.

mod durable;
mod lock;

pub mod disk;

pub mod ledger;

pub mod soups;

pub mod blobs;

pub mod quarantine;

pub mod refused;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::lock::LockError;

use self::blobs::Blobs;
use self::disk::Disk;
use self::ledger::{LedgerStoreError, RedbLedger};
use self::lock::Lock;
use self::quarantine::Quarantine;
use self::refused::RefusedFolder;
use self::soups::Soups;
use crate::config::Limits;

/// Everything of the store but the ledger's entries, which their one writer owns.
#[derive(Debug)]
pub struct Store {
    /// The file system under it.
    pub disk: Arc<Disk>,
    /// Whole and verified files.
    pub blobs: Blobs,
    /// Uploads under way.
    pub quarantine: Arc<Quarantine>,
    /// What was refused.
    pub refused: RefusedFolder,
    /// What was blended.
    pub soups: Soups,
    _lock: Lock,
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another server has it, or the lock cannot be taken.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A folder cannot be made or read.
    #[error("cannot use the folder {}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] LedgerStoreError),
}

impl Store {
    /// Opens the store in `folder`, or makes an empty one, and takes its lock.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(folder: &Path, limits: &Limits) -> Result<(Self, RedbLedger), StoreError> {
        durable::make_folder(folder).map_err(|source| unusable(folder, source))?;
        let lock = Lock::take(folder)?;
        let made = |name: &str| {
            let path = folder.join(name);
            durable::make_folder(&path).map_err(|source| unusable(&path, source))?;
            Ok::<_, StoreError>(path)
        };
        let path = made("blobs")?;
        // The store's own name, then those in it: see `settle`.
        let above = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
        let settled = durable::sync_folder(above.unwrap_or(Path::new(".")))
            .and_then(|()| durable::sync_folder(folder))
            .and_then(|()| durable::settle(&path));
        settled.map_err(|source| unusable(&path, source))?;
        let blobs = Blobs::new(path);
        let disk = Arc::new(Disk::under(folder, limits.disk_spare_bytes));
        let path = made("quarantine")?;
        let quarantine = Quarantine::open(path.clone(), limits.quarantine(), Arc::clone(&disk))
            .map_err(|source| unusable(&path, source))?;
        let path = made("refused")?;
        let refused = RefusedFolder::open(path.clone(), limits.refused_bytes)
            .map_err(|source| unusable(&path, source))?;
        let ledger = RedbLedger::open(&folder.join("ledger.redb"))?;
        let soups = Soups::new(ledger.database());
        let quarantine = Arc::new(quarantine);
        Ok((Self { disk, blobs, quarantine, refused, soups, _lock: lock }, ledger))
    }

    /// Other limits from now on, of those that are the store's; what is under way goes on.
    pub fn set_limits(&self, limits: &Limits) {
        self.disk.set_spare(limits.disk_spare_bytes);
        self.quarantine.set_bounds(limits.quarantine());
        self.refused.set_capacity(limits.refused_bytes);
    }
}

/// Whether no aggregator runs on the store in `folder`, which has a lock's file.
///
/// # Errors
/// [`LockError::Held`] where one does.
pub fn is_free(folder: &Path) -> Result<(), LockError> {
    Lock::take(folder).map(drop)
}

fn unusable(path: &Path, source: io::Error) -> StoreError {
    StoreError::Folder { path: path.to_owned(), source }
}
