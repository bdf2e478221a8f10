//! A soup's folder: weights and index, what is carried over, an adapter's configuration, the card.

use std::path::Path;

use potluck_soup::blend::Making;
use potluck_soup::checkpoint::{ADAPTER_CONFIG, INDEX};
use potluck_soup::method::Weights;
use potluck_soup::{Durability, Formula, file_entry};

use super::card::{Card, Listed};
use super::companions::{Companions, write};
use super::dish::{Dish, Planned};
use super::lineage::Lineage;
use super::make::{Cooked, Sink, make};
use crate::failure::{Failure, in_full};
use crate::output::Output;

/// The name of a soup's card.
pub(crate) const CARD: &str = "README.md";

/// What is asked of every soup of one call.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    /// What is cooked.
    pub(crate) dish: &'a Dish,
    /// The inputs' digests, where they were asked for.
    pub(crate) lineage: Option<&'a Lineage>,
    /// What is carried over.
    pub(crate) companions: &'a Companions,
    /// The flags that the card repeats.
    pub(crate) flags: &'a str,
    /// Threads and digests.
    pub(crate) making: Making,
    /// Whether all of it is to be on the disk before it gets its name.
    pub(crate) durability: Durability,
    /// Who hears of progress.
    pub(crate) output: &'a Output,
}

/// A soup in its folder.
#[derive(Debug)]
pub(crate) struct Served {
    /// Its files of weights.
    pub(crate) cooked: Cooked,
    /// The files beside them, the card left out.
    pub(crate) others: Vec<Listed>,
}

impl Table<'_> {
    /// Fills a folder that is there, empty, and that nobody sees yet.
    pub(crate) fn serve(
        &self,
        planned: &Planned,
        weights: &Weights,
        formula: Option<&Formula>,
        folder: &Path,
    ) -> Result<Served, Failure> {
        self.companions.write(folder, self.durability)?;
        if let Some(config) = &planned.adapter_config {
            self.write(folder, ADAPTER_CONFIG, config)?;
        }
        let sink = Sink::Folder(folder);
        let cooked = make(&planned.soup, sink, self.making, self.durability, self.output)?;
        let others = self.others(planned, folder)?;
        let mut files: Vec<_> =
            cooked.files.iter().map(listed).chain(others.iter().cloned()).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let card = Card {
            dish: self.dish,
            weights,
            lineage: formula.zip(self.lineage),
            is_transformers: self.companions.has("config.json"),
            files: &files,
            flags: self.flags,
        };
        self.write(folder, CARD, card.text().as_bytes())?;
        Ok(Served { cooked, others })
    }

    fn write(&self, folder: &Path, name: &str, text: &[u8]) -> Result<(), Failure> {
        write(&folder.join(name), text, self.durability)
            .map_err(|error| Failure::system(format!("cannot write {name}: {error}")))
    }

    /// The files beside the weights with their digests; they are small, and read again.
    fn others(&self, planned: &Planned, folder: &Path) -> Result<Vec<Listed>, Failure> {
        let made = [
            (ADAPTER_CONFIG, planned.adapter_config.is_some()),
            (INDEX, folder.join(INDEX).exists()),
        ];
        let made = made.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name);
        let list = |path: &str| {
            let entry = file_entry(&folder.join(path), path, &mut |_, _| {});
            let entry = entry.map_err(|error| Failure::system(in_full(&error)))?;
            Ok(Listed {
                path: entry.path,
                size: entry.size,
                blake3: self.making.blake3.then_some(entry.blake3),
                sha256: self.making.sha256.then_some(entry.sha256),
            })
        };
        self.companions.paths().chain(made).map(list).collect()
    }
}

fn listed((name, made): &(String, potluck_soup::blend::Made)) -> Listed {
    Listed { path: name.clone(), size: made.size, blake3: made.blake3, sha256: made.sha256 }
}
