//! Replays the corpus of the fuzz targets that read content, on every run of the tests.

// A test binary: clippy knows tests by their attribute only, and not the functions that they call. Nothing is
// reachable from outside.
#![allow(clippy::unwrap_used, unreachable_pub)]

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../../tests/fuzz/src/net/promises.rs"]
mod promises;

/// Panics where a promise is broken.
type Promise = fn(&[u8]);

/// The fuzz targets, each with what it promises.
const TARGETS: [(&str, Promise); 2] = [("content", promises::content), ("tree", promises::tree)];

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
        assert!(paths.len() >= 10, "{target}: {} files", paths.len());
        for path in paths {
            // Shown where the promise is broken: the last path is that of the file.
            println!("{}", path.display());
            promise(&fs::read(&path).unwrap());
        }
    }
}
