//! A Python with other people's tools, for the tests that try our files on them.
//!
//! Exactly the pinned versions of `tests/interchange/requirements.txt`, in a virtual environment under `target`
//! whose name follows from that file: another list is another environment. The tests learn of it by
//! `POTLUCK_INTERCHANGE_PYTHON`.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::toolchain::{root, run};

/// The variable by which the tests learn of the Python.
pub(crate) const PYTHON: &str = "POTLUCK_INTERCHANGE_PYTHON";

/// What is installed.
const REQUIREMENTS: &str = "tests/interchange/requirements.txt";

/// Returns the Python that has the tools: the user's, or ours, which is made if it is not there.
///
/// # Errors
/// When Python 3 cannot make an environment, when pip cannot fetch a package, or when the disk fails.
pub(crate) fn ensure() -> Result<PathBuf> {
    if let Some(chosen) = std::env::var_os(PYTHON) {
        return Ok(PathBuf::from(chosen));
    }
    let requirements = root().join(REQUIREMENTS);
    let list = fs::read(&requirements).with_context(|| format!("cannot read {REQUIREMENTS}"))?;
    let home = root().join("target/interchange");
    let folder = home.join(name_of(&list));
    if !folder.join("whole").exists() {
        install(&folder, &requirements).context("cannot install the tools of other people")?;
    }
    Ok(folder.join("bin/python"))
}

/// Sixteen digits that follow from the list: a name, no proof of anything.
fn name_of(list: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    list.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Makes the environment in its place, for it cannot be moved; the last file says that it is whole.
fn install(folder: &Path, requirements: &Path) -> Result<()> {
    eprintln!("installing model-signing, sigstore and securesystemslib (some 30 MB, once)");
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // Not `python3 -m venv` with its own pip: Debian keeps that in a package of its own.
    run(Command::new("python3").args(["-m", "venv", "--clear", "--without-pip"]).arg(folder))
        .context("Python 3 cannot make a virtual environment")?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "--python"]).arg(folder.join("bin/python"));
    pip.args(["install", "--quiet", "--no-deps", "--only-binary=:all:"]);
    if !std::io::stderr().is_terminal() {
        pip.args(["--progress-bar", "off"]);
    }
    pip.arg("--requirement").arg(requirements).stdout(Stdio::from(std::io::stderr()));
    run(&mut pip).context("pip could not fetch them (Python 3 with pip is needed)")?;
    fs::write(folder.join("whole"), []).context("cannot mark the environment as whole")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_list_is_another_environment() {
        assert_eq!(name_of(b"a==1\n"), name_of(b"a==1\n"));
        assert_ne!(name_of(b"a==1\n"), name_of(b"a==2\n"));
    }

    #[test]
    fn every_tool_is_pinned() {
        let list = fs::read_to_string(root().join(REQUIREMENTS)).unwrap();
        let tools = list.lines().filter(|line| !line.starts_with('#'));
        assert!(tools.clone().all(|line| line.contains("==")), "{list}");
        for tool in ["model-signing==1.1.1", "pyOpenSSL==", "securesystemslib==", "sigstore=="] {
            assert!(tools.clone().any(|line| line.starts_with(tool)), "{tool}");
        }
    }
}
