//! Making the files of a soup: one after the other, each on all threads, with one bar for all of them.

use std::path::Path;
use std::time::{Duration, Instant};

use potluck_soup::blend::{Made, Making, Soup};
use potluck_soup::checkpoint::{ADAPTER_WEIGHTS, INDEX, WEIGHTS};
use potluck_soup::{Durability, ShardIndex};

use super::failure::blend_failure;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Progress;

/// What became of a soup.
#[derive(Debug)]
pub(crate) struct Cooked {
    /// Each file's name within the soup, with its length and digests.
    pub(crate) files: Vec<(String, Made)>,
    /// How long reading, mixing and writing took.
    pub(crate) time: Duration,
}

impl Cooked {
    /// The bytes of all files.
    pub(crate) fn size(&self) -> u64 {
        self.files.iter().map(|(_, made)| made.size).sum()
    }
}

/// Where the bytes go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sink<'a> {
    /// Nowhere: digests only.
    Nowhere,
    /// The only file of the soup.
    File(&'a Path),
    /// A folder, which gets an index too where the soup has several files.
    Folder(&'a Path),
}

/// Makes all files of the soup.
pub(crate) fn make(
    soup: &Soup,
    sink: Sink<'_>,
    making: Making,
    durability: Durability,
    output: &Output,
) -> Result<Cooked, Failure> {
    let started = Instant::now();
    let progress = Progress::begin(output, "mixing");
    let (mut before, total) = (0, soup.bytes());
    let mut files = Vec::new();
    for file in soup.files() {
        let mut moved = |done| progress.at(before + done, total);
        let made = match sink {
            Sink::Nowhere => file.digest(making, &mut moved),
            Sink::File(path) => file.write(path, making, durability, &mut moved),
            Sink::Folder(folder) => {
                file.write(&folder.join(file.name()), making, durability, &mut moved)
            }
        };
        files.push((file.name().to_owned(), made.map_err(|error| blend_failure(&error))?));
        before += file.length();
    }
    if let (Sink::Folder(folder), true) = (sink, needs_index(soup)) {
        write_index(soup, folder)?;
    }
    Ok(Cooked { files, time: started.elapsed() })
}

/// Whether the files alone do not say which of them are the soup.
fn needs_index(soup: &Soup) -> bool {
    match soup.files() {
        [only] => only.name() != WEIGHTS && only.name() != ADAPTER_WEIGHTS,
        _ => true,
    }
}

fn write_index(soup: &Soup, folder: &Path) -> Result<(), Failure> {
    let files = soup.files().iter();
    let entries = files.flat_map(|file| file.tensor_names().map(|tensor| (tensor, file.name())));
    let index = ShardIndex::new(entries, Some(soup.data_bytes())).map_err(Failure::input)?;
    std::fs::write(folder.join(INDEX), index.text())
        .map_err(|error| Failure::system(format!("cannot write {INDEX}: {error}")))
}
