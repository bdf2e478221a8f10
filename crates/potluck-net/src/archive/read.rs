//! Reading a log's folder back.

use std::path::Path;

use potluck_core::Entry;
use potluck_core::entry::Record;
use potluck_log::{TILE_WIDTH, Tiles};

use super::{ArchiveError, ArchiveFile, Claim, Files, Folder, Shelf, checkpoint};

/// A log's folder as its checkpoint was when this was opened; the folder may grow meanwhile.
#[derive(Debug)]
pub struct ArchiveReader<F = Folder> {
    files: F,
    note: String,
    claim: Claim,
}

impl ArchiveReader {
    /// Opens the folder `dir`.
    ///
    /// # Errors
    /// [`ArchiveError::NoCheckpoint`], [`ArchiveError::Checkpoint`] and [`ArchiveError::Read`].
    pub fn open(dir: &Path) -> Result<Self, ArchiveError> {
        Self::over(Folder::new(dir))
    }
}

impl<F: Files> ArchiveReader<F> {
    /// As [`ArchiveReader::open`], wherever the files lie.
    ///
    /// # Errors
    /// As [`ArchiveReader::open`].
    pub fn over(files: F) -> Result<Self, ArchiveError> {
        let note = checkpoint(&files)?.ok_or(ArchiveError::NoCheckpoint)?;
        let claim = Claim::of(&note)?;
        Ok(Self { files, note, claim })
    }

    /// The checkpoint, a note, as it stands there.
    pub fn checkpoint(&self) -> &str {
        &self.note
    }

    /// How many entries there are, as the checkpoint says.
    pub fn size(&self) -> u64 {
        self.claim.size
    }

    /// The tree, from which roots and proofs are read.
    ///
    /// # Errors
    /// [`ArchiveError::Tiles`] where the checkpoint speaks of more entries than any log has.
    pub fn tiles(&self) -> Result<Tiles<Shelf<'_, F>>, ArchiveError> {
        Ok(Tiles::new(Shelf(&self.files), self.claim.size)?)
    }

    /// The entries from index `from` on, up to the checkpoint's size. After an error comes nothing more.
    pub fn entries(&self, from: u64) -> impl Iterator<Item = Result<Entry, ArchiveError>> + '_ {
        let mut records = Records { reader: self, next: from, bundle: Vec::new().into_iter() };
        let mut failed = false;
        std::iter::from_fn(move || {
            if failed {
                return None;
            }
            let entry = records.next_entry().transpose();
            failed = matches!(entry, Some(Err(_)));
            entry
        })
    }

    fn entry(&self, index: u64, record: &[u8]) -> Result<Entry, ArchiveError> {
        let malformed = |source| ArchiveError::Entry { index, source };
        let digest = Record::parse(record).map_err(malformed)?.envelope;
        let file = ArchiveFile::Envelope(digest);
        let envelope = self
            .files
            .read(&file.to_string(), file.max_bytes())
            .map_err(|source| ArchiveError::Read { file, source })?
            .ok_or(ArchiveError::Missing { index, file })?;
        Entry::parse(record, &envelope).map_err(malformed)
    }
}

/// The records of a folder, one bundle in memory.
struct Records<'a, F> {
    reader: &'a ArchiveReader<F>,
    next: u64,
    bundle: std::vec::IntoIter<Vec<u8>>,
}

impl<F: Files> Records<'_, F> {
    fn next_entry(&mut self) -> Result<Option<Entry>, ArchiveError> {
        if self.next >= self.reader.size() {
            return Ok(None);
        }
        if self.bundle.len() == 0 {
            let (index, before) =
                (self.next / u64::from(TILE_WIDTH), self.next % u64::from(TILE_WIDTH));
            self.bundle = self.reader.tiles()?.bundle(index)?.into_iter();
            // Less than 256.
            self.bundle.by_ref().take(before as usize).for_each(drop);
        }
        let Some(record) = self.bundle.next() else { return Ok(None) };
        let entry = self.reader.entry(self.next, &record)?;
        self.next += 1;
        Ok(Some(entry))
    }
}
