//! axe-core, which finds what keeps people out of a page: Deque's, under the MPL, and so fetched and not kept here.
//!
//! Exactly the bytes that the lock file beside the tests names by their digest, by npm and below `target`. Nothing of it is run
//! outside a browser's page.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::toolchain::{root, run};

/// By this the tests learn of the file.
pub(crate) const VARIABLE: &str = "POTLUCK_AXE";

/// Returns the script: the user's, or ours, which is fetched if it is not there.
///
/// # Errors
/// When npm is not there or cannot fetch it, or when the disk fails.
pub(crate) fn ensure() -> Result<PathBuf> {
    if let Some(chosen) = std::env::var_os(VARIABLE) {
        return Ok(PathBuf::from(chosen));
    }
    let pinned = root().join("tests/browser/axe");
    let lock = fs::read_to_string(pinned.join("package-lock.json"))
        .context("cannot read tests/browser/axe/package-lock.json")?;
    let folder = root().join("target/axe").join(version(&lock)?);
    let script = folder.join("node_modules/axe-core/axe.min.js");
    if !script.exists() {
        eprintln!("fetching axe-core (3 MB, once)");
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        for name in ["package.json", "package-lock.json"] {
            fs::copy(pinned.join(name), folder.join(name)).with_context(|| name.to_owned())?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
        run(npm.stdout(Stdio::from(std::io::stderr())))
            .context("npm could not fetch axe-core (Debian: apt-get install npm)")?;
    }
    Ok(script)
}

/// The version that is pinned: another one is another folder.
fn version(lock: &str) -> Result<String> {
    let lock: serde_json::Value = serde_json::from_str(lock).context("the lock file is no JSON")?;
    let version = lock["packages"]["node_modules/axe-core"]["version"].as_str();
    version.map(str::to_owned).context("the lock file pins no axe-core")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_pinned_by_its_digest() {
        let lock = fs::read_to_string(root().join("tests/browser/axe/package-lock.json")).unwrap();
        assert!(version(&lock).unwrap().starts_with("4."));
        assert_eq!(lock.matches("\"integrity\": \"sha512-").count(), 1, "{lock}");
        assert!(version("{}").is_err());
    }
}
