//! What was hashed before: a push that goes on need not read a hundred gigabytes to learn what it read an hour ago.
//!
//! `state/hashed.json` of the party's folder holds the digests of the last file that was pushed, with what the file system
//! said of it: place, size, times, inode. A file that changed has others. Beside it, `state/hashed.obao` holds the file's tree
//! of hashes, 0.1 % of its size, by which it is sent. Where that is fooled, nothing bad comes of it: hashes that are not
//! those of the digest are computed anew, the aggregator refuses bytes that are not, and what is remembered is forgotten.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use potluck_core::FileEntry;
use serde::{Deserialize, Serialize};

use crate::durable::{self, Readers};
use crate::failure::warn;

/// A file that was changed so shortly before it was hashed may have been changed again within one tick of its file
/// system's clock.
const TICK_SECONDS: i64 = 2;

/// Where the digests of the last file are kept.
pub(super) struct Memo(PathBuf);

/// A file's digests, and its tree of hashes where that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) file: FileEntry,
    pub(super) outboard: Option<Arc<[u8]>>,
}

impl Known {
    /// Without the tree, where nothing is to be sent.
    pub(super) fn without_tree(self) -> Self {
        Self { outboard: None, ..self }
    }
}

/// What the file system says of a file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    path: PathBuf,
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    seen: Seen,
    file: FileEntry,
}

impl Memo {
    /// At this path, where there may be nothing.
    pub(super) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// What is known of the file at `path`, if it is remembered and the file has not changed since.
    pub(super) fn recall(&self, path: &Path) -> Option<Known> {
        let kept: Kept = serde_json::from_slice(&fs::read(&self.0).ok()?).ok()?;
        let is_same = Some(kept.seen) == seen(path);
        let outboard = || fs::read(self.outboard()).ok().map(Arc::from);
        is_same.then(|| Known { file: kept.file, outboard: outboard() })
    }

    fn outboard(&self) -> PathBuf {
        self.0.with_extension("obao")
    }

    /// Hashes a file by `hash`, and remembers what came out if the file stayed what it was meanwhile.
    pub(super) fn keep<E>(
        &self,
        path: &Path,
        hash: impl FnOnce() -> Result<Known, E>,
    ) -> Result<Known, E> {
        let (before, begun) = (seen(path), crate::clock::now().ok());
        let known = hash()?;
        let is_settled = |seen: &Seen| {
            let begun = begun.and_then(|begun| i64::try_from(begun).ok());
            begun.is_some_and(|begun| {
                seen.changed.0.max(seen.modified.0).saturating_add(TICK_SECONDS) <= begun
            })
        };
        if let Some(seen) = before.filter(|it| Some(it) == seen(path).as_ref() && is_settled(it)) {
            self.write(&Kept { seen, file: known.file.clone() }, known.outboard.as_deref());
        }
        Ok(known)
    }

    /// Forgets it: it was wrong.
    pub(super) fn forget(&self) {
        // What is not there is forgotten.
        let _ = fs::remove_file(&self.0).and(fs::remove_file(self.outboard()));
    }

    /// Not to remember costs time the next time, and nothing else.
    fn write(&self, kept: &Kept, outboard: Option<&[u8]>) {
        let text = serde_json::to_vec(kept).map_err(std::io::Error::other);
        let written = text.and_then(|text| {
            // The tree first: without digests nobody asks for it.
            if let Some(outboard) = outboard {
                durable::write(&self.outboard(), outboard, Readers::Owner)?;
            }
            durable::write(&self.0, &text, Readers::Owner)
        });
        if let Err(error) = written {
            warn(format_args!("the digests are not remembered in {}: {error}", self.0.display()));
        }
    }
}

fn seen(path: &Path) -> Option<Seen> {
    let path = fs::canonicalize(path).ok()?;
    let of = |it: Metadata| Seen {
        device: it.dev(),
        inode: it.ino(),
        size: it.size(),
        modified: (it.mtime(), it.mtime_nsec()),
        changed: (it.ctime(), it.ctime_nsec()),
        path: path.clone(),
    };
    fs::metadata(&path).ok().map(of)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, SystemTime};

    use potluck_core::{Blake3, Sha256};

    use super::*;

    fn entry(bytes: &[u8]) -> FileEntry {
        FileEntry {
            path: "model.safetensors".into(),
            size: bytes.len() as u64,
            blake3: Blake3::of(bytes),
            sha256: Sha256::of(bytes),
        }
    }

    fn known(bytes: &[u8]) -> Known {
        Known { file: entry(bytes), outboard: Some(Arc::from(*b"a tree")) }
    }

    #[test]
    fn what_changed_is_hashed_again() {
        let home = tempfile::tempdir().unwrap();
        let (path, memo) = (home.path().join("weights"), Memo::at(home.path().join("hashed.json")));
        let set = |bytes: &[u8]| fs::write(&path, bytes).unwrap();
        set(b"first");
        let hash = || Ok::<_, ()>(known(&fs::read(&path).unwrap()));
        assert_eq!(memo.recall(&path), None);
        // Just written: its clock may not tell it from the next.
        memo.keep(&path, hash).unwrap();
        assert_eq!(memo.recall(&path), None);

        // As if it had been looked at later: a time of the inode's change cannot be set.
        let seen = seen(&path).unwrap();
        memo.write(&Kept { seen, file: entry(b"first") }, Some(b"a tree"));
        assert_eq!(memo.recall(&path), Some(known(b"first")));
        // The same length and time of modification, but another content: the inode's change shows it.
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        set(b"other");
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert_eq!(memo.recall(&path), None);
        memo.forget();
        memo.forget();
        assert!(modified <= SystemTime::now() + Duration::from_secs(1));

        fs::write(home.path().join("hashed.json"), b"{}").unwrap();
        assert_eq!(memo.recall(&path), None);
    }

    #[test]
    fn a_file_that_changes_while_it_is_hashed_is_not_remembered() {
        let home = tempfile::tempdir().unwrap();
        let (path, memo) = (home.path().join("weights"), Memo::at(home.path().join("hashed.json")));
        fs::write(&path, b"first").unwrap();
        let changing = || {
            fs::write(&path, b"longer than it was").unwrap();
            Ok::<_, ()>(known(b"first"))
        };
        memo.keep(&path, changing).unwrap();
        assert!(!home.path().join("hashed.json").exists());
        assert!(!home.path().join("hashed.obao").exists());
    }
}
