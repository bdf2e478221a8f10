//! The federation's folder as `potluck new` makes it: `keys/log.pem`, `genesis.json`, `base/`.
//!
//! Read once at the start. Whether the log's key in force is among those in `keys/`, the ledger tells.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use potluck_core::envelope::EnvelopeError;
use potluck_core::federation::genesis_entry;
use potluck_core::keys::KeyError;
use potluck_core::{Envelope, Federation, Refusal};

use crate::log_keys::LogKeys;

/// What stands in the folder, checked against itself.
#[derive(Debug)]
pub struct Home {
    /// The log's keys.
    pub keys: LogKeys,
    /// The envelope of the ledger's first entry.
    pub genesis: Envelope,
    /// What the first entry founds.
    pub founded: Federation,
    /// Where the base's files stand.
    pub base: PathBuf,
}

/// Why the folder is not one that an aggregator can serve.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The log's key cannot be used.
    #[error("{} holds no key", path.display())]
    Key {
        /// The key's file; its content is never repeated.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// The genesis is no envelope.
    #[error("{} is no genesis", path.display())]
    Envelope {
        /// The genesis file.
        path: PathBuf,
        /// Why.
        source: EnvelopeError,
    },
    /// The genesis founds nothing.
    #[error("{} founds no federation", path.display())]
    Genesis {
        /// The genesis file.
        path: PathBuf,
        /// Why.
        source: Refusal,
    },
}

impl Home {
    /// Reads the folder.
    ///
    /// # Errors
    /// [`HomeError`], which names the file.
    pub fn read(folder: &Path) -> Result<Self, HomeError> {
        let path = folder.join("genesis.json");
        let keys = LogKeys::read(folder)?;
        let genesis = Envelope::parse(&read(&path)?)
            .map_err(|source| HomeError::Envelope { path: path.clone(), source })?;
        let refused = |source| HomeError::Genesis { path: path.clone(), source };
        // When it was founded, the ledger says; what it founds is the same at any time.
        let entry = genesis_entry(&genesis, 0).map_err(refused)?;
        let founded = Federation::found(&entry).map_err(refused)?;
        Ok(Self { keys, genesis, founded, base: folder.join("base") })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, HomeError> {
    fs::read(path).map_err(|source| HomeError::Read { path: path.to_owned(), source })
}
