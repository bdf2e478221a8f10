//! The federation's base on this machine: where it lies, and that it is the one.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use potluck_core::manifest::WEIGHTS;
use potluck_core::{Blake3, FileEntry};
use potluck_soup::Checkpoint;

use crate::failure::{Failure, in_full};
use crate::folder::Folder;
use crate::output::bytes;

/// What `--base` says: where the base lies, or which one it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// Its folder, or its file of weights.
    Path(PathBuf),
    /// BLAKE3 of its weights.
    Digest(Blake3),
}

impl FromStr for Said {
    type Err = String;

    /// What stands on the disk is meant first: a folder may be called anything.
    fn from_str(text: &str) -> Result<Self, String> {
        let path = Path::new(text);
        match text.parse() {
            _ if path.exists() => Ok(Self::Path(path.to_owned())),
            Ok(digest) => Ok(Self::Digest(digest)),
            Err(error) => {
                Err(format!("{text} is neither there as a folder or file nor a BLAKE3: {error}"))
            }
        }
    }
}

/// The folders that may hold the base: the one that was named, or those where it usually lies.
#[derive(Debug)]
pub(super) struct Candidates {
    all: Vec<Checkpoint>,
    is_named: bool,
}

impl Candidates {
    /// Opens what is there. Headers are read, no weight is.
    pub(super) fn open(said: Option<&Said>, folder: &Folder) -> Result<Self, Failure> {
        if let Some(Said::Path(path)) = said {
            let base = Checkpoint::open(path)
                .map_err(|error| Failure::input(in_full(&error)).about("--base"))?;
            return Ok(Self { all: vec![base], is_named: true });
        }
        let there = folder.bases().into_iter().filter(|path| path.join(WEIGHTS).is_file());
        // Another thing of that name is no fault of anybody's.
        let all = there.filter_map(|path| Checkpoint::open(&path).ok()).collect();
        Ok(Self { all, is_named: false })
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Checkpoint> {
        self.all.iter()
    }

    /// Whether the user said where the base lies.
    pub(super) fn is_named(&self) -> bool {
        self.is_named
    }

    /// The one that has the length of the federation's, if there is one.
    pub(super) fn of_length(self, entry: &FileEntry) -> Result<Option<Checkpoint>, Failure> {
        let is_it = |it: &Checkpoint| matches!(it.sources(), [one] if one.length() == entry.size);
        if let ([named], true) = (&*self.all, self.is_named) {
            if named.sources().len() != 1 {
                return Err(Failure::input(format!(
                    "--base: {} is in several files, and the federation's base is one",
                    named.path().display()
                ))
                .hint("`potluck pull base` fetches it as the ledger has it"));
            }
            if !is_it(named) {
                let message = format!("{} is not the federation's base", named.path().display());
                let found = bytes(named.sources()[0].length());
                return Err(Failure::input(format!("{message}: it has another length"))
                    .differs(bytes(entry.size), found));
            }
        }
        Ok(self.all.into_iter().find(is_it))
    }
}

/// Without the base nothing can be brought into its form.
pub(super) fn missing(what: &str, folder: &Folder) -> Failure {
    Failure::input(format!("{what} needs the base on this machine, which is not there")).hint(
        format!(
            "`potluck pull --dir {folder} base --out {}` fetches it; or --base says where it lies",
            folder.bases()[0].display()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_said_by_place_or_by_digest() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().to_str().unwrap();
        assert_eq!(path.parse(), Ok(Said::Path(home.path().to_owned())));
        let digest = Blake3::of(b"base");
        assert_eq!(digest.to_string().parse(), Ok(Said::Digest(digest)));
        let failure = "no/such/folder".parse::<Said>().unwrap_err();
        assert!(failure.contains("neither"), "{failure}");
    }
}
