//! The files that a list of rewards names: found from the recipe's folder, and bound by their digests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::bad_input::BadInput;

use super::keys::Keys;

/// The largest file of words or schema that is read, in bytes.
const MOST: u64 = 16 << 20;

/// Files by the names that the recipe has for them.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    digests: BTreeMap<String, String>,
}

impl Files {
    /// Files whose relative paths are from `folder`.
    pub(super) fn of(folder: &Path) -> Result<Self, BadInput> {
        let folder = std::path::absolute(folder).map_err(|error| BadInput::file(folder, &error))?;
        Ok(Self { folder, digests: BTreeMap::new() })
    }

    /// The folder, as an absolute path.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads the text file that `key` names.
    pub(super) fn read(&mut self, keys: &mut Keys, key: &str) -> Result<String, BadInput> {
        let name = keys.needed_text(key)?;
        let path = self.folder.join(&name);
        let refused = |error: &dyn std::fmt::Display| {
            keys.fault(key, format!("names {}: {error}", path.display()))
        };
        let length = std::fs::metadata(&path).map_err(|error| refused(&error))?.len();
        if length > MOST {
            return Err(refused(&format!("it has {length} bytes; at most {MOST} are read")));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| refused(&error))?;
        self.bind(name, text.as_bytes());
        Ok(text)
    }

    /// Binds a file to the definition if `name` is the name of one.
    pub(super) fn bind_if_any(&mut self, name: &str) {
        let path = self.folder.join(name);
        // A file that cannot be read is no error here: whoever uses it will say so.
        if let Some(bytes) = path.is_file().then(|| std::fs::read(path).ok()).flatten() {
            self.bind(name.to_owned(), &bytes);
        }
    }

    fn bind(&mut self, name: String, bytes: &[u8]) {
        self.digests.insert(name, blake3::hash(bytes).to_hex().to_string());
    }

    /// The digest of each file that was named.
    pub(super) fn into_digests(self) -> BTreeMap<String, String> {
        self.digests
    }
}
