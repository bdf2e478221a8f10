//! Where a soup comes from: the digests of what went into it, and the recipe that follows from them.
//!
//! It costs a reading of all inputs, in BLAKE3 and SHA-256, so it is made only where somebody asks for it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use potluck_core::manifest::WEIGHTS;
use potluck_core::{Blake3, FileEntry, Manifest, PartyId};
use potluck_soup::checkpoint::{ADAPTER_CONFIG, Kind};
use potluck_soup::{Checkpoint, FolderError, file_entry, manifest_of};

use super::experts::Expert;
use crate::failure::{Failure, in_full};
use crate::output::Output;
use crate::progress::Progress;

/// The digests of a soup's inputs.
#[derive(Debug)]
pub(crate) struct Lineage {
    /// The digest of the base's manifest, where a base was named.
    pub(crate) base: Option<Blake3>,
    /// Those of each expert's files of weights.
    experts: Vec<(PartyId, Blake3)>,
}

impl Lineage {
    /// Reads and hashes the base and every expert.
    pub(crate) fn of(
        experts: &[Expert],
        base: Option<&Path>,
        threads: usize,
        output: &Output,
    ) -> Result<Self, Failure> {
        let base = base.map(|base| hash_base(base, output)).transpose()?;
        let files: Vec<_> = experts.iter().map(|it| weight_files(&it.checkpoint)).collect();
        let progress = Progress::begin(output, "hashing the experts");
        let all: Vec<_> = files.iter().flatten().collect();
        let mut hashed = hash(&all, threads, &progress)?.into_iter();
        let manifest = |(expert, files): (&Expert, &Vec<_>)| {
            let entries = hashed.by_ref().take(files.len()).collect();
            let manifest = Manifest::new(entries).map_err(Failure::input)?;
            Ok((expert.party.clone(), manifest.digest()))
        };
        let experts = experts.iter().zip(&files).map(manifest).collect::<Result<_, Failure>>()?;
        Ok(Self { base, experts })
    }

    /// The digest of a party's manifest.
    pub(crate) fn manifest(&self, party: &PartyId) -> Option<Blake3> {
        self.experts.iter().find(|(it, _)| it == party).map(|(_, digest)| *digest)
    }
}

fn hash_base(base: &Path, output: &Output) -> Result<Blake3, Failure> {
    let progress = Progress::begin(output, "hashing the base");
    let mut moved = |done, total| progress.at(done, total);
    let manifest = if base.is_dir() {
        manifest_of(base, &mut moved).map_err(|error| {
            let failure = Failure::input(in_full(&error));
            match error {
                FolderError::Special(_) => failure.hint("cp -rL copies what links stand for"),
                _ => failure,
            }
        })?
    } else {
        let entry = file_entry(base, WEIGHTS, &mut moved);
        let entry = entry.map_err(|error| Failure::input(in_full(&error)))?;
        Manifest::new(vec![entry]).map_err(Failure::input)?
    };
    Ok(manifest.digest())
}

/// The files that make a checkpoint's weights what they are, each with its name in the manifest.
///
/// A single file counts as a folder's `model.safetensors`, whatever it is called.
fn weight_files(checkpoint: &Checkpoint) -> Vec<(PathBuf, String)> {
    if checkpoint.kind() == Kind::File {
        return vec![(checkpoint.path().to_owned(), WEIGHTS.to_owned())];
    }
    let named = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (path.to_owned(), name)
    };
    let mut files: Vec<_> = checkpoint.sources().iter().map(|it| named(it.path())).collect();
    if checkpoint.kind() == Kind::Adapter {
        files.push(named(&checkpoint.path().join(ADAPTER_CONFIG)));
    }
    files
}

/// Hashes files, as many at a time as there are threads.
fn hash(
    files: &[&(PathBuf, String)],
    threads: usize,
    progress: &Progress,
) -> Result<Vec<FileEntry>, Failure> {
    let length = |file: &&(PathBuf, String)| file.0.metadata().map_or(0, |it| it.len());
    let total: u64 = files.iter().map(length).sum();
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let entries = Mutex::new(Vec::with_capacity(files.len()));
    let work = || {
        while let Some((index, (path, name))) = take(files, &next) {
            let mut before = 0;
            let mut moved = |bytes: u64, _| {
                let now = done.fetch_add(bytes - before, Ordering::Relaxed) + bytes - before;
                before = bytes;
                progress.at(now, total);
            };
            let entry = resolved(path).and_then(|path| file_entry(&path, name, &mut moved));
            entries.lock().unwrap_or_else(PoisonError::into_inner).push((index, entry));
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.min(files.len()) {
            scope.spawn(work);
        }
        work();
    });
    let mut entries = entries.into_inner().unwrap_or_else(PoisonError::into_inner);
    entries.sort_by_key(|(index, _)| *index);
    let entries = entries.into_iter().map(|(_, entry)| entry);
    entries.collect::<Result<_, _>>().map_err(|error| Failure::input(in_full(&error)))
}

fn take<'a, T>(files: &[&'a T], next: &AtomicUsize) -> Option<(usize, &'a T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    files.get(index).map(|file| (index, *file))
}

/// What a link stands for is what was opened as the expert's weights; caches of the Hub consist of links.
fn resolved(path: &Path) -> Result<PathBuf, FolderError> {
    path.canonicalize().map_err(|source| FolderError::Read { path: path.to_owned(), source })
}
