//! The ledger as it stands: what replay made of it, what the log signed over it, and its one writer.
//!
//! ```text
//! open:   stored entries ─ apply, push ─▶ Standing ─ equals the stored checkpoint? ─▶ log's folder ─▶ serve
//! record: Warrant ─ queue ─▶ the leader takes all that wait: apply each ─ sign once ─ commit once (durable)
//!         ─ swap the Standing ─▶ each makes its own receipt; the log's folder follows behind
//! cosign: note ─ one of ours? a witness's line? ─ commit (durable) ─▶ the log's folder follows behind
//! ```
//!
//! Readers take the [`Standing`] as it is and never wait for the writer. It is swapped only after the entries
//! and the checkpoint over them are durable: nothing is shown, served or acknowledged before. The log's folder
//! is derived: a thread writes it after the commit, and it is made right at the start.

mod behind;
mod cosigned;
mod queue;
mod signers;
mod standing;
mod writer;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use potluck_core::federation::genesis_entry;
use potluck_core::{Code, Entry, Envelope, Federation, PublicKey, Refusal};
use potluck_log::{CheckpointError, ConsistencyProof, TileError};
use potluck_net::archive::{ArchiveError, ArchiveWriter, Files};
use tokio::sync::watch;

pub use self::standing::Standing;

use self::behind::Behind;
use self::cosigned::Cosignatures;
use self::queue::Queue;
use self::signers::Signers;
use self::writer::{Placed, Writer};
use crate::fault::Fault;
use crate::in_full;
use crate::log_keys::LogKeys;
use crate::store::ledger::{LedgerStore, LedgerStoreError, Window};
use crate::submission::record::{Recorded, Warrant};

/// How much of the ledger is read at once, when it is replayed and when a page of it is served.
const WINDOW: Window = Window { entries: 1024, bytes: 8 << 20 };

/// Where the log's folder lies.
pub type LogFiles = Arc<dyn Files + Send + Sync>;

/// The ledger behind its one writer.
pub struct Ledger {
    keys: LogKeys,
    signers: RwLock<Arc<Signers>>,
    store: Box<dyn LedgerStore>,
    files: LogFiles,
    fault: Arc<Fault>,
    queue: Queue<Warrant, Result<Placed, Refusal>>,
    writer: Mutex<Writer>,
    standing: RwLock<Arc<Standing>>,
    growth: watch::Sender<u64>,
    cosignatures: Cosignatures,
    behind: Behind,
}

/// A page of the ledger.
#[derive(Debug)]
pub struct Page {
    /// The checkpoint over the whole ledger, a note.
    pub checkpoint: String,
    /// The latest checkpoint that as many witnesses cosigned as the charter asks for, a note.
    pub cosigned: Option<String>,
    /// The entries.
    pub entries: Vec<Entry>,
}

/// Why a ledger cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store's fault.
    #[error(transparent)]
    Store(#[from] LedgerStoreError),
    /// The log's folder cannot be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
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
    /// Nobody here could sign the next checkpoint.
    #[error(
        "the log's key in force, {key}, is not held here: its file belongs among keys/log*.pem of the federation's folder"
    )]
    NotHeld {
        /// Which key.
        key: Box<PublicKey>,
    },
    /// A checkpoint is not the log's.
    #[error("a stored checkpoint is refused")]
    Checkpoint(#[source] CheckpointError),
    /// The entries are not those that the log signed.
    #[error("replaying {size} stored entries does not lead to the checkpoint that the log signed")]
    Differs {
        /// How many entries there are.
        size: u64,
    },
}

impl Ledger {
    /// Replays what is stored, or founds the federation where nothing is; makes the log's folder right.
    ///
    /// # Errors
    /// [`OpenError`]: a ledger that does not lead to what the log signed is not served.
    pub fn open(
        store: Box<dyn LedgerStore>,
        files: LogFiles,
        genesis: &Envelope,
        keys: LogKeys,
        fault: Arc<Fault>,
    ) -> Result<Self, OpenError> {
        let founded = |source| OpenError::Entry { index: 0, source };
        let stored = store.entry(0)?;
        if stored.as_ref().is_some_and(|stored| stored.envelope() != genesis) {
            return Err(OpenError::OtherFederation);
        }
        let is_new = stored.is_none();
        let first = match stored {
            Some(stored) => stored,
            None => genesis_entry(genesis, clock()).map_err(founded)?,
        };
        let federation = Federation::found(&first).map_err(founded)?;
        let mut writer = Writer::new(federation, &first).map_err(ArchiveError::from)?;
        let mut folder = ArchiveWriter::over(Arc::clone(&files));
        folder.push(&first)?;
        if !is_new {
            replay(&mut writer, &mut folder, store.as_ref())?;
        }
        let signers = Signers::of(writer.federation(), &keys);
        let signers = signers.map_err(|key| OpenError::NotHeld { key })?;
        let standing = writer.standing(&signers);
        if is_new {
            store.append(0, &[first], standing.checkpoint.note())?;
        } else {
            compare(&standing, store.as_ref(), &signers)?;
        }
        let cosignatures = Cosignatures::open(store.as_ref(), &signers)?;
        let size = standing.checkpoint.size();
        folder.seal(&cosignatures.note(size).unwrap_or_else(|| standing.checkpoint.to_string()))?;
        let behind = Behind::start(folder, Arc::clone(&fault));
        let (queue, writer) = (Queue::new(), Mutex::new(writer));
        let standing = RwLock::new(Arc::new(standing));
        let growth = watch::Sender::new(size);
        let signers = RwLock::new(Arc::new(signers));
        Ok(Self {
            keys,
            signers,
            store,
            files,
            fault,
            queue,
            writer,
            standing,
            growth,
            cosignatures,
            behind,
        })
    }

    /// The ledger as it stands now.
    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The line by which an auditor knows this log: its key in force.
    pub fn verifier_key(&self) -> String {
        self.signers().verifier_key().to_string()
    }

    /// The log's keys that are held here.
    pub fn keys(&self) -> &LogKeys {
        &self.keys
    }

    fn signers(&self) -> Arc<Signers> {
        Arc::clone(&self.signers.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The log's folder, which is written a moment after a receipt is given. See [`Self::settle`].
    pub fn files(&self) -> &LogFiles {
        &self.files
    }

    /// Whether the log's folder is far behind, or written no more.
    pub fn is_behind(&self) -> bool {
        self.behind.is_far()
    }

    /// Waits until the log's folder has all that was recorded before. Blocking.
    pub fn settle(&self) {
        self.behind.settle();
    }

    /// How many entries there are, for whoever waits for more.
    pub fn growth(&self) -> watch::Receiver<u64> {
        self.growth.subscribe()
    }

    /// The proof that the ledger of `new` entries extends that of `old`.
    ///
    /// # Errors
    /// Where there are not as many, or the tiles cannot be read.
    pub fn consistency(
        &self,
        old: u64,
        new: u64,
    ) -> Result<ConsistencyProof, TileError<std::io::Error>> {
        self.standing().tiles(&self.files)?.consistency(old, new)
    }

    /// The time at which an entry would be taken in now: the system's clock, but never before the latest entry.
    pub fn now(&self) -> u64 {
        clock().max(self.standing().federation.time())
    }

    /// A page of entries from `from` on, with the checkpoints over the whole ledger.
    ///
    /// # Errors
    /// `internal` where the store cannot be read.
    pub fn page(&self, from: u64) -> Result<Page, Refusal> {
        let cosigned = self.cosignatures.latest(&self.standing());
        // Taken after: what is cosigned is never ahead of what is shown.
        let standing = self.standing();
        let mut entries = self.store.page(from, WINDOW).map_err(unreadable)?;
        // What was committed since is under a later checkpoint than the one on this page.
        let covered = standing.federation.size().saturating_sub(from);
        entries.truncate(usize::try_from(covered).unwrap_or(usize::MAX));
        Ok(Page { checkpoint: standing.checkpoint.to_string(), cosigned, entries })
    }

    /// The entry at `index` of `standing`, with the proof that it stands under that checkpoint; nothing where there are
    /// fewer.
    ///
    /// # Errors
    /// `internal` where the store or the log's tiles cannot be read.
    pub fn shown(
        &self,
        standing: &Standing,
        index: u64,
    ) -> Result<Option<(Entry, Recorded)>, Refusal> {
        if index >= standing.checkpoint.size() {
            return Ok(None);
        }
        let Some(entry) = self.store.entry(index).map_err(unreadable)? else { return Ok(None) };
        let recorded = standing.receipt(index, entry.record().to_vec(), &self.files)?;
        Ok(Some((entry, recorded)))
    }

    /// A fresh receipt, if this very envelope was recorded.
    ///
    /// # Errors
    /// `internal` where the store cannot be read.
    pub fn recorded(&self, envelope: &Envelope) -> Result<Option<Recorded>, Refusal> {
        let standing = self.standing();
        let index = self.store.index_of(envelope.sha256()).map_err(unreadable)?;
        // One past the standing is committed, and about to be shown: whoever writes it answers for it.
        let index = index.filter(|index| *index < standing.federation.size());
        let Some(index) = index else { return Ok(None) };
        let Some(entry) = self.store.entry(index).map_err(unreadable)? else { return Ok(None) };
        standing.receipt(index, entry.record().to_vec(), &self.files).map(Some)
    }

    /// Appends what a warrant lets through: durable, and under a signed checkpoint, when it returns.
    ///
    /// Many may call it at a time; they share their commits. An envelope that is recorded already is not
    /// appended again; its receipt is made anew.
    ///
    /// # Errors
    /// [`Refusal`] of the federation as it stands when the entry's turn comes; `internal` where the store fails,
    /// and ever after.
    pub fn record(&self, warrant: Warrant) -> Result<Recorded, Refusal> {
        let placed = self.queue.ask(warrant, |warrants| self.commit(warrants));
        let placed = placed.unwrap_or_else(|| {
            Err(self.fault.raise("append to the ledger", &"a thread that did so panicked"))
        })?;
        self.standing().receipt(placed.index, placed.record, &self.files)
    }

    /// Keeps a witness's cosignature of one of our checkpoints.
    ///
    /// # Errors
    /// `checkpoint-refused` where it is none of ours, or has no line of a witness of this federation or a false
    /// one; `internal` where the store fails.
    pub fn cosign(&self, note: &str) -> Result<(), Refusal> {
        self.fault.check()?;
        if !self.cosignatures.keep(note, self)? {
            return Ok(());
        }
        let writer = self.writing();
        // Asked for here, so that of two who come at once neither takes away the other's line.
        if let Some(note) = self.cosignatures.note(writer.size()) {
            self.behind.hand_over(Vec::new(), note);
        }
        Ok(())
    }

    /// The leader's work: all or nothing of what the federation takes is durable when it returns.
    fn commit(&self, warrants: Vec<Warrant>) -> Vec<Result<Placed, Refusal>> {
        let mut writer = self.writing();
        if let Err(stopped) = self.fault.check() {
            return warrants.iter().map(|_| Err(stopped.clone())).collect();
        }
        let time = clock();
        let (first, mut added) = (writer.size(), Vec::new());
        let mut answers: Vec<_> = warrants
            .into_iter()
            .map(|warrant| writer.place(warrant, time, first, &mut added, self.store.as_ref()))
            .collect();
        if !added.is_empty()
            && let Err(failed) = self.publish(&mut writer, first, added)
        {
            // The writer is ahead of the store, and is asked no more: the fault is raised.
            let placed = answers.iter_mut().filter(|answer| answer.is_ok());
            placed.for_each(|answer| *answer = Err(failed.clone()));
        }
        answers
    }

    /// What signs for this state. Another key is in force where one of its entries said so.
    fn signers_of(&self, federation: &Federation) -> Result<Arc<Signers>, Refusal> {
        let signers = self.signers();
        if signers.are_of(federation) {
            return Ok(signers);
        }
        let next = Signers::of(federation, &self.keys).map_err(|key| {
            self.fault.raise("sign a checkpoint", &format!("the log's key {key} is not held"))
        })?;
        let next = Arc::new(next);
        *self.signers.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&next);
        tracing::info!(log = %next.verifier_key(), "the log has another key");
        Ok(next)
    }

    /// Makes what was placed durable, then visible.
    fn publish(&self, writer: &mut Writer, first: u64, added: Vec<Entry>) -> Result<(), Refusal> {
        let next = writer.standing(&*self.signers_of(writer.federation())?);
        let note = next.checkpoint.to_string();
        self.store
            .append(first, &added, &note)
            .map_err(|error| self.fault.raise("append to the ledger", &in_full(&error)))?;
        writer
            .keep_filled(&self.files)
            .map_err(|error| self.fault.raise("write the log's folder", &in_full(&error)))?;
        self.behind.hand_over(added, note);
        let before = std::mem::replace(
            &mut *self.standing.write().unwrap_or_else(PoisonError::into_inner),
            Arc::new(next),
        );
        // Freed with no reader waiting.
        drop(before);
        self.growth.send_replace(writer.size());
        Ok(())
    }

    /// A writer that panicked is asked no more: the queue is broken by it.
    fn writing(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seconds since 1970. A clock before that counts as that.
fn clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Replays the entries after the first.
fn replay(
    writer: &mut Writer,
    folder: &mut ArchiveWriter<LogFiles>,
    store: &dyn LedgerStore,
) -> Result<(), OpenError> {
    loop {
        let page = store.page(writer.size(), WINDOW)?;
        if page.is_empty() {
            return Ok(());
        }
        for entry in page {
            let index = writer.size();
            writer.apply(&entry).map_err(|source| OpenError::Entry { index, source })?;
            folder.push(&entry)?;
            // The folder has them now.
            writer.forget_filled();
        }
    }
}

/// Compares what replay led to with what the log signed.
fn compare(
    standing: &Standing,
    store: &dyn LedgerStore,
    signers: &Signers,
) -> Result<(), OpenError> {
    let note = store.checkpoint()?.ok_or(OpenError::NoCheckpoint)?;
    let stored = signers.open(&note);
    if stored.map_err(OpenError::Checkpoint)?.checkpoint() != standing.checkpoint.checkpoint() {
        return Err(OpenError::Differs { size: standing.federation.size() });
    }
    Ok(())
}

fn unreadable(error: LedgerStoreError) -> Refusal {
    tracing::error!(error = %in_full(&error), "the ledger cannot be read");
    Refusal::new(Code::Internal, "the aggregator cannot read its ledger")
}

#[cfg(test)]
mod tests;
