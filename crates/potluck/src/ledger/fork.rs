//! What a log has signed twice: evidence, made where the contradiction shows and kept beside the memory.
//!
//! Two checkpoints of one size speak for themselves. Of two sizes, the new tree must be seen whole to show what it
//! began with, so the log is followed from its genesis under the checkpoint that it shows now, and what its leaves
//! prove of their beginning is put beside the two notes.

use potluck_log::{ForkEvidence, SignedCheckpoint, VerifierKey};

use super::LedgerError;
use super::follow::{Astray, Followed, Start, follow, unseen};
use super::memory::{Held, MemoryError, write};
use super::replay::Leaves;
use super::source::Source;
use crate::failure::Failure;

/// The file that proves a fork to a third person.
pub(crate) const FORK_FILE: &str = "fork.json";

/// Whether two checkpoints of one log contradict each other by what they say alone.
pub(crate) fn is_fork(one: &SignedCheckpoint, other: &SignedCheckpoint) -> bool {
    one.size() == other.size() && (one.root(), one.state()) != (other.root(), other.state())
}

/// Says what is wrong with a log that could not be followed, and keeps what proves it.
pub(super) async fn explain(
    source: &impl Source,
    log: &VerifierKey,
    held: Option<Held>,
    before: Option<SignedCheckpoint>,
    astray: Astray,
) -> Failure {
    let (Some(held), Some(before)) = (held, before) else { return astray.into() };
    let now = match &astray {
        Astray::Shorter(now) | Astray::Wrong(_, Some(now)) => now.as_ref().clone(),
        Astray::Wrong(_, None) | Astray::Ended(_) => return astray.into(),
    };
    match contradiction(source, log, &held, &before, &now).await {
        Ok(None) => astray.into(),
        Ok(Some(error)) => error.into(),
        Err(failure) => failure,
    }
}

/// Confirms that what was followed extends what was seen.
pub(super) async fn compare(
    source: &impl Source,
    log: &VerifierKey,
    held: &Held,
    before: &SignedCheckpoint,
    followed: &Followed,
) -> Result<(), Failure> {
    let Followed { replay, checkpoint, .. } = followed;
    let is_same_state = before.size() != checkpoint.size() || before.state() == checkpoint.state();
    if replay.root_at(before.size()) == Some(before.root()) && is_same_state {
        return Ok(());
    }
    let error = contradiction(source, log, held, before, checkpoint).await?;
    Err(error.map_or_else(|| LedgerError::Moved.into(), Failure::from))
}

/// The contradiction between what was seen and what is shown, if it can be shown; it is kept.
async fn contradiction(
    source: &impl Source,
    log: &VerifierKey,
    held: &Held,
    before: &SignedCheckpoint,
    now: &SignedCheckpoint,
) -> Result<Option<MemoryError>, Failure> {
    if is_fork(before, now) {
        return forked(held, before, now, &ForkEvidence::of_one_size(before, now)).map(Some);
    }
    if now.size() < before.size() {
        // Only the longer tree could prove more, and of that no leaf was kept.
        let evidence = held.evidence(before, now)?;
        let (before, now) = (before.size(), now.size());
        return Ok(Some(MemoryError::Rollback { before, now, evidence }));
    }
    let whole = follow(source, log, Start::Genesis(Leaves::Kept), &[], &mut unseen).await?;
    let (replay, now) = (&whole.replay, &whole.checkpoint);
    if replay.root_at(before.size()) == Some(before.root()) {
        return Ok(None);
    }
    let ancestry = replay.ancestry(before.size()).unwrap_or_default();
    let evidence = ForkEvidence::rewritten(before, now, ancestry).map_err(Failure::system)?;
    forked(held, before, now, &evidence).map(Some)
}

fn forked(
    held: &Held,
    before: &SignedCheckpoint,
    now: &SignedCheckpoint,
    evidence: &ForkEvidence,
) -> Result<MemoryError, Failure> {
    let folder = held.evidence(before, now)?;
    write(&folder.join(FORK_FILE), &format!("{evidence}\n"))?;
    Ok(MemoryError::Fork { size: before.size().min(now.size()), evidence: folder })
}
