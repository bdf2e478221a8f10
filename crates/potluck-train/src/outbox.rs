//! What a party hands on: one checkpoint and one card, in a folder that is whole or absent.
//!
//! The trainer cannot speak; this folder is its only door. The reward's definition and the nonce
//! stay behind. `potluck push` takes the folder from here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use potluck_core::Blake3;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::files::{sync_folder, write_whole};
use crate::hf::Decoder;

/// What is said of a checkpoint beside its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The card's version: 1.
    pub v: u32,
    /// BLAKE3 of the base's `model.safetensors`, 64 hexadecimal digits.
    pub base_blake3: String,
    /// Binds the party to its reward without telling it, 64 hexadecimal digits.
    pub reward_commitment: String,
    /// By what it was trained.
    pub algorithm: Algorithm,
    /// The seeds of the run.
    pub seeds: Seeds,
    /// Optimiser steps taken.
    pub steps: u64,
}

/// A training algorithm, by its published name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// REINFORCE with a leave-one-out baseline.
    Rloo,
}

/// The seeds of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seeds {
    /// Of prompts and sampling.
    pub rl: u64,
}

/// The outbox could not be filled.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The file system refused.
    #[error("cannot write the outbox {}", .0.display())]
    Disk(PathBuf, #[source] io::Error),
    /// The weights have no file form.
    #[error("{0}")]
    Weights(String),
}

impl Card {
    /// A card of version 1.
    pub fn new(base: blake3::Hash, commitment: Blake3, seed: u64, steps: u64) -> Self {
        Self {
            v: 1,
            base_blake3: base.to_hex().to_string(),
            reward_commitment: commitment.to_string(),
            algorithm: Algorithm::Rloo,
            seeds: Seeds { rl: seed },
            steps,
        }
    }
}

/// Puts `model.safetensors` and `card.json` at `outbox` by one rename of the folder; an earlier
/// outbox of the same run makes way. Returns the checkpoint's BLAKE3.
///
/// # Errors
/// [`OutboxError`].
pub fn fill_outbox(
    outbox: &Path,
    decoder: &Decoder,
    weights: &[Tensor],
    card: &Card,
) -> Result<blake3::Hash, OutboxError> {
    let bytes = decoder.model_bytes(weights).map_err(OutboxError::Weights)?;
    let text = serde_json::to_string_pretty(card).expect("a card has a JSON form") + "\n";
    place(outbox, &bytes, text.as_bytes())
        .map_err(|error| OutboxError::Disk(outbox.to_owned(), error))?;
    Ok(blake3::hash(&bytes))
}

fn place(outbox: &Path, model: &[u8], card: &[u8]) -> io::Result<()> {
    let part = outbox.with_extension("part");
    remove_if_there(&part)?;
    write_whole(&part.join("model.safetensors"), model)?;
    write_whole(&part.join("card.json"), card)?;
    remove_if_there(outbox)?;
    fs::rename(&part, outbox)?;
    sync_folder(outbox.parent().unwrap_or(Path::new(".")))
}

fn remove_if_there(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hf::Folder;
    use crate::reward::Nonce;

    #[test]
    fn an_outbox_holds_one_checkpoint_and_one_card() {
        let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/hf/llama3");
        let decoder = Folder::open(&case).unwrap().load().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let outbox = folder.path().join("outbox");
        let commitment = Nonce::from_bytes([1; 32]).commit(b"reward");
        let card = Card::new(blake3::hash(b"base"), commitment, 5, 80);
        let first = fill_outbox(&outbox, &decoder, decoder.weights(), &card).unwrap();
        assert_eq!(fill_outbox(&outbox, &decoder, decoder.weights(), &card).unwrap(), first);
        let mut names: Vec<_> = fs::read_dir(&outbox)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["card.json", "model.safetensors"]);
        let text = fs::read_to_string(outbox.join("card.json")).unwrap();
        assert_eq!(serde_json::from_str::<Card>(&text).unwrap(), card);
        assert!(text.contains("\"algorithm\": \"rloo\""), "{text}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }
}
