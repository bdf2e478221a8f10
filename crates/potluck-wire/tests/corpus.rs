//! Replays the corpus of the ledger's and the wire's fuzz targets, on every run of the tests.

// A test binary: clippy knows tests by their attribute only, and not the functions that they call. Nothing is
// reachable from outside.
#![allow(clippy::unwrap_used, unreachable_pub)]
// The room is pure, and this is no part of it: a corpus is files.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../../tests/fuzz/src/ledger/promises.rs"]
mod promises;

/// Panics where a promise is broken.
type Promise = fn(&[u8]);

/// The fuzz targets, each with what it promises.
const TARGETS: [(&str, Promise); 14] = [
    ("charter", promises::charter),
    ("checkpoint", promises::checkpoint),
    ("envelope", promises::envelope),
    ("evidence", promises::evidence),
    ("invitation", promises::invitation),
    ("message", promises::message),
    ("note", promises::note),
    ("proof", promises::proof),
    ("ranges", promises::ranges),
    ("receipt", promises::receipt),
    ("snapshot", promises::snapshot),
    ("statement", promises::statement),
    ("tile", promises::tile),
    ("witness", promises::witness),
];

fn listed(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz").join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_promise_holds_for_every_file() {
    for (target, promise) in TARGETS {
        let paths = listed(&format!("corpus/{target}"));
        assert!(paths.len() >= 5, "{target}: {} files", paths.len());
        for path in paths {
            // Shown where the promise is broken: the last path is that of the file.
            println!("{}", path.display());
            promise(&fs::read(&path).unwrap());
        }
    }
}

/// The targets that `crates/potluck-soup/tests/corpus.rs` and `crates/potluck-net/tests/corpus.rs` replay.
const ELSEWHERE: [&str; 5] = ["adapter_config", "header", "index", "content", "tree"];

#[test]
fn every_target_is_replayed() {
    let stems = listed("targets").into_iter().map(|path| path.file_stem().unwrap().to_owned());
    let mut replayed: Vec<_> = TARGETS.iter().map(|(target, _)| *target).chain(ELSEWHERE).collect();
    replayed.sort_unstable();
    assert!(stems.eq(replayed));
}
