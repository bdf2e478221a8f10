//! The ledger as it stands: what replay made of it, what the log signed over it, and its one writer.
//!
//! ```text
//! open:   stored entries ─ Federation::apply, Tree::push ─▶ Standing ─ equals the stored notes? ─▶ serve
//! record: Warrant ─ apply to a copy ─▶ next Standing ─ sign ─ commit (durable) ─ swap ─▶ receipt
//! ```
//!
//! Readers take the [`Standing`] as it is and never wait for the writer. It is swapped only after the entry
//! and the checkpoint over it are durable: nothing is shown, served or acknowledged before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use std::time::{SystemTime, UNIX_EPOCH};

use potluck_core::federation::genesis_entry;
use potluck_core::{Code, Entry, Envelope, Federation, PrivateKey, Refusal, Sha256};
use potluck_log::{
    Checkpoint, CheckpointError, NoteSigner, Origin, SignedCheckpoint, TlogProof, Tree,
};
use potluck_wire::Receipt;

use crate::catalogue::Catalogue;
use crate::fault::Fault;
use crate::in_full;
use crate::store::ledger::{LedgerStore, LedgerStoreError, Window};
use crate::submission::record::{Recorded, Warrant};

/// How much of the ledger is read at once, when it is replayed and when a page of it is served.
const WINDOW: Window = Window { entries: 1024, bytes: 8 << 20 };

/// The ledger behind its one writer.
pub struct Ledger {
    signer: NoteSigner,
    store: Box<dyn LedgerStore>,
    fault: Arc<Fault>,
    writer: Mutex<()>,
    standing: RwLock<Arc<Standing>>,
}

/// What all entries so far amount to, under the checkpoint that the log signed over them.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The state.
    pub federation: Federation,
    /// Which bytes it speaks of.
    pub catalogue: Catalogue,
    /// The signed checkpoint.
    pub checkpoint: SignedCheckpoint,
    tree: Tree,
}

/// Why a ledger cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store's fault.
    #[error(transparent)]
    Store(#[from] LedgerStoreError),
    /// The store holds another federation.
    #[error("the store holds the ledger of another federation than genesis.json founds")]
    OtherFederation,
    /// An entry does not follow from those before it.
    #[error("entry {index} of the stored ledger does not follow from those before it")]
    Entry {
        /// Which.
        index: u64,
        /// Why.
        source: Refusal,
    },
    /// There are entries and no checkpoint.
    #[error("the stored ledger has entries, but no checkpoint over them")]
    NoCheckpoint,
    /// The checkpoint is not the log's.
    #[error("the stored checkpoint is refused")]
    Checkpoint(#[source] CheckpointError),
    /// The entries are not those that the log signed.
    #[error("replaying {size} stored entries does not lead to the checkpoint that the log signed")]
    Differs {
        /// How many entries there are.
        size: u64,
    },
}

impl Ledger {
    /// Replays what is stored, or founds the federation where nothing is.
    ///
    /// `log` must be the key that `genesis` names.
    ///
    /// # Errors
    /// [`OpenError`]: a ledger that does not lead to what the log signed is not served.
    pub fn open(
        store: Box<dyn LedgerStore>,
        genesis: &Envelope,
        log: &PrivateKey,
        fault: Arc<Fault>,
    ) -> Result<Self, OpenError> {
        let founded = |source| OpenError::Entry { index: 0, source };
        let stored = store.entry(0)?;
        if stored.as_ref().is_some_and(|stored| stored.envelope() != genesis) {
            return Err(OpenError::OtherFederation);
        }
        let first = match stored.clone() {
            Some(stored) => stored,
            None => genesis_entry(genesis, clock()).map_err(founded)?,
        };
        let federation = Federation::found(&first).map_err(founded)?;
        let signer = NoteSigner::new(origin(&federation), log.as_dalek().clone());
        let mut standing = Standing::new(federation, &first, &signer);
        match stored {
            None => store.append(0, &[first], standing.checkpoint.note())?,
            Some(_) => standing = replay(standing, store.as_ref(), &signer)?,
        }
        let standing = RwLock::new(Arc::new(standing));
        Ok(Self { signer, store, fault, writer: Mutex::new(()), standing })
    }

    /// The ledger as it stands now.
    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The line by which an auditor knows this log.
    pub fn verifier_key(&self) -> String {
        self.signer.verifier_key().to_string()
    }

    /// The time at which an entry would be taken in now: the system's clock, but never before the latest entry.
    pub fn now(&self) -> u64 {
        clock().max(self.standing().federation.time())
    }

    /// A page of entries from `from` on, with the checkpoint over the whole ledger.
    ///
    /// # Errors
    /// `internal` where the store cannot be read.
    pub fn page(&self, from: u64) -> Result<(String, Vec<Entry>), Refusal> {
        let standing = self.standing();
        let mut entries = self.store.page(from, WINDOW).map_err(unreadable)?;
        // What was committed since is under a later checkpoint than the one on this page.
        let covered = standing.federation.size().saturating_sub(from);
        entries.truncate(usize::try_from(covered).unwrap_or(usize::MAX));
        Ok((standing.checkpoint.note().to_owned(), entries))
    }

    /// A fresh receipt, if this very envelope was recorded.
    ///
    /// # Errors
    /// `internal` where the store cannot be read.
    pub fn recorded(&self, envelope: &Envelope) -> Result<Option<Recorded>, Refusal> {
        let standing = self.standing();
        let Some(index) = self.index_of(envelope.sha256())? else { return Ok(None) };
        if index >= standing.federation.size() {
            // Committed, and its checkpoint is about to be shown: whoever writes it answers for it.
            return Ok(None);
        }
        let entry = self.store.entry(index).map_err(unreadable)?;
        Ok(entry.map(|entry| standing.receipt(index, &entry)))
    }

    /// Appends what a warrant lets through: durable, and under a signed checkpoint, when it returns.
    ///
    /// An envelope that is recorded already is not appended again; its receipt is made anew.
    ///
    /// # Errors
    /// [`Refusal`] of the federation as it stands now; `internal` where the store fails, and ever after.
    pub fn record(&self, warrant: Warrant) -> Result<Recorded, Refusal> {
        let _alone = self.writing();
        self.fault.check()?;
        let entry = warrant.into_entry(self.now());
        if let Some(recorded) = self.recorded(entry.envelope())? {
            return Ok(recorded);
        }
        let standing = self.standing();
        let index = standing.federation.size();
        let next = standing.followed_by(&entry, &self.signer)?;
        self.store
            .append(index, std::slice::from_ref(&entry), next.checkpoint.note())
            .map_err(|error| self.fault.raise("append to the ledger", &in_full(&error)))?;
        let recorded = next.receipt(index, &entry);
        *self.standing.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(recorded)
    }

    /// A writer that panicked left nothing half done: the standing is swapped whole.
    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn index_of(&self, envelope: Sha256) -> Result<Option<u64>, Refusal> {
        self.store.index_of(envelope).map_err(unreadable)
    }
}

impl Standing {
    fn new(federation: Federation, genesis: &Entry, signer: &NoteSigner) -> Self {
        let catalogue = Catalogue::of(&federation);
        let mut tree = Tree::new();
        tree.push(genesis.record());
        Self::signed(federation, catalogue, tree, signer)
    }

    fn signed(
        federation: Federation,
        catalogue: Catalogue,
        tree: Tree,
        signer: &NoteSigner,
    ) -> Self {
        let checkpoint = sign(&federation, &tree, signer);
        Self { federation, catalogue, checkpoint, tree }
    }

    /// What stands once `entry` is in; this one stays as it is.
    fn followed_by(&self, entry: &Entry, signer: &NoteSigner) -> Result<Self, Refusal> {
        let (mut federation, mut catalogue) = (self.federation.clone(), self.catalogue.clone());
        let effects = federation.apply(federation.size(), entry)?;
        catalogue.take_in(&federation, &effects);
        let mut tree = self.tree.clone();
        tree.push(entry.record());
        Ok(Self::signed(federation, catalogue, tree, signer))
    }

    /// The receipt of the entry at `index`, which this standing covers.
    fn receipt(&self, index: u64, entry: &Entry) -> Recorded {
        let inclusion = self
            .tree
            .inclusion(index, self.tree.len())
            .expect("the caller's entry is one of this tree's leaves");
        let proof = TlogProof::new(index, inclusion, &self.checkpoint);
        let record = String::from_utf8(entry.record().to_vec())
            .expect("a record that was applied is JSON, spelt by us");
        Recorded::new(Receipt { index, record, proof: proof.to_string() })
    }
}

/// The log's name, which is also the name of the key that signs for it.
fn origin(federation: &Federation) -> Origin {
    let name = format!("potluck/{}", federation.charter().name());
    name.parse().expect("a federation's name is short and has no space, '+' or control character")
}

fn sign(federation: &Federation, tree: &Tree, signer: &NoteSigner) -> SignedCheckpoint {
    let origin = signer.verifier_key().name().clone();
    let state = *federation.digest().as_bytes();
    let note = Checkpoint { origin, size: tree.len(), root: tree.root(), state }.sign(signer);
    SignedCheckpoint::open(&note, signer.verifier_key())
        .expect("a checkpoint that we signed under our own name opens")
}

/// Seconds since 1970. A clock before that counts as that.
fn clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Replays the entries after the first and compares with what the log signed.
fn replay(
    first: Standing,
    store: &dyn LedgerStore,
    signer: &NoteSigner,
) -> Result<Standing, OpenError> {
    let Standing { mut federation, mut catalogue, mut tree, .. } = first;
    loop {
        let page = store.page(federation.size(), WINDOW)?;
        if page.is_empty() {
            break;
        }
        for entry in page {
            let index = federation.size();
            let effects = federation
                .apply(index, &entry)
                .map_err(|source| OpenError::Entry { index, source })?;
            catalogue.take_in(&federation, &effects);
            tree.push(entry.record());
        }
    }
    let standing = Standing::signed(federation, catalogue, tree, signer);
    let note = store.checkpoint()?.ok_or(OpenError::NoCheckpoint)?;
    let stored = SignedCheckpoint::open(&note, signer.verifier_key());
    if stored.map_err(OpenError::Checkpoint)?.checkpoint() != standing.checkpoint.checkpoint() {
        return Err(OpenError::Differs { size: standing.federation.size() });
    }
    Ok(standing)
}

fn unreadable(error: LedgerStoreError) -> Refusal {
    tracing::error!(error = %in_full(&error), "the ledger cannot be read");
    Refusal::new(Code::Internal, "the aggregator cannot read its ledger")
}

#[cfg(test)]
mod tests;
