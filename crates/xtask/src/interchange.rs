//! Pythons with other people's tools, for the tests that try our files on them, and theirs on us.
//!
//! Exactly the pinned versions of a list below `tests`, in a virtual environment under `target` whose name follows
//! from that list: another list is another environment. The tests learn of each by a variable.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::toolchain::{root, run};

/// Tools that are installed together.
pub(crate) struct Tools {
    /// The variable by which the tests learn of their Python.
    pub(crate) variable: &'static str,
    /// What is installed.
    requirements: &'static str,
    /// For people, with what it costs.
    what: &'static str,
}

/// What verifies our bundles and agreements.
pub(crate) const VERIFIERS: Tools = Tools {
    variable: "POTLUCK_INTERCHANGE_PYTHON",
    requirements: "tests/interchange/requirements.txt",
    what: "model-signing, sigstore and securesystemslib (some 30 MB, once)",
};

/// What knows every field of Kubernetes' objects.
pub(crate) const KUBERNETES: Tools = Tools {
    variable: "POTLUCK_DEPLOY_PYTHON",
    requirements: "tests/deploy/requirements.txt",
    what: "the schemas of Kubernetes (some 15 MB, 120 MB on the disk, once)",
};

/// What fuzzes an HTTP interface from its description.
pub(crate) const FUZZER: Tools = Tools {
    variable: "POTLUCK_API_PYTHON",
    requirements: "tests/interchange/api.txt",
    what: "schemathesis (some 20 MB, once)",
};

/// Another trainer. On Linux, PyTorch from PyPI does not start without the CUDA libraries that it was built with, whether there
/// is a GPU or not.
pub(crate) const TRL: Tools = Tools {
    variable: "POTLUCK_TRL_PYTHON",
    requirements: "tests/interchange/trl.txt",
    what: "TRL with PyTorch (some 2.5 GB, 5 GB on the disk, once)",
};

/// The clients of the Hugging Face Hub, with what loads a model.
pub(crate) const HUB: Tools = Tools {
    variable: "POTLUCK_HUB_PYTHON",
    requirements: "tests/interchange/trl.txt",
    what: "huggingface_hub and transformers, with TRL and PyTorch (some 2.5 GB, 5 GB on the disk, once)",
};

impl Tools {
    /// Returns the Python that has the tools: the user's, or ours, which is made if it is not there.
    ///
    /// # Errors
    /// When Python 3 cannot make an environment, when pip cannot fetch a package, or when the disk fails.
    pub(crate) fn ensure(&self) -> Result<PathBuf> {
        if let Some(chosen) = std::env::var_os(self.variable) {
            return Ok(PathBuf::from(chosen));
        }
        let requirements = root().join(self.requirements);
        let list = fs::read(&requirements)
            .with_context(|| format!("cannot read {}", self.requirements))?;
        let home = root().join("target/interchange");
        let folder = home.join(name_of(&list));
        if !folder.join("whole").exists() {
            eprintln!("installing {}", self.what);
            install(&folder, &requirements).context("cannot install the tools of other people")?;
        }
        Ok(folder.join("bin/python"))
    }
}

/// Sixteen digits that follow from the list: a name, no proof of anything.
fn name_of(list: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    list.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Makes the environment in its place, for it cannot be moved; the last file says that it is whole.
fn install(folder: &Path, requirements: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // Not `python3 -m venv` with its own pip: Debian keeps that in a package of its own.
    run(Command::new("python3").args(["-m", "venv", "--clear", "--without-pip"]).arg(folder))
        .context("Python 3 cannot make a virtual environment")?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "--python"]).arg(folder.join("bin/python"));
    pip.args(["install", "--quiet", "--no-deps", "--no-cache-dir", "--only-binary=:all:"]);
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
        let verifiers = ["model-signing==1.1.1", "pyOpenSSL==", "securesystemslib==", "sigstore=="];
        let trl = ["huggingface_hub==", "peft==", "torch==", "transformers==", "trl=="];
        let fuzzer = ["schemathesis=="];
        let all: [(Tools, &[&str]); 4] =
            [(VERIFIERS, &verifiers), (TRL, &trl), (HUB, &trl), (FUZZER, &fuzzer)];
        for (tools, named) in all {
            let list = fs::read_to_string(root().join(tools.requirements)).unwrap();
            let tools = list.lines().filter(|line| !line.starts_with('#'));
            assert!(tools.clone().all(|line| line.contains("==")), "{list}");
            for tool in named {
                assert!(tools.clone().any(|line| line.starts_with(tool)), "{tool}");
            }
        }
    }
}
