//! The replay: entries in, federation and tree out, by the same rules that the aggregator applied.

use potluck_core::entry::Record;
use potluck_core::federation::Effect;
use potluck_core::{Entry, Federation, Kind, Manifest, PartyId};
use potluck_log::Tree;

use super::LedgerError;

/// One entry and what it brought about.
#[derive(Debug)]
pub(crate) struct Line {
    /// As it came; its signature holds.
    pub(crate) entry: Entry,
    /// What the log's leaf says of it.
    pub(crate) record: Record,
    /// What followed.
    pub(crate) effects: Vec<Effect>,
}

impl Line {
    /// What it says.
    pub(crate) fn kind(&self) -> Kind {
        self.record.kind
    }
}

/// An expert that was submitted.
#[derive(Debug)]
pub(crate) struct Submitted {
    /// Whose it is.
    pub(crate) party: PartyId,
    /// Where it was submitted.
    pub(crate) index: u64,
    /// Its files.
    pub(crate) manifest: Manifest,
}

/// A ledger that was replayed, and not yet compared with what the log signed.
#[derive(Debug)]
pub(crate) struct Replay {
    federation: Federation,
    tree: Tree,
    lines: Vec<Line>,
    submitted: Vec<Submitted>,
}

impl Replay {
    /// Founds the federation from the first entry and applies the others. Every signature is verified here.
    pub(crate) fn of(entries: Vec<Entry>) -> Result<Self, LedgerError> {
        let mut entries = entries.into_iter();
        let genesis = entries.next().ok_or(LedgerError::Empty)?;
        let federation = Federation::found(&genesis)
            .map_err(|refusal| LedgerError::Entry { index: 0, refusal })?;
        let (tree, lines, submitted) = (Tree::new(), Vec::new(), Vec::new());
        let mut replay = Self { federation, tree, lines, submitted };
        replay.note(genesis, Vec::new());
        replay.extend(entries)?;
        Ok(replay)
    }

    /// Applies further entries.
    pub(crate) fn extend(
        &mut self,
        entries: impl IntoIterator<Item = Entry>,
    ) -> Result<(), LedgerError> {
        for entry in entries {
            let index = self.len();
            let effects = self
                .federation
                .apply(index, &entry)
                .map_err(|refusal| LedgerError::Entry { index, refusal })?;
            self.note(entry, effects);
        }
        Ok(())
    }

    fn note(&mut self, entry: Entry, effects: Vec<Effect>) {
        let index = self.tree.push(entry.record());
        for effect in &effects {
            let Effect::Submitted(party) = effect else { continue };
            let manifest = self.federation.experts()[party].manifest.clone();
            self.submitted.push(Submitted { party: party.clone(), index, manifest });
        }
        let record = serde_json::from_slice(entry.record())
            .expect("an entry that was applied has the record of its envelope");
        self.lines.push(Line { entry, record, effects });
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> u64 {
        self.tree.len()
    }

    /// What they amount to.
    pub(crate) fn federation(&self) -> &Federation {
        &self.federation
    }

    /// The tree over their records.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The entries in order.
    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Every expert that was ever submitted, in order.
    pub(crate) fn submitted(&self) -> &[Submitted] {
        &self.submitted
    }
}
