//! Right bytes from elsewhere: a folder, or another aggregator.
//!
//! Where they come from is not trusted: nothing stands among the blobs that is not the file its digest names.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use potluck_core::{FileEntry, PrivateKey, PublicKey, Sha256};
use potluck_net::{Client, ConnectError, connect};

use super::{Damage, Report};
use crate::in_full;
use crate::server::Aggregator;
use crate::store::blobs::ImportError;

/// How deep a folder is searched: a mirror's blobs and a store's stand three levels down.
const DEPTH: usize = 6;

/// Where right bytes may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Elsewhere {
    /// A folder: a mirror, another store, a party's outbox, a backup. It is searched for files of the right size.
    Folder(PathBuf),
    /// Another aggregator of this federation, at `host:port`.
    Aggregator(String),
}

impl Elsewhere {
    /// A folder where there is one of that name, else an address.
    pub fn of(text: &str) -> Self {
        let path = Path::new(text);
        if path.is_dir() {
            Self::Folder(path.to_owned())
        } else {
            Self::Aggregator(text.to_owned())
        }
    }
}

/// Takes what is damaged from elsewhere, as far as it is there. An aggregator is asked with `identity`, and must hold
/// the key `log`.
///
/// # Errors
/// Where the aggregator cannot be reached. A file that is not found stays damaged.
pub async fn repair(
    aggregator: &Aggregator,
    report: &mut Report,
    from: &Elsewhere,
    (log, identity): (&PublicKey, &PrivateKey),
) -> Result<(), ConnectError> {
    let damaged = report.damage.iter_mut().filter(|damage| damage.repaired_from.is_none());
    match from {
        Elsewhere::Folder(folder) => {
            let damaged: Vec<_> = damaged.collect();
            let sizes = damaged.iter().map(|damage| damage.size).collect();
            let mut found = Vec::new();
            search(folder, &sizes, DEPTH, &mut found);
            for damage in damaged {
                from_folder(aggregator, damage, &found);
            }
        }
        Elsewhere::Aggregator(address) => {
            let client = connect(address, log, identity).await?;
            for damage in damaged {
                match fetch(aggregator, &client, &wanted(damage)).await {
                    Ok(()) => damage.repaired_from = Some(address.clone()),
                    Err(reason) => {
                        tracing::warn!(blob = %damage.blake3.short(), reason, "not repaired");
                    }
                }
            }
            client.close().await;
        }
    }
    Ok(())
}

/// Files of one of these sizes below `folder`. A folder that cannot be read has none.
fn search(folder: &Path, sizes: &BTreeSet<u64>, depth: usize, found: &mut Vec<(u64, PathBuf)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // Links are not followed.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() && depth > 0 {
            search(&entry.path(), sizes, depth - 1, found);
        } else if metadata.is_file() && sizes.contains(&metadata.len()) {
            found.push((metadata.len(), entry.path()));
        }
    }
}

fn from_folder(aggregator: &Aggregator, damage: &mut Damage, found: &[(u64, PathBuf)]) {
    let name = damage.blake3.to_string();
    let mut candidates: Vec<_> = found.iter().filter(|(size, _)| *size == damage.size).collect();
    // By its name first, as mirrors and stores have it.
    candidates.sort_by_key(|(_, path)| !path.ends_with(&name));
    for (_, path) in candidates {
        match aggregator.store.blobs.import(path, &wanted(damage)) {
            Ok(()) => {
                damage.repaired_from = Some(path.display().to_string());
                return;
            }
            Err(ImportError::Differs) => {}
            Err(ImportError::Io(error)) => {
                tracing::warn!(file = %path.display(), %error, "not copied");
            }
        }
    }
}

async fn fetch(aggregator: &Aggregator, client: &Client, file: &FileEntry) -> Result<(), String> {
    let store = &aggregator.store;
    store.disk.check(file.size).map_err(|refusal| refusal.sentence)?;
    let target = store.quarantine.soup(file.blake3);
    client.fetch(file, &target, |_| ()).await.map_err(|error| in_full(&error))?;
    let adopted = || -> Result<(), ImportError> {
        fs::File::open(&target)?.sync_all()?;
        store.blobs.adopt(&target, file)
    };
    adopted().map_err(|error| in_full(&error))?;
    match fs::remove_file(&target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// Digest and size: all that is asked by.
fn wanted(damage: &Damage) -> FileEntry {
    let (size, blake3, sha256) = (damage.size, damage.blake3, Sha256::of(&[]));
    FileEntry { path: String::new(), size, blake3, sha256 }
}
