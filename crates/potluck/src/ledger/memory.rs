//! What was seen of the ledger before, so that a log that takes something back is caught.
//!
//! ```text
//! checkpoint   the note of the last checkpoint that was verified
//! cosigned     the note of the latest one that witnesses cosigned
//! snapshot     the state at the checkpoint, from which the next command goes on; it may be missing or old
//! evidence/    what a log that forked or rolled back has signed
//! ```
//!
//! A log that shows fewer entries than the checkpoint rolled back; one whose tree had another root at that size
//! forked. The memory then stays what it was.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use potluck_log::{CheckpointError, MAX_NOTE_BYTES, SignedCheckpoint, VerifierKey};

use super::Ledger;
use super::replay::Replay;
use super::snapshot;
use crate::durable::{self, Readers};
use crate::failure::{Failure, in_full};

/// Why the memory does not confirm a ledger.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemoryError {
    /// The log shows fewer entries than it did.
    #[error(
        "the log was rolled back: it showed {before} entries and shows {now} now; the evidence is in {}",
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
        "the log forked: its first {size} entries are not those that it showed before; the evidence is in {}",
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
                .hint(
                    "keep the folder: where another party or a mirror has the missing entries, `potluck evidence compare` makes proof of it",
                ),
            MemoryError::Fork { .. } => Self::unverified("fork", text)
                .hint("`potluck evidence verify` proves it to anybody; show it to the other parties; trust this log no further"),
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
    checkpoint: Option<String>,
    cosigned: Option<String>,
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
        let checkpoint = read(&self.folder.join("checkpoint"))?;
        let cosigned = read(&self.folder.join("cosigned"))?;
        Ok(Held { folder: self.folder.clone(), checkpoint, cosigned, _lock: lock })
    }
}

impl Held {
    /// Whether nothing was seen before.
    pub(crate) fn is_new(&self) -> bool {
        self.checkpoint.is_none()
    }

    /// The last checkpoint that was seen.
    pub(crate) fn remembered(
        &self,
        log: &VerifierKey,
    ) -> Result<Option<SignedCheckpoint>, MemoryError> {
        let open = |note: &String| SignedCheckpoint::open(note, log);
        let path = || self.folder.join("checkpoint");
        let opened = self.checkpoint.as_ref().map(open).transpose();
        opened.map_err(|source| MemoryError::Foreign { path: path(), source })
    }

    /// The latest cosigned checkpoint that was seen. What is none is forgotten: it only spares a download.
    pub(super) fn cosigned(&self, log: &VerifierKey) -> Option<SignedCheckpoint> {
        self.cosigned.as_ref().and_then(|note| SignedCheckpoint::open(note, log).ok())
    }

    /// Where the last replay ended, if that is kept and agrees with what was seen. What does not is no snapshot,
    /// and the replay begins at the genesis.
    pub(crate) fn resume(&self, log: &VerifierKey) -> Option<Replay> {
        let seen = self.remembered(log).ok()??;
        let (replay, of) = snapshot::read(&self.folder.join("snapshot"), log).ok()?;
        let agrees = of.size() < seen.size()
            || (of.size(), of.root(), of.state()) == (seen.size(), seen.root(), seen.state());
        agrees.then_some(replay)
    }

    /// Remembers a ledger that extends what was seen. The checkpoint comes first: a snapshot that is older than it
    /// only costs time.
    pub(crate) fn remember(self, ledger: &Ledger) -> Result<(), MemoryError> {
        let note = ledger.checkpoint().note();
        let cosigned = ledger.cosigned().map(SignedCheckpoint::note);
        if let Some(note) = cosigned.filter(|note| self.cosigned.as_deref() != Some(note)) {
            write(&self.folder.join("cosigned"), note)?;
        }
        let path = self.folder.join("snapshot");
        if self.checkpoint.as_deref() == Some(note) && path.exists() && self.is_fresh(ledger) {
            return Ok(());
        }
        write(&self.folder.join("checkpoint"), note)?;
        match snapshot::write(ledger.replay(), ledger.checkpoint()) {
            Some(text) => write(&path, &text),
            None => Ok(()),
        }
    }

    /// Whether the snapshot is that of the checkpoint; a damaged one is written anew.
    fn is_fresh(&self, ledger: &Ledger) -> bool {
        let path = self.folder.join("snapshot");
        let expected = snapshot::write(ledger.replay(), ledger.checkpoint());
        let length = expected.as_ref().map(|text| text.len() as u64);
        fs::metadata(&path).ok().map(|found| found.len()) == length
            && fs::read(&path).ok() == expected.map(String::into_bytes)
    }

    /// A folder for what two checkpoints contradict.
    pub(super) fn evidence(
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

/// A note's file, if there is one; never more of it than a note has.
pub(super) fn read(path: &Path) -> Result<Option<String>, MemoryError> {
    let failed = |source| MemoryError::File { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut note = String::new();
    file.take(MAX_NOTE_BYTES as u64 + 1).read_to_string(&mut note).map_err(failed)?;
    Ok(Some(note))
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), MemoryError> {
    durable::write(path, text.as_bytes(), Readers::Anyone)
        .map_err(|source| MemoryError::File { path: path.to_owned(), source })
}
