//! `cargo xtask test`: set-up, build, every test, and the quick demo with its assertions.
//!
//! One profile for all of it, release: the product, its tests and the demo share one build.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::axe;
use crate::demo;
use crate::interchange::{FUZZER, HUB, KUBERNETES, TRL, Tools, VERIFIERS};
use crate::toolchain::{Toolchain, run};

/// What to test.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Arguments for `cargo test`, such as `-p potluck-log`, a test's name or `-- --nocapture`;
    /// with any, the demo is left out
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    filter: Vec<String>,
}

/// Builds, tests, and tells the quick story.
///
/// # Errors
/// When the build, a test or one of the demo's promises fails.
pub(crate) fn run_all(args: Args) -> Result<()> {
    let toolchain = Toolchain::set_up()?;
    if !args.filter.is_empty() {
        let programs = toolchain.build_programs()?;
        return run_tests(&toolchain, &programs, &args.filter);
    }
    let programs = toolchain.build_programs_and_tests()?;
    run_tests(&toolchain, &programs, &[])?;
    demo::run(demo::Args { quick: true, json: true, seed: 1, refuse: None, dir: None })
}

/// Runs the tests that train with TRL, which the others do without: it is large.
///
/// # Errors
/// When TRL cannot be installed, or when the build or the test fails.
pub(crate) fn run_trl() -> Result<()> {
    run_beside(&TRL, "trl_trained")
}

/// Runs the tests that ask as the clients of the Hugging Face Hub do, with those themselves.
///
/// # Errors
/// When they cannot be installed, or when the build or a test fails.
pub(crate) fn run_hub() -> Result<()> {
    run_beside(&HUB, "hub::")
}

fn run_beside(tools: &Tools, tests: &str) -> Result<()> {
    let toolchain = Toolchain::set_up()?;
    let programs = toolchain.build_programs()?;
    let mut test = toolchain.cargo();
    test.args(["test", "--release", "-p", "potluck-tests", "--test", "it", "--", tests]);
    run(test.env(tools.variable, tools.ensure()?).env("POTLUCK_BIN_DIR", programs))
}

/// Runs the test that fuzzes `/api/v1` with schemathesis.
///
/// # Errors
/// When schemathesis cannot be installed, or when the build or the test fails.
pub(crate) fn run_api() -> Result<()> {
    run_beside(&FUZZER, "api::")
}

/// Runs the tests that open pages in a browser, with axe-core beside them.
///
/// # Errors
/// When axe-core cannot be fetched, or when the build or a test fails.
pub(crate) fn run_browser() -> Result<()> {
    let toolchain = Toolchain::set_up()?;
    let programs = toolchain.build_programs()?;
    run(browser(&toolchain, &programs).env(axe::VARIABLE, axe::ensure()?))
}

/// The browser's tests, yet to be run.
pub(crate) fn browser(toolchain: &Toolchain, programs: &Path) -> Command {
    let mut test = toolchain.cargo();
    test.args(["test", "--release", "-p", "potluck-tests", "--test", "browser"]);
    test.env("POTLUCK_BIN_DIR", programs);
    test
}

fn run_tests(toolchain: &Toolchain, programs: &Path, filter: &[String]) -> Result<()> {
    let mut test = toolchain.cargo();
    test.args(["test", "--release"]);
    if !names_package(filter) {
        test.arg("--workspace");
    }
    if wants_tools(filter) {
        test.env(VERIFIERS.variable, VERIFIERS.ensure()?);
        test.env(KUBERNETES.variable, KUBERNETES.ensure()?);
    }
    // The end-to-end tests start the programs that stand there.
    run(test.args(filter).env("POTLUCK_BIN_DIR", programs))
}

/// Whether the tests that need other people's tools are among those asked for.
fn wants_tools(filter: &[String]) -> bool {
    let about = ["potluck-interchange", "potluck-tests", "tools", "interchange", "deploy"];
    !names_package(filter) || filter.iter().any(|argument| about.contains(&argument.as_str()))
}

/// Whether the arguments choose packages themselves.
fn names_package(filter: &[String]) -> bool {
    let mut for_cargo = filter.iter().take_while(|argument| *argument != "--");
    for_cargo.any(|argument| argument.starts_with("-p") || argument.starts_with("--package"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_only_looked_for_before_the_dashes() {
        let words = |line: &str| line.split(' ').map(String::from).collect::<Vec<_>>();
        assert!(names_package(&words("-p potluck-log proof")));
        assert!(names_package(&words("--package=potluck-log")));
        assert!(!names_package(&words("proof -- -p")));
    }

    #[test]
    fn a_package_without_them_needs_no_tools() {
        let words = |line: &str| line.split(' ').map(String::from).collect::<Vec<_>>();
        assert!(wants_tools(&[]));
        assert!(wants_tools(&words("-p potluck-interchange")));
        assert!(!wants_tools(&words("-p potluck-log proof")));
    }
}
