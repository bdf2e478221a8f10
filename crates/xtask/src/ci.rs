//! `cargo xtask ci`: exactly what CI runs, in the order in which a mistake is cheapest to find.

use std::time::Instant;

use anyhow::{Context, Result};

use crate::interchange::{FUZZER, HUB, TRL, Tools};
use crate::toolchain::{Toolchain, bare_cargo, root, run, target_dir};
use crate::{axe, experiment, test, tidy};

/// Runs every step and stops at the first that fails.
///
/// # Errors
/// When a step fails; the text names it.
pub(crate) fn run_all() -> Result<()> {
    step("format", || run(bare_cargo().args(["fmt", "--all", "--check"])))?;
    step("tidy", || tidy::run(tidy::Args::default()))?;
    let toolchain = step("libtorch", Toolchain::set_up)?;
    step("clippy", || clippy(&toolchain))?;
    step("docs", || docs(&toolchain))?;
    step("fuzz targets", fuzz_targets)?;
    step("test", || test::run_all(test::Args::default()))?;
    step("study", || experiment::run(&experiment::Args::quick("review")))?;
    step("schemathesis", || beside(&FUZZER, "schemathesis", test::run_api))?;
    step("TRL", || beside(&TRL, "TRL", test::run_trl))?;
    step("axe-core", axe_core)?;
    step("Hub", || beside(&HUB, "the clients of the Hub", test::run_hub))
}

fn clippy(toolchain: &Toolchain) -> Result<()> {
    let mut clippy = toolchain.cargo();
    clippy.args(["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    run(&mut clippy)
}

/// They are a workspace of their own, which needs a nightly compiler to fuzz and none to be looked at; its lock file must
/// be that of today's manifests.
fn fuzz_targets() -> Result<()> {
    let folder = root().join("tests/fuzz");
    let mut check = bare_cargo();
    check.args(["check", "--quiet", "--locked", "--bins", "--manifest-path"]);
    check.arg(folder.join("Cargo.toml")).arg("--target-dir").arg(target_dir().join("fuzz"));
    run(&mut check)
}

fn docs(toolchain: &Toolchain) -> Result<()> {
    let mut doc = toolchain.cargo();
    doc.args(["doc", "--release", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    run(&mut doc)
}

/// Beside other people's programs, whose packages are gigabytes: where they cannot be fetched, that is said loudly and is no
/// failure of ours.
fn beside(tools: &Tools, name: &str, tests: fn() -> Result<()>) -> Result<()> {
    if let Err(error) = tools.ensure() {
        eprintln!("warning: SKIPPED the tests beside {name}: {error:#}");
        return Ok(());
    }
    tests()
}

/// Where it cannot be fetched, that is said loudly and is no failure of ours.
fn axe_core() -> Result<()> {
    if let Err(error) = axe::ensure() {
        eprintln!("warning: SKIPPED what axe-core finds: {error:#}");
        return Ok(());
    }
    test::run_browser()
}

/// One step between a headline and the time that it took.
fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("\n== {name} ==");
    let begin = Instant::now();
    let done = work().with_context(|| format!("the step \"{name}\" failed"))?;
    println!("== {name}: {:.1} s ==", begin.elapsed().as_secs_f64());
    Ok(done)
}
