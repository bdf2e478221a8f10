//! A witness (C2SP tlog-witness): it remembers the latest checkpoint of each log that it watches,
//! and cosigns only what extends it.
//!
//! ```text
//! request ─ parse ─> known log? ─> signed? ─> old size = remembered? ─> consistent? ─> kept? ─> 200
//!             │400       │404        │403             │409                  │422         │E
//! ```
//!
//! Two checkpoints of one size that differ in anything are never both cosigned, so whoever demands
//! the cosignatures of a majority is shown the same history as everybody else. The clock is the
//! caller's argument and storage its callback: the new checkpoint is kept before the cosignature
//! leaves, and if it cannot be kept, nothing has happened.
//!
//! It cosigns logs of this crate's checkpoints only, with their state line; of others it says that
//! their text is not a checkpoint. One witness serves one request at a time (`&mut self`), which is
//! the atomicity that the specification asks for.

mod request;

use std::collections::BTreeMap;

use crate::checkpoint::{CheckpointError, SignedCheckpoint};
use crate::consistency::ConsistencyError;
use crate::cosignature::{CosignError, Cosigner, CosignerKey};
use crate::evidence::ForkEvidence;
use crate::hash::Hash;
use crate::key::VerifierKey;
use crate::note::Note;
use crate::origin::Origin;

pub use request::{AddCheckpoint, AddCheckpointError, MAX_ADD_CHECKPOINT_BYTES};

/// A witness's key, and what it remembers.
#[derive(Clone, Debug)]
pub struct Witness {
    cosigner: Cosigner,
    logs: BTreeMap<Origin, Watched>,
}

/// One log, and the latest of its checkpoints that this witness cosigned.
#[derive(Clone, Debug)]
struct Watched {
    key: VerifierKey,
    latest: Option<SignedCheckpoint>,
}

/// What a witness answers to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WitnessAnswer {
    /// The checkpoint is cosigned, and kept.
    Cosigned {
        /// The signature line, its newline included.
        line: String,
    },
    /// It is not, and what the witness remembers is as before.
    Refused(WitnessRefusal),
}

/// Why a witness cosigns nothing; its text may be shown to whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WitnessRefusal {
    /// The request does not parse.
    #[error("{0}")]
    Malformed(AddCheckpointError),
    /// It is the log's note, but not a checkpoint of this crate's form.
    #[error("{0}")]
    NotACheckpoint(CheckpointError),
    /// The old size is above the checkpoint's.
    #[error("a log never shrinks, so {old} leaves cannot come before {size}")]
    Shrinks {
        /// The old size in the request.
        old: u64,
        /// The checkpoint's size.
        size: u64,
    },
    /// No such log is watched.
    #[error("this witness does not watch that log")]
    UnknownLog,
    /// The log's key did not sign the checkpoint.
    #[error("{0}")]
    NotTheLogs(CheckpointError),
    /// The witness remembers another size than the request's old size.
    #[error("the latest cosigned checkpoint has {size} leaves")]
    Conflict {
        /// The size remembered.
        size: u64,
    },
    /// The checkpoint is not shown to extend the remembered one.
    #[error("{error}")]
    Inconsistent {
        /// In what the proof fails.
        error: ConsistencyError,
        /// Where the request itself proves that the log forked: what to show others.
        evidence: Option<Box<ForkEvidence>>,
    },
    /// The checkpoint is of the remembered size and root, and states another state.
    #[error("the log stated another state for this tree before")]
    OtherState {
        /// What to show others.
        evidence: Box<ForkEvidence>,
    },
    /// The witness itself is at fault: its clock.
    #[error("{0}")]
    Unable(CosignError),
}

/// A remembered checkpoint is not of the log that it is said to be of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the checkpoint that was kept for {log} is of {found}")]
pub struct WatchError {
    /// The log to be watched.
    pub log: Origin,
    /// The log of the checkpoint.
    pub found: Origin,
}

impl Witness {
    /// A witness that watches no log yet.
    pub fn new(cosigner: Cosigner) -> Self {
        Self { cosigner, logs: BTreeMap::new() }
    }

    /// The witness's public key.
    pub fn key(&self) -> &CosignerKey {
        self.cosigner.cosigner_key()
    }

    /// Watches the log whose key is `log`, from the checkpoint that was kept last, if any was.
    ///
    /// What is remembered of a log that is watched already is only ever exchanged for a larger size.
    pub fn watch(
        &mut self,
        log: VerifierKey,
        latest: Option<SignedCheckpoint>,
    ) -> Result<(), WatchError> {
        if let Some(found) = latest.as_ref().filter(|latest| latest.origin() != log.name()) {
            return Err(WatchError { log: log.name().clone(), found: found.origin().clone() });
        }
        let before = self.logs.remove(log.name()).and_then(|watched| watched.latest);
        // Of equals the last, which is the one remembered.
        let latest = latest.into_iter().chain(before).max_by_key(SignedCheckpoint::size);
        self.logs.insert(log.name().clone(), Watched { key: log, latest });
        Ok(())
    }

    /// The latest checkpoint of a log that this witness cosigned, with the log's signature and its
    /// own: what it serves to monitors, and what the next one must extend.
    pub fn latest(&self, log: &Origin) -> Option<&SignedCheckpoint> {
        self.logs.get(log)?.latest.as_ref()
    }

    /// Answers a request at `time`, in seconds since 1970.
    ///
    /// `keep` must make the checkpoint durable, in place of the last one of its log. It is called
    /// at most once, when all checks have passed; its error is handed on, and nothing is cosigned.
    pub fn add_checkpoint<E>(
        &mut self,
        request: &[u8],
        time: u64,
        keep: impl FnOnce(&SignedCheckpoint) -> Result<(), E>,
    ) -> Result<WitnessAnswer, E> {
        let (cosigned, line) = match self.cosign(request, time) {
            Ok(cosigned) => cosigned,
            Err(refusal) => return Ok(WitnessAnswer::Refused(refusal)),
        };
        keep(&cosigned)?;
        if let Some(watched) = self.logs.get_mut(cosigned.origin()) {
            watched.latest = Some(cosigned);
        }
        Ok(WitnessAnswer::Cosigned { line })
    }

    /// The checks, in the order of the specification, and the cosignature that they allow.
    fn cosign(
        &self,
        request: &[u8],
        time: u64,
    ) -> Result<(SignedCheckpoint, String), WitnessRefusal> {
        let request = AddCheckpoint::parse(request).map_err(WitnessRefusal::Malformed)?;
        let watched = self.watched(&request.checkpoint).ok_or(WitnessRefusal::UnknownLog)?;
        let mut checkpoint = open(&request.checkpoint, &watched.key)?;
        let (old, size) = (request.old_size, checkpoint.size());
        if old > size {
            return Err(WitnessRefusal::Shrinks { old, size });
        }
        let latest = watched.latest.as_ref();
        let (latest_size, latest_root) =
            latest.map_or((0, Hash::empty_root()), |latest| (latest.size(), latest.root()));
        if old != latest_size {
            return Err(WitnessRefusal::Conflict { size: latest_size });
        }
        let consistent = request
            .proof
            .verify(old, &latest_root, size, &checkpoint.root())
            .map_err(|error| inconsistent(error, watched, &checkpoint, &request))?;
        // The extension line is signed too, so a second state for one tree is a second history.
        let same_tree = latest.filter(|latest| latest.size() == size);
        if let Some(latest) = same_tree.filter(|latest| latest.state() != checkpoint.state()) {
            let evidence = Box::new(ForkEvidence::of_one_size(latest, &checkpoint));
            return Err(WitnessRefusal::OtherState { evidence });
        }
        let line = self.cosigner.cosign(&checkpoint, &consistent, time);
        let line = line.map_err(WitnessRefusal::Unable)?;
        let text = format!("{line}\n");
        // Signatures of strangers are not kept: the log's, and this witness's own.
        let log = checkpoint.parsed_note().signatures().iter();
        let log = log.filter(|line| line.names(watched.key.name(), watched.key.id()));
        let signatures = log.take(1).cloned().chain([line]).collect();
        checkpoint.replace_signatures(signatures);
        Ok((checkpoint, text))
    }

    /// The log that a note says it is of: nobody has vouched for that yet.
    fn watched(&self, note: &Note) -> Option<&Watched> {
        let origin = note.text().split('\n').next()?;
        self.logs.get(&origin.parse::<Origin>().ok()?)
    }
}

fn open(note: &Note, log: &VerifierKey) -> Result<SignedCheckpoint, WitnessRefusal> {
    SignedCheckpoint::open_note(note, log).map_err(|error| match error {
        CheckpointError::Signature(_) => WitnessRefusal::NotTheLogs(error),
        _ => WitnessRefusal::NotACheckpoint(error),
    })
}

/// A refused proof, with the evidence that may lie in it: the log signed both checkpoints.
fn inconsistent(
    error: ConsistencyError,
    watched: &Watched,
    checkpoint: &SignedCheckpoint,
    request: &AddCheckpoint,
) -> WitnessRefusal {
    let claimed = watched.latest.as_ref().and_then(|latest| {
        if latest.size() == checkpoint.size() {
            return Some(ForkEvidence::of_one_size(latest, checkpoint));
        }
        ForkEvidence::rewritten(latest, checkpoint, request.proof.hashes().to_vec()).ok()
    });
    let evidence = claimed.filter(|evidence| evidence.verify(&watched.key).is_ok()).map(Box::new);
    WitnessRefusal::Inconsistent { error, evidence }
}

impl WitnessAnswer {
    /// The status of the HTTP answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Cosigned { .. } => 200,
            Self::Refused(refusal) => refusal.status(),
        }
    }

    /// The media type of the HTTP answer's body.
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Refused(WitnessRefusal::Conflict { .. }) => "text/x.tlog.size",
            _ => "text/plain; charset=utf-8",
        }
    }

    /// The HTTP answer's body: the signature line, the size remembered, or a sentence.
    pub fn body(&self) -> String {
        match self {
            Self::Cosigned { line } => line.clone(),
            Self::Refused(WitnessRefusal::Conflict { size }) => format!("{size}\n"),
            Self::Refused(refusal) => format!("{refusal}\n"),
        }
    }
}

impl WitnessRefusal {
    /// The status of the HTTP answer (C2SP tlog-witness, "add-checkpoint").
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::NotACheckpoint(_) | Self::Shrinks { .. } => 400,
            Self::NotTheLogs(_) => 403,
            Self::UnknownLog => 404,
            Self::Conflict { .. } => 409,
            Self::Inconsistent { .. } | Self::OtherState { .. } => 422,
            Self::Unable(_) => 500,
        }
    }
}

#[cfg(test)]
mod tests;
