//! The receipt: what the aggregator answers once an envelope is durably recorded.
//!
//! It is worth nothing until it is verified: [`Receipt::verify`] needs the envelope and the log's public
//! key, and no network. What it returns only the check can make.

use potluck_core::Envelope;
use potluck_core::entry::{MAX_RECORD, Record};
use potluck_log::{Logged, TlogProof, TlogProofError, TlogProofParseError, VerifierKey};
use serde::{Deserialize, Serialize};

/// A claim that an envelope stands in the ledger, with its proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The entry's place in the log, counted from 0.
    pub index: u64,
    /// The log's leaf as text: which envelope stands there.
    pub record: String,
    /// A tlog-proof text (C2SP): inclusion of the leaf under a signed checkpoint.
    pub proof: String,
}

/// Why a receipt proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// The record is no record.
    #[error("the receipt's record is malformed")]
    Record,
    /// The record is another envelope's.
    #[error("the receipt is for another envelope")]
    OtherEnvelope,
    /// The proof is for another place than the receipt says.
    #[error("the receipt says index {claimed}, and its proof {proved}")]
    OtherIndex {
        /// What the receipt says.
        claimed: u64,
        /// What its proof says.
        proved: u64,
    },
    /// The proof is no proof.
    #[error("the receipt's proof is malformed")]
    Proof(#[from] TlogProofParseError),
    /// The proof does not hold.
    #[error("the receipt's proof does not hold")]
    NotProved(#[from] TlogProofError),
}

impl Receipt {
    /// Checks that the log whose key is `log` has recorded `envelope`, where the receipt says.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn verify(&self, envelope: &Envelope, log: &VerifierKey) -> Result<Logged, ReceiptError> {
        if self.record.len() > MAX_RECORD {
            return Err(ReceiptError::Record);
        }
        let record: Record =
            serde_json::from_str(&self.record).map_err(|_| ReceiptError::Record)?;
        if record.envelope != envelope.sha256() {
            return Err(ReceiptError::OtherEnvelope);
        }
        let proof: TlogProof = self.proof.parse()?;
        if proof.index() != self.index {
            return Err(ReceiptError::OtherIndex { claimed: self.index, proved: proof.index() });
        }
        Ok(proof.verify(self.record.as_bytes(), log)?)
    }
}

#[cfg(test)]
mod tests;
