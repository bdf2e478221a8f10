//! The files of a revision.
//!
//! Of a soup: the base's files but for its weights, the soup, a card, and the recipe. Of an expert: its own files, and the
//! base's where it has none of that name. Every file has an ETag that follows from its content: its SHA-256, or, for a soup
//! that was not published, the digest of the recipe that its bytes follow from.

use std::sync::Arc;

use axum::body::Bytes;
use potluck_core::manifest::{ADAPTER, WEIGHTS};
use potluck_core::{Blake3, Federation, FileEntry, Manifest, Recipe, Sha256};
use potluck_soup::checkpoint::INDEX;

use super::revision::{Commit, Revision};
use super::{Hub, Trouble, card};
use crate::ledger::Standing;
use crate::streams::{Content, SoupContent};

/// The name of the card.
const CARD: &str = "README.md";
/// The name of the recipe's file.
pub(super) const RECIPE: &str = "potluck-recipe.json";

/// A revision's files.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// By what clients know it.
    pub(super) commit: Commit,
    /// The log's time of the latest entry that could have changed it, in seconds since 1970.
    pub(super) time: u64,
    /// In byte order of their paths.
    pub(super) files: Vec<HubFile>,
}

/// A file of a revision.
#[derive(Debug)]
pub(super) struct HubFile {
    /// Where it stands, with `/` between parts.
    pub(super) path: String,
    /// Its length in bytes.
    pub(super) size: u64,
    /// What its bytes are known by.
    pub(super) known: Known,
    from: From,
}

/// What a file's bytes are known by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Known {
    /// Their SHA-256.
    Sha256(Sha256),
    /// The recipe that they follow from.
    Recipe(Blake3),
}

impl Known {
    /// As an ETag, without the quotes. Clients take it for a file name.
    pub(super) fn etag(self) -> String {
        match self {
            Self::Sha256(sha256) => sha256.to_string(),
            Self::Recipe(recipe) => format!("recipe-{recipe}"),
        }
    }
}

/// Where its bytes come from.
#[derive(Debug)]
enum From {
    Store(FileEntry),
    Memory(Bytes),
    Mixing(Arc<dyn Content>),
}

/// The bytes of a file.
pub(super) enum FileBytes {
    /// All of them.
    Whole(Bytes),
    /// They are to be streamed.
    Content(Arc<dyn Content>),
}

impl Snapshot {
    /// Lists what a revision holds. Blocking.
    ///
    /// # Errors
    /// Where an expert is not there, or cannot be mixed.
    pub(super) fn of(revision: Revision, standing: &Standing, hub: &Hub) -> Result<Self, Trouble> {
        let federation = &standing.federation;
        let draws_a = federation.charter().adapters().is_some_and(|rules| rules.shared_a.is_some());
        if draws_a && !matches!(revision, Revision::Base) {
            // PEFT would begin with another A, and say little about it.
            return Err(Trouble::no_revision(
                "adapters here leave out the factors A, which follow from the charter's seed: potluck pull puts them back",
            ));
        }
        let commit = revision.commit(federation);
        let card = card::of(&revision, federation);
        let mut files = match revision {
            Revision::Base => stored(federation.base()).collect(),
            Revision::Expert(_, manifest) if federation.charter().adapters().is_some() => {
                let file = manifest.file(ADAPTER);
                adapter(file.ok_or_else(|| Trouble::no_file(ADAPTER, commit))?, hub)?
            }
            Revision::Expert(_, manifest) => expert(&manifest, federation),
            Revision::Soup(recipe, Some(file)) if file.path == ADAPTER => {
                let mut files = adapter(&file, hub)?;
                files.push(HubFile::of(RECIPE, recipe.canonical().into()));
                files
            }
            Revision::Soup(recipe, None) if federation.charter().adapters().is_some() => {
                mixed_adapter(&recipe, standing, hub)?
            }
            Revision::Soup(recipe, published) => soup(&recipe, published, standing, hub)?,
        };
        if !files.iter().any(|file: &HubFile| file.path == CARD) {
            files.push(HubFile::of(CARD, card.into()));
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { commit, time: federation.time(), files })
    }

    /// The file at a path.
    ///
    /// # Errors
    /// In the words of the Hub for a file that is not there.
    pub(super) fn file(&self, path: &str) -> Result<&HubFile, Trouble> {
        let found = self.files.binary_search_by(|file| file.path.as_str().cmp(path));
        found
            .map(|at| &self.files[at])
            .map_err(|_| Trouble::no_file(&path.chars().take(240).collect::<String>(), self.commit))
    }
}

impl HubFile {
    fn of(path: &str, bytes: Bytes) -> Self {
        let known = Known::Sha256(Sha256::of(&bytes));
        Self { path: path.to_owned(), size: bytes.len() as u64, known, from: From::Memory(bytes) }
    }

    fn stored(path: &str, entry: &FileEntry) -> Self {
        let known = Known::Sha256(entry.sha256);
        Self { path: path.to_owned(), size: entry.size, known, from: From::Store(entry.clone()) }
    }

    fn mixing(path: &str, recipe: &Recipe, mixing: Arc<SoupContent>) -> Self {
        let (known, size) = (Known::Recipe(recipe.digest()), mixing.length());
        Self { path: path.to_owned(), size, known, from: From::Mixing(mixing) }
    }

    /// Opens it. Blocking.
    ///
    /// # Errors
    /// Where it is not in the store.
    pub(super) fn open(&self, hub: &Hub) -> Result<FileBytes, Trouble> {
        match &self.from {
            From::Memory(bytes) => Ok(FileBytes::Whole(bytes.clone())),
            From::Mixing(content) => Ok(FileBytes::Content(Arc::clone(content))),
            From::Store(entry) => {
                let content = hub.streams.stored(entry).map_err(|error| Trouble::broken(&error))?;
                Ok(FileBytes::Content(content))
            }
        }
    }
}

fn stored(manifest: &Manifest) -> impl Iterator<Item = HubFile> {
    manifest.files().iter().map(|file| HubFile::stored(&file.path, file))
}

/// An expert's own files, and the base's that it did not bring.
fn expert(manifest: &Manifest, federation: &Federation) -> Vec<HubFile> {
    let lacking = |file: &&FileEntry| manifest.file(&file.path).is_none() && file.path != CARD;
    let base = federation.base().files().iter().filter(lacking);
    stored(manifest).chain(base.map(|file| HubFile::stored(&file.path, file))).collect()
}

/// An adapter as PEFT reads one: its factors, and the configuration that stands in their header.
fn adapter(file: &FileEntry, hub: &Hub) -> Result<Vec<HubFile>, Trouble> {
    let config = hub.streams.adapter_config(file).map_err(|error| Trouble::broken(&error))?;
    let config = HubFile::of("adapter_config.json", config.into());
    Ok(vec![HubFile::stored(ADAPTER, file), config])
}

/// The soup of adapters that nobody published: an adapter again, mixed while it is sent.
fn mixed_adapter(recipe: &Recipe, standing: &Standing, hub: &Hub) -> Result<Vec<HubFile>, Trouble> {
    let mixing = hub.streams.soup(recipe, &standing.catalogue);
    let mixing = mixing.map_err(|error| Trouble::broken(&error))?;
    // The soup of adapters with a configuration each has one.
    let config = mixing.adapter_config().unwrap_or_else(|| "{}".to_owned());
    let recipe_file = HubFile::of(RECIPE, recipe.canonical().into());
    let config = HubFile::of("adapter_config.json", config.into());
    Ok(vec![HubFile::mixing(ADAPTER, recipe, mixing), config, recipe_file])
}

fn soup(
    recipe: &Recipe,
    published: Option<FileEntry>,
    standing: &Standing,
    hub: &Hub,
) -> Result<Vec<HubFile>, Trouble> {
    let weights = match &published {
        Some(file) => HubFile::stored(WEIGHTS, file),
        None => {
            let mixing = hub.streams.soup(recipe, &standing.catalogue);
            HubFile::mixing(WEIGHTS, recipe, mixing.map_err(|error| Trouble::broken(&error))?)
        }
    };
    let beside = |file: &&FileEntry| ![WEIGHTS, INDEX, CARD, RECIPE].contains(&file.path.as_str());
    let base = standing.federation.base().files().iter().filter(beside);
    let files = base.map(|file| HubFile::stored(&file.path, file));
    Ok(files.chain([weights, HubFile::of(RECIPE, recipe.canonical().into())]).collect())
}
