//! Passphrases: from a file that nobody else can read, or from whoever sits at the terminal. Never from an
//! argument or a variable, where other processes could read them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use crate::failure::Failure;

/// Names the file that holds the passphrase of every encrypted key that is read.
pub(crate) const PASSPHRASE_FILE: &str = "POTLUCK_PASSPHRASE_FILE";

/// The longest passphrase, in bytes.
const MAX: usize = 1024;

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PassphraseError {
    /// The file cannot be read.
    #[error("cannot read the passphrase in {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others can read the file.
    #[error("the passphrase in {} can be read by others (mode {mode:03o})", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file's first line is empty, too long, or no UTF-8.
    #[error("{} holds no passphrase: one line of 1 to {MAX} bytes is expected", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
    },
    /// Nobody can be asked.
    #[error("a passphrase is needed, and there is no terminal to ask for it")]
    NoTerminal(#[source] io::Error),
    /// What was typed cannot be a passphrase.
    #[error("no passphrase was typed, or one of more than {MAX} bytes")]
    Typed,
    /// It was typed differently the second time.
    #[error("the two passphrases differ")]
    Differ,
}

/// A passphrase; it is wiped when it is dropped, and not shown.
#[derive(Clone)]
pub(crate) struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// The first line of a file that nobody but its owner can read.
    pub(crate) fn from_file(path: &Path) -> Result<Self, PassphraseError> {
        let failed = |source| PassphraseError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let mode = metadata.permissions().mode() & 0o777;
        // A pipe, as a shell's <(…) gives, is nobody else's whatever its mode says.
        if metadata.is_file() && mode & 0o077 != 0 {
            return Err(PassphraseError::Open { path: path.to_owned(), mode });
        }
        // As large as it can grow from the start: a buffer that moves leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX + 3));
        file.take(MAX as u64 + 2).read_to_end(&mut bytes).map_err(failed)?;
        let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line).ok();
        text.and_then(Self::new).ok_or_else(|| PassphraseError::Malformed { path: path.to_owned() })
    }

    /// Asks for a passphrase that exists.
    pub(crate) fn ask(prompt: &str) -> Result<Self, PassphraseError> {
        let typed = rpassword::prompt_password(prompt).map_err(PassphraseError::NoTerminal)?;
        Self::new(&Zeroizing::new(typed)).ok_or(PassphraseError::Typed)
    }

    /// Asks for a new passphrase, twice.
    pub(crate) fn ask_new() -> Result<Self, PassphraseError> {
        let first = Self::ask("New passphrase: ")?;
        let again = Self::ask("The same again: ")?;
        if *first.0 == *again.0 { Ok(first) } else { Err(PassphraseError::Differ) }
    }

    fn new(text: &str) -> Option<Self> {
        let fits = (1..=MAX).contains(&text.len());
        fits.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// Its bytes, for a derivation.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

/// Where passphrases come from; each is asked for once.
#[derive(Debug, Default)]
pub(crate) struct Passphrases {
    file: Option<PathBuf>,
    asked: Mutex<BTreeMap<PathBuf, Passphrase>>,
}

impl Passphrases {
    /// From the file that the environment names; without one, from the terminal.
    pub(crate) fn of_environment() -> Self {
        let file = std::env::var_os(PASSPHRASE_FILE).filter(|path: &OsString| !path.is_empty());
        Self { file: file.map(PathBuf::from), asked: Mutex::default() }
    }

    /// From this file alone.
    #[cfg(test)]
    pub(crate) fn in_file(path: &Path) -> Self {
        Self { file: Some(path.to_owned()), asked: Mutex::default() }
    }

    /// The passphrase of the key in `path`.
    pub(super) fn of(&self, path: &Path) -> Result<Passphrase, PassphraseError> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = asked.get(path) {
            return Ok(known.clone());
        }
        let passphrase = match &self.file {
            Some(file) => Passphrase::from_file(file)?,
            // Standard error is where a person looks; without it nobody watches, and a prompt would hang.
            None if !io::stderr().is_terminal() => {
                return Err(PassphraseError::NoTerminal(io::ErrorKind::NotConnected.into()));
            }
            None => Passphrase::ask(&format!("Passphrase of {}: ", path.display()))?,
        };
        asked.insert(path.to_owned(), passphrase.clone());
        Ok(passphrase)
    }
}

impl From<PassphraseError> for Failure {
    fn from(error: PassphraseError) -> Self {
        let failure = Self::input(crate::failure::in_full(&error));
        match error {
            PassphraseError::Open { path, .. } => {
                failure.hint(format!("chmod 600 {}", path.display()))
            }
            PassphraseError::NoTerminal(_) => failure.hint(format!(
                "{PASSPHRASE_FILE} names a file of mode 600 that holds it in its first line"
            )),
            _ => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn written(text: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn the_first_line_of_a_private_file_is_the_passphrase() {
        for text in [&b"salt and pepper"[..], b"salt and pepper\n", b"salt and pepper\r\nmore\n"] {
            let read = Passphrase::from_file(written(text).path()).unwrap();
            assert_eq!(read.as_bytes(), b"salt and pepper");
        }
        for text in [&b""[..], b"\nsecond", b"\xff\n", &[b'a'; MAX + 1]] {
            let refused = Passphrase::from_file(written(text).path()).unwrap_err();
            assert!(matches!(refused, PassphraseError::Malformed { .. }), "{refused:?}");
        }
        Passphrase::from_file(written(&[b'a'; MAX]).path()).unwrap();
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let file = written(b"secret");
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
        let failure = Failure::from(Passphrase::from_file(file.path()).unwrap_err());
        assert!(failure.message().contains("mode 644"), "{failure}");
        assert!(failure.cure().unwrap().starts_with("chmod 600"));
        assert!(!failure.message().contains("secret"));
    }
}
