//! The log's private keys that are held here: `keys/log*.pem` of the federation's folder.
//!
//! Which of them signs, the ledger says. One that is to take over is looked for when the entry that names it
//! comes; until it is found here that entry is refused, since nobody could sign the checkpoint over it. The keys
//! are the server's identities on the network, too.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use potluck_core::{PrivateKey, PublicKey};
use potluck_net::Identities;

use crate::home::HomeError;

/// Keys that were found, and where to look for more.
pub struct LogKeys {
    folder: Option<PathBuf>,
    held: RwLock<Vec<Arc<PrivateKey>>>,
    identities: Identities,
}

impl LogKeys {
    /// Reads every `keys/log*.pem` of a federation's folder. There is one at least.
    ///
    /// # Errors
    /// [`HomeError::Read`] and [`HomeError::Key`], which name the file.
    pub fn read(home: &Path) -> Result<Self, HomeError> {
        let folder = home.join("keys");
        let mut files = files(&folder)?;
        if files.is_empty() {
            // What cannot be read is what is missing.
            files.push(folder.join("log.pem"));
        }
        let keys = files.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { folder: Some(folder), ..Self::of(keys) })
    }

    /// These keys, and no others later.
    pub fn of(keys: impl IntoIterator<Item = PrivateKey>) -> Self {
        let held: Vec<_> = keys.into_iter().map(Arc::new).collect();
        let identities = Identities::default();
        held.iter().for_each(|key| identities.add(key));
        Self { folder: None, held: RwLock::new(held), identities }
    }

    /// The private half of a key, if it is held, or found now.
    pub fn find(&self, key: &PublicKey) -> Option<Arc<PrivateKey>> {
        let is_it = |held: &&Arc<PrivateKey>| held.public() == *key;
        let known = self.held.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.iter().find(is_it) {
            return Some(Arc::clone(known));
        }
        drop(known);
        let files = self.folder.as_deref().and_then(|folder| files(folder).ok());
        // Another file that is damaged does not keep this key away.
        let mut found = files.into_iter().flatten().filter_map(|path| read(&path).ok());
        let found = Arc::new(found.find(|found| found.public() == *key)?);
        self.identities.add(&found);
        self.held.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&found));
        Some(found)
    }

    /// Every key that is held.
    pub fn held(&self) -> Vec<Arc<PrivateKey>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same keys as the server's identities; those found later are among them, too.
    pub fn identities(&self) -> &Identities {
        &self.identities
    }
}

impl fmt::Debug for LogKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public: Vec<_> = self.held().iter().map(|key| key.public()).collect();
        f.debug_struct("LogKeys").field("public", &public).finish_non_exhaustive()
    }
}

/// The files in ascending order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>, HomeError> {
    let failed = |source| HomeError::Read { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().map_or_else(String::new, |it| it.to_string_lossy().into());
        if name.starts_with("log") && name.ends_with(".pem") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<PrivateKey, HomeError> {
    let failed = |source| HomeError::Read { path: path.to_owned(), source };
    let pem = fs::read(path).map_err(failed)?;
    warn_of_readers(path);
    PrivateKey::from_pem(&String::from_utf8_lossy(&pem))
        .map_err(|source| HomeError::Key { path: path.to_owned(), source })
}

/// A key that others on this machine can read is a risk, but secrets that are mounted often look so.
fn warn_of_readers(key: &Path) {
    let mode = fs::metadata(key).map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o077 != 0 {
        tracing::warn!(file = %key.display(), "others on this machine can read the log's key");
    }
}
