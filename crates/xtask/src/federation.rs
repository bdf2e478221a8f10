//! A federation of real processes on loopback, as the demo and the experiments drive it: found, join, admit,
//! push, open rounds, publish, audit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process::{Programs, Server, arg};

/// λ in parts per million by party.
pub(crate) type Ppm = BTreeMap<String, u64>;

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

/// Founds a federation over `base` by the charter in a file, and starts its aggregator.
///
/// # Errors
/// When the program fails.
pub(crate) fn found(
    programs: &Programs,
    operator: PathBuf,
    charter: &Path,
    base: &Path,
) -> Result<Federation> {
    let args = ["new", arg(&operator)?, "--charter", arg(charter)?, "--base", arg(base)?];
    let founded = programs.succeed("new", &args)?;
    let log_key = string(&founded, "log_key")?;
    let (server, address) = programs.serve(&operator)?;
    Ok(Federation { operator, address, log_key, _server: server })
}

impl Federation {
    /// A party makes its key and folder; the operator then admits it.
    ///
    /// # Errors
    /// When the program fails.
    pub(crate) fn join(&self, programs: &Programs, party: &str, dir: &Path) -> Result<String> {
        let mut args = vec!["join", arg(dir)?, "--party", party, "--address", &self.address];
        args.extend(["--log-key", &self.log_key]);
        let joined = programs.succeed(&format!("join {party}"), &args)?;
        string(&joined, "key")
    }

    /// The operator admits a party's key.
    ///
    /// # Errors
    /// When the program fails.
    pub(crate) fn admit(&self, programs: &Programs, party: &str, key: &str) -> Result<()> {
        let args = ["admit", "--dir", arg(&self.operator)?, "--address", &self.address, party, key];
        programs.succeed(&format!("admit {party}"), &args)?;
        Ok(())
    }

    /// The operator opens a round.
    ///
    /// # Errors
    /// When the program fails.
    pub(crate) fn open_round(&self, programs: &Programs) -> Result<()> {
        let args = ["round", "open", "--dir", arg(&self.operator)?, "--address", &self.address];
        programs.succeed("open round", &args)?;
        Ok(())
    }

    /// How the round stands, as anybody can see.
    ///
    /// # Errors
    /// When the program fails.
    pub(crate) fn status(&self, programs: &Programs) -> Result<Value> {
        let args = ["round", "status", "--address", &self.address, "--log-key", &self.log_key];
        programs.succeed("status", &args)
    }

    /// The operator publishes the soup; returns its λ and its BLAKE3.
    ///
    /// # Errors
    /// When the program fails.
    pub(crate) fn publish(&self, programs: &Programs) -> Result<(Ppm, String)> {
        let args = ["publish", "--dir", arg(&self.operator)?, "--address", &self.address];
        let published = programs.succeed("publish", &args)?;
        let lambda: Ppm =
            serde_json::from_value(published["lambda_ppm"].clone()).context("publish told no λ")?;
        Ok((lambda, string(&published, "blake3")?))
    }

    /// An auditor who knows the address and the log's key, and nothing else.
    ///
    /// # Errors
    /// When the program cannot run; a verdict against us is in the report.
    pub(crate) fn audit(&self, programs: &Programs, out: &Path) -> Result<Value> {
        let args = ["audit", "--address", &self.address, "--log-key", &self.log_key];
        let args = [&args[..], &["--out", arg(out)?]].concat();
        Ok(programs.potluck("audit", &args)?.json)
    }

    /// What the ledger amounts to now: its size and its root, as text.
    ///
    /// # Errors
    /// When the program fails.
    pub(crate) fn ledger(&self, programs: &Programs) -> Result<String> {
        let args = ["ledger", "--address", &self.address, "--log-key", &self.log_key];
        let ledger = programs.succeed("ledger", &args)?;
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
