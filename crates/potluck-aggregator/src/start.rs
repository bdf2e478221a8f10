//! From settings to a federation that can be served.
//!
//! ```text
//! home (keys, genesis) ─▶ store (lock) ─▶ base among the blobs ─▶ ledger replayed, or founded; log's folder
//! ```
//!
//! The base is imported before the genesis is appended, so that a recorded federation always has its base; a
//! kill between leaves blobs that the next start finds.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use potluck_core::{Federation, FileEntry};
use potluck_net::archive::Folder;
use potluck_soup::{Inspection, inspect_base};

use crate::config::Settings;
use crate::fault::Fault;
use crate::home::{Home, HomeError};
use crate::ledger::{Ledger, OpenError};
use crate::server::Aggregator;
use crate::store::blobs::{Blobs, ImportError};
use crate::store::{Store, StoreError};

/// Why the federation cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The federation's folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of the base is not the one that the genesis names.
    #[error("the base's file {} cannot be used", path.display())]
    Base {
        /// Where it stands.
        path: PathBuf,
        /// Why.
        source: ImportError,
    },
    /// The base's weights are no base.
    #[error("the base's weights {} cannot be used", path.display())]
    Weights {
        /// Where they stand.
        path: PathBuf,
        /// Why.
        source: Inspection,
    },
    /// The base's weights cannot be read.
    #[error("cannot read the base's weights {}", path.display())]
    Read {
        /// Where they stand.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] OpenError),
}

impl Aggregator {
    /// Opens the federation that the settings name.
    ///
    /// # Errors
    /// [`StartError`], which says which file or folder is at fault.
    pub fn open(settings: &Settings) -> Result<Self, StartError> {
        let Home { keys, genesis, founded, base } = Home::read(&settings.dir)?;
        let (store, entries) = Store::open(&settings.store, &settings.limits)?;
        import_base(&store.blobs, &base, &founded)?;
        let fault = Arc::new(Fault::default());
        let files = Arc::new(Folder::new(&settings.store.join("log")));
        let ledger = Ledger::open(Box::new(entries), files, &genesis, keys, Arc::clone(&fault))?;
        let aggregator = Self::new(ledger, store, fault, settings.threads);
        Ok(aggregator.with_tokens(&settings.dir.join(potluck_wire::token::FILE)))
    }
}

/// Brings the files of the base into the store that are not there yet.
fn import_base(blobs: &Blobs, folder: &Path, founded: &Federation) -> Result<(), StartError> {
    let weights = founded.base_weights();
    for file in founded.base().files() {
        if blobs.contains(file.blake3) {
            continue;
        }
        let path = folder.join(&file.path);
        if file == weights {
            check_weights(&path)?;
        }
        import(blobs, path, file)?;
    }
    Ok(())
}

/// A base whose weights no expert could be compared with founds nothing.
fn check_weights(path: &Path) -> Result<(), StartError> {
    let read = |source| StartError::Read { path: path.to_owned(), source };
    let weights = File::open(path).map_err(read)?;
    let unusable = |source| StartError::Weights { path: path.to_owned(), source };
    inspect_base(&weights).map(drop).map_err(unusable)
}

fn import(blobs: &Blobs, path: PathBuf, file: &FileEntry) -> Result<(), StartError> {
    tracing::info!(file = file.path, bytes = file.size, "importing the base");
    blobs.import(&path, file).map_err(|source| StartError::Base { path, source })
}
