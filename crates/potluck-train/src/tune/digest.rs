//! Digests of what a run depends on.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::bad_input::BadInput;

/// BLAKE3 of a file.
///
/// # Errors
/// [`BadInput`] where it cannot be read.
pub fn digest_of(path: &Path) -> Result<blake3::Hash, BadInput> {
    let read = || {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(path)?)?;
        Ok(hasher.finalize())
    };
    read().map_err(|error: std::io::Error| BadInput::file(path, &error))
}

/// BLAKE3 of a model's `model.safetensors`; of several shards, that of their names and digests in the
/// order of names.
pub(super) fn model_digest(folder: &Path) -> Result<blake3::Hash, BadInput> {
    let whole = folder.join("model.safetensors");
    if whole.exists() {
        return digest_of(&whole);
    }
    let entries = fs::read_dir(folder).map_err(|error| BadInput::file(folder, &error))?;
    let mut shards: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|it| it == "safetensors"))
        .collect();
    shards.sort();
    let mut hasher = blake3::Hasher::new();
    for shard in shards {
        let name = shard.file_name().unwrap_or_default().to_string_lossy().into_owned();
        hasher.update(name.as_bytes()).update(b"\0").update(digest_of(&shard)?.as_bytes());
    }
    Ok(hasher.finalize())
}
