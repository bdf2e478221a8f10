//! The list of a checkpoint's files and their digests.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::{Blake3, Sha256};

/// The file that holds a checkpoint's weights.
pub const WEIGHTS: &str = "model.safetensors";

/// The file that holds an adapter: its factors, and in its header what they mean.
pub const ADAPTER: &str = "adapter_model.safetensors";

/// The most files that a manifest may list.
pub const MAX_FILES: usize = 4096;

/// The longest path in a manifest, in bytes.
pub const MAX_PATH: usize = 240;

/// Why a list of files is no manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// No files or too many.
    #[error("the manifest lists {0} files; 1 to {MAX_FILES} are allowed")]
    Count(usize),
    /// A path that could leave its folder, or that some file system would spell otherwise.
    #[error(
        "'{0}' is no portable relative path: use a-z, A-Z, 0-9, '.', '_', '-' and '/', no part beginning with '.'"
    )]
    Path(String),
    /// Two entries that a file system which folds case would confuse.
    #[error("two files are called '{0}' (upper and lower case count as equal)")]
    Twice(String),
    /// The entries do not stand in byte order of their paths.
    #[error("the files do not stand in byte order of their paths, at '{0}'")]
    Order(String),
}

/// One file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Where it stands, relative to the checkpoint's folder, with `/` between parts.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// BLAKE3 of its bytes: the address by which the store and the protocol know it.
    pub blake3: Blake3,
    /// SHA-256 of its bytes, for tools that know no BLAKE3.
    pub sha256: Sha256,
}

/// A checked list of files: portable paths, in byte order, none twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<FileEntry>", into = "Vec<FileEntry>")]
pub struct Manifest(Vec<FileEntry>);

impl Manifest {
    /// Sorts and checks `files`.
    ///
    /// # Errors
    /// [`ManifestError`] names the first entry that is refused.
    pub fn new(mut files: Vec<FileEntry>) -> Result<Self, ManifestError> {
        files.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
        Self::try_from(files)
    }

    /// The files in byte order of their paths.
    pub fn files(&self) -> &[FileEntry] {
        &self.0
    }

    /// The file at `path`.
    pub fn file(&self, path: &str) -> Option<&FileEntry> {
        self.0.iter().find(|file| file.path == path)
    }

    /// The file of weights, [`WEIGHTS`], where the checkpoint is kept in one.
    pub fn weights(&self) -> Option<&FileEntry> {
        self.file(WEIGHTS)
    }

    /// The file of an expert: weights, or an adapter.
    pub fn expert(&self) -> Option<&FileEntry> {
        self.weights().or_else(|| self.file(ADAPTER))
    }

    /// All sizes added up, in bytes; `None` past 2^64.
    pub fn total_size(&self) -> Option<u64> {
        self.0.iter().try_fold(0u64, |sum, file| sum.checked_add(file.size))
    }

    /// BLAKE3 of the manifest's one canonical text: compact JSON, fields and files in the order of their
    /// definition here.
    pub fn digest(&self) -> Blake3 {
        let text = serde_json::to_vec(&self.0)
            .expect("strings, integers and lists always have a JSON form");
        Blake3::of(&text)
    }
}

impl TryFrom<Vec<FileEntry>> for Manifest {
    type Error = ManifestError;
    fn try_from(files: Vec<FileEntry>) -> Result<Self, ManifestError> {
        if files.is_empty() || files.len() > MAX_FILES {
            return Err(ManifestError::Count(files.len()));
        }
        let mut seen = BTreeSet::new();
        for (position, file) in files.iter().enumerate() {
            if !is_portable(&file.path) {
                return Err(ManifestError::Path(file.path.chars().take(80).collect()));
            }
            if !seen.insert(file.path.to_ascii_lowercase()) {
                return Err(ManifestError::Twice(file.path.clone()));
            }
            if position > 0 && files[position - 1].path.as_bytes() >= file.path.as_bytes() {
                return Err(ManifestError::Order(file.path.clone()));
            }
        }
        Ok(Self(files))
    }
}

impl From<Manifest> for Vec<FileEntry> {
    fn from(manifest: Manifest) -> Self {
        manifest.0
    }
}

fn is_portable(path: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    (1..=MAX_PATH).contains(&path.len()) && path.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> FileEntry {
        FileEntry {
            path: path.into(),
            size: 3,
            blake3: Blake3::of(b"abc"),
            sha256: Sha256::of(b"abc"),
        }
    }

    #[test]
    fn paths_stay_inside_their_folder() {
        for bad in
            ["", "/etc/passwd", "../x", "a/../b", "a//b", ".hidden", "a\\b", "a\0", "é", "a/"]
        {
            assert!(
                matches!(Manifest::new(vec![file(bad)]), Err(ManifestError::Path(_))),
                "{bad:?}"
            );
        }
        assert!(Manifest::new(vec![file("sub/model-00001-of-00002.safetensors")]).is_ok());
    }

    #[test]
    fn one_list_has_one_spelling() {
        let sorted = Manifest::new(vec![file("b"), file("a")]).unwrap();
        assert_eq!(sorted, Manifest::new(vec![file("a"), file("b")]).unwrap());
        assert!(matches!(Manifest::new(vec![file("A"), file("a")]), Err(ManifestError::Twice(_))));
        let unsorted = serde_json::to_string(&[file("b"), file("a")]).unwrap();
        assert!(
            serde_json::from_str::<Manifest>(&unsorted).unwrap_err().to_string().contains("order")
        );
    }

    #[test]
    fn the_digest_is_of_the_documented_text() {
        let manifest = Manifest::new(vec![file("a")]).unwrap();
        let abc = (Blake3::of(b"abc"), Sha256::of(b"abc"));
        let text =
            format!(r#"[{{"path":"a","size":3,"blake3":"{}","sha256":"{}"}}]"#, abc.0, abc.1);
        assert_eq!(manifest.digest(), Blake3::of(text.as_bytes()));
    }

    #[test]
    fn sizes_that_overflow_have_no_sum() {
        let huge = FileEntry { size: u64::MAX, ..file("a") };
        assert_eq!(Manifest::new(vec![huge, file("b")]).unwrap().total_size(), None);
    }
}
