//! The one state that changes: the federation as the latest entry leaves it, and the edge of its tree.

use std::sync::Arc;

use potluck_core::federation::Effect;
use potluck_core::{Entry, Federation, PublicKey, Refusal, Sha256};
use potluck_log::{CosignerKey, Frontier, InclusionProof, TileEdge, TileId, TreeFull};
use potluck_net::archive::{ArchiveError, ArchiveFile, Files as _};

use super::signers::Signers;
use super::standing::{Standing, witnesses};
use super::{LogFiles, unreadable};
use crate::catalogue::Catalogue;
use crate::history::History;
use crate::store::ledger::LedgerStore;
use crate::submission::record::Warrant;

/// What is appended to. An entry that is refused leaves it as it was; nothing in it is copied for an entry but
/// what is published.
pub(super) struct Writer {
    federation: Federation,
    catalogue: Arc<Catalogue>,
    history: Arc<History>,
    frontier: Frontier,
    /// That the latest entry stands in the tree.
    latest: InclusionProof,
    edge: TileEdge,
    /// Tiles that were filled since the last ones were kept.
    filled: Vec<(TileId, Vec<u8>)>,
    /// The federation's witnesses, and their keys as notes name them.
    named: Vec<(String, PublicKey)>,
    witnesses: Arc<Vec<CosignerKey>>,
}

/// Where an entry stands.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) index: u64,
    pub(super) record: Vec<u8>,
}

impl Writer {
    /// The writer after the entry that founds `federation`.
    pub(super) fn new(federation: Federation, first: &Entry) -> Result<Self, TreeFull> {
        let catalogue = Arc::new(Catalogue::of(&federation));
        let history = Arc::new(History::of(&federation, first));
        let (named, keys) = (federation.witnesses(), Arc::new(witnesses(&federation)));
        let (frontier, edge, filled) = (Frontier::new(), TileEdge::new(), Vec::new());
        let latest = frontier.next_inclusion();
        let mut writer = Self {
            federation,
            catalogue,
            history,
            frontier,
            latest,
            edge,
            filled,
            named,
            witnesses: keys,
        };
        writer.grow(first)?;
        Ok(writer)
    }

    /// What the entries amount to.
    pub(super) fn federation(&self) -> &Federation {
        &self.federation
    }

    /// How many entries it has applied.
    pub(super) fn size(&self) -> u64 {
        self.federation.size()
    }

    /// Applies the next entry, or leaves everything as it was.
    pub(super) fn apply(&mut self, entry: &Entry) -> Result<(), Refusal> {
        let effects = self.federation.apply(self.size(), entry)?;
        self.follow(entry, &effects)
    }

    /// Applies what a warrant lets through and adds it to `added`, of which the first has index `first`; or
    /// finds where the same envelope stands already.
    pub(super) fn place(
        &mut self,
        warrant: Warrant,
        clock: u64,
        first: u64,
        added: &mut Vec<Entry>,
        store: &dyn LedgerStore,
    ) -> Result<Placed, Refusal> {
        let authentic = warrant.into_authentic();
        let (index, envelope) = (self.size(), authentic.digest());
        match self.federation.take(authentic, clock.max(self.federation.time())) {
            Ok((entry, effects)) => {
                self.follow(&entry, &effects)?;
                let record = entry.record().to_vec();
                added.push(entry);
                Ok(Placed { index, record })
            }
            Err(refusal) => found(envelope, first, added, store)?.ok_or(refusal),
        }
    }

    /// Brings the rest to where the federation is.
    fn follow(&mut self, entry: &Entry, effects: &[Effect]) -> Result<(), Refusal> {
        self.grow(entry).map_err(|error| {
            Refusal::new(potluck_core::Code::Internal, format!("the ledger is full: {error}"))
        })?;
        self.history.note(&self.federation, entry, effects);
        if Catalogue::is_touched_by(effects) {
            Arc::make_mut(&mut self.catalogue).take_in(&self.federation, effects);
        }
        Ok(())
    }

    /// What readers see of this, signed.
    pub(super) fn standing(&mut self, signers: &Signers) -> Standing {
        let named = self.federation.witnesses();
        if named != self.named {
            self.witnesses = Arc::new(witnesses(&self.federation));
            self.named = named;
        }
        let told = (Arc::clone(&self.catalogue), Arc::clone(&self.history));
        let witnesses = Arc::clone(&self.witnesses);
        let tree = (self.frontier.root(), self.latest.clone(), self.edge.clone());
        Standing::signed(self.federation.clone(), told, witnesses, tree, signers)
    }

    /// Puts the tiles that were filled among the files, where receipts find them.
    pub(super) fn keep_filled(&mut self, files: &LogFiles) -> Result<(), ArchiveError> {
        for (tile, bytes) in self.filled.drain(..) {
            let name = ArchiveFile::Tile(tile).to_string();
            files.put(&name, &bytes).map_err(|source| ArchiveError::Write { name, source })?;
        }
        Ok(())
    }

    /// Drops the tiles that were filled: the files have them.
    pub(super) fn forget_filled(&mut self) {
        self.filled.clear();
    }

    fn grow(&mut self, entry: &Entry) -> Result<(), TreeFull> {
        self.latest = self.frontier.next_inclusion();
        self.frontier.push(entry.record())?;
        self.filled.extend(self.edge.push(entry.record())?);
        Ok(())
    }
}

/// Where the envelope with this digest stands, if it does.
fn found(
    digest: Sha256,
    first: u64,
    added: &[Entry],
    store: &dyn LedgerStore,
) -> Result<Option<Placed>, Refusal> {
    let together = (first..).zip(added).find(|(_, other)| other.envelope().sha256() == digest);
    if let Some((index, other)) = together {
        return Ok(Some(Placed { index, record: other.record().to_vec() }));
    }
    let Some(index) = store.index_of(digest).map_err(unreadable)? else { return Ok(None) };
    let stored = store.entry(index).map_err(unreadable)?;
    Ok(stored.map(|stored| Placed { index, record: stored.record().to_vec() }))
}
