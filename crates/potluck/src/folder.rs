//! A member's folder: its settings, its key, what it has seen and what it was promised.
//!
//! ```text
//! operator.toml | party.toml    who, where, by which log key
//! keys/operator.pem | party.pem signs what its owner says
//! keys/transport.pem            connects; without it, the signing key does
//! keys/witness.pem              cosigns checkpoints, where its owner is a witness
//! receipts/<index>-<kind>.json  what the log acknowledged
//! rounds/<id>-<round>…          sealed proposals and scores until they are shown, and raw scores
//! kitchen/                      base and experts, to mix candidates from; can be removed
//! state/hashed.json             the digests of the last file that was pushed
//! state/hashed.obao             its tree of hashes
//! state/prepared/               what was made of another trainer's folder to push it; can be removed
//! state/checkpoint              the last verified checkpoint
//! ```
//!
//! Keys are of mode 0600, and refused where others can read them. The settings may name other files, OpenSSH's
//! among them, and keys in an `ssh-agent` ([`agent`]).

mod agent;
mod key_file;
mod key_source;
mod passphrase;
mod settings;

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use potluck_core::{Author, PartyId, PrivateKey, Signer};
use potluck_log::VerifierKey;
use potluck_net::Pki;

pub(crate) use self::key_file::{create_key, random_key, random_seed, read_key};
use self::key_source::KeySource;
pub(crate) use self::passphrase::{Passphrase, Passphrases};
use self::settings::{KeySettings, X509Settings};
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
/// Where a key that only connects is looked for.
pub(crate) const TRANSPORT_KEY: &str = "keys/transport.pem";
/// Where a key that cosigns checkpoints is looked for.
pub(crate) const WITNESS_KEY: &str = "keys/witness.pem";

/// The largest file of certificates, in bytes.
const MAX_CERTIFICATES: u64 = 1 << 20;

/// A member's folder whose settings were read.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
    author: Author,
    address: String,
    log_key: VerifierKey,
    keys: Keys,
}

/// Where its owner's keys are.
#[derive(Debug)]
struct Keys {
    sign: KeySource,
    transport: Option<PathBuf>,
    witness: Option<KeySource>,
    x509: Option<X509Settings>,
    passphrases: Passphrases,
}

impl Keys {
    /// What the settings say; else the files by their usual names, where they are.
    fn of(dir: &Path, settings: KeySettings, sign: &str) -> Self {
        let present = |name: &str| Some(dir.join(name)).filter(|path| path.exists());
        let transport = settings.transport.map(|path| dir.join(path));
        let witness = settings.witness.map(|key| key.in_folder(dir));
        Self {
            sign: settings.sign.unwrap_or_else(|| KeySource::File(sign.into())).in_folder(dir),
            transport: transport.or_else(|| present(TRANSPORT_KEY)),
            witness: witness.or_else(|| present(WITNESS_KEY).map(KeySource::File)),
            x509: settings.x509.map(|x509| X509Settings {
                ca: dir.join(x509.ca),
                certificate: dir.join(x509.certificate),
            }),
            passphrases: Passphrases::of_environment(),
        }
    }
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
            address: settings.address.clone(),
            log_key: verifier_key(&settings.log_key)
                .map_err(|error| Failure::input(format!("{}: log_key: {error}", path.display())))?,
            keys: Keys::of(dir, settings.keys(), OPERATOR_KEY),
            dir: dir.to_owned(),
        })
    }

    /// A party's folder.
    pub(crate) fn party(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join(PARTY_FILE);
        let settings = settings::party(&path).map_err(|error| missing(error, "potluck join"))?;
        Ok(Self {
            author: Author::Party(settings.party.clone()),
            address: settings.address.clone(),
            log_key: verifier_key(&settings.log_key)
                .map_err(|error| Failure::input(format!("{}: log_key: {error}", path.display())))?,
            keys: Keys::of(dir, settings.keys(), PARTY_KEY),
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

    /// Has its settings pin another key of the same log. All else in them stays as it is written.
    pub(crate) fn pin(&self, key: &VerifierKey) -> Result<(), Failure> {
        let is_operator = self.author == Author::Operator;
        let path = self.dir.join(if is_operator { OPERATOR_FILE } else { PARTY_FILE });
        settings::pin(&path, &self.log_key, key).map_err(|error| Failure::system(in_full(&error)))
    }

    /// What signs in its owner's name.
    pub(crate) fn signer(&self) -> Result<Box<dyn Signer>, Failure> {
        self.keys.sign.signer(&self.keys.passphrases)
    }

    /// Reads the key with which its owner connects.
    pub(crate) fn identity(&self) -> Result<PrivateKey, Failure> {
        match (&self.keys.transport, &self.keys.sign) {
            (Some(path), _) | (None, KeySource::File(path)) => {
                Ok(read_key(path, &self.keys.passphrases)?)
            }
            (None, agent @ KeySource::Agent(_)) => {
                let message =
                    format!("{agent} signs, but does not connect: an agent keeps its key");
                let place = self.dir.join(TRANSPORT_KEY);
                Err(Failure::input(message)
                    .hint(format!("potluck keygen --role transport --out {}", place.display())))
            }
        }
    }

    /// The certificates with which its owner connects, where the settings name some.
    pub(crate) fn pki(&self) -> Result<Option<Pki>, Failure> {
        let Some(X509Settings { ca, certificate }) = &self.keys.x509 else { return Ok(None) };
        let read = |path: &Path| {
            let failed = |error| Failure::input(format!("cannot read {}: {error}", path.display()));
            let mut text = Vec::new();
            let file = File::open(path).map_err(failed)?;
            file.take(MAX_CERTIFICATES).read_to_end(&mut text).map_err(failed)?;
            Ok::<_, Failure>(text)
        };
        let pki = Pki::new(&read(ca)?, &read(certificate)?);
        pki.map(Some).map_err(|error| Failure::input(format!("x509: {}", in_full(&error))))
    }

    /// What cosigns checkpoints in its owner's name, if its owner is a witness.
    pub(crate) fn witness(&self) -> Result<Option<Box<dyn Signer>>, Failure> {
        let witness = self.keys.witness.as_ref();
        witness.map(|key| key.signer(&self.keys.passphrases)).transpose()
    }

    /// Where receipts are kept.
    pub(crate) fn receipts(&self) -> PathBuf {
        self.dir.join("receipts")
    }

    /// Where sealed proposals are kept.
    pub(crate) fn rounds(&self) -> PathBuf {
        self.dir.join("rounds")
    }

    /// Where candidates are mixed.
    pub(crate) fn kitchen(&self) -> PathBuf {
        self.dir.join("kitchen")
    }

    /// Where the digests of the last file that was pushed are kept.
    pub(crate) fn hashed(&self) -> PathBuf {
        self.dir.join("state/hashed.json")
    }

    /// Where weights are kept that were made ready to be pushed.
    pub(crate) fn prepared(&self) -> PathBuf {
        self.dir.join("state/prepared")
    }

    /// Where the base may lie: as `potluck pull` leaves it, and as candidates are mixed beside it.
    pub(crate) fn bases(&self) -> [PathBuf; 3] {
        [self.dir.join("base"), PathBuf::from("base"), self.kitchen().join("base")]
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
