//! The federation's folder as `potluck new` makes it: `keys/log.pem`, `genesis.json`, `base/`.
//!
//! Read once at the start. The key signs checkpoints and is the server's identity on the network, so it must
//! be the one that the genesis names.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use potluck_core::envelope::EnvelopeError;
use potluck_core::federation::genesis_entry;
use potluck_core::keys::KeyError;
use potluck_core::{Envelope, Federation, PrivateKey, Refusal};

/// What stands in the folder, checked against itself.
#[derive(Debug)]
pub struct Home {
    /// The log's key.
    pub log: PrivateKey,
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
    /// The key is another than the genesis names.
    #[error("{} is not the log key that {} names", key.display(), genesis.display())]
    OtherKey {
        /// The key's file.
        key: PathBuf,
        /// The genesis file.
        genesis: PathBuf,
    },
}

impl Home {
    /// Reads the folder.
    ///
    /// # Errors
    /// [`HomeError`], which names the file.
    pub fn read(folder: &Path) -> Result<Self, HomeError> {
        let (key_path, path) = (folder.join("keys/log.pem"), folder.join("genesis.json"));
        warn_of_readers(&key_path);
        let pem = String::from_utf8_lossy(&read(&key_path)?).into_owned();
        let log = PrivateKey::from_pem(&pem)
            .map_err(|source| HomeError::Key { path: key_path.clone(), source })?;
        let genesis = Envelope::parse(&read(&path)?)
            .map_err(|source| HomeError::Envelope { path: path.clone(), source })?;
        let refused = |source| HomeError::Genesis { path: path.clone(), source };
        // When it was founded, the ledger says; what it founds is the same at any time.
        let entry = genesis_entry(&genesis, 0).map_err(refused)?;
        let founded = Federation::found(&entry).map_err(refused)?;
        if *founded.log() != log.public() {
            return Err(HomeError::OtherKey { key: key_path, genesis: path });
        }
        Ok(Self { log, genesis, founded, base: folder.join("base") })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, HomeError> {
    fs::read(path).map_err(|source| HomeError::Read { path: path.to_owned(), source })
}

/// A key that others on this machine can read is a risk, but secrets that are mounted often look so.
fn warn_of_readers(key: &Path) {
    let mode = fs::metadata(key).map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o077 != 0 {
        tracing::warn!(file = %key.display(), "others on this machine can read the log's key");
    }
}
