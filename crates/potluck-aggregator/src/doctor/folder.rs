//! The federation's folder: what `potluck new` made, and whether it is where it should be.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use potluck_core::Federation;

use super::Finding;
use crate::config::{FILE, Settings};
use crate::home::Home;
use crate::in_full;
use crate::store::blobs::Blobs;

pub(super) fn settings(settings: &Settings) -> String {
    format!("{} can be read", settings.dir.join(FILE).display())
}

pub(super) fn examine(settings: &Settings) -> Vec<Finding> {
    let home = match Home::read(&settings.dir) {
        Ok(home) => home,
        Err(error) => {
            let cure = "restore the folder from its backup; `potluck new` makes one only for a new federation";
            return vec![Finding::wrong("folder", in_full(&error), cure)];
        }
    };
    let name = home.founded.charter().name().to_string();
    let mut findings = vec![Finding::well("folder", format!("its genesis founds {name}"))];
    findings.push(log_key(&home));
    findings.extend(readers(&settings.dir.join("keys")));
    findings.push(operator(&settings.dir.join("keys/operator.pem")));
    findings.push(base(settings, &home.base, &home.founded));
    findings
}

/// A later key may be in force by now; then the start says so, since the ledger alone knows.
fn log_key(home: &Home) -> Finding {
    let held = home.keys.held();
    if held.iter().any(|key| key.public() == *home.founded.log()) {
        return Finding::well("log key", format!("held, among {} in keys/", held.len()));
    }
    Finding::warning(
        "log key",
        "the key that the genesis names is not in keys/; only one that took over from it can sign",
        "put the log's key in force into keys/ as log.pem, or as log-….pem beside others",
    )
}

fn readers(keys: &Path) -> Option<Finding> {
    let mut open = Vec::new();
    for entry in fs::read_dir(keys).ok()?.flatten() {
        let is_key = entry.path().extension().is_some_and(|extension| extension == "pem");
        let mode = entry.metadata().map_or(0, |metadata| metadata.permissions().mode());
        if is_key && mode & 0o077 != 0 {
            open.push(entry.path().display().to_string());
        }
    }
    let seen = format!("others on this machine can read {}", open.join(", "));
    let cure = format!("chmod 600 {}", open.join(" "));
    (!open.is_empty()).then(|| Finding::warning("keys", seen, cure))
}

/// Whoever takes the server over must not be able to admit parties, too.
fn operator(key: &Path) -> Finding {
    if key.exists() {
        return Finding::warning(
            "operator key",
            format!("{} lies on the server, which never needs it", key.display()),
            "move it to the operator's own machine",
        );
    }
    Finding::well("operator key", "is not on this machine, as it should be")
}

fn base(settings: &Settings, folder: &Path, founded: &Federation) -> Finding {
    let blobs = Blobs::new(settings.store.join("blobs"));
    let files = founded.base().files();
    let is_stored = files.iter().all(|file| blobs.contains(file.blake3));
    if is_stored {
        return Finding::well("base", format!("{} files in the store", files.len()));
    }
    for file in files {
        let path = folder.join(&file.path);
        let size = fs::metadata(&path).map(|metadata| metadata.len());
        let seen = match size {
            Ok(size) if size == file.size => continue,
            Ok(size) => format!("{} has {size} bytes, not {}", path.display(), file.size),
            Err(error) => format!("cannot read {}: {error}", path.display()),
        };
        let cure = "put the base's files, as the genesis names them, into base/";
        return Finding::wrong("base", seen, cure);
    }
    let bytes: u64 = files.iter().map(|file| file.size).sum();
    let seen = format!("{} files, {bytes} bytes, which the first start takes in", files.len());
    Finding::well("base", seen)
}
