//! What stands beside the weights: configuration, tokenizer, templates, carried over from the inputs to the soup.
//!
//! A file that several inputs have must be the same in all of them, or somebody says whose is taken. A soup with one
//! party's tokenizer and another's configuration would open, and mean nothing. What speaks of one input only (its
//! card, its training) is left behind, and so is everything that runs code when it is read ([`names`]). Settings that
//! say nothing about the weights may differ ([`settings`]).

mod names;
mod settings;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use potluck_soup::{Dtype, Durability};

use self::names::{is_carried, is_entered};
use crate::failure::Failure;

/// How deep folders are looked into.
const MAX_DEPTH: usize = 3;
/// The most files that one input has beside its weights.
const MAX_FILES: usize = 4096;
/// How much of two files is compared at a time.
const PIECE: usize = 64 << 10;

/// A folder that files are carried over from.
#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    /// Whose it is: a party's name, or `base`.
    pub(crate) owner: String,
    /// Where it stands.
    pub(crate) folder: PathBuf,
}

/// What is asked of the files beside the weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    /// Whose files are taken where the inputs differ.
    pub(crate) prefer: Option<&'a str>,
    /// The format of the soup's elements, by which configurations that differ in it are mended.
    pub(crate) dtype: Option<Dtype>,
    /// Whether that format was asked for, and is not the inputs' own.
    pub(crate) is_converted: bool,
}

/// A file beside the weights.
#[derive(Debug)]
struct Companion {
    /// Within the soup's folder.
    path: String,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Copied(PathBuf),
    Text(Vec<u8>),
}

/// One owner's copy of a file.
#[derive(Debug, Clone)]
struct Copy {
    owner: String,
    path: PathBuf,
}

/// The files beside the weights, in byte order of their paths.
#[derive(Debug, Default)]
pub(crate) struct Companions(Vec<Companion>);

impl Companions {
    /// Compares what stands on the shelves; the base's comes first, then the parties' in order.
    pub(crate) fn of(shelves: &[Shelf], wish: Wish<'_>) -> Result<Self, Failure> {
        let mut found: BTreeMap<String, Vec<Copy>> = BTreeMap::new();
        for shelf in shelves {
            let mut listed = Vec::new();
            list(&shelf.folder, "", 0, &mut listed)?;
            for (name, path) in listed {
                found.entry(name).or_default().push(Copy { owner: shelf.owner.clone(), path });
            }
        }
        if let Some(copies) = found.get("config.json") {
            refuse_partial(copies, shelves)?;
        }
        let companion = |(path, copies): (String, Vec<Copy>)| {
            let content = chosen(&path, &copies, wish)?;
            Ok(Companion { path, content })
        };
        found.into_iter().map(companion).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is a file of that name.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.0.iter().any(|companion| companion.path == path)
    }

    /// Their paths.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|companion| companion.path.as_str())
    }

    /// How much room they take.
    pub(crate) fn bytes(&self) -> u64 {
        let size = |companion: &Companion| match &companion.content {
            Content::Copied(path) => path.metadata().map_or(0, |it| it.len()),
            Content::Text(text) => text.len() as u64,
        };
        self.0.iter().map(size).sum()
    }

    /// Writes them into the soup's folder.
    pub(crate) fn write(&self, folder: &Path, durability: Durability) -> Result<(), Failure> {
        self.0.iter().try_for_each(|companion| {
            let target = folder.join(&companion.path);
            let written = match &companion.content {
                Content::Copied(from) => copy(from, &target, durability),
                Content::Text(text) => write(&target, text, durability),
            };
            written.map_err(|error| {
                Failure::system(format!("cannot write {}: {error}", companion.path))
            })
        })
    }
}

/// Writes a file in a folder that nobody sees yet.
pub(crate) fn write(target: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let mut file = create(target)?;
    file.write_all(bytes)?;
    if durability == Durability::Synced { file.sync_all() } else { Ok(()) }
}

fn copy(from: &Path, target: &Path, durability: Durability) -> io::Result<()> {
    let mut file = create(target)?;
    io::copy(&mut File::open(from)?, &mut file)?;
    if durability == Durability::Synced { file.sync_all() } else { Ok(()) }
}

fn create(target: &Path) -> io::Result<File> {
    target.parent().map_or(Ok(()), fs::create_dir_all)?;
    File::create_new(target)
}

/// The files below a folder that may be carried over, with their names there.
fn list(
    folder: &Path,
    prefix: &str,
    depth: usize,
    listed: &mut Vec<(String, PathBuf)>,
) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        Failure::input(format!("the folder {} cannot be read: {error}", folder.display()))
    };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(Failure::input(format!("the name of {} is not UTF-8", path.display())));
        };
        let listed_as = format!("{prefix}{name}");
        // What a link stands for counts: the Hub's caches consist of links.
        if path.is_dir() {
            if depth < MAX_DEPTH && is_entered(name) {
                list(&path, &format!("{listed_as}/"), depth + 1, listed)?;
            }
        } else if path.is_file() && is_carried(&listed_as) {
            listed.push((listed_as, path));
        }
        if listed.len() > MAX_FILES {
            let all = folder.display();
            return Err(Failure::input(format!("{all} holds more than {MAX_FILES} files")));
        }
    }
    Ok(())
}

/// A configuration that some inputs have and others do not says nothing about the others.
fn refuse_partial(copies: &[Copy], shelves: &[Shelf]) -> Result<(), Failure> {
    let lacks = |shelf: &&Shelf| copies.iter().all(|copy| copy.owner != shelf.owner);
    match shelves.iter().find(lacks) {
        Some(shelf) if copies.len() > 1 => Err(Failure::input(format!(
            "{} and {} have a config.json, and {} has none",
            copies[0].owner, copies[1].owner, shelf.owner
        ))
        .hint("put its own there, or mix its file of weights instead of its folder")),
        _ => Ok(()),
    }
}

/// What of several copies goes into the soup.
fn chosen(name: &str, copies: &[Copy], wish: Wish<'_>) -> Result<Content, Failure> {
    let preferred = copies.iter().find(|copy| Some(copy.owner.as_str()) == wish.prefer);
    let first = preferred.unwrap_or(&copies[0]);
    let mut other = None;
    for copy in copies {
        if other.is_none() && !is_same(first, copy)? {
            other = Some(copy);
        }
    }
    if settings::is_settings(name) && (other.is_some() || wish.is_converted) {
        let texts = copies.iter().map(|copy| Ok((copy.owner.as_str(), read(copy)?)));
        let texts = texts.collect::<Result<Vec<_>, Failure>>()?;
        let merged = settings::merged(name, &first.owner, &texts, wish);
        return merged.map(Content::Text).map_err(|what| differs(name, &what));
    }
    match other {
        Some(other) if preferred.is_none() => {
            Err(differs(name, &format!("between {} and {}", first.owner, other.owner)))
        }
        _ => Ok(Content::Copied(first.path.clone())),
    }
}

fn differs(name: &str, what: &str) -> Failure {
    Failure::input(format!("{name} differs {what}"))
        .hint("--prefer PARTY says whose files are taken where they differ")
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::input(format!("{} cannot be read: {error}", path.display()))
}

fn read(copy: &Copy) -> Result<Vec<u8>, Failure> {
    fs::read(&copy.path).map_err(|error| unreadable(&copy.path, &error))
}

fn is_same(a: &Copy, b: &Copy) -> Result<bool, Failure> {
    if a.path == b.path {
        return Ok(true);
    }
    let open = |copy: &Copy| File::open(&copy.path).map_err(|error| unreadable(&copy.path, &error));
    let (left, right) = (open(a)?, open(b)?);
    let length = |file: &File| file.metadata().map(|it| it.len()).ok();
    if length(&left) != length(&right) {
        return Ok(false);
    }
    let (mut left, mut right) = (left.take(u64::MAX), right.take(u64::MAX));
    let (mut one, mut two) = (Vec::new(), Vec::new());
    loop {
        one.clear();
        two.clear();
        left.set_limit(PIECE as u64);
        right.set_limit(PIECE as u64);
        left.read_to_end(&mut one).map_err(|error| unreadable(&a.path, &error))?;
        right.read_to_end(&mut two).map_err(|error| unreadable(&b.path, &error))?;
        if one != two || one.is_empty() {
            return Ok(one == two);
        }
    }
}

#[cfg(test)]
mod tests;
