//! Following a log: pages come, entries are applied and dropped, up to the checkpoint that came first.
//!
//! A log may grow while it is read; what it appends meanwhile is for the next time. So the loop ends: every page
//! brings it nearer to a number that was signed before it began. What a source can make its reader hold is one page
//! and the state, and a state that outgrows [`MAX_SNAPSHOT`] is refused.

use potluck_core::entry::Record;
use potluck_core::federation::MAX_SNAPSHOT;
use potluck_core::{Entry, Federation};
use potluck_log::{SignedCheckpoint, VerifierKey};

use super::replay::{Leaves, Line, Replay};
use super::source::Source;
use super::{LedgerError, check_log_key, check_origin};
use crate::failure::Failure;

/// After so many bytes of entries the state is measured again. It grows by no more than what entries say.
const MEASURE: usize = MAX_SNAPSHOT / 4;

/// Looks at each entry as it goes by.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(Line<'_>) -> Result<(), Failure>;

/// Where to begin.
#[derive(Debug)]
pub(crate) enum Start {
    /// At the genesis.
    Genesis(Leaves),
    /// Where an earlier replay ended.
    After(Box<Replay>),
}

/// A replay that agrees with what the log signed over it.
#[derive(Debug)]
pub(crate) struct Followed {
    /// What was replayed.
    pub(crate) replay: Replay,
    /// The checkpoint that it agrees with.
    pub(crate) checkpoint: SignedCheckpoint,
    /// The latest checkpoint that is said to be cosigned; the log's signature on it holds, no other was looked at.
    pub(crate) cosigned: Option<SignedCheckpoint>,
}

/// Why a log could not be followed.
#[derive(Debug)]
pub(crate) enum Astray {
    /// It shows fewer entries than were replayed before.
    Shorter(Box<SignedCheckpoint>),
    /// What came does not lead to what the log signed.
    Wrong(LedgerError, Option<Box<SignedCheckpoint>>),
    /// It could not be read, or whoever looks at the entries ended it.
    Ended(Failure),
}

impl From<Failure> for Astray {
    fn from(failure: Failure) -> Self {
        Self::Ended(failure)
    }
}

impl From<Astray> for Failure {
    fn from(astray: Astray) -> Self {
        match astray {
            // Whoever has a memory looks at this before: here nobody replayed more than is shown.
            Astray::Shorter(now) => {
                LedgerError::Count { sent: now.size().saturating_add(1), signed: now.size() }.into()
            }
            Astray::Wrong(error, _) => error.into(),
            Astray::Ended(failure) => failure,
        }
    }
}

/// Follows the log from `start` to the checkpoint of its first page. The roots at the sizes in `watch`, and at the
/// size of what is said to be cosigned, are noted on the way.
pub(crate) async fn follow(
    source: &impl Source,
    log: &VerifierKey,
    start: Start,
    watch: &[u64],
    visit: Visit<'_>,
) -> Result<Followed, Astray> {
    let from = match &start {
        Start::Genesis(_) => 0,
        Start::After(replay) => replay.len(),
    };
    let mut page = source.page(from).await?;
    let checkpoint = SignedCheckpoint::open(&page.checkpoint, log)
        .map_err(|error| Astray::Wrong(LedgerError::Checkpoint(error), None))?;
    // What is no checkpoint of this log says nothing about it.
    let cosigned = page.cosigned.as_deref().and_then(|it| SignedCheckpoint::open(it, log).ok());
    let wrong = |error| Astray::Wrong(error, Some(Box::new(checkpoint.clone())));
    if checkpoint.size() < from {
        return Err(Astray::Shorter(Box::new(checkpoint)));
    }

    let mut walk = Walk { visit, unmeasured: 0 };
    let mut replay = match start {
        Start::After(replay) => *replay,
        Start::Genesis(leaves) => {
            let genesis = page.entries.first().ok_or(LedgerError::Empty).map_err(wrong)?;
            let replay = Replay::found(genesis, leaves).map_err(wrong)?;
            walk.show(&replay, genesis, &[])?;
            page.entries.remove(0);
            replay
        }
    };
    check_origin(replay.federation(), log).map_err(wrong)?;
    let cosigned_size = cosigned.as_ref().map(SignedCheckpoint::size);
    watch.iter().copied().chain(cosigned_size).for_each(|size| replay.watch(size));
    loop {
        let due = checkpoint
            .size()
            .checked_sub(replay.len())
            .ok_or(LedgerError::Count { sent: replay.len(), signed: checkpoint.size() });
        let due = usize::try_from(due.map_err(wrong)?).unwrap_or(usize::MAX);
        // Taken out of the page, so that nothing of it stays while the next one comes.
        for entry in std::mem::take(&mut page.entries).into_iter().take(due) {
            let effects = replay.apply(&entry).map_err(wrong)?;
            walk.show(&replay, &entry, &effects)?;
        }
        if replay.len() == checkpoint.size() {
            break;
        }
        page = source.page(replay.len()).await?;
        if page.entries.is_empty() {
            let (sent, signed) = (replay.len(), checkpoint.size());
            return Err(wrong(LedgerError::Count { sent, signed }));
        }
    }
    check_log_key(replay.federation(), log, &checkpoint).map_err(wrong)?;
    replay.agrees(&checkpoint).map_err(wrong)?;
    Ok(Followed { replay, checkpoint, cosigned })
}

/// What happens at each entry beside the replay.
struct Walk<'a> {
    visit: Visit<'a>,
    /// Bytes of entries since the state was measured.
    unmeasured: usize,
}

impl Walk<'_> {
    fn show(
        &mut self,
        replay: &Replay,
        entry: &Entry,
        effects: &[potluck_core::federation::Effect],
    ) -> Result<(), Astray> {
        let federation = replay.federation();
        self.measure(federation, entry)?;
        let index = replay.len().saturating_sub(1);
        // An entry that was applied has the record of its envelope.
        let record = Record::parse(entry.record()).map_err(Failure::system)?;
        (self.visit)(Line { index, entry, record: &record, effects, federation })?;
        Ok(())
    }

    fn measure(&mut self, federation: &Federation, entry: &Entry) -> Result<(), Astray> {
        self.unmeasured = self.unmeasured.saturating_add(entry.envelope().as_bytes().len());
        if self.unmeasured > MEASURE {
            self.unmeasured = 0;
            let bytes = federation.snapshot().len();
            if bytes > MAX_SNAPSHOT {
                return Err(Astray::Wrong(LedgerError::StateTooLarge { bytes }, None));
            }
        }
        Ok(())
    }
}

/// Looks at nothing.
pub(crate) fn unseen(_: Line<'_>) -> Result<(), Failure> {
    Ok(())
}
