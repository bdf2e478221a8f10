//! `check`: re-hashes what the ledger rests on, names what is damaged or missing, and mends what it can.
//!
//! ```text
//! store locked, ledger replayed ─▶ expected files ─▶ verify (all cores, at the disk's speed)
//!   ─▶ corrupt bytes are moved aside ─▶ taken from elsewhere, verified (--repair-from) ─▶ report
//! ```
//!
//! Opening the store has checked the ledger's entries against what the log signed, and mended the log's files. Here
//! it is about content. Nothing is ever deleted; a stopped aggregator's store alone is checked, since the lock is
//! taken.

mod repair;
mod verify;

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use potluck_core::{Blake3, FileEntry};
use serde::Serialize;

pub use self::repair::{Elsewhere, repair};
pub use self::verify::Problem;

use self::verify::verify;
use crate::ledger::Standing;
use crate::server::Aggregator;

/// What a file is to the federation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A file of the base.
    Base,
    /// An expert's weights.
    Expert,
    /// A published soup.
    Soup,
    /// No entry speaks of it: it came in, and its entry did not.
    Stray,
}

/// A file that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// Its digest.
    pub blake3: Blake3,
    /// Its length in bytes.
    pub size: u64,
    /// What it is.
    pub role: Role,
    /// What is wrong.
    #[serde(flatten)]
    pub problem: Problem,
    /// Where the corrupt bytes stand now.
    pub aside: Option<PathBuf>,
    /// Where the right ones came from, if they did.
    pub repaired_from: Option<String>,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Files that were looked for, or found.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Entries of the ledger, which were verified when it was opened.
    pub entries: u64,
    /// What is not as it should be, or was not.
    pub damage: Vec<Damage>,
}

impl Report {
    /// Whether everything is as it should be now.
    pub fn is_sound(&self) -> bool {
        self.damage.iter().all(|damage| damage.repaired_from.is_some())
    }
}

/// Verifies every file, and moves aside what is corrupt. `progress` hears of bytes read, and of how many.
///
/// # Errors
/// Where a folder of the store cannot be read, or something cannot be moved; a file that cannot be read is damage.
pub fn check(
    aggregator: &Aggregator,
    threads: NonZeroUsize,
    progress: &mut dyn FnMut(u64, u64),
) -> io::Result<Report> {
    let standing = aggregator.standing();
    let blobs = &aggregator.store.blobs;
    let mut files = expected(&standing);
    for (blob, size) in blobs.list()? {
        let digest = FileEntry {
            path: String::new(),
            size,
            blake3: blob,
            sha256: potluck_core::Sha256::of(&[]),
        };
        files.entry(blob).or_insert((digest, Role::Stray));
    }
    let unneeded = standing.catalogue.unneeded(&standing.federation, u64::MAX);
    for file in unneeded.iter().filter(|file| !blobs.contains(file.blake3)) {
        // A sweep removed it.
        files.remove(&file.blake3);
    }
    let files: Vec<_> = files.into_values().collect();
    let bytes = files.iter().fold(0u64, |sum, (file, _)| sum.saturating_add(file.size));
    let problems = verify(blobs, &files, threads, progress);
    let mut damage = Vec::new();
    for ((file, role), problem) in files.iter().zip(problems) {
        let Some(problem) = problem else { continue };
        damage.push(found(aggregator, file, *role, problem)?);
    }
    Ok(Report { files: files.len(), bytes, entries: standing.federation.size(), damage })
}

/// Deals with what is wrong with one file, as far as that goes without another copy.
fn found(
    aggregator: &Aggregator,
    file: &FileEntry,
    role: Role,
    problem: Problem,
) -> io::Result<Damage> {
    let blobs = &aggregator.store.blobs;
    let (mut aside, mut repaired_from) = (None, None);
    match &problem {
        Problem::Hashes => {
            blobs.hash_again(file)?;
            repaired_from = Some("the bytes, which are right".to_owned());
        }
        Problem::Corrupt { .. } => aside = Some(blobs.put_aside(file.blake3)?),
        Problem::Missing | Problem::Unreadable { .. } => {}
    }
    let (blake3, size) = (file.blake3, file.size);
    Ok(Damage { blake3, size, role, problem, aside, repaired_from })
}

/// All files that the ledger speaks of, each once.
fn expected(standing: &Standing) -> BTreeMap<Blake3, (FileEntry, Role)> {
    let federation = &standing.federation;
    let base = federation.base().files().iter().map(|file| (file, Role::Base));
    let experts = standing.catalogue.experts().map(|file| (file, Role::Expert));
    let soups = federation.rounds().iter().filter_map(|round| round.soup.as_ref());
    let soups = soups.map(|soup| (&soup.file, Role::Soup));
    let all = soups.chain(experts).chain(base);
    all.map(|(file, role)| (file.blake3, (file.clone(), role))).collect()
}

#[cfg(test)]
mod tests;
