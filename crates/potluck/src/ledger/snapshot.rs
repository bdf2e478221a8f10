//! What a replay left behind, so that the next one goes on from there.
//!
//! ```json
//! {"format": "potluck-snapshot/1", "checkpoint": "<note>", "frontier": "<text>", "proposals": {…}, "state": {…}}
//! ```
//!
//! It need not be believed: the log signed the digest of the state and the root over the frontier in one
//! checkpoint, which stands beside them. What does not agree with that is no snapshot. Only `proposals`, where each
//! party spoke last, is vouched for by nobody; a command uses it to find a receipt again, which it then verifies.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use potluck_core::Federation;
use potluck_core::federation::{MAX_SNAPSHOT, SnapshotError};
use potluck_log::{CheckpointError, Frontier, ParseFrontierError, SignedCheckpoint, VerifierKey};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::replay::{Proposals, Replay};
use super::{LedgerError, check_log_key};

const FORMAT: &str = "potluck-snapshot/1";

/// The state, and room for the checkpoint, the frontier and the proposals.
const MAX_FILE: u64 = MAX_SNAPSHOT as u64 + (1 << 20);

/// Why a file is no snapshot of the pinned log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResumeError {
    /// It cannot be read, or is too long.
    #[error("it cannot be read")]
    File(#[source] io::Error),
    /// Not JSON of those fields.
    #[error("it is malformed: {0}")]
    Malformed(String),
    /// The checkpoint is not the pinned log's.
    #[error("its checkpoint is refused")]
    Checkpoint(#[source] CheckpointError),
    /// The frontier is none.
    #[error("its frontier is malformed")]
    Frontier(#[source] ParseFrontierError),
    /// The state is none.
    #[error("its state is refused")]
    State(#[source] SnapshotError),
    /// State or frontier are not what the log signed.
    #[error("it is not what the log signed")]
    Lies(#[source] LedgerError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    format: String,
    checkpoint: String,
    frontier: String,
    proposals: Proposals,
    /// As it is digested, byte for byte.
    state: Box<RawValue>,
}

/// The text of a snapshot; nothing where the state is too large to be read again.
pub(crate) fn write(replay: &Replay, checkpoint: &SignedCheckpoint) -> Option<String> {
    let state = replay.federation().snapshot();
    if state.len() > MAX_SNAPSHOT {
        return None;
    }
    let text = Text {
        format: FORMAT.to_owned(),
        checkpoint: checkpoint.note().to_owned(),
        frontier: replay.frontier().to_string(),
        proposals: replay.proposals().clone(),
        state: RawValue::from_string(String::from_utf8(state).ok()?).ok()?,
    };
    serde_json::to_string(&text).ok()
}

/// Reads a snapshot and holds it against the checkpoint in it.
///
/// # Errors
/// [`ResumeError`].
pub(crate) fn read(
    path: &Path,
    log: &VerifierKey,
) -> Result<(Replay, SignedCheckpoint), ResumeError> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut text))
        .map_err(ResumeError::File)?;
    if text.len() as u64 > MAX_FILE {
        return Err(ResumeError::File(io::Error::other(format!(
            "it has more than {MAX_FILE} bytes"
        ))));
    }
    parse(&text, log)
}

fn parse(text: &[u8], log: &VerifierKey) -> Result<(Replay, SignedCheckpoint), ResumeError> {
    let text: Text =
        serde_json::from_slice(text).map_err(|error| ResumeError::Malformed(error.to_string()))?;
    if text.format != FORMAT {
        return Err(ResumeError::Malformed(format!("it is not of the format {FORMAT}")));
    }
    let checkpoint =
        SignedCheckpoint::open(&text.checkpoint, log).map_err(ResumeError::Checkpoint)?;
    let frontier: Frontier = text.frontier.parse().map_err(ResumeError::Frontier)?;
    let federation =
        Federation::from_snapshot(text.state.get().as_bytes()).map_err(ResumeError::State)?;
    check_log_key(&federation, log, &checkpoint).map_err(ResumeError::Lies)?;
    let replay = Replay::resume(federation, frontier, text.proposals);
    replay.agrees(&checkpoint).map_err(ResumeError::Lies)?;
    Ok((replay, checkpoint))
}
