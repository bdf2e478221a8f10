//! Where things stand, and the one environment in which every cargo call of ours runs.
//!
//! `torch-sys` builds again when `LIBTORCH` changes, so that a cargo call without it, or with
//! another value, would cost minutes. Every verb that builds goes through [`Toolchain`], which
//! sets it once and alike for all. Next: the verbs (`test`, `ci`, `demo`) call it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::libtorch;

/// The programs that make up the product, by package; each package has one binary of its name.
const PROGRAMS: [&str; 3] = ["potluck", "potluck-aggregator", "potluck-train"];

/// The package of the end-to-end stories, which holds the hostile client.
const STORIES: &str = "potluck-tests";

/// The package that makes the tasks of `cargo xtask experiment`.
const STUDIES: &str = "potluck-study";

/// The repository's root folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this package stands two folders below the root").to_path_buf()
}

/// Cargo's target folder: `CARGO_TARGET_DIR`, or `target` in the root.
pub(crate) fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// Cargo with libtorch in place: evidence that the set-up has run.
pub(crate) struct Toolchain {
    libtorch: PathBuf,
}

impl Toolchain {
    /// Makes sure that libtorch is there, downloading it once.
    ///
    /// # Errors
    /// When libtorch cannot be had; see [`libtorch::ensure`].
    pub(crate) fn set_up() -> Result<Self> {
        Ok(Self { libtorch: libtorch::ensure()? })
    }

    /// A cargo command in the repository's root and in our environment.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = bare_cargo();
        command.env("LIBTORCH", &self.libtorch);
        command
    }

    /// Builds the product's programs, and the hostile client beside them, and returns the folder in which they stand.
    ///
    /// # Errors
    /// When the build fails.
    pub(crate) fn build_programs(&self) -> Result<PathBuf> {
        let packages = PROGRAMS.into_iter().chain([STORIES]);
        self.build(packages.flat_map(|package| ["--package", package]))
    }

    /// Builds the product's programs, and what makes the tasks of studies, and returns their folder.
    ///
    /// # Errors
    /// When the build fails.
    pub(crate) fn build_studies(&self) -> Result<PathBuf> {
        self.build(Self::study_packages())
    }

    /// What [`Self::build_studies`] builds, as arguments: a later call that names it as well chooses the same features, and builds
    /// nothing of it again.
    pub(crate) fn study_packages() -> impl Iterator<Item = &'static str> {
        PROGRAMS.into_iter().chain([STUDIES]).flat_map(|package| ["--package", package])
    }

    /// Builds the programs and every test, and returns the programs' folder.
    ///
    /// In one call, because cargo chooses the dependencies' features for all that it builds at
    /// once: programs built by themselves would need some dependencies a second time.
    ///
    /// # Errors
    /// When the build fails.
    pub(crate) fn build_programs_and_tests(&self) -> Result<PathBuf> {
        self.build(["--workspace", "--bins", "--tests"])
    }

    /// Builds a bench that is a program, and returns its path.
    ///
    /// # Errors
    /// When the build fails.
    pub(crate) fn build_bench(&self, package: &str, name: &str) -> Result<PathBuf> {
        let mut build = self.cargo();
        build.args(["build", "--release", "--package", package, "--bench", name]);
        let messages = output_of(build.arg("--message-format=json-render-diagnostics"))?;
        executable(&messages, name).with_context(|| format!("cargo built no bench {name}"))
    }

    /// Builds in release, once in the life of this process: a verb that calls another finds the
    /// programs built.
    fn build<'a>(&self, selection: impl IntoIterator<Item = &'a str>) -> Result<PathBuf> {
        static BUILT: AtomicBool = AtomicBool::new(false);
        if !BUILT.load(Ordering::Relaxed) {
            run(self.cargo().args(["build", "--release"]).args(selection))?;
            BUILT.store(true, Ordering::Relaxed);
        }
        Ok(target_dir().join("release"))
    }
}

/// Cargo for work that builds nothing, such as `fmt` and `metadata`: needs no libtorch.
pub(crate) fn bare_cargo() -> Command {
    // Cargo tells its children which cargo it was.
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // It also tells them which package it ran, and some build scripts (ring's) run again when
    // that changes: without this, our cargo and the user's would undo each other's builds.
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("CARGO_PKG_") || name_text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command.current_dir(root());
    command
}

/// Runs a command with our own streams.
///
/// # Errors
/// When it cannot be started, or does not exit with 0; the text names the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs a command and returns what it wrote to standard output.
///
/// # Errors
/// As [`run`], and when the output is no UTF-8.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !output.status.success() {
        bail!("{} ended with {}", shown(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("the output of {}", shown(command)))
}

/// The path of the program `name` in cargo's messages, one JSON object a line.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|it| serde_json::from_str::<Value>(it).ok());
    let mut of_name = messages.filter(|it| it["target"]["name"] == name);
    of_name.find_map(|it| it["executable"].as_str().map(PathBuf::from))
}

/// The command line as a person would type it.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bench_is_found_in_what_cargo_says() {
        let messages = [
            r#"{"reason":"compiler-artifact","target":{"name":"soup"},"executable":null}"#,
            r#"{"reason":"compiler-artifact","target":{"name":"soup"},"executable":"/x/soup-1"}"#,
            r#"{"reason":"build-finished","success":true}"#,
        ];
        assert_eq!(executable(&messages.join("\n"), "soup"), Some("/x/soup-1".into()));
        assert_eq!(executable("not json", "soup"), None);
    }
}
