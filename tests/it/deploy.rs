//! What stands in `deploy/` for other people's machinery: each file is read as that machinery would read it.
//!
//! The machinery itself is asked where it is there (`systemd-analyze`, `promtool`, Kubernetes' own schemas); where it is
//! not, that is said.

mod yaml;

mod chart;
mod compose;
mod containers;
mod metrics;
mod units;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file or folder of `deploy/`.
fn deployed(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(deployed(path)).unwrap_or_else(|error| panic!("deploy/{path}: {error}"))
}

/// The names of the files in a folder of `deploy/`, in order.
fn names(folder: &str) -> Vec<String> {
    let name =
        |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = fs::read_dir(deployed(folder)).unwrap().map(name).collect();
    names.sort();
    names
}

/// Whether a program can be run here; said where it cannot.
pub(crate) fn is_here(program: &str) -> bool {
    let is_here = Command::new(program).arg("--version").output().is_ok();
    if !is_here {
        eprintln!("SKIPPED: no {program} on this machine");
    }
    is_here
}
