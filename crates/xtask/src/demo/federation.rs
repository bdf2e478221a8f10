//! What the federation does on the stage: found, join, push, agree, publish, audit.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::bargain;
use super::front::{Ppm, mixture, text};
use super::process::Server;
use super::stage::{PARTIES, Stage, arg};
use crate::toolchain;

/// What each party wishes for its own expert, in parts per million.
const WISHES: [(&str, u64); 3] = [("agency", 600_000), ("checkers", 500_000), ("readers", 700_000)];

/// The federation, founded and served.
pub(crate) struct Federation {
    /// The operator's folder.
    pub(crate) operator: PathBuf,
    /// Where the aggregator listens.
    pub(crate) address: String,
    /// By what an auditor knows it.
    pub(crate) log_key: String,
    _server: Server,
}

/// Founds a federation over `base` and starts its aggregator.
///
/// # Errors
/// When the program fails.
pub(crate) fn found(stage: &Stage, base: &Path) -> Result<Federation> {
    let operator = stage.path("operator");
    let rules = fs::read_to_string(toolchain::root().join("configs/charter.toml"))?;
    let charter = stage.path("charter.toml");
    fs::write(&charter, rules + &bargain::rules(stage.quick))?;
    let args = ["new", arg(&operator)?, "--charter", arg(&charter)?, "--base", arg(base)?];
    let founded = stage.programs.succeed("new", &args)?;
    let log_key = string(&founded, "log_key")?;
    let (server, address) = stage.programs.serve(&operator)?;
    println!("  serving on {address}");
    println!("  log key  {log_key}");
    Ok(Federation { operator, address, log_key, _server: server })
}

impl Federation {
    /// A party makes its key and folder; the operator admits it unless `admit` is false.
    ///
    /// # Errors
    /// When the program fails.
    pub(crate) fn join(&self, stage: &Stage, party: &str, dir: &Path) -> Result<String> {
        let mut args = vec!["join", arg(dir)?, "--party", party, "--address", &self.address];
        args.extend(["--log-key", &self.log_key]);
        let joined = stage.programs.succeed(&format!("join {party}"), &args)?;
        string(&joined, "key")
    }

    /// The operator admits a party's key.
    ///
    /// # Errors
    /// When the program fails.
    pub(crate) fn admit(&self, stage: &Stage, party: &str, key: &str) -> Result<()> {
        let args = ["admit", "--dir", arg(&self.operator)?, "--address", &self.address, party, key];
        stage.programs.succeed(&format!("admit {party}"), &args)?;
        Ok(())
    }

    /// A party proposes its λ: most for itself, the rest in equal parts.
    ///
    /// # Errors
    /// When the program fails.
    pub(crate) fn propose(&self, stage: &Stage, party: &str, dir: &Path) -> Result<()> {
        let own = WISHES.iter().find(|(name, _)| *name == party).map_or(0, |(_, own)| *own);
        let rest = (1_000_000 - own) / (PARTIES.len() as u64 - 1);
        let share = |other: &&'static str| (*other, if *other == party { own } else { rest });
        let lambda = text(&mixture(&PARTIES.iter().map(share).collect::<Vec<_>>()));
        println!("  {party:<9} proposes {lambda}");
        let args = ["round", "propose", "--dir", arg(dir)?, &lambda];
        stage.programs.succeed(&format!("propose {party}"), &args)?;
        Ok(())
    }

    /// The operator opens a round.
    ///
    /// # Errors
    /// When the program fails.
    pub(crate) fn open_round(&self, stage: &Stage) -> Result<()> {
        let args = ["round", "open", "--dir", arg(&self.operator)?, "--address", &self.address];
        stage.programs.succeed("open round", &args)?;
        Ok(())
    }

    /// How the round stands, as anybody can see.
    ///
    /// # Errors
    /// When the program fails.
    pub(crate) fn status(&self, stage: &Stage) -> Result<Value> {
        let args = ["round", "status", "--address", &self.address, "--log-key", &self.log_key];
        stage.programs.succeed("status", &args)
    }

    /// The operator publishes the soup; returns its λ and its BLAKE3.
    ///
    /// # Errors
    /// When the program fails.
    pub(crate) fn publish(&self, stage: &Stage) -> Result<(Ppm, String)> {
        let args = ["publish", "--dir", arg(&self.operator)?, "--address", &self.address];
        let published = stage.programs.succeed("publish", &args)?;
        let lambda: Ppm =
            serde_json::from_value(published["lambda_ppm"].clone()).context("publish told no λ")?;
        Ok((lambda, string(&published, "blake3")?))
    }

    /// An auditor who knows the address and the log's key, and nothing else.
    ///
    /// # Errors
    /// When the program cannot run; a verdict against us is in the report.
    pub(crate) fn audit(&self, stage: &Stage) -> Result<Value> {
        let out = stage.path("auditor");
        let args = ["audit", "--address", &self.address, "--log-key", &self.log_key];
        let args = [&args[..], &["--out", arg(&out)?]].concat();
        Ok(stage.programs.potluck("audit", &args)?.json)
    }

    /// What the ledger amounts to now: its size and its root, as text.
    ///
    /// # Errors
    /// When the program fails.
    pub(crate) fn ledger(&self, stage: &Stage) -> Result<String> {
        let args = ["ledger", "--address", &self.address, "--log-key", &self.log_key];
        let ledger = stage.programs.succeed("ledger", &args)?;
        if ledger["checkpoint"].is_null() {
            bail!("the ledger told no checkpoint");
        }
        Ok(ledger["checkpoint"].to_string())
    }
}

fn string(value: &Value, key: &str) -> Result<String> {
    let text = value[key].as_str().with_context(|| format!("'{key}' is missing in {value}"))?;
    Ok(text.to_owned())
}
