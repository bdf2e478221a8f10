//! Flower with its defaults, from PyPI in an environment of its own: never a dependency of the product.
//!
//! Its figures stand in a section of their own, which is kept where a run leaves Flower out: it takes minutes, and
//! gigabytes of memory.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Row;
use crate::bench::peers::environment;
use crate::toolchain::{output_of, root};

/// What the section begins with, which is the last of the page.
const HEAD: &str = "\n## Beside Flower\n";

/// What one client uploads, as everywhere on the page.
const MIB: u64 = 1024;

/// Clients at once, and what each uploads: sixteen times a gigabyte would take more memory than the machine has.
const CLIENTS: u64 = 16;
const MIB_OF_EACH: u64 = 64;

/// The name of Flower's row.
pub(super) const CONTENDER: &str = "Flower";

/// What Flower took.
pub(super) struct Measured {
    pub(super) row: Row,
    version: String,
    /// The most memory of its server, in bytes: the link and the app, for one upload and for many.
    peaks: [[u64; 2]; 2],
}

/// Installs Flower, once, and uploads through it.
pub(super) fn measure(dir: &Path, work: &str, runs: usize) -> Result<Measured> {
    let (python, version) = install()?;
    let upload = |mebibytes: u64, clients: u64, runs: usize| {
        super::remove(&dir.to_owned())?;
        let mut script = Command::new(&python);
        script.arg(scripts().join("flower.py")).arg(dir);
        script.args([mebibytes, clients].map(|number| number.to_string())).arg(runs.to_string());
        let said = output_of(&mut script)?;
        let last = said.lines().last().unwrap_or_default();
        serde_json::from_str::<Value>(last).context("no JSON of Flower's bench")
    };
    let (one, many) = (upload(MIB, 1, runs)?, upload(MIB_OF_EACH, CLIENTS, 1)?);
    super::remove(&dir.to_owned())?;
    let told = one["runs"].as_array().context("Flower's bench told no runs")?;
    for told in told.iter().chain(many["runs"].as_array().into_iter().flatten()) {
        anyhow::ensure!(
            told["errors"].as_array().is_some_and(Vec::is_empty),
            "Flower failed: {told}"
        );
    }
    let numbers = |name: &str| told.iter().filter_map(|run| run[name].as_f64()).collect::<Vec<_>>();
    let row = Row::new(work, CONTENDER, &numbers("seconds"), &numbers("cpu_seconds"), 0);
    let peak = |said: &Value| {
        ["flower-superlink", "flwr-serverapp"]
            .map(|it| said["peak_rss_bytes"][it].as_u64().unwrap_or(0))
    };
    Ok(Measured { row, version, peaks: [peak(&one), peak(&many)] })
}

/// The section for what was measured; else the one that stands on the page already.
pub(super) fn section(measured: Option<&Measured>, before: &str) -> String {
    let Some(Measured { row, version, peaks }) = measured else {
        return before.find(HEAD).map_or(String::new(), |at| before[at..].to_owned());
    };
    let [[link, app], [links, apps]] = peaks.map(|peaks| peaks.map(|bytes| bytes >> 20));
    format!(
        "{HEAD}\nWritten by `cargo xtask bench transport --flower`: {version}, a SuperLink and a SuperNode for each client, no TLS, \
         all else as it\nis by default. The server's app asks, and the time is from when the client has its parameters until the \
         answer is in that app's\nmemory; processor time is of all processes, with the making of the parameters. Nothing is \
         written to disk, signed or checked.\n\n\
         - {MIB} MiB of one client: {:.1} s ({:.1} to {:.1}, {} runs), {:.1} s of processor time; the SuperLink held {link} MiB at \
         most, the server's app {app} MiB.\n\
         - {CLIENTS} clients with {MIB_OF_EACH} MiB each at once: the SuperLink held {links} MiB at most, the server's app {apps} MiB.\n",
        row.seconds, row.lowest, row.highest, row.n, row.cpu_seconds
    )
}

fn scripts() -> PathBuf {
    root().join("tests/bench/flower")
}

/// The environment's Python, and which Flower it has.
fn install() -> Result<(PathBuf, String)> {
    let list = scripts().join("requirements.txt");
    let (venv, pinned) = environment("flower-venv", &list, "Flower")?;
    let version = pinned.lines().find(|line| line.starts_with("flwr==")).unwrap_or("flwr");
    Ok((venv.join("bin/python"), version.replace("==", " ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_that_is_not_measured_again_stays() {
        assert_eq!(section(None, "# Page\n"), "");
        let row = Row::new("work", CONTENDER, &[2.0], &[3.0], 0);
        let measured = Measured {
            row,
            version: "flwr 1".into(),
            peaks: [[1 << 20, 2 << 20], [3 << 20, 4 << 20]],
        };
        let text = section(Some(&measured), "");
        assert!(text.contains("held 3 MiB at most, the server's app 4 MiB"), "{text}");
        assert_eq!(section(None, &format!("# Page\n{text}")), text);
    }
}
