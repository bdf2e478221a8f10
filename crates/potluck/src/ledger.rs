//! The ledger as its readers hold it: replayed, its tree rebuilt, compared with what the log signed.
//!
//! Nothing that a server says is believed. From the downloaded entries follow the federation ([`replay`]), the
//! tree's root and the state's digest; all must be what the log signed under the pinned key, and must extend what
//! was seen before ([`memory`]).
//!
//! ```text
//! download ─▶ Replay::of ─▶ seal: root and state are the signed ones ─▶ Held::confirm: nothing was taken back
//! ```

mod memory;
mod replay;

use potluck_core::{Blake3, Entry, Federation, FederationName, PartyId, Refusal};
use potluck_log::{CheckpointError, Hash, SignedCheckpoint, TlogProof, VerifierKey};
use potluck_net::{Client, Receipt};

pub(crate) use self::memory::{Held, Memory};
pub(crate) use self::replay::{Line, Replay, Submitted};
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
    /// The genesis names another log.
    #[error("the genesis speaks of the log {found}, not of the pinned one")]
    OtherLog {
        /// The origin and key that it names.
        found: String,
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
            Self::Empty | Self::Count { .. } => "protocol-error",
            Self::Entry { refusal, .. } => refusal.code.as_str(),
            Self::OtherLog { .. } => "log-mismatch",
            Self::Checkpoint(_) | Self::Root { .. } => "checkpoint-mismatch",
            Self::StateDiffers { .. } => "state-mismatch",
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::unverified(error.code(), in_full(&error))
    }
}

/// Entries as they came, with a checkpoint whose signature holds. Nothing else is verified.
#[derive(Debug)]
pub(crate) struct Download {
    /// The entries from the index that was asked for.
    pub(crate) entries: Vec<Entry>,
    /// As many entries as there are, signed.
    pub(crate) checkpoint: SignedCheckpoint,
}

/// Downloads the entries from an index on, page by page, up to a signed checkpoint.
pub(crate) async fn download(
    client: &Client,
    from: u64,
    log: &VerifierKey,
) -> Result<Download, Failure> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let page = client.ledger(from + entries.len() as u64).await?;
        let checkpoint =
            SignedCheckpoint::open(&page.checkpoint, log).map_err(LedgerError::Checkpoint)?;
        let is_last_word = page.entries.is_empty();
        entries.extend(page.entries);
        let (sent, signed) = (from + entries.len() as u64, checkpoint.size());
        if sent == signed {
            return Ok(Download { entries, checkpoint });
        }
        if sent > signed || is_last_word {
            return Err(LedgerError::Count { sent, signed }.into());
        }
    }
}

/// A ledger of which everything is verified: each signature and rule, its root and its state.
#[derive(Debug)]
pub(crate) struct Ledger {
    replay: Replay,
    checkpoint: SignedCheckpoint,
}

impl Ledger {
    /// Downloads and verifies the whole, and remembers it.
    pub(crate) async fn read(
        client: &Client,
        log: &VerifierKey,
        memory: Option<&Memory>,
    ) -> Result<Self, Failure> {
        let held = hold(memory)?;
        let Download { entries, checkpoint } = download(client, 0, log).await?;
        let ledger = Replay::of(entries)?.seal(checkpoint, log)?;
        confirm(held, &ledger, log)?;
        Ok(ledger)
    }

    /// Downloads and verifies what came since, and remembers it.
    ///
    /// Where it fails, what it holds is no longer to be used.
    pub(crate) async fn catch_up(
        &mut self,
        client: &Client,
        log: &VerifierKey,
        memory: Option<&Memory>,
    ) -> Result<(), Failure> {
        let held = hold(memory)?;
        let from = self.replay.len();
        let Download { entries, checkpoint } = download(client, from, log).await?;
        self.replay.extend(entries)?;
        self.checkpoint = checkpoint;
        self.agrees(log)?;
        confirm(held, self, log)
    }

    /// What it amounts to.
    pub(crate) fn federation(&self) -> &Federation {
        self.replay.federation()
    }

    /// The signed checkpoint that it was compared with.
    pub(crate) fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// Its entries in order, with what each brought about.
    pub(crate) fn lines(&self) -> &[Line] {
        self.replay.lines()
    }

    /// Every expert that was ever submitted, those that were replaced since too.
    pub(crate) fn submitted(&self) -> &[Submitted] {
        self.replay.submitted()
    }

    /// A party's expert by the digest of its manifest.
    pub(crate) fn expert(&self, party: &PartyId, manifest: &Blake3) -> Option<&Submitted> {
        let same =
            |expert: &&Submitted| expert.party == *party && expert.manifest.digest() == *manifest;
        self.submitted().iter().find(same)
    }

    /// The root that the tree had when it had `size` entries.
    pub(crate) fn root_at(&self, size: u64) -> Option<Hash> {
        self.replay.tree().root_at(size)
    }

    /// The receipt of an entry, made from the ledger itself: the log need not be asked for it again.
    pub(crate) fn receipt(&self, index: u64) -> Option<Receipt> {
        let line = self.lines().get(usize::try_from(index).ok()?)?;
        let inclusion = self.replay.tree().inclusion(index, self.checkpoint.size()).ok()?;
        let proof = TlogProof::new(index, inclusion, &self.checkpoint).to_string();
        let record = String::from_utf8(line.entry.record().to_vec()).ok()?;
        Some(Receipt { index, record, proof })
    }
}

impl Replay {
    /// Compares the replay with what the log signed.
    pub(crate) fn seal(
        self,
        checkpoint: SignedCheckpoint,
        log: &VerifierKey,
    ) -> Result<Ledger, LedgerError> {
        let ledger = Ledger { replay: self, checkpoint };
        ledger.agrees(log)?;
        Ok(ledger)
    }
}

impl Ledger {
    fn agrees(&self, log: &VerifierKey) -> Result<(), LedgerError> {
        is_of_log(self.federation(), log)?;
        self.has_signed_root()?;
        self.has_signed_state()
    }

    fn has_signed_root(&self) -> Result<(), LedgerError> {
        let (size, signed) = (self.replay.len(), self.checkpoint.root());
        if size != self.checkpoint.size() {
            return Err(LedgerError::Count { sent: size, signed: self.checkpoint.size() });
        }
        let found = self.replay.tree().root();
        if found != signed {
            return Err(LedgerError::Root { size, found, signed });
        }
        Ok(())
    }

    fn has_signed_state(&self) -> Result<(), LedgerError> {
        let (found, signed) = (self.federation().digest(), self.checkpoint.state());
        if *found.as_bytes() != signed {
            let signed = Blake3::from_bytes(signed).to_string();
            return Err(LedgerError::StateDiffers { found: found.to_string(), signed });
        }
        Ok(())
    }
}

/// A genesis names the log's key, and the log is named after the federation.
fn is_of_log(federation: &Federation, log: &VerifierKey) -> Result<(), LedgerError> {
    let (name, key) = (federation.charter().name(), federation.log());
    let origin = origin_of(name);
    if log.name().as_str() == origin && key.as_bytes() == log.public_key().as_bytes() {
        return Ok(());
    }
    Err(LedgerError::OtherLog { found: format!("{origin} with {key}") })
}

/// The name of a federation's log.
pub(crate) fn origin_of(name: &FederationName) -> String {
    format!("potluck/{name}")
}

impl Download {
    /// Its parts: entries and checkpoint.
    pub(crate) fn into_parts(self) -> (Vec<Entry>, SignedCheckpoint) {
        (self.entries, self.checkpoint)
    }
}

fn hold(memory: Option<&Memory>) -> Result<Option<Held>, Failure> {
    Ok(memory.map(Memory::hold).transpose()?)
}

fn confirm(held: Option<Held>, ledger: &Ledger, log: &VerifierKey) -> Result<(), Failure> {
    Ok(held.map_or(Ok(()), |held| held.confirm(ledger, log))?)
}

#[cfg(test)]
mod tests;
