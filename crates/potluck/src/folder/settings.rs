//! `operator.toml` and `party.toml`: read strictly, written by `potluck new` and `potluck join`.
//!
//! An unknown key is an error that names file and key. A secret is a path, never a value.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use potluck_core::PartyId;
use potluck_log::{VerifierKey, VerifierKeyError};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::key_source::KeySource;
use crate::durable::{self, Readers};

/// The operator's settings.
pub(crate) const OPERATOR_FILE: &str = "operator.toml";
/// A party's settings; `configs/party.toml` is the commented example.
pub(crate) const PARTY_FILE: &str = "party.toml";

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file spells its log key in an unusual way.
    #[error("{} does not hold its log_key as it is written out; put {new} there by hand", path.display())]
    Unusual {
        /// Which file.
        path: PathBuf,
        /// What belongs there.
        new: Box<VerifierKey>,
    },
    /// No TOML, an unknown key, or a value of another type.
    #[error("{}, line {line}: {message}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong, with the key.
        message: String,
    },
}

impl SettingsError {
    /// Whether there is no such file.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Where a member's keys are; paths are relative to its folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeySettings {
    /// With which it signs what it says.
    pub(super) sign: Option<KeySource>,
    /// With which it connects, if that is another key.
    pub(super) transport: Option<PathBuf>,
    /// With which it cosigns checkpoints, if it does.
    pub(super) witness: Option<KeySource>,
    /// With which certificates it connects, if the aggregator asks for them at the address.
    pub(super) x509: Option<X509Settings>,
}

/// `[x509]`: certificates in PEM; paths are relative to the folder.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct X509Settings {
    /// The authority's.
    pub(super) ca: PathBuf,
    /// The connecting key's own, and those between it and the authority.
    pub(super) certificate: PathBuf,
}

/// What `operator.toml` holds.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OperatorSettings {
    pub(super) address: String,
    pub(super) log_key: String,
    sign: Option<KeySource>,
    transport: Option<PathBuf>,
    witness: Option<KeySource>,
    x509: Option<X509Settings>,
}

/// What `party.toml` holds.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartySettings {
    pub(super) party: PartyId,
    pub(super) address: String,
    pub(super) log_key: String,
    sign: Option<KeySource>,
    transport: Option<PathBuf>,
    witness: Option<KeySource>,
    x509: Option<X509Settings>,
}

impl OperatorSettings {
    pub(super) fn keys(self) -> KeySettings {
        KeySettings {
            sign: self.sign,
            transport: self.transport,
            witness: self.witness,
            x509: self.x509,
        }
    }
}

impl PartySettings {
    pub(super) fn keys(self) -> KeySettings {
        KeySettings {
            sign: self.sign,
            transport: self.transport,
            witness: self.witness,
            x509: self.x509,
        }
    }
}

pub(super) fn operator(path: &Path) -> Result<OperatorSettings, SettingsError> {
    read(path)
}

pub(super) fn party(path: &Path) -> Result<PartySettings, SettingsError> {
    read(path)
}

/// The text of a fresh `operator.toml`.
pub(crate) fn operator_text(address: &str, log_key: &VerifierKey) -> String {
    format!(
        "# The operator's folder: where the aggregator is, and by which key its log is known.\n\
         address = {}\nlog_key = {}\n",
        quoted(address),
        quoted(&log_key.to_string())
    )
}

/// The text of a fresh `party.toml`.
pub(crate) fn party_text(party: &PartyId, address: &str, log_key: &VerifierKey) -> String {
    format!(
        "# A party's folder: who it is, where the aggregator is, and by which key its log is known.\n\
         party = {}\naddress = {}\nlog_key = {}\n",
        quoted(party.as_str()),
        quoted(address),
        quoted(&log_key.to_string())
    )
}

/// Puts one log key in the place of another in a file of settings, whole or not at all.
pub(super) fn pin(path: &Path, old: &VerifierKey, new: &VerifierKey) -> Result<(), SettingsError> {
    let failed = |source| SettingsError::Write { path: path.to_owned(), source };
    let text = fs::read_to_string(path)
        .map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
    let pinned = text.replace(&old.to_string(), &new.to_string());
    if pinned == text {
        return Err(SettingsError::Unusual { path: path.to_owned(), new: Box::new(new.clone()) });
    }
    durable::write(path, pinned.as_bytes(), Readers::Anyone).map_err(failed)
}

/// Reads a log key as the operator hands it out.
pub(crate) fn verifier_key(text: &str) -> Result<VerifierKey, String> {
    text.parse().map_err(|error: VerifierKeyError| {
        let shown: String = text.chars().take(80).filter(|c| !c.is_control()).collect();
        format!("'{shown}' is no log key: {error}")
    })
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, SettingsError> {
    let text = fs::read_to_string(path)
        .map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|error| {
        let before = error.span().map_or(0, |span| span.start).min(text.len());
        let line = 1 + text.as_bytes()[..before].iter().filter(|byte| **byte == b'\n').count();
        let message = error.message().lines().next().unwrap_or_default().to_owned();
        SettingsError::Malformed { path: path.to_owned(), line, message }
    })
}
