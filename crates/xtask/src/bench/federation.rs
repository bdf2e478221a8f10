//! A federation of the product's own programs, over models that are large and mostly zeros.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::measure::remove;
use crate::toolchain::output_of;

/// A federation in a folder, and the programs that it is made of.
pub(crate) struct Federation<'a> {
    programs: &'a Path,
    pub(crate) dir: PathBuf,
    each_mib: u64,
    log_key: String,
    pub(crate) aggregator: Child,
    pub(crate) address: String,
}

impl<'a> Federation<'a> {
    /// Founds one of `parties` over a base of `each_mib`, all of them admitted.
    pub(crate) fn found(
        programs: &'a Path,
        dir: &Path,
        parties: &[String],
        each_mib: u64,
    ) -> Result<Self> {
        remove(&dir.to_owned())?;
        fs::create_dir_all(dir.join("base"))?;
        write_model(&dir.join("base"), each_mib, 0)?;
        fs::write(dir.join("base/config.json"), "{\"model_type\":\"llama\"}\n")?;
        fs::write(dir.join("base/tokenizer.json"), "{}\n")?;
        let weights: String =
            parties.iter().map(|party| format!("[parties.{party}]\nweight = 1\n")).collect();
        let charter = format!(
            "name = 'bench'\nrule = 'mean'\n{weights}[access]\nexperts = 'anyone'\nsoups = 'anyone'\n"
        );
        fs::write(dir.join("charter.toml"), charter)?;
        let mut new = Command::new(programs.join("potluck"));
        new.arg("new").arg(dir.join("operator")).arg("--charter").arg(dir.join("charter.toml"));
        let founded = said(new.arg("--base").arg(dir.join("base")).arg("--json"))?;
        let log_key = founded["log_key"].as_str().context("new told no log key")?.to_owned();
        let (aggregator, address) = start(programs, &dir.join("operator"), "127.0.0.1:0")?;
        let federation =
            Self { programs, dir: dir.to_owned(), each_mib, log_key, aggregator, address };
        for party in parties {
            federation.admit(party)?;
        }
        Ok(federation)
    }

    fn admit(&self, party: &str) -> Result<()> {
        let mut join = Command::new(self.programs.join("potluck"));
        join.arg("join").arg(self.dir.join(party)).args(["--party", party, "--address"]);
        let joined = said(join.args([&self.address, "--log-key", &self.log_key, "--json"]))?;
        let key = joined["key"].as_str().context("join told no key")?;
        self.operator(&["admit"], &[party, key]).map(drop)
    }

    /// Runs a command of the operator's.
    pub(crate) fn operator(&self, command: &[&str], rest: &[&str]) -> Result<Value> {
        let mut operator = Command::new(self.programs.join("potluck"));
        operator.args(command).arg("--dir").arg(self.dir.join("operator"));
        said(operator.args(["--address", &self.address]).args(rest).arg("--json"))
    }

    /// Runs a command of a party's.
    pub(crate) fn party(&self, command: &[&str], party: &str, rest: &str) -> Result<Value> {
        let mut potluck = Command::new(self.programs.join("potluck"));
        potluck.args(command).arg("--dir").arg(self.dir.join(party));
        said(potluck.arg(rest).arg("--json"))
    }

    /// Writes a party's expert, and returns its folder.
    pub(crate) fn expert(&self, party: &str, seed: u32) -> Result<PathBuf> {
        let outbox = self.dir.join(format!("outbox-{party}"));
        fs::create_dir_all(&outbox)?;
        write_model(&outbox, self.each_mib, seed)?;
        Ok(outbox)
    }

    /// Starts to push what stands in `outbox`.
    pub(crate) fn push(&self, party: &str, outbox: &Path) -> Result<Child> {
        let mut push = Command::new(self.programs.join("potluck"));
        push.arg("push").arg("--dir").arg(self.dir.join(party)).arg(outbox);
        push.args(["--no-check", "--json"]).stdout(Stdio::piped()).stderr(Stdio::inherit());
        Ok(push.spawn()?)
    }

    /// Kills the aggregator, as a power cut would, and starts it again where it listened.
    pub(crate) fn kill_and_restart(&mut self) -> Result<()> {
        self.aggregator.kill()?;
        self.aggregator.wait()?;
        let (aggregator, _) = start(self.programs, &self.dir.join("operator"), &self.address)?;
        self.aggregator = aggregator;
        Ok(())
    }

    /// How long the file is that is on its way in: 0 where there is none.
    pub(crate) fn arrived(&self) -> u64 {
        let quarantine = self.dir.join("operator/store/quarantine");
        let parts = fs::read_dir(quarantine).into_iter().flatten().flatten();
        let parts = parts.filter(|entry| entry.path().extension().is_some_and(|it| it == "part"));
        parts.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
    }

    /// The most memory that the aggregator held so far, in bytes.
    pub(crate) fn peak_rss(&self) -> Result<u64> {
        peak_rss(&self.aggregator)
    }
}

impl Drop for Federation<'_> {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.aggregator.kill();
        let _ = self.aggregator.wait();
    }
}

/// The most memory that a program held so far, in bytes.
pub(crate) fn peak_rss(program: &Child) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", program.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes: u64 = line.context("no VmHWM")?.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kibibytes << 10)
}

/// Starts the aggregator of a folder; it and its address, once it listens.
pub(crate) fn start(programs: &Path, dir: &Path, listen: &str) -> Result<(Child, String)> {
    let mut command = Command::new(programs.join("potluck-aggregator"));
    command.arg("--dir").arg(dir).args(["--listen", listen]).env("RUST_LOG", "warn");
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("standard output was piped")?)
        .read_line(&mut line)?;
    let address = line.trim().strip_prefix("listening on ").context("no aggregator")?.to_owned();
    Ok((child, address))
}

fn said(command: &mut Command) -> Result<Value> {
    let said = output_of(command)?;
    let last = said.lines().last().context("a program said nothing")?;
    serde_json::from_str(last).with_context(|| format!("no JSON: {last:?}"))
}

/// `model.safetensors` of so many MiB in tensors of 16 MiB: a MiB of BF16 that depend on the seed, the rest zeros, most of which
/// take no room on this side's disk; but for one weight in each 64 KiB and the last, or what two models share would not be sent.
fn write_model(dir: &Path, mib: u64, seed: u32) -> Result<()> {
    const TENSOR: u64 = 16 << 20;
    const GROUP: u64 = 64 << 10;
    let tensors = (0..mib / 16).map(|number| {
        let range = [number * TENSOR, (number + 1) * TENSOR];
        let entry = json!({"dtype": "BF16", "shape": [4096, 2048], "data_offsets": range});
        (format!("layers.{number:04}.weight"), entry)
    });
    let header = serde_json::Map::from_iter(tensors);
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = File::create(dir.join("model.safetensors"))?;
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    let begin = 8 + header.len() as u64;
    file.set_len(begin + mib / 16 * TENSOR)?;
    // Around 1, and each expert a little elsewhere.
    let weights: Vec<u8> = (0..512u32 << 10)
        .flat_map(|at| (0x3F80 + (at.wrapping_mul(7 + seed) % 16) as u16).to_le_bytes())
        .collect();
    file.write_all_at(&weights, begin)?;
    let own = u16::try_from(0x3F80 + seed)?.to_le_bytes();
    let end = mib / 16 * TENSOR;
    let places = (0..end).step_by(GROUP as usize).chain([end - 2]);
    places.into_iter().try_for_each(|at| file.write_all_at(&own, begin + at))?;
    Ok(())
}
