//! The outbox: one file of weights and one card, as this trainer or another left them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use potluck_core::manifest::{ADAPTER, WEIGHTS};
use potluck_core::{Blake3, FileEntry, Manifest};
use potluck_net::blob::{self, Digests};
use potluck_soup::{FolderError, HeaderLimit, Layout, LayoutError, open_plain};
use serde::Deserialize;

use super::memo::{Known, Memo};
use crate::failure::{Failure, Kind, in_full};

/// The card's file.
const CARD: &str = "card.json";
/// The largest card that is read, in bytes: it holds digests and notes, no data.
const MAX_CARD: u64 = 1 << 20;

/// What of a card is read; other trainers write other fields beside it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Card {
    /// BLAKE3 of the weights from which the expert was trained.
    #[serde(default)]
    pub(super) base_blake3: Option<Blake3>,
    /// BLAKE3 of the weights with which training began, where those are not the ones above: a soup's.
    #[serde(default)]
    pub(super) begun_from_blake3: Option<Blake3>,
    /// BLAKE3 over the reward's definition and a nonce.
    #[serde(default)]
    pub(super) reward_commitment: Option<Blake3>,
}

/// Weights that are an expert, and what their trainer says of them.
#[derive(Debug)]
pub(super) struct Outbox {
    path: PathBuf,
    listed_as: &'static str,
    card: Card,
}

/// An expert whose digests are known.
#[derive(Debug)]
pub(super) struct Hashed {
    /// Where the weights lie.
    pub(super) path: PathBuf,
    /// Their digests.
    pub(super) weights: FileEntry,
    /// Their tree of hashes, where it is known.
    pub(super) outboard: Option<Arc<[u8]>>,
    /// The expert's files: the weights alone.
    pub(super) manifest: Manifest,
    /// What the trainer says of it.
    pub(super) card: Card,
}

impl Outbox {
    /// Looks at the weights, unless told otherwise at their header too, and at the card in `folder`.
    pub(super) fn open(path: PathBuf, folder: &Path, no_check: bool) -> Result<Self, Failure> {
        let file = File::open(&path).map_err(|error| unreadable(&path, &error))?;
        if !no_check {
            Layout::of(&file, HeaderLimit::BASE).map_err(|error| refused(&path, &error))?;
        }
        Ok(Self { path, listed_as: WEIGHTS, card: read_card(&folder.join(CARD))? })
    }

    /// Says that the file is an adapter, which stands in the ledger under another name than weights do.
    pub(super) fn of_adapter(self) -> Self {
        Self { listed_as: ADAPTER, ..self }
    }

    /// Hashes the weights, unless what they hash to is remembered.
    pub(super) fn hashed(
        self,
        memo: &Memo,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Hashed, Failure> {
        let Known { file: weights, outboard } = match memo.recall(&self.path) {
            Some(known) => known,
            None => memo
                .keep(&self.path, || hash(&self.path, progress))
                .map_err(|error| Failure::input(in_full(&error)))?,
        };
        // Hashing and remembering know of bytes alone.
        let weights = FileEntry { path: self.listed_as.to_owned(), ..weights };
        let manifest = Manifest::new(vec![weights.clone()]).map_err(Failure::input)?;
        Ok(Hashed { path: self.path, weights, outboard, manifest, card: self.card })
    }
}

/// Reads the weights once, for the manifest and for sending.
pub(super) fn hash(path: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Known, FolderError> {
    let failed = |source| FolderError::Read { path: path.to_owned(), source };
    let hashed = blob::Hashed::of(open_plain(path)?, progress).map_err(failed)?;
    let (Digests { size, blake3, sha256 }, tree) = hashed;
    let file = FileEntry { path: WEIGHTS.to_owned(), size, blake3, sha256 };
    Ok(Known { file, outboard: Some(Arc::clone(tree.outboard())) })
}

fn read_card(path: &Path) -> Result<Card, Failure> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Card::default()),
        Ok(metadata) if metadata.len() > MAX_CARD => {
            return Err(Failure::input(format!("{} is too large for a card", path.display())));
        }
        _ => {}
    }
    let text = fs::read(path).map_err(|error| unreadable(path, &error))?;
    serde_json::from_slice(&text)
        .map_err(|error| Failure::input(format!("{} is no card: {error}", path.display())))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::input(format!("cannot read {}: {error}", path.display()))
}

fn refused(path: &Path, error: &LayoutError) -> Failure {
    let message = format!("{} is refused: {}", path.display(), in_full(error));
    Failure::new(Kind::Input, "header-invalid", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_of_another_trainer_is_read_where_it_is_ours() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(CARD);
        assert!(read_card(&path).unwrap().base_blake3.is_none());
        let digest = Blake3::of(b"base");
        fs::write(&path, format!(r#"{{"trainer":"other","steps":3,"base_blake3":"{digest}"}}"#))
            .unwrap();
        assert_eq!(read_card(&path).unwrap().base_blake3, Some(digest));
        fs::write(&path, r#"{"base_blake3":"short"}"#).unwrap();
        let failure = read_card(&path).unwrap_err();
        assert_eq!(failure.kind(), Kind::Input);
        assert!(failure.message().contains("card.json is no card"), "{failure}");
    }

    fn open(folder: &Path, no_check: bool) -> Result<Outbox, Failure> {
        Outbox::open(folder.join(WEIGHTS), folder, no_check)
    }

    #[test]
    fn weights_that_are_none_are_found_before_anything_is_sent() {
        let home = tempfile::tempdir().unwrap();
        let failure = open(home.path(), false).unwrap_err();
        assert!(failure.message().contains("model.safetensors"), "{failure}");
        fs::write(home.path().join(WEIGHTS), [200, 0, 0, 0, 0, 0, 0, 0, b'{']).unwrap();
        let failure = open(home.path(), false).unwrap_err();
        assert_eq!((failure.kind(), failure.code()), (Kind::Input, "header-invalid"));
        assert!(open(home.path(), true).is_ok());
    }
}
