//! Where a key is: a file, or an agent that never shows it.

use std::fmt;
use std::path::{Path, PathBuf};

use potluck_core::Signer;
use serde::Deserialize;

use super::agent::{AgentKey, Fingerprint, SCHEME};
use super::key_file::read_key;
use super::passphrase::Passphrases;
use crate::failure::Failure;

/// Where a key is, as settings say it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum KeySource {
    /// In a file: PKCS#8 or OpenSSH.
    File(PathBuf),
    /// In the agent that SSH_AUTH_SOCK names.
    Agent(Fingerprint),
}

impl KeySource {
    /// As seen from a folder.
    pub(super) fn in_folder(self, dir: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(dir.join(path)),
            agent @ Self::Agent(_) => agent,
        }
    }

    /// What signs with it.
    pub(super) fn signer(&self, passphrases: &Passphrases) -> Result<Box<dyn Signer>, Failure> {
        Ok(match self {
            Self::File(path) => Box::new(read_key(path, passphrases)?),
            Self::Agent(fingerprint) => Box::new(AgentKey::find(*fingerprint)?),
        })
    }
}

impl TryFrom<String> for KeySource {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_prefix(SCHEME) {
            Some(fingerprint) => fingerprint.parse().map(Self::Agent),
            None => Ok(Self::File(text.into())),
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Agent(fingerprint) => write!(f, "{SCHEME}{fingerprint}"),
        }
    }
}
