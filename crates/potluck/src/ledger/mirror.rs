//! A copy of a log in a folder, read like a server.
//!
//! ```text
//! checkpoint, tile/…, envelope/…        as `potluck_net::archive` lays them out
//! cosigned                              the latest checkpoint that witnesses cosigned, where it is another
//! blob/<ab>/<BLAKE3>                    experts, where they were copied
//! ```
//!
//! Nothing that is read is believed: whoever reads follows the entries to the checkpoint, as with a server.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use potluck_core::Blake3;
use potluck_log::MAX_NOTE_BYTES;
use potluck_net::LedgerPage;
use potluck_net::archive::{ArchiveError, ArchiveReader};

use super::source::Source;
use crate::failure::{Failure, in_full};

/// How many entries are read at once: what a reader of the folder holds of it.
const PAGE: usize = 256;

/// The latest cosigned checkpoint.
pub(crate) const COSIGNED: &str = "cosigned";

/// A folder with a log, as its checkpoint was when this was opened.
pub(crate) struct Mirror {
    folder: PathBuf,
    reader: ArchiveReader,
}

/// What is wrong with a folder that should hold a log.
pub(crate) fn archive_failure(folder: &Path, error: &ArchiveError) -> Failure {
    let text = format!("{}: {}", folder.display(), in_full(error));
    match error {
        ArchiveError::NoCheckpoint => Failure::input(text)
            .hint("`potluck mirror --address … --log-key … --out DIR` makes a copy of a log"),
        ArchiveError::Write { .. } => Failure::system(text),
        ArchiveError::Read { source, .. } if source.kind() != io::ErrorKind::InvalidData => {
            Failure::system(text)
        }
        _ => Failure::unverified("mirror-damaged", text)
            .hint("`potluck mirror --repair` fetches what is damaged again"),
    }
}

impl Mirror {
    /// Opens the log in `folder`.
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        let reader =
            ArchiveReader::open(folder).map_err(|error| archive_failure(folder, &error))?;
        Ok(Self { folder: folder.to_owned(), reader })
    }

    /// Where it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Where an expert's file lies in a folder, if it was copied.
pub(crate) fn blob_path(folder: &Path, blake3: Blake3) -> PathBuf {
    let digits = blake3.to_string();
    // 64 hexadecimal digits.
    folder.join("blob").join(digits.get(..2).unwrap_or_default()).join(digits)
}

/// The cosigned checkpoint beside the latest one, unverified, where there is one.
fn cosigned(folder: &Path) -> Option<String> {
    let mut note = String::new();
    let file = File::open(folder.join(COSIGNED)).ok()?;
    file.take(MAX_NOTE_BYTES as u64 + 1).read_to_string(&mut note).ok()?;
    Some(note)
}

impl Source for Mirror {
    async fn page(&self, from: u64) -> Result<LedgerPage, Failure> {
        let checkpoint = self.reader.checkpoint().to_owned();
        let entries = self.reader.entries(from).take(PAGE).collect::<Result<_, _>>();
        let entries = entries.map_err(|error| archive_failure(&self.folder, &error))?;
        let cosigned = cosigned(&self.folder).or_else(|| Some(checkpoint.clone()));
        Ok(LedgerPage { checkpoint, cosigned, entries })
    }
}
