//! The words that several answers share.

use std::collections::BTreeMap;

use potluck_core::{Author, Blake3, FileEntry, Lambda, Manifest};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::Seen;

/// A page of things
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listed<T> {
    /// What stands on this page
    pub(super) items: Vec<T>,
    /// How many there are on all pages; nothing where that would have to be counted
    pub(super) total: Option<u64>,
    /// What `from` must be for the next page; nothing on the last one
    pub(super) next: Option<String>,
}

/// An entry of the ledger, by its place
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct Place {
    /// Counted from 0
    pub(super) index: u64,
    /// When the log took it in, in seconds since 1970-01-01 UTC
    pub(super) time: u64,
}

impl Place {
    pub(super) fn of(seen: &Seen<'_>, index: u64) -> Self {
        Self { index, time: seen.past.time(index) }
    }
}

/// A file by its digests
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct File {
    /// Relative to the checkpoint's folder
    path: String,
    /// In bytes
    size: u64,
    /// In hexadecimal
    blake3: String,
    /// In hexadecimal
    sha256: String,
}

impl From<&FileEntry> for File {
    fn from(file: &FileEntry) -> Self {
        let (blake3, sha256) = (file.blake3.to_string(), file.sha256.to_string());
        Self { path: file.path.clone(), size: file.size, blake3, sha256 }
    }
}

/// The files of a manifest.
pub(super) fn files(manifest: &Manifest) -> Vec<File> {
    manifest.files().iter().map(File::from).collect()
}

/// Mixing weights
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Mixture {
    /// The normal form in decimals, without those whose share is zero
    #[schema(example = "checkers=0.7,readers=0.3")]
    pub(super) text: String,
    /// By party, in parts per million; they sum to 1000000
    pub(super) ppm: BTreeMap<String, u32>,
}

impl From<&Lambda> for Mixture {
    fn from(lambda: &Lambda) -> Self {
        let ppm = lambda.ppm().iter().map(|(party, ppm)| (party.to_string(), *ppm));
        Self { text: normal(lambda), ppm: ppm.collect() }
    }
}

/// λ without those who take no part: one soup has one such text.
pub(super) fn normal(lambda: &Lambda) -> String {
    let active = lambda.active().map(|(party, ppm)| (party.clone(), ppm)).collect();
    // What takes part sums to one as well.
    Lambda::new(active).map_or_else(|_| lambda.to_string(), |lambda| lambda.to_string())
}

/// The id under which a soup is served to tools that know revisions: the first 160 bits of its recipe's digest.
pub(super) fn commit(recipe: Blake3) -> String {
    let mut text = recipe.to_string();
    text.truncate(40);
    text
}

/// `operator`, or the party's name.
pub(super) fn name(author: &Author) -> String {
    author.to_string()
}
