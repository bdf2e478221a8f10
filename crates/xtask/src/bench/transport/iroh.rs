//! iroh-blobs, in a workspace of its own: never a dependency of the product.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::toolchain::{bare_cargo, output_of, root, run, target_dir};

/// Builds the bench (some 430 crates, once), and fetches 1 GiB `runs` times.
pub(super) fn measure(dir: &Path, runs: usize) -> Result<Value> {
    let target = target_dir().join("bench/iroh-target");
    let manifest = root().join("tests/bench/iroh/Cargo.toml");
    let mut build = bare_cargo();
    build.args(["build", "--release", "--locked", "--manifest-path"]).arg(manifest);
    run(build.env("CARGO_TARGET_DIR", &target)).context("iroh-blobs could not be built")?;

    super::remove(&dir.to_owned())?;
    fs::create_dir_all(dir)?;
    let source = dir.join("source");
    write_noise(&source)?;
    let mut bench = Command::new(target.join("release/potluck-bench-iroh"));
    let said = output_of(bench.arg(&source).arg(dir).arg(runs.to_string()))?;
    super::remove(&dir.to_owned())?;
    serde_json::from_str(said.lines().last().unwrap_or_default()).context("no JSON of iroh's bench")
}

/// 1 GiB in which no two groups are alike.
fn write_noise(path: &Path) -> Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut state = 1u64;
    for _ in 0..(1u64 << 30) / 8 {
        // The generator of Knuth's MMIX.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        file.write_all(&state.to_le_bytes())?;
    }
    Ok(file.flush()?)
}
