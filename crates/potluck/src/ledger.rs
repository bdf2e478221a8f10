//! The ledger as its readers hold it: replayed, its root recomputed, compared with what the log signed.
//!
//! Nothing that a server says is believed. From the entries, which are applied and dropped as they come
//! ([`mod@follow`]), follow the federation and the root ([`replay`]); both must be what the log signed under the pinned
//! key, and must extend what was seen before ([`memory`]). What contradicts that is kept as evidence ([`fork`]).
//! A member goes on from where it was ([`snapshot`]); a copy of a log in a folder is read like a server ([`mirror`]).
//!
//! ```text
//! hold memory ─▶ snapshot? ─▶ follow: pages ─▶ apply ─▶ root and state are the signed ones ─▶ confirm, remember
//!                                │ not an extension of what was seen
//!                                └─▶ follow from the genesis ─▶ evidence
//! ```

mod cosigned;
mod follow;
mod fork;
mod memory;
mod mirror;
mod replay;
mod snapshot;
mod source;

use potluck_core::federation::LogKey;
use potluck_core::{Federation, FederationName, PartyId, PublicKey, Refusal};
use potluck_log::{CheckpointError, Hash, SignedCheckpoint, VerifierKey};

pub(crate) use self::cosigned::{Standing, cosign_line};
pub(crate) use self::follow::{Followed, Start, Visit, follow, unseen};
pub(crate) use self::fork::{FORK_FILE, is_fork};
pub(crate) use self::memory::{Held, Memory};
pub(crate) use self::mirror::{COSIGNED, Mirror, archive_failure, blob_path};
pub(crate) use self::replay::{Leaves, Line, Replay};
pub(crate) use self::snapshot::read as read_snapshot;
pub(crate) use self::source::Source;
use crate::failure::{Failure, in_full};

/// Why a ledger was not believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    /// The log sent no entry at all.
    #[error("the log holds no entry, not even a genesis")]
    Empty,
    /// The checkpoint is not the log's.
    #[error("the checkpoint is refused")]
    Checkpoint(#[source] CheckpointError),
    /// More or fewer entries than the checkpoint speaks of.
    #[error("the log sent {sent} entries where its checkpoint speaks of {signed}")]
    Count {
        /// How many there are with those that came.
        sent: u64,
        /// How many the checkpoint has.
        signed: u64,
    },
    /// An entry that the rules refuse.
    #[error("entry {index} is refused: {}", refusal.sentence)]
    Entry {
        /// Which, counted from 0.
        index: u64,
        /// Why.
        refusal: Refusal,
    },
    /// What was shown changed while it was looked at.
    #[error("the log shows another history each time that it is asked")]
    Moved,
    /// More entries than any tree has leaves.
    #[error("the log holds more entries than any tree has leaves")]
    TooLong,
    /// A state that nobody could keep.
    #[error("the entries lead to a state of {bytes} bytes, which is more than this reader keeps")]
    StateTooLarge {
        /// How large it is.
        bytes: usize,
    },
    /// The ledger is another log's.
    #[error("the entries speak of the log {found}, not of the pinned one")]
    OtherLog {
        /// The origin and key that they name.
        found: String,
    },
    /// The checkpoint has the signature of a key that was the log's, and is no longer.
    #[error("the log's key is {key} since entry {since}, and did not sign the checkpoint")]
    NotInForce {
        /// The key that is in force.
        key: Box<PublicKey>,
        /// Since when.
        since: u64,
    },
    /// The entries do not have the signed root.
    #[error("the {size} entries have the root {found}, the log signed {signed}")]
    Root {
        /// How many.
        size: u64,
        /// As recomputed.
        found: Hash,
        /// As signed.
        signed: Hash,
    },
    /// The replay does not lead to the signed state.
    #[error("replay leads to the state {found}, the log signed {signed}")]
    StateDiffers {
        /// As recomputed.
        found: String,
        /// As signed.
        signed: String,
    },
}

impl LedgerError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty | Self::Count { .. } | Self::TooLong | Self::Moved => "protocol-error",
            Self::Entry { refusal, .. } => refusal.code.as_str(),
            Self::StateTooLarge { .. } => "state-too-large",
            Self::OtherLog { .. } => "log-mismatch",
            Self::Checkpoint(_) | Self::Root { .. } | Self::NotInForce { .. } => {
                "checkpoint-mismatch"
            }
            Self::StateDiffers { .. } => "state-mismatch",
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        let failure = Self::unverified(error.code(), in_full(&error));
        match error {
            LedgerError::Count { sent, signed } => failure.differs(signed, sent),
            LedgerError::Root { found, signed, .. } => failure.differs(signed, found),
            LedgerError::StateDiffers { found, signed } => failure.differs(signed, found),
            _ => failure,
        }
    }
}

/// A ledger of which everything is verified: each signature and rule, its root and its state.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    replay: Replay,
    checkpoint: SignedCheckpoint,
    /// The latest checkpoint that witnesses cosigned, if it is known to be one of this history.
    cosigned: Option<SignedCheckpoint>,
    /// Whether the log showed another one that could not be placed, as it is older than what was replayed here.
    is_cosigned_unplaced: bool,
}

impl Ledger {
    /// Verifies what came since the last time, or all of it, and remembers it.
    pub(crate) async fn read(
        source: &impl Source,
        log: &VerifierKey,
        memory: Option<&Memory>,
    ) -> Result<Self, Failure> {
        let held = hold(memory)?;
        let start = held.as_ref().and_then(|held| held.resume(log));
        let start = start.map_or(Start::Genesis(Leaves::Dropped), |it| Start::After(Box::new(it)));
        Self::settle(source, log, held, start, &mut unseen).await
    }

    /// Verifies all of it from the genesis on, has each entry looked at, and remembers it.
    pub(crate) async fn read_whole(
        source: &impl Source,
        log: &VerifierKey,
        memory: Option<&Memory>,
        visit: Visit<'_>,
    ) -> Result<Self, Failure> {
        let held = hold(memory)?;
        Self::settle(source, log, held, Start::Genesis(Leaves::Dropped), visit).await
    }

    /// Verifies what came since, and remembers it; the root at `watch` is noted on the way.
    pub(crate) async fn catch_up(
        self,
        source: &impl Source,
        log: &VerifierKey,
        memory: Option<&Memory>,
        watch: u64,
    ) -> Result<Self, Failure> {
        let held = hold(memory)?;
        let (cosigned, mut replay) = (self.cosigned, self.replay);
        replay.watch(watch);
        let start = Start::After(Box::new(replay));
        let mut ledger = Self::settle(source, log, held, start, &mut unseen).await?;
        ledger.cosigned = later(ledger.cosigned, cosigned);
        Ok(ledger)
    }

    /// Follows the log, and holds what comes against what was seen before.
    pub(crate) async fn settle(
        source: &impl Source,
        log: &VerifierKey,
        held: Option<Held>,
        start: Start,
        visit: Visit<'_>,
    ) -> Result<Self, Failure> {
        let before = held.as_ref().map(|held| held.remembered(log)).transpose()?.flatten();
        let watch: Vec<u64> = before.iter().map(SignedCheckpoint::size).collect();
        let followed = match follow(source, log, start, &watch, visit).await {
            Ok(followed) => followed,
            Err(astray) => return Err(fork::explain(source, log, held, before, astray).await),
        };
        if let (Some(held), Some(before)) = (&held, &before) {
            fork::compare(source, log, held, before, &followed).await?;
        }
        if let (Some(held), Some(shown)) = (&held, &followed.cosigned) {
            // What it calls cosigned it has signed, too: it belongs to the same history.
            if followed.replay.root_at(shown.size()).is_some() {
                fork::compare(source, log, held, shown, &followed).await?;
            }
        }
        let known = held.as_ref().and_then(|held| held.cosigned(log));
        let ledger = Self::of(followed, known)?;
        if let Some(held) = held {
            held.remember(&ledger)?;
        }
        Ok(ledger)
    }

    /// Finds the cosigned checkpoint its place in this history, if it has one.
    pub(crate) fn of(followed: Followed, known: Option<SignedCheckpoint>) -> Result<Self, Failure> {
        let Followed { replay, checkpoint, cosigned } = followed;
        let mut ledger = Self { replay, checkpoint, cosigned: known, is_cosigned_unplaced: false };
        let Some(shown) = cosigned.filter(|it| it.size() <= ledger.replay.len()) else {
            return Ok(ledger);
        };
        if fork::is_fork(&shown, &ledger.checkpoint) {
            let message = format!(
                "the log signed two different checkpoints of {} entries: the latest, and the one that it calls cosigned",
                shown.size()
            );
            return Err(Failure::unverified("fork", message));
        }
        match ledger.replay.root_at(shown.size()) {
            Some(root) if root == shown.root() => ledger.cosigned = Some(shown),
            Some(_) => {
                let message = format!(
                    "the log signed another root for {} entries than they lead to, on the checkpoint that it calls cosigned",
                    shown.size()
                );
                return Err(Failure::unverified("fork", message));
            }
            // What was remembered was placed then.
            None => match &ledger.cosigned {
                Some(known) if (known.size(), known.root()) == (shown.size(), shown.root()) => {
                    ledger.cosigned = Some(shown);
                }
                _ => ledger.is_cosigned_unplaced = true,
            },
        }
        Ok(ledger)
    }

    /// What it amounts to.
    pub(crate) fn federation(&self) -> &Federation {
        self.replay.federation()
    }

    /// The signed checkpoint that it was compared with.
    pub(crate) fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// The replay behind it.
    pub(crate) fn replay(&self) -> &Replay {
        &self.replay
    }

    /// The latest checkpoint of this history that witnesses cosigned, as far as it is known.
    pub(crate) fn cosigned(&self) -> Option<&SignedCheckpoint> {
        self.cosigned.as_ref()
    }

    /// Whether the log shows a cosigned checkpoint of which only a replay from the genesis can tell whether it is
    /// of this history.
    pub(crate) fn is_cosigned_unplaced(&self) -> bool {
        self.is_cosigned_unplaced
    }

    /// The root that the tree had when it had `size` entries, where that is known.
    pub(crate) fn root_at(&self, size: u64) -> Option<Hash> {
        self.replay.root_at(size)
    }

    /// Where the party's latest proposal stands.
    pub(crate) fn proposed_at(&self, party: &PartyId) -> Option<u64> {
        self.replay.proposals().get(party).copied()
    }
}

/// Of two checkpoints of one history the later; of equals the first, whose cosignatures are newer.
fn later(
    one: Option<SignedCheckpoint>,
    other: Option<SignedCheckpoint>,
) -> Option<SignedCheckpoint> {
    match (one, other) {
        (Some(one), Some(other)) if other.size() > one.size() => Some(other),
        (one, other) => one.or(other),
    }
}

/// That the log is named after the federation.
fn check_origin(federation: &Federation, log: &VerifierKey) -> Result<(), LedgerError> {
    if log.name().as_str() == origin_of(federation.charter().name()) {
        return Ok(());
    }
    Err(other_log(federation))
}

/// That the pinned key is one that this log has or had, and that the one it has signed the checkpoint. A thief of
/// an earlier key signs none that is believed.
fn check_log_key(
    federation: &Federation,
    log: &VerifierKey,
    checkpoint: &SignedCheckpoint,
) -> Result<(), LedgerError> {
    check_origin(federation, log)?;
    let is_pinned = |it: &LogKey| it.key.as_bytes() == log.public_key().as_bytes();
    if !federation.log_keys().any(|it| is_pinned(&it)) {
        return Err(other_log(federation));
    }
    match federation.log_keys().next_back() {
        Some(LogKey { since, key }) if !checkpoint.is_signed_by(&log_key(log, &key)?) => {
            Err(LedgerError::NotInForce { key: Box::new(key), since })
        }
        _ => Ok(()),
    }
}

/// Another key of the same log, as it is pinned.
pub(crate) fn log_key(log: &VerifierKey, key: &PublicKey) -> Result<VerifierKey, LedgerError> {
    let named = VerifierKey::new(log.name().clone(), *key.as_dalek());
    // A `PublicKey` is canonical and not weak, which is all that a verifier key asks.
    named.map_err(|_| LedgerError::OtherLog { found: format!("{} with {key}", log.name()) })
}

fn other_log(federation: &Federation) -> LedgerError {
    let (name, key) = (origin_of(federation.charter().name()), federation.log());
    LedgerError::OtherLog { found: format!("{name} with {key}") }
}

/// The name of a federation's log.
pub(crate) fn origin_of(name: &FederationName) -> String {
    format!("potluck/{name}")
}

fn hold(memory: Option<&Memory>) -> Result<Option<Held>, Failure> {
    Ok(memory.map(Memory::hold).transpose()?)
}

#[cfg(test)]
mod tests;
