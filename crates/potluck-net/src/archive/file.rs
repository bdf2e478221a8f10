//! The files of a log's folder by their names, and what a server says of each.

use std::fmt;
use std::str::FromStr;

use potluck_core::Sha256;
use potluck_core::entry::MAX_RECORD;
use potluck_core::envelope::MAX_ENVELOPE;
use potluck_log::{MAX_NOTE_BYTES, TileId};

/// One file of a log's folder. As text it is its path in the folder, of which there is one a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFile {
    /// The latest checkpoint.
    Checkpoint,
    /// Hashes or records.
    Tile(TileId),
    /// A signed statement.
    Envelope(Sha256),
}

/// A path that names no file of a log's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a log has no file of that name")]
pub struct ArchiveFileError;

impl ArchiveFile {
    /// The most bytes that it can have.
    pub fn max_bytes(&self) -> usize {
        match self {
            Self::Checkpoint => MAX_NOTE_BYTES,
            // Each record behind two bytes for its length.
            Self::Tile(tile) => {
                tile.hash_bytes().unwrap_or(usize::from(tile.width()) * (2 + MAX_RECORD))
            }
            Self::Envelope(_) => MAX_ENVELOPE,
        }
    }

    /// Whether its bytes stay the same for ever.
    pub fn is_immutable(&self) -> bool {
        *self != Self::Checkpoint
    }

    /// Its media type.
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Checkpoint => "text/plain; charset=utf-8",
            Self::Tile(_) => "application/octet-stream",
            Self::Envelope(_) => "application/json",
        }
    }
}

impl fmt::Display for ArchiveFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint => f.write_str("checkpoint"),
            Self::Tile(tile) => tile.fmt(f),
            Self::Envelope(envelope) => {
                let hex = envelope.to_string();
                write!(f, "envelope/{}/{hex}", &hex[..2])
            }
        }
    }
}

impl FromStr for ArchiveFile {
    type Err = ArchiveFileError;

    fn from_str(path: &str) -> Result<Self, ArchiveFileError> {
        if path == "checkpoint" {
            return Ok(Self::Checkpoint);
        }
        let Some(rest) = path.strip_prefix("envelope/") else {
            return path.parse().map(Self::Tile).map_err(|_| ArchiveFileError);
        };
        let (folder, hex) = rest.split_once('/').ok_or(ArchiveFileError)?;
        let envelope: Sha256 = hex.parse().map_err(|_| ArchiveFileError)?;
        if hex.get(..2) == Some(folder) {
            Ok(Self::Envelope(envelope))
        } else {
            Err(ArchiveFileError)
        }
    }
}
