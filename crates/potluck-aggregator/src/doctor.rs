//! Whether an aggregator could run here, before it does: `potluck-aggregator doctor`.
//!
//! ```text
//! folder    settings, keys, genesis, base        what was set up
//! disk      the store's lock, room, durability   what nothing acknowledged may be lost on
//! line      addresses, buffers, certificates     how others reach it
//! machine   clock, open files                    what it shares
//! ```
//!
//! Each look changes nothing that stays, asks nobody but the witnesses that the settings name, and ends in a
//! sentence with what was seen; what is wrong comes with what to do. An aggregator that runs on the same store is
//! no fault: its addresses are taken by itself.

mod disk;
mod folder;
mod line;
mod machine;
mod tls;

use serde::Serialize;

use crate::config::{Arguments, Settings, SettingsError};

/// How a look ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it should be.
    Well,
    /// It would run, with less speed or safety than it could have.
    Warning,
    /// It would not run, or would lose what it must not.
    Wrong,
}

/// What one look found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub subject: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen.
    pub seen: String,
    /// What to do, where something is to be done.
    pub cure: Option<String>,
}

impl Finding {
    fn well(subject: &'static str, seen: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Well, seen: seen.into(), cure: None }
    }

    fn warning(subject: &'static str, seen: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Warning, seen: seen.into(), cure: Some(cure.into()) }
    }

    fn wrong(subject: &'static str, seen: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Wrong, seen: seen.into(), cure: Some(cure.into()) }
    }
}

/// Looks at everything that an aggregator with these arguments would need.
pub fn examine(arguments: &Arguments) -> Vec<Finding> {
    let settings = match Settings::gather(arguments) {
        Ok(settings) => settings,
        Err(error) => {
            let cure = match &error {
                SettingsError::Read { .. } => {
                    "--dir names the federation's folder; `potluck new` makes one"
                }
                _ => "mend that line; configs/aggregator.toml has every key with its default",
            };
            return vec![Finding::wrong("settings", crate::in_full(&error), cure)];
        }
    };
    let (store, is_running) = disk::lock(&settings.store);
    let mut findings = vec![Finding::well("settings", folder::settings(&settings))];
    findings.extend(folder::examine(&settings));
    findings.push(store);
    findings.extend(disk::examine(&settings));
    findings.extend(line::examine(&settings, is_running));
    findings.extend(machine::examine(&settings));
    findings
}

#[cfg(test)]
mod tests;
