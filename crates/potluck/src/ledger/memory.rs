//! What was seen of the ledger before, so that a log that takes something back is caught.
//!
//! One file, `checkpoint`: the note of the last checkpoint that was verified. A log that shows fewer entries than
//! that rolled back; one whose tree had another root at that size forked. Both notes are then kept beside it, as
//! evidence that the log signed both, and the memory stays what it was.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use potluck_log::{CheckpointError, SignedCheckpoint, VerifierKey};

use super::Ledger;
use crate::durable::{self, Readers};
use crate::failure::{Failure, in_full};

/// Why the memory does not confirm a ledger.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemoryError {
    /// The log shows fewer entries than it did.
    #[error(
        "the log was rolled back: it showed {before} entries and shows {now} now; both signed checkpoints are in {}",
        evidence.display()
    )]
    Rollback {
        /// How many entries were seen.
        before: u64,
        /// How many are shown.
        now: u64,
        /// Where both notes are kept.
        evidence: PathBuf,
    },
    /// The log shows another history.
    #[error(
        "the log forked: its first {size} entries are not those that it showed before; both signed checkpoints are in {}",
        evidence.display()
    )]
    Fork {
        /// Up to where the histories should agree.
        size: u64,
        /// Where both notes are kept.
        evidence: PathBuf,
    },
    /// What is remembered is no checkpoint of the pinned log.
    #[error("{} is no checkpoint of the pinned log", path.display())]
    Foreign {
        /// The memory's file.
        path: PathBuf,
        /// Why not.
        source: CheckpointError,
    },
    /// The memory cannot be read or written.
    #[error("cannot read or write {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl From<MemoryError> for Failure {
    fn from(error: MemoryError) -> Self {
        let text = in_full(&error);
        match error {
            MemoryError::Rollback { .. } => Self::unverified("rollback", text)
                .hint("show the evidence to the other parties; trust this log no further"),
            MemoryError::Fork { .. } => Self::unverified("fork", text)
                .hint("show the evidence to the other parties; trust this log no further"),
            MemoryError::Foreign { .. } => {
                Self::input(text).hint("use another folder for another federation")
            }
            MemoryError::File { .. } => Self::system(text),
        }
    }
}

/// A folder that remembers one log.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    folder: PathBuf,
}

/// The memory, held so that no other command of its owner's reads the log meanwhile: of two that did, the slower
/// would take the faster one's view for a longer history.
#[derive(Debug)]
pub(crate) struct Held {
    folder: PathBuf,
    remembered: Option<String>,
    /// Dropped last: it is the lock.
    _lock: File,
}

impl Memory {
    /// The memory in `folder`, which need not exist.
    pub(crate) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Waits until no other command holds it.
    pub(crate) fn hold(&self) -> Result<Held, MemoryError> {
        let lock_path = self.folder.join("lock");
        let lock = fs::create_dir_all(&self.folder)
            .and_then(|()| File::create(&lock_path))
            .and_then(|lock| lock.lock().map(|()| lock))
            .map_err(|source| MemoryError::File { path: lock_path, source })?;
        let path = self.folder.join("checkpoint");
        let remembered = match fs::read_to_string(&path) {
            Ok(note) => Some(note),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(MemoryError::File { path, source }),
        };
        Ok(Held { folder: self.folder.clone(), remembered, _lock: lock })
    }
}

impl Held {
    /// How many entries were seen before; nothing where this is the first time.
    pub(crate) fn is_new(&self) -> bool {
        self.remembered.is_none()
    }

    /// Confirms that `ledger` extends what was seen, and remembers it in its place.
    pub(crate) fn confirm(self, ledger: &Ledger, log: &VerifierKey) -> Result<(), MemoryError> {
        let path = self.folder.join("checkpoint");
        if let Some(note) = &self.remembered {
            let before = SignedCheckpoint::open(note, log)
                .map_err(|source| MemoryError::Foreign { path: path.clone(), source })?;
            self.compare(&before, ledger)?;
        }
        write(&path, ledger.checkpoint().note())
    }

    fn compare(&self, before: &SignedCheckpoint, ledger: &Ledger) -> Result<(), MemoryError> {
        match ledger.root_at(before.size()) {
            Some(root) if root == before.root() => Ok(()),
            Some(_) => {
                let evidence = self.keep_evidence(before, ledger.checkpoint())?;
                Err(MemoryError::Fork { size: before.size(), evidence })
            }
            None => {
                let evidence = self.keep_evidence(before, ledger.checkpoint())?;
                let (before, now) = (before.size(), ledger.checkpoint().size());
                Err(MemoryError::Rollback { before, now, evidence })
            }
        }
    }

    fn keep_evidence(
        &self,
        before: &SignedCheckpoint,
        now: &SignedCheckpoint,
    ) -> Result<PathBuf, MemoryError> {
        let folder = self.folder.join(format!("evidence/{}-{}", before.size(), now.size()));
        write(&folder.join("before"), before.note())?;
        write(&folder.join("now"), now.note())?;
        Ok(folder)
    }
}

fn write(path: &Path, note: &str) -> Result<(), MemoryError> {
    durable::write(path, note.as_bytes(), Readers::Anyone)
        .map_err(|source| MemoryError::File { path: path.to_owned(), source })
}
