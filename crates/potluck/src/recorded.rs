//! A receipt and its envelope: kept in a file, and verified without a network.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use potluck_core::Envelope;
use potluck_log::{Logged, VerifierKey};
use potluck_net::Receipt;
use potluck_wire::receipt::ReceiptError;
use serde::{Deserialize, Serialize};

use crate::durable::{self, Readers};
use crate::failure::{Failure, Kind as Blame, in_full};
use crate::folder::Folder;

/// The largest file of a receipt that is read, in bytes: the largest envelope, with every byte escaped, and the
/// proof of the largest log.
const MAX_FILE: u64 = 8 << 20;

/// A receipt as it is kept: with the envelope that it speaks of, so that it can be verified alone.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptReceipt {
    /// The envelope's text.
    pub(crate) envelope: String,
    index: u64,
    record: String,
    proof: String,
}

impl KeptReceipt {
    /// A receipt beside its envelope.
    pub(crate) fn new(envelope: &Envelope, receipt: &Receipt) -> Self {
        Self {
            envelope: String::from_utf8_lossy(envelope.as_bytes()).into_owned(),
            index: receipt.index,
            record: receipt.record.clone(),
            proof: receipt.proof.clone(),
        }
    }

    /// The receipt itself.
    pub(crate) fn into_receipt(self) -> Receipt {
        Receipt { index: self.index, record: self.record, proof: self.proof }
    }
}

/// A receipt that does not verify.
pub(crate) fn mismatch(error: ReceiptError) -> Failure {
    Failure::unverified("receipt-mismatch", in_full(&error))
}

pub(crate) fn keep(path: &Path, envelope: &Envelope, receipt: &Receipt) -> Result<(), Failure> {
    let text =
        serde_json::to_vec_pretty(&KeptReceipt::new(envelope, receipt)).map_err(Failure::system)?;
    durable::write(path, &text, Readers::Anyone).map_err(|error| {
        let message = format!("cannot keep the receipt {}: {error}", path.display());
        Failure::new(Blame::System, "local-failure", message)
            .hint("the entry is recorded; run the command again for its receipt")
    })
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Story;

    #[test]
    fn a_kept_receipt_verifies_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("receipts/3-submit.json");
        let story = Story::published();
        keep(&path, story.entries[3].envelope(), &story.receipt(3)).unwrap();
        let kept: KeptReceipt = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let envelope = Envelope::parse(kept.envelope.as_bytes()).unwrap();
        assert_eq!(kept.into_receipt().verify(&envelope, &Story::log_key()).unwrap().index(), 3);
    }
}
