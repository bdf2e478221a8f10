//! A receipt and its envelope as they are kept in a file, verified without a network.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use potluck_core::Envelope;
use potluck_log::{Logged, VerifierKey};
use potluck_net::Receipt;

use crate::failure::Failure;
use crate::folder::Folder;
use crate::session::{KeptReceipt, mismatch};

/// The largest file of a receipt that is read, in bytes: the largest envelope, with every byte escaped, and the
/// proof of the largest log.
const MAX_FILE: u64 = 8 << 20;

/// Evidence: the log acknowledged this envelope.
#[derive(Debug)]
pub(crate) struct Recorded {
    /// What was said.
    pub(crate) envelope: Envelope,
    /// The receipt.
    pub(crate) receipt: Receipt,
    /// Where it stands.
    pub(crate) logged: Logged,
}

impl Recorded {
    /// Reads the file at `path`, and verifies it by the log's key.
    pub(crate) fn read(path: &Path, log: &VerifierKey) -> Result<Self, Failure> {
        let text = read_bounded(path, MAX_FILE)?;
        let kept = serde_json::from_slice(&text).map_err(|error| no_receipt(path, error))?;
        Self::verified(kept, log, path)
    }

    /// Verifies a receipt that stands in the file at `path`.
    pub(crate) fn verified(
        kept: KeptReceipt,
        log: &VerifierKey,
        path: &Path,
    ) -> Result<Self, Failure> {
        let envelope = Envelope::parse(kept.envelope.as_bytes());
        let envelope = envelope.map_err(|error| no_receipt(path, error))?;
        let receipt = kept.into_receipt();
        let logged = receipt.verify(&envelope, log).map_err(|error| {
            let failure = mismatch(error);
            let message = format!("{}: {}", path.display(), failure.message());
            Failure::unverified(failure.code(), message)
        })?;
        Ok(Self { envelope, receipt, logged })
    }
}

/// The file of a submission's receipt: named by path, or by the entry's index in a party's folder.
pub(crate) fn submission_receipt(folder: &Folder, named: &str) -> PathBuf {
    match named.parse::<u64>() {
        Ok(index) => folder.receipts().join(format!("{index}-submit.json")),
        Err(_) => PathBuf::from(named),
    }
}

/// Reads a file that has at most `limit` bytes.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
    read.map_err(|error| Failure::input(format!("cannot read {}: {error}", path.display())))?;
    if bytes.len() as u64 > limit {
        let message = format!("{} is larger than {limit} bytes", path.display());
        return Err(Failure::input(message));
    }
    Ok(bytes)
}

fn no_receipt(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::input(format!("{} is no receipt: {error}", path.display()))
}
