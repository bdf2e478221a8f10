//! Where a ledger's pages come from: an aggregator, or a folder with a copy of its log.

use potluck_net::{Client, LedgerPage};

use crate::failure::Failure;

/// Hands out a ledger page by page. Nothing that it hands out is verified.
pub(crate) trait Source {
    /// The entries from an index on, or the first part of them.
    ///
    /// An honest source hands out at least one where its checkpoint speaks of more than `from`.
    async fn page(&self, from: u64) -> Result<LedgerPage, Failure>;
}

impl Source for Client {
    async fn page(&self, from: u64) -> Result<LedgerPage, Failure> {
        Ok(self.ledger(from).await?)
    }
}
