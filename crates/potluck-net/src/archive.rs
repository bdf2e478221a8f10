//! A log as a folder of files that never change: what the aggregator serves, and what a mirror keeps.
//!
//! ```text
//! checkpoint                          the latest signed checkpoint, a note with its cosignatures
//! tile/<L>/<N>[.p/<W>]                hashes of the tree      (C2SP tlog-tiles)
//! tile/entries/<N>[.p/<W>]            the records themselves  (C2SP tlog-tiles)
//! envelope/<ab>/<SHA-256 in hex>      the signed statements that the records name
//! ```
//!
//! [`ArchiveWriter`] grows such a folder, [`ArchiveReader`] streams it back. Envelopes and full tiles are
//! written first, then the partial tiles of the size of which the checkpoint speaks, then the checkpoint; so
//! a kill at any instant leaves what the checkpoint before speaks of. Nothing is synced: whoever holds the
//! truth elsewhere writes the folder again ([`ArchiveWriter::begin`]), which leaves alone what is right, and
//! whoever has only the folder finds out when it is replayed.
//!
//! Nothing that is read here is verified: whose checkpoint it is, and whether the records are those of its
//! root, is the caller's to ask. Blocking; memory is bounded by one bundle and one envelope.

mod file;
mod folder;
mod read;
mod write;

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use potluck_core::entry::EntryError;
use potluck_log::{BundleError, Hash, MAX_NOTE_BYTES, Note, TileError, TileId, TreeFull};

pub use file::{ArchiveFile, ArchiveFileError};
pub use folder::{Files, Folder, Shelf};
pub use read::ArchiveReader;
pub use write::ArchiveWriter;

/// Why a log's folder could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file cannot be read.
    #[error("cannot read {file} of the log's folder")]
    Read {
        /// Which.
        file: ArchiveFile,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written, listed or removed.
    #[error("cannot write {name} in the log's folder")]
    Write {
        /// Which file or folder.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The folder holds no log, or not yet.
    #[error("the log's folder has no checkpoint")]
    NoCheckpoint,
    /// The checkpoint does not say which tree it is of.
    #[error("the checkpoint of the log's folder is malformed")]
    Checkpoint,
    /// The tiles give no answer.
    #[error("the tiles of the log's folder cannot be used")]
    Tiles(#[from] TileError<io::Error>),
    /// The checkpoint is of another tree than the records.
    #[error("the records of the log's folder are not those of the checkpoint of {size} entries")]
    OtherTree {
        /// The checkpoint's size.
        size: u64,
    },
    /// A record or its envelope is malformed.
    #[error("entry {index} of the log's folder is malformed")]
    Entry {
        /// Which.
        index: u64,
        /// In what way.
        source: EntryError,
    },
    /// An envelope is not there.
    #[error("{file}, which entry {index} names, is missing from the log's folder")]
    Missing {
        /// The entry.
        index: u64,
        /// The envelope.
        file: ArchiveFile,
    },
    /// A record fits in no bundle.
    #[error("a record cannot be kept in {tile}")]
    Bundle {
        /// In which.
        tile: TileId,
        /// Why.
        source: BundleError,
    },
    /// The tree has no room.
    #[error(transparent)]
    Full(#[from] TreeFull),
}

/// The tree of which a checkpoint speaks, whoever signed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Claim {
    size: u64,
    root: Hash,
}

impl Claim {
    /// Reads the second and the third line of a note.
    fn of(note: &str) -> Result<Self, ArchiveError> {
        let note = Note::parse(note.as_bytes()).map_err(|_| ArchiveError::Checkpoint)?;
        let mut lines = note.text().lines().skip(1);
        let (size, root) = (lines.next(), lines.next());
        let size = size.and_then(|size| size.parse().ok()).ok_or(ArchiveError::Checkpoint)?;
        let root = root.and_then(from_base64).ok_or(ArchiveError::Checkpoint)?;
        Ok(Self { size, root })
    }
}

fn from_base64(text: &str) -> Option<Hash> {
    // 32 bytes are 44 characters: look before decoding anything longer.
    let bytes = if text.len() == 44 { STANDARD.decode(text).ok()? } else { return None };
    bytes.try_into().ok().map(Hash)
}

/// The checkpoint of a folder, if there is one.
fn checkpoint(files: &impl Files) -> Result<Option<String>, ArchiveError> {
    let file = ArchiveFile::Checkpoint;
    let bytes = files
        .read(&file.to_string(), MAX_NOTE_BYTES)
        .map_err(|source| ArchiveError::Read { file, source })?;
    bytes.map(|bytes| String::from_utf8(bytes).map_err(|_| ArchiveError::Checkpoint)).transpose()
}

#[cfg(test)]
mod tests;
