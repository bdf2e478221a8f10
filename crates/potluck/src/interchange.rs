//! What a party signs for other people's tools, beside its submission: kept where the receipt is.
//!
//! ```text
//! receipts/<index>-submit.json              the receipt, with the bundle in it
//! receipts/<index>-submit.ca.pem            the party's certificate: the root of trust of the bundle's
//! receipts/<index>-submit.sshsig            the bundle's statement, signed for `ssh-keygen -Y verify`
//! receipts/<index>-submit.allowed_signers   the line that says whose signature that is
//! ```
//!
//! They are signed when the expert is pushed, so that no export asks for the key again.

use std::path::{Path, PathBuf};

use potluck_core::{Envelope, Federation, PartyId, Signer};
use potluck_interchange::{authority, sshsig};

use crate::durable::{self, Readers};
use crate::failure::{Failure, in_full};

/// What is kept beside the receipt of a submission.
#[derive(Debug)]
pub(crate) struct Companions {
    /// The party's certificate.
    pub(crate) certificate: PathBuf,
    /// The SSH signature of the statement.
    pub(crate) signature: PathBuf,
    /// The line that allows the key of that signature.
    pub(crate) allowed: PathBuf,
}

impl Companions {
    /// Where they are kept, for the receipt at `receipt`.
    pub(crate) fn of(receipt: &Path) -> Self {
        Self {
            certificate: receipt.with_extension("ca.pem"),
            signature: receipt.with_extension("sshsig"),
            allowed: receipt.with_extension("allowed_signers"),
        }
    }

    /// Makes those that are not there yet. A submission of a key that was replaced since keeps what it has.
    pub(crate) fn keep(
        &self,
        envelope: &Envelope,
        federation: &Federation,
        party: &PartyId,
        key: &dyn Signer,
    ) -> Result<(), Failure> {
        let Some(bundle) = envelope.bundle() else { return Ok(()) };
        if envelope.key() != key.public().id() {
            return Ok(());
        }
        if !self.certificate.exists() {
            let made = authority(key).map_err(|error| Failure::system(in_full(&error)))?;
            write(&self.certificate, made.pem().as_bytes())?;
        }
        if !self.signature.exists() {
            let made = sshsig::sign(key, sshsig::MANIFEST, bundle.payload());
            let made = made.map_err(|error| Failure::system(in_full(&error)))?;
            write(&self.signature, made.as_bytes())?;
        }
        if !self.allowed.exists() {
            let who = format!("{party}@{}", federation.charter().name());
            let line = sshsig::allowed_signer(&who, sshsig::MANIFEST, &key.public());
            write(&self.allowed, line.as_bytes())?;
        }
        Ok(())
    }
}

/// Writes a file that is handed on.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    durable::write(path, bytes, Readers::Anyone)
        .map_err(|error| Failure::system(format!("cannot write {}: {error}", path.display())))
}
