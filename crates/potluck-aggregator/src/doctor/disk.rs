//! The store's file system: whether it is free, large, quick and true enough.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Finding;
use crate::config::Settings;
use crate::store::disk::Disk;
use crate::store::{self, LockError};

/// Above this, an entry takes noticeably long: one is durable before anybody hears of it.
const SLOW: Duration = Duration::from_millis(200);

/// Room below this is soon gone.
const LITTLE: u64 = 10 << 30;

/// Whether the store is somebody's, and whether that is an aggregator that runs.
pub(super) fn lock(store: &Path) -> (Finding, bool) {
    if !store.join("lock").exists() {
        let seen = format!("{} is made at the first start", store.display());
        return (Finding::well("store", seen), false);
    }
    match store::is_free(store) {
        Ok(()) => (Finding::well("store", format!("{} is free", store.display())), false),
        Err(LockError::Held { .. }) => {
            let seen = format!("an aggregator runs on {}", store.display());
            (Finding::well("store", seen), true)
        }
        Err(error) => {
            let cure = "give the store to the user that the aggregator runs as";
            (Finding::wrong("store", crate::in_full(&error), cure), false)
        }
    }
}

pub(super) fn examine(settings: &Settings) -> Vec<Finding> {
    let folder = nearest(&settings.store);
    vec![durability(&folder), room(settings, &folder)]
}

/// The store's folder, or the nearest above it that is there.
fn nearest(store: &Path) -> PathBuf {
    let there = store.ancestors().find(|folder| folder.is_dir());
    there.filter(|folder| *folder != Path::new("")).unwrap_or(Path::new(".")).to_owned()
}

/// Does once what every entry does: write, sync, rename, sync the folder.
fn durability(folder: &Path) -> Finding {
    let begun = Instant::now();
    if let Err(error) = probe(folder) {
        let seen = format!("cannot write to {}: {error}", folder.display());
        let cure =
            "give the store to the user that the aggregator runs as, on a disk that can be written";
        return Finding::wrong("durability", seen, cure);
    }
    let took = begun.elapsed();
    let seen = format!("a durable write takes {:.1} ms", took.as_secs_f64() * 1e3);
    if took > SLOW {
        let cure = "each entry waits for this several times: use a disk of this machine, not one over a network";
        return Finding::warning("durability", seen, cure);
    }
    Finding::well("durability", seen)
}

fn probe(folder: &Path) -> io::Result<()> {
    let name = |suffix: &str| folder.join(format!(".doctor-{}{suffix}", std::process::id()));
    let (written, renamed) = (name(""), name(".renamed"));
    let attempt = || {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&written)?;
        file.write_all(&[0; 4096])?;
        file.sync_all()?;
        fs::rename(&written, &renamed)?;
        File::open(folder)?.sync_all()
    };
    let attempted = attempt();
    // What the attempt left, at either of its names.
    let _ = fs::remove_file(&written);
    let _ = fs::remove_file(&renamed);
    attempted
}

fn room(settings: &Settings, folder: &Path) -> Finding {
    let spare = settings.limits.disk_spare_bytes;
    let left = match Disk::under(folder, spare).left() {
        Ok(left) => left,
        Err(error) => {
            let seen = format!("{} does not say how much is free: {error}", folder.display());
            return Finding::warning("room", seen, "use a file system of this machine");
        }
    };
    let seen = format!(
        "{} left for experts and soups, beside the {} kept for the ledger",
        gigabytes(left),
        gigabytes(spare)
    );
    if left == 0 {
        let cure =
            "free the disk, or set limits.disk_spare_bytes lower: every upload would be refused";
        return Finding::wrong("room", seen, cure);
    }
    if left < LITTLE {
        let cure = "each expert and each soup takes the base's size; limits.replaced_after_hours frees old ones";
        return Finding::warning("room", seen, cure);
    }
    Finding::well("room", seen)
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}
