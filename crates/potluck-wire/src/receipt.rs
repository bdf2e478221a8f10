//! The receipt: what the aggregator answers once an envelope is durably recorded.
//!
//! It is worth nothing until it is verified: [`Receipt::verify`] needs only the log's public key, no network.

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
