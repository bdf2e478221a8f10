//! The rivals that are Python packages, in an environment of their own: never a dependency of the product.
//!
//! Versions are those of `tests/bench/requirements.txt`, all of them; the environment is made once, by pip, so
//! that the user's mirror and cache hold.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::toolchain::{output_of, root, run, target_dir};

/// Where the scripts and their requirements stand, from the root.
const SCRIPTS: &str = "tests/bench";

/// The environment: evidence that it is installed.
pub(crate) struct Peers {
    venv: PathBuf,
    requirements: String,
}

impl Peers {
    /// Makes sure that the environment is there, with the versions that are pinned.
    ///
    /// # Errors
    /// When there is no Python 3, or pip cannot fetch a package.
    pub(crate) fn install() -> Result<Self> {
        let list = root().join(SCRIPTS).join("requirements.txt");
        let (venv, requirements) = environment("venv", &list, "mergekit and torch (6 GB, once)")?;
        Ok(Self { venv, requirements })
    }

    /// One of our scripts in the environment.
    pub(crate) fn script(&self, name: &str) -> Command {
        let mut command = self.program("python");
        command.arg(root().join(SCRIPTS).join(name));
        command
    }

    /// A program of the environment, which is told that there is no network.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.venv.join("bin").join(name));
        command.env("HF_HUB_OFFLINE", "1").env("HF_HOME", self.venv.join("hugging-face"));
        command
    }

    /// Runs a script that is not timed, and reads its last line.
    ///
    /// # Errors
    /// When it fails, or its last line is no JSON.
    pub(crate) fn ask(&self, name: &str, paths: &[&Path]) -> Result<serde_json::Value> {
        let said = output_of(self.script(name).args(paths))?;
        let last = said.lines().last().with_context(|| format!("{name} said nothing"))?;
        serde_json::from_str(last).with_context(|| format!("{name} said {last:?}"))
    }

    /// The Python and the pinned versions of `packages`, for the page.
    ///
    /// # Errors
    /// When Python cannot be asked.
    pub(crate) fn versions(&self, packages: &[&str]) -> Result<String> {
        let python = output_of(self.program("python").arg("--version"))?;
        let pinned = packages.iter().map(|name| version(&self.requirements, name));
        Ok(std::iter::once(python.trim().to_owned()).chain(pinned).collect::<Vec<_>>().join(", "))
    }
}

/// An environment `bench/NAME` with the packages of a list, all versions pinned, and that list. It is made
/// once, by pip, so that the user's mirror and cache hold.
///
/// # Errors
/// When there is no Python 3, or pip cannot fetch a package.
pub(crate) fn environment(name: &str, list: &Path, what: &str) -> Result<(PathBuf, String)> {
    let venv = target_dir().join("bench").join(name);
    let pinned = fs::read_to_string(list).with_context(|| list.display().to_string())?;
    let installed = venv.join("requirements.txt");
    if !fs::read_to_string(&installed).is_ok_and(|it| it == pinned) {
        eprintln!("installing {what}");
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv))
            .context("Python 3 with venv is needed")?;
        let mut pip = Command::new(venv.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        run(pip.arg("--requirement").arg(list)).with_context(|| format!("pip could not fetch {what}"))?;
        fs::write(&installed, &pinned)?;
    }
    Ok((venv, pinned))
}

/// `name version`, out of a line `name==version`.
fn version(requirements: &str, name: &str) -> String {
    let mut pinned = requirements.lines().filter_map(|line| line.split_once("=="));
    let found = pinned.find(|(it, _)| *it == name);
    found.map_or(name.to_owned(), |(name, version)| format!("{name} {version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_pins() {
        assert_eq!(version("# all\nnumpy==2.0\ntorch==2.1\n", "torch"), "torch 2.1");
        assert_eq!(version("", "torch"), "torch");
    }
}
