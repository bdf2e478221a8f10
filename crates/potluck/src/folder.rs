//! A member's folder: its settings, its key, what it has seen and what it was promised.
//!
//! ```text
//! operator.toml | party.toml    who, where, by which log key
//! keys/*.pem                    mode 0600; refused where others can read it
//! receipts/<index>-<kind>.json  what the log acknowledged
//! state/checkpoint              the last verified checkpoint
//! ```

mod key_file;
mod settings;

use std::fmt;
use std::path::{Path, PathBuf};

use potluck_core::{Author, PartyId, PrivateKey};
use potluck_log::VerifierKey;

pub(crate) use self::key_file::{create_key, random_key, random_seed, read_key};
pub(crate) use self::settings::{OPERATOR_FILE, PARTY_FILE, SettingsError};
pub(crate) use self::settings::{operator_text, party_text, verifier_key};
use crate::failure::{Failure, in_full};
use crate::ledger::Memory;

/// Where `potluck new` puts the operator's key.
pub(crate) const OPERATOR_KEY: &str = "keys/operator.pem";
/// Where `potluck new` puts the log's key.
pub(crate) const LOG_KEY: &str = "keys/log.pem";
/// Where `potluck join` puts the party's key.
pub(crate) const PARTY_KEY: &str = "keys/party.pem";

/// A member's folder whose settings were read.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
    author: Author,
    address: String,
    log_key: VerifierKey,
    key: PathBuf,
}

impl Folder {
    /// The folder of whoever it belongs to.
    pub(crate) fn open(dir: &Path) -> Result<Self, Failure> {
        let (operator, party) = (dir.join(OPERATOR_FILE).exists(), dir.join(PARTY_FILE).exists());
        match (operator, party) {
            (true, false) => Self::operator(dir),
            (false, true) => Self::party(dir),
            (true, true) => Err(Failure::input(format!(
                "{} holds both {OPERATOR_FILE} and {PARTY_FILE}",
                dir.display()
            ))
            .hint("keep the operator's and the party's folder apart")),
            (false, false) => Err(Failure::input(format!(
                "{} is no member's folder: it holds neither {OPERATOR_FILE} nor {PARTY_FILE}",
                dir.display()
            ))
            .hint(
                "--dir names one; `potluck join` and `potluck new` make one; or give --address and --log-key",
            )),
        }
    }

    /// The operator's folder.
    pub(crate) fn operator(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join(OPERATOR_FILE);
        let settings = settings::operator(&path).map_err(|error| missing(error, "potluck new"))?;
        Ok(Self {
            author: Author::Operator,
            address: settings.address,
            log_key: verifier_key(&settings.log_key)
                .map_err(|error| Failure::input(format!("{}: log_key: {error}", path.display())))?,
            key: dir.join(settings.key.unwrap_or_else(|| OPERATOR_KEY.into())),
            dir: dir.to_owned(),
        })
    }

    /// A party's folder.
    pub(crate) fn party(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join(PARTY_FILE);
        let settings = settings::party(&path).map_err(|error| missing(error, "potluck join"))?;
        Ok(Self {
            author: Author::Party(settings.party),
            address: settings.address,
            log_key: verifier_key(&settings.log_key)
                .map_err(|error| Failure::input(format!("{}: log_key: {error}", path.display())))?,
            key: dir.join(settings.key.unwrap_or_else(|| PARTY_KEY.into())),
            dir: dir.to_owned(),
        })
    }

    /// As whom its owner speaks.
    pub(crate) fn author(&self) -> &Author {
        &self.author
    }

    /// The party that it belongs to, if it is a party's.
    pub(crate) fn party_id(&self) -> Option<&PartyId> {
        match &self.author {
            Author::Party(party) => Some(party),
            Author::Operator => None,
        }
    }

    /// Where the aggregator is.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The log key that its owner pinned.
    pub(crate) fn log_key(&self) -> &VerifierKey {
        &self.log_key
    }

    /// Reads its owner's private key.
    pub(crate) fn identity(&self) -> Result<PrivateKey, Failure> {
        Ok(read_key(&self.key)?)
    }

    /// Where receipts are kept.
    pub(crate) fn receipts(&self) -> PathBuf {
        self.dir.join("receipts")
    }

    /// What it has seen of the ledger.
    pub(crate) fn memory(&self) -> Memory {
        Memory::at(self.dir.join("state"))
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.dir.display())
    }
}

fn missing(error: SettingsError, maker: &str) -> Failure {
    let is_missing = error.is_missing();
    let failure = Failure::input(in_full(&error));
    if is_missing {
        return failure.hint(format!("--dir names the folder; `{maker}` makes one"));
    }
    failure
}

#[cfg(test)]
mod tests;
