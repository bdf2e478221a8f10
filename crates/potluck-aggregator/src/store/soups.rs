//! What came out of each recipe that was blended here, so that a restart need not blend again.
//!
//! This is a memory, not an authority: a soup's bytes follow from its recipe, and whoever doubts them
//! recomputes.

use std::sync::Arc;

use potluck_core::{Blake3, FileEntry};
use redb::{Database, ReadableDatabase as _, TableDefinition};

use super::ledger::{LedgerStoreError, or_empty};

const SOUPS: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("soups");

/// Files by the digest of the recipe that they follow from.
#[derive(Debug)]
pub struct Soups {
    database: Arc<Database>,
}

impl Soups {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self { database }
    }

    /// The file that came out of `recipe`, if it was blended here.
    ///
    /// # Errors
    /// [`LedgerStoreError::Read`].
    pub fn file(&self, recipe: Blake3) -> Result<Option<FileEntry>, LedgerStoreError> {
        let transaction = self.database.begin_read().map_err(LedgerStoreError::read)?;
        let Some(table) = or_empty(transaction.open_table(SOUPS))? else {
            return Ok(None);
        };
        let row = table.get(recipe.as_bytes()).map_err(LedgerStoreError::read)?;
        // A text that another version wrote is as good as none: the soup is blended again.
        Ok(row.and_then(|text| serde_json::from_slice(text.value()).ok()))
    }

    /// Remembers that `file` came out of `recipe`, durably when it returns.
    ///
    /// # Errors
    /// [`LedgerStoreError::Write`].
    pub fn remember(&self, recipe: Blake3, file: &FileEntry) -> Result<(), LedgerStoreError> {
        let text = serde_json::to_vec(file).expect("strings and integers have a JSON form");
        let transaction = self.database.begin_write().map_err(LedgerStoreError::write)?;
        transaction
            .open_table(SOUPS)
            .map_err(LedgerStoreError::write)?
            .insert(recipe.as_bytes(), text.as_slice())
            .map_err(LedgerStoreError::write)?;
        transaction.commit().map_err(LedgerStoreError::write)
    }
}
