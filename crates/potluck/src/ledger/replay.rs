//! The replay: entries in, federation and root out, by the same rules that the aggregator applied.
//!
//! An entry is applied and dropped: what stays is the state, the right edge of the tree, and the roots at the few
//! sizes that somebody asked for before they were reached.

use std::collections::BTreeMap;

use potluck_core::entry::Record;
use potluck_core::federation::Effect;
use potluck_core::{Blake3, Entry, Federation, PartyId};
use potluck_log::{Frontier, Hash, SignedCheckpoint, Tree};

use super::LedgerError;

/// One entry and what it brought about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    /// Its place, counted from 0.
    pub(crate) index: u64,
    /// As it came; its signature holds.
    pub(crate) entry: &'a Entry,
    /// What the log's leaf says of it.
    pub(crate) record: &'a Record,
    /// What followed.
    pub(crate) effects: &'a [Effect],
    /// The state after it.
    pub(crate) federation: &'a Federation,
}

/// Where the latest proposal of each party stands.
pub(crate) type Proposals = BTreeMap<PartyId, u64>;

/// A ledger that was replayed, and not yet compared with what the log signed.
#[derive(Debug, Clone)]
pub(crate) struct Replay {
    federation: Federation,
    frontier: Frontier,
    proposals: Proposals,
    /// The roots at the sizes that are watched, as far as they were reached.
    watched: BTreeMap<u64, Option<Hash>>,
    /// All leaves, where a proof must be made of them.
    leaves: Option<Tree>,
}

/// Whether all leaf hashes are kept: some 64 bytes an entry, for whoever must prove what the tree began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// Dropped.
    Dropped,
    /// Kept.
    Kept,
}

impl Replay {
    /// Founds the federation from the first entry.
    pub(crate) fn found(genesis: &Entry, leaves: Leaves) -> Result<Self, LedgerError> {
        let federation = Federation::found(genesis)
            .map_err(|refusal| LedgerError::Entry { index: 0, refusal })?;
        let mut replay = Self::resume(federation, Frontier::new(), Proposals::new());
        replay.leaves = (leaves == Leaves::Kept).then(Tree::new);
        replay.push(genesis)?;
        Ok(replay)
    }

    /// Goes on from a state and the tree's edge at it, which the caller has compared with a checkpoint.
    pub(crate) fn resume(federation: Federation, frontier: Frontier, proposals: Proposals) -> Self {
        Self { federation, frontier, proposals, watched: BTreeMap::new(), leaves: None }
    }

    /// Applies the next entry; its signature and every rule are checked here.
    pub(crate) fn apply(&mut self, entry: &Entry) -> Result<Vec<Effect>, LedgerError> {
        let index = self.len();
        let effects = self
            .federation
            .apply(index, entry)
            .map_err(|refusal| LedgerError::Entry { index, refusal })?;
        self.push(entry)?;
        for effect in &effects {
            if let Effect::Revealed(party) = effect {
                self.proposals.insert(party.clone(), index);
            }
        }
        Ok(effects)
    }

    fn push(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        self.frontier.push(entry.record()).map_err(|_| LedgerError::TooLong)?;
        if let Some(leaves) = &mut self.leaves {
            leaves.push(entry.record());
        }
        let size = self.len();
        if let Some(root) = self.watched.get_mut(&size) {
            *root = Some(self.frontier.root());
        }
        Ok(())
    }

    /// Has the root noted when the tree reaches `size`, or now if it has just that.
    pub(crate) fn watch(&mut self, size: u64) {
        let now = (size == self.len()).then(|| self.frontier.root());
        let known = self.watched.entry(size).or_default();
        *known = known.or(now);
    }

    /// The root that the tree had at `size`, if that is known.
    pub(crate) fn root_at(&self, size: u64) -> Option<Hash> {
        if size == self.len() {
            return Some(self.frontier.root());
        }
        let kept = self.leaves.as_ref().and_then(|leaves| leaves.root_at(size));
        kept.or_else(|| self.watched.get(&size).copied().flatten())
    }

    /// What the tree says that its first `size` leaves were, for evidence; nothing where leaves were dropped.
    pub(crate) fn ancestry(&self, size: u64) -> Option<Vec<Hash>> {
        let leaves = self.leaves.as_ref()?;
        let proof = leaves.consistency(size, leaves.len()).ok()?;
        // RFC 6962 §2.1.2 leaves the old root out where the old tree is one complete subtree.
        let front = size.is_power_of_two().then(|| leaves.root_at(size)).flatten();
        Some(front.into_iter().chain(proof.hashes().iter().copied()).collect())
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> u64 {
        self.frontier.size()
    }

    /// What they amount to.
    pub(crate) fn federation(&self) -> &Federation {
        &self.federation
    }

    /// The right edge of the tree over their records.
    pub(crate) fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// Where each party proposed last.
    pub(crate) fn proposals(&self) -> &Proposals {
        &self.proposals
    }

    /// Compares with what the log signed.
    pub(crate) fn agrees(&self, checkpoint: &SignedCheckpoint) -> Result<(), LedgerError> {
        let (size, signed) = (self.len(), checkpoint.size());
        if size != signed {
            return Err(LedgerError::Count { sent: size, signed });
        }
        let (found, signed) = (self.frontier.root(), checkpoint.root());
        if found != signed {
            return Err(LedgerError::Root { size, found, signed });
        }
        let (found, signed) = (self.federation.digest(), Blake3::from_bytes(checkpoint.state()));
        if found != signed {
            return Err(LedgerError::StateDiffers {
                found: found.to_string(),
                signed: signed.to_string(),
            });
        }
        Ok(())
    }
}
