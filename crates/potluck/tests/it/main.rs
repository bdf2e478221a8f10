//! What users see of the command where no aggregator is needed: helps and errors, whole, as snapshots.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test -p potluck` writes them anew; read the difference before it is committed.

#![allow(missing_docs, reason = "a test binary has no public items")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod bad_input;
mod help;
mod keys;
mod offline;
mod reward_bridge;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs the command in `dir`; nothing of this machine's terminal or environment shows in what it prints.
fn potluck(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_potluck"));
    command.current_dir(dir).args(args).env("COLUMNS", "100").env_remove("RUST_BACKTRACE");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Compares with `tests/snapshots/<name>.txt`.
#[track_caller]
fn assert_snapshot(name: &str, found: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    let path = folder.join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{} differs", path.display());
}
