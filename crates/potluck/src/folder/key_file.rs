//! Private keys on disk, for their owner's eyes alone: PKCS#8 in PEM, plain or [sealed]; or as [OpenSSH](openssh)
//! keeps them. Written whole, of mode 0600 from the first moment, and never over another file.

mod openssh;
mod sealed;

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use potluck_core::PrivateKey;
use zeroize::Zeroizing;

use super::passphrase::{PASSPHRASE_FILE, Passphrase, PassphraseError, Passphrases};
use crate::failure::{Failure, in_full};

/// More than any text of an Ed25519 key has, in bytes; OpenSSH's holds a comment as well.
const MAX_PEM: usize = 8192;

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
    #[error("{} holds no key that can be used", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: FormatError,
    },
    /// It is encrypted, and its passphrase is not to be had.
    #[error("the key {} is encrypted", path.display())]
    Locked {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: PassphraseError,
    },
    /// There is something already.
    #[error("{} exists, and a key is never written over anything", path.display())]
    Exists {
        /// Which file.
        path: PathBuf,
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

/// Why a text is no key, or not one for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormatError {
    /// No text that holds a private key.
    #[error(
        "an Ed25519 key as PKCS#8 in PEM or as OpenSSH writes it is expected (BEGIN PRIVATE KEY, BEGIN ENCRYPTED PRIVATE KEY, BEGIN OPENSSH PRIVATE KEY)"
    )]
    Text,
    /// Another kind of key.
    #[error("it is another kind of key than Ed25519")]
    Algorithm,
    /// Encrypted in a way that is not read here.
    #[error("it is encrypted by a scheme that is not read: scrypt or PBKDF2 with AES is")]
    Scheme,
    /// The derivation of its key would take too long, or too much memory.
    #[error("its passphrase is made costlier than is borne here")]
    Costly,
    /// Another passphrase, or a damaged file: the two look alike.
    #[error("the passphrase is another, or the file is damaged")]
    Passphrase,
    /// Its public half belongs to another key.
    #[error("its public and its private half do not belong together")]
    Mismatch,
}

/// Reads a key that nobody but its owner can read.
pub(crate) fn read_key(path: &Path, passphrases: &Passphrases) -> Result<PrivateKey, KeyFileError> {
    let failed = |source| KeyFileError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Open { path: path.to_owned(), mode });
    }
    // As large as it can grow from the start: a buffer that moves leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_PEM + 1));
    file.take(MAX_PEM as u64).read_to_end(&mut bytes).map_err(failed)?;
    let ask = || passphrases.of(path);
    let read = match std::str::from_utf8(&bytes) {
        Ok(pem) => parse(pem, ask),
        Err(_) => Ok(Err(FormatError::Text)),
    };
    read.map_err(|source| KeyFileError::Locked { path: path.to_owned(), source })?
        .map_err(|source| KeyFileError::Malformed { path: path.to_owned(), source })
}

/// The outer error is that of asking, the inner one that of the text.
fn parse(
    pem: &str,
    ask: impl FnOnce() -> Result<Passphrase, PassphraseError>,
) -> Result<Result<PrivateKey, FormatError>, PassphraseError> {
    let begins = |label: &str| pem.trim_start().starts_with(&format!("-----BEGIN {label}-----"));
    if begins("OPENSSH PRIVATE KEY") {
        openssh::open(pem, ask)
    } else if begins("ENCRYPTED PRIVATE KEY") {
        Ok(sealed::open(pem, &ask()?))
    } else {
        Ok(PrivateKey::from_pem(pem).map_err(|_| FormatError::Text))
    }
}

/// Makes a key and keeps it at `path`, readable by its owner only; under a passphrase, if one is given.
pub(crate) fn create_key(
    path: &Path,
    passphrase: Option<&Passphrase>,
) -> Result<PrivateKey, KeyFileError> {
    if path.symlink_metadata().is_ok() {
        return Err(KeyFileError::Exists { path: path.to_owned() });
    }
    let key = random_key()?;
    let failed = |source| KeyFileError::Write { path: path.to_owned(), source };
    let text = match passphrase {
        None => key.to_pem(),
        Some(passphrase) => sealed::seal(&key, passphrase, &random_seed()?)
            .map_err(|error| failed(io::Error::other(error.to_string())))?,
    };
    place(path, text.as_bytes()).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists { path: path.to_owned() },
        _ => failed(error),
    })?;
    Ok(key)
}

/// Writes a file that must not be there yet: whole, synced, and its owner's alone from the first moment.
fn place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // Made with mode 0600, and removed again where anything fails.
    let mut file = tempfile::Builder::new().prefix(".key-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// A key that nobody else knows and that is not kept.
pub(crate) fn random_key() -> Result<PrivateKey, KeyFileError> {
    Ok(PrivateKey::from_seed(&Zeroizing::new(random_seed()?)))
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
            KeyFileError::Locked { source, .. } => {
                let failure = Self::input(text);
                let hint = Self::from(source).cure().map(str::to_owned);
                hint.map_or(failure.clone(), |hint| failure.hint(hint))
            }
            KeyFileError::Malformed { source: FormatError::Passphrase, .. } => {
                Self::input(text).hint(format!("{PASSPHRASE_FILE} or the terminal gives it"))
            }
            KeyFileError::Malformed { source: FormatError::Costly, .. } => Self::input(text)
                .hint("encrypt it anew at usual costs: ssh-keygen -p, or openssl pkcs8 -topk8"),
            KeyFileError::Exists { .. } => {
                Self::input(text).hint("name another file, or move that one away yourself")
            }
            KeyFileError::Read { .. } | KeyFileError::Malformed { .. } => Self::input(text),
            KeyFileError::Write { .. } | KeyFileError::Random(_) => Self::system(text),
        }
    }
}

#[cfg(test)]
mod tests;
