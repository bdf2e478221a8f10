//! What stands where: the top level of the repository, and where dependencies come from.

use anyhow::{Context, Result};

use crate::toolchain::{output_of, root};

/// What may stand at the top level beside dotfiles and licences.
const TOP_LEVEL: [&str; 9] = [
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "certs",
    "configs",
    "crates",
    "deploy",
    "docs",
    "tests",
];

/// The one place from which dependencies come.
const REGISTRY: &str = "github.com/rust-lang/crates.io-index";

/// One line for each thing that stands in the wrong place.
///
/// # Errors
/// When git cannot be asked, or a lock file cannot be read.
pub(super) fn breaches() -> Result<Vec<String>> {
    let files = repository_files()?;
    let mut breaches = top_level(&files);
    // The fuzz targets are a workspace of their own, with a lock file of their own.
    for path in files.iter().filter(|path| path.rsplit('/').next() == Some("Cargo.lock")) {
        let lock = std::fs::read_to_string(root().join(path)).with_context(|| path.clone())?;
        breaches.extend(foreign_hosts(path, &lock));
    }
    Ok(breaches)
}

/// Paths from the root of all files that git tracks or would add.
///
/// # Errors
/// When git cannot be run, or this is no git checkout.
pub(super) fn repository_files() -> Result<Vec<String>> {
    let mut git = std::process::Command::new("git");
    // A CI machine may have cloned as another user, which git would refuse.
    git.current_dir(root()).arg("-c").arg(format!("safe.directory={}", root().display()));
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let list = output_of(&mut git)?;
    Ok(list.split_terminator('\0').map(String::from).collect())
}

fn top_level(files: &[String]) -> Vec<String> {
    let mut tops: Vec<&str> = files
        .iter()
        .map(|path| path.split_once('/').map_or(path.as_str(), |(top, _)| top))
        .collect();
    tops.sort_unstable();
    tops.dedup();
    let allowed =
        |top: &str| top.starts_with('.') || top.starts_with("LICENSE") || TOP_LEVEL.contains(&top);
    let strays = tops.into_iter().filter(|top| !allowed(top));
    strays.map(|top| format!("{top} must not stand at the top level")).collect()
}

fn foreign_hosts(path: &str, lock: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    for (number, line) in lock.lines().enumerate() {
        for (_, address) in
            line.match_indices("://").map(|(at, mark)| line.split_at(at + mark.len()))
        {
            let end = address.find(['"', '#', '?', ' ']).unwrap_or(address.len());
            if &address[..end] != REGISTRY {
                breaches.push(format!("{path}:{} names {}", number + 1, &address[..end]));
            }
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strays_at_the_top_level_are_named_once() {
        let files =
            [".ci/run", "LICENSE-APACHE", "Cargo.toml", "crates/a/b.rs", "tools/x", "tools/y"];
        let files = files.map(String::from);
        assert_eq!(top_level(&files), ["tools must not stand at the top level"]);
    }

    #[test]
    fn only_the_public_registry_is_a_source() {
        let ours = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        assert_eq!(foreign_hosts("Cargo.lock", ours), Vec::<String>::new());
        let foreign = format!("{ours}source = \"sparse+https://mirror.example/index/\"\n");
        assert_eq!(
            foreign_hosts("a/Cargo.lock", &foreign),
            ["a/Cargo.lock:2 names mirror.example/index/"]
        );
        let git = "source = \"git+https://github.com/a/b?rev=1#2\"";
        assert_eq!(foreign_hosts("Cargo.lock", git), ["Cargo.lock:1 names github.com/a/b"]);
    }
}
