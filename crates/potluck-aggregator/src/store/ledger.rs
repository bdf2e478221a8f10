//! Where the ledger's entries are kept: one redb file, one durable transaction for all that came together.
//!
//! Entries, the index by their envelopes and the log's new checkpoint are one transaction: either all of it is
//! there after a kill, or nothing. The trait is narrow, so that tests can put a failing store under the same
//! code, and a shared one can follow.
//!
//! ```text
//! entries    index             → (record, envelope)
//! envelopes  SHA-256 of envelope → index
//! notes      "checkpoint"      → note text
//! cosigned   size              → that checkpoint with lines of witnesses, a note
//! soups      BLAKE3 of recipe  → file entry (see `soups`)
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use potluck_core::entry::EntryError;
use potluck_core::{Entry, Sha256};
use redb::{
    Database, ReadTransaction, ReadableDatabase as _, ReadableTable as _, TableDefinition,
    TableError,
};

use super::durable;

const ENTRIES: TableDefinition<u64, (&[u8], &[u8])> = TableDefinition::new("entries");
const ENVELOPES: TableDefinition<&[u8; 32], u64> = TableDefinition::new("envelopes");
const NOTES: TableDefinition<&str, &str> = TableDefinition::new("notes");
const CHECKPOINT: &str = "checkpoint";
const COSIGNED: TableDefinition<u64, &str> = TableDefinition::new("cosigned");

/// Memory that redb may use for its pages, in bytes. A ledger is read from its end, so little is enough.
const CACHE_BYTES: usize = 16 << 20;

/// How much of the ledger one read returns: the first entry always, then as many as fit.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// The most entries.
    pub entries: usize,
    /// The most bytes of records and envelopes, past the first entry.
    pub bytes: usize,
}

/// Why the ledger could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerStoreError {
    /// The file cannot be opened.
    #[error("cannot open the ledger {}", path.display())]
    Open {
        /// The ledger's file.
        path: PathBuf,
        /// Why.
        source: Box<redb::Error>,
    },
    /// A read failed.
    #[error("cannot read the ledger")]
    Read(#[source] Box<redb::Error>),
    /// A transaction failed; what it wrote may or may not be there.
    #[error("cannot write the ledger")]
    Write(#[source] Box<redb::Error>),
    /// What stands there is no entry.
    #[error("entry {index} of the ledger is damaged")]
    Damaged {
        /// Which.
        index: u64,
        /// In what way.
        source: EntryError,
    },
}

impl LedgerStoreError {
    pub(super) fn read(error: impl Into<redb::Error>) -> Self {
        Self::Read(Box::new(error.into()))
    }

    pub(super) fn write(error: impl Into<redb::Error>) -> Self {
        Self::Write(Box::new(error.into()))
    }
}

/// The ledger at rest. One writer at a time is the caller's to see to.
pub trait LedgerStore: Send + Sync {
    /// The entries from index `from` on, as many as the window takes.
    ///
    /// # Errors
    /// [`LedgerStoreError::Read`] and [`LedgerStoreError::Damaged`].
    fn page(&self, from: u64, window: Window) -> Result<Vec<Entry>, LedgerStoreError>;

    /// The entry at `index`, if it is there.
    ///
    /// # Errors
    /// As [`Self::page`].
    fn entry(&self, index: u64) -> Result<Option<Entry>, LedgerStoreError> {
        Ok(self.page(index, Window { entries: 1, bytes: 0 })?.pop())
    }

    /// Where the envelope with this digest stands, if it was recorded.
    ///
    /// # Errors
    /// [`LedgerStoreError::Read`].
    fn index_of(&self, envelope: Sha256) -> Result<Option<u64>, LedgerStoreError>;

    /// The checkpoint that the log last signed, a note; nothing before the first entry.
    ///
    /// # Errors
    /// [`LedgerStoreError::Read`].
    fn checkpoint(&self) -> Result<Option<String>, LedgerStoreError>;

    /// Appends entries from index `first` on and replaces the checkpoint, durably when it returns.
    ///
    /// # Errors
    /// [`LedgerStoreError::Write`]: then nobody knows what is there, and only a new start can tell.
    fn append(
        &self,
        first: u64,
        entries: &[Entry],
        checkpoint: &str,
    ) -> Result<(), LedgerStoreError>;

    /// The checkpoints that witnesses cosigned, notes, by ascending size.
    ///
    /// # Errors
    /// [`LedgerStoreError::Read`].
    fn cosigned(&self) -> Result<Vec<String>, LedgerStoreError>;

    /// Puts `note` in the place of what is kept for `size`, and drops other sizes, durably when it returns.
    /// Unlike the rest, it may be called while another appends.
    ///
    /// # Errors
    /// As [`Self::append`].
    fn keep_cosigned(&self, size: u64, note: &str, dropped: &[u64])
    -> Result<(), LedgerStoreError>;
}

/// The embedded ledger.
#[derive(Debug)]
pub struct RedbLedger {
    database: Arc<Database>,
}

impl RedbLedger {
    /// Opens the ledger at `path`, or makes an empty one; a file left by a kill is mended.
    pub(super) fn open(path: &Path) -> Result<Self, LedgerStoreError> {
        let failed =
            |error| LedgerStoreError::Open { path: path.to_owned(), source: Box::new(error) };
        if !path.exists() {
            make(path).map_err(failed)?;
        }
        let database = Database::builder().set_cache_size(CACHE_BYTES).open(path);
        Ok(Self::on(database.map_err(|error| failed(error.into()))?))
    }

    pub(crate) fn on(database: Database) -> Self {
        Self { database: Arc::new(database) }
    }

    /// The database, which the record of soups shares.
    pub(super) fn database(&self) -> Arc<Database> {
        Arc::clone(&self.database)
    }

    fn begin_read(&self) -> Result<ReadTransaction, LedgerStoreError> {
        self.database.begin_read().map_err(LedgerStoreError::read)
    }
}

/// Makes an empty ledger. It gets its name when it is whole: half a file, which a kill on the way would leave,
/// could not be opened again.
fn make(path: &Path) -> Result<(), redb::Error> {
    let unfinished = path.with_extension("unfinished");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    Database::create(&unfinished)?.close()?;
    File::open(&unfinished)?.sync_all()?;
    Ok(durable::move_file(&unfinished, path)?)
}

/// A table that no transaction has made yet is empty.
pub(super) fn or_empty<T>(table: Result<T, TableError>) -> Result<Option<T>, LedgerStoreError> {
    match table {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(LedgerStoreError::read(error)),
    }
}

impl LedgerStore for RedbLedger {
    fn page(&self, from: u64, window: Window) -> Result<Vec<Entry>, LedgerStoreError> {
        let Some(table) = or_empty(self.begin_read()?.open_table(ENTRIES))? else {
            return Ok(Vec::new());
        };
        let (mut page, mut bytes) = (Vec::new(), 0usize);
        for row in table.range(from..).map_err(LedgerStoreError::read)?.take(window.entries) {
            let (index, halves) = row.map_err(LedgerStoreError::read)?;
            let (record, envelope) = halves.value();
            bytes = bytes.saturating_add(record.len()).saturating_add(envelope.len());
            if !page.is_empty() && bytes > window.bytes {
                break;
            }
            let index = index.value();
            let entry = Entry::parse(record, envelope);
            page.push(entry.map_err(|source| LedgerStoreError::Damaged { index, source })?);
        }
        Ok(page)
    }

    fn index_of(&self, envelope: Sha256) -> Result<Option<u64>, LedgerStoreError> {
        let Some(table) = or_empty(self.begin_read()?.open_table(ENVELOPES))? else {
            return Ok(None);
        };
        let row = table.get(envelope.as_bytes()).map_err(LedgerStoreError::read)?;
        Ok(row.map(|index| index.value()))
    }

    fn checkpoint(&self) -> Result<Option<String>, LedgerStoreError> {
        let Some(table) = or_empty(self.begin_read()?.open_table(NOTES))? else {
            return Ok(None);
        };
        let row = table.get(CHECKPOINT).map_err(LedgerStoreError::read)?;
        Ok(row.map(|text| text.value().to_owned()))
    }

    fn append(
        &self,
        first: u64,
        added: &[Entry],
        checkpoint: &str,
    ) -> Result<(), LedgerStoreError> {
        // redb's own default, immediate durability: the commit returns after the fsync.
        let transaction = self.database.begin_write().map_err(LedgerStoreError::write)?;
        {
            let mut entries = transaction.open_table(ENTRIES).map_err(LedgerStoreError::write)?;
            let mut envelopes =
                transaction.open_table(ENVELOPES).map_err(LedgerStoreError::write)?;
            for (index, entry) in (first..).zip(added) {
                let envelope = entry.envelope();
                let halves = (entry.record(), envelope.as_bytes());
                entries.insert(index, halves).map_err(LedgerStoreError::write)?;
                let digest = envelope.sha256();
                envelopes.insert(digest.as_bytes(), index).map_err(LedgerStoreError::write)?;
            }
            let mut notes = transaction.open_table(NOTES).map_err(LedgerStoreError::write)?;
            notes.insert(CHECKPOINT, checkpoint).map_err(LedgerStoreError::write)?;
        }
        transaction.commit().map_err(LedgerStoreError::write)
    }

    fn cosigned(&self) -> Result<Vec<String>, LedgerStoreError> {
        let Some(table) = or_empty(self.begin_read()?.open_table(COSIGNED))? else {
            return Ok(Vec::new());
        };
        let rows = table.iter().map_err(LedgerStoreError::read)?;
        let note = |row: Result<(_, redb::AccessGuard<'_, &str>), _>| {
            row.map(|(_, note)| note.value().to_owned()).map_err(LedgerStoreError::read)
        };
        rows.map(note).collect()
    }

    fn keep_cosigned(
        &self,
        size: u64,
        note: &str,
        dropped: &[u64],
    ) -> Result<(), LedgerStoreError> {
        let transaction = self.database.begin_write().map_err(LedgerStoreError::write)?;
        {
            let mut table = transaction.open_table(COSIGNED).map_err(LedgerStoreError::write)?;
            table.insert(size, note).map_err(LedgerStoreError::write)?;
            for size in dropped {
                table.remove(size).map_err(LedgerStoreError::write)?;
            }
        }
        transaction.commit().map_err(LedgerStoreError::write)
    }
}

#[cfg(test)]
pub(crate) mod disk;
#[cfg(test)]
mod tests;
