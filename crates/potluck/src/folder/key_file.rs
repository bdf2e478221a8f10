//! Private keys on disk: PKCS#8 in PEM, for their owner's eyes alone.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use potluck_core::PrivateKey;
use potluck_core::keys::KeyError;

use crate::durable::{self, Readers};
use crate::failure::{Failure, in_full};

/// More than any PEM of an Ed25519 key has, in bytes.
const MAX_PEM: u64 = 4096;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFileError {
    /// The file cannot be read.
    #[error("cannot read the key {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others can read it.
    #[error("the key {} can be read by others (mode {mode:03o})", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds something else; its content is never repeated.
    #[error("{} holds no key", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: KeyError,
    },
    /// It cannot be written.
    #[error("cannot write the key {}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness for a key")]
    Random(#[source] io::Error),
}

/// Reads a key that nobody but its owner can read.
pub(crate) fn read_key(path: &Path) -> Result<PrivateKey, KeyFileError> {
    let failed = |source| KeyFileError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Open { path: path.to_owned(), mode });
    }
    let mut pem = Vec::new();
    file.take(MAX_PEM).read_to_end(&mut pem).map_err(failed)?;
    PrivateKey::from_pem(&String::from_utf8_lossy(&pem))
        .map_err(|source| KeyFileError::Malformed { path: path.to_owned(), source })
}

/// Makes a key and keeps it at `path`, readable by its owner only.
pub(crate) fn create_key(path: &Path) -> Result<PrivateKey, KeyFileError> {
    let key = random_key()?;
    durable::write(path, key.to_pem().as_bytes(), Readers::Owner)
        .map_err(|source| KeyFileError::Write { path: path.to_owned(), source })?;
    Ok(key)
}

/// A key that nobody else knows and that is not kept.
pub(crate) fn random_key() -> Result<PrivateKey, KeyFileError> {
    Ok(PrivateKey::from_seed(&random_seed()?))
}

/// 32 random bytes.
pub(crate) fn random_seed() -> Result<[u8; 32], KeyFileError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| KeyFileError::Random(error.into()))?;
    Ok(seed)
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        let text = in_full(&error);
        match error {
            KeyFileError::Open { path, .. } => {
                Self::input(text).hint(format!("chmod 600 {}", path.display()))
            }
            KeyFileError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Self::input(text).hint("restore it from your backup, or join anew under a new key")
            }
            KeyFileError::Read { .. } | KeyFileError::Malformed { .. } => Self::input(text),
            KeyFileError::Write { .. } | KeyFileError::Random(_) => Self::system(text),
        }
    }
}
