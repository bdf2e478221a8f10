//! The federation as the network sees it: who may connect, and what each request leads to.
//!
//! Every method is synchronous and may block; the network room runs them on its own pool. Nothing here decides:
//! the rules are the federation's, the steps are [`crate::submission`]'s and [`crate::round`]'s.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex};

use potluck_core::charter::{Access, Audience};
use potluck_core::{Author, Blake3, Code, Envelope, Federation, PublicKey, Refusal};
use potluck_log::ConsistencyProof;
use potluck_net::archive::{ArchiveFile, Files as _};
use potluck_net::{Blended, LedgerPage, Offer, PeerStatus, Receipt, Service, Status, StoredBlob};

use tokio::sync::watch;

use crate::blends::Blends;
use crate::counts::Counts;
use crate::fault::Fault;
use crate::in_full;
use crate::ledger::{Ledger, Page, Standing};
use crate::log_keys::LogKeys;
use crate::round::publish;
use crate::store::Store;
use crate::submission;
use crate::tokens::Tokens;
use crate::uploads::Uploads;

/// A federation that is open and can be served. Clones are handles to the same one.
#[derive(Clone)]
pub struct Aggregator {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) store: Arc<Store>,
    pub(crate) fault: Arc<Fault>,
    pub(crate) threads: NonZeroUsize,
    /// Held while a soup is blended.
    pub(crate) blending: Arc<Mutex<()>>,
    /// Held from the last question to an adapter until it is recorded.
    pub(crate) agreeing: Arc<Mutex<()>>,
    /// Uploads under way.
    pub(crate) uploads: Arc<Uploads>,
    /// What readers over HTTP may hold in the place of a key.
    pub(crate) tokens: Arc<Tokens>,
    /// Soups that are being blended.
    pub(crate) blends: Arc<Blends>,
    /// What was counted since the start.
    pub(crate) counts: Arc<Counts>,
}

impl Aggregator {
    /// Puts the parts together. `threads` is what one blend may use.
    pub fn new(ledger: Ledger, store: Store, fault: Arc<Fault>, threads: NonZeroUsize) -> Self {
        let (ledger, store) = (Arc::new(ledger), Arc::new(store));
        Self {
            ledger,
            store,
            fault,
            threads,
            blending: Arc::default(),
            agreeing: Arc::default(),
            uploads: Arc::default(),
            tokens: Arc::default(),
            blends: Arc::default(),
            counts: Arc::default(),
        }
    }

    /// With the tokens that are kept in this file.
    #[must_use]
    pub fn with_tokens(self, file: &Path) -> Self {
        Self { tokens: Arc::new(Tokens::kept_in(file)), ..self }
    }

    /// The ledger as it stands.
    pub fn standing(&self) -> Arc<Standing> {
        self.ledger.standing()
    }

    /// The log's keys that are held here; they are this server's identities on the network, too.
    pub fn log_keys(&self) -> &LogKeys {
        self.ledger.keys()
    }

    /// The line by which an auditor knows the log.
    pub fn verifier_key(&self) -> String {
        self.ledger.verifier_key()
    }

    /// A file of the log's folder, if it is there: all of it, or one byte more than it can have. None is behind a
    /// receipt that was given, or an entry that was shown. Blocking.
    ///
    /// # Errors
    /// What the system says.
    pub fn log_file(&self, file: ArchiveFile) -> io::Result<Option<Vec<u8>>> {
        let read = || self.ledger.files().read(&file.to_string(), file.max_bytes());
        if file != ArchiveFile::Checkpoint
            && let Some(bytes) = read()?
        {
            return Ok(Some(bytes));
        }
        // The folder follows the ledger a moment later.
        self.ledger.settle();
        read()
    }

    /// How many entries there are, for whoever waits for more.
    pub fn growth(&self) -> watch::Receiver<u64> {
        self.ledger.growth()
    }

    /// The proof that the ledger of `new` entries extends that of `old`.
    ///
    /// # Errors
    /// A sentence for our own log.
    pub fn consistency(&self, old: u64, new: u64) -> Result<ConsistencyProof, String> {
        self.ledger.consistency(old, new).map_err(|error| in_full(&error))
    }

    /// Keeps a witness's cosignature; see [`Ledger::cosign`].
    ///
    /// # Errors
    /// As there.
    pub fn keep_cosignature(&self, note: &str) -> Result<(), Refusal> {
        self.ledger.cosign(note)
    }

    /// What ends the process.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }
}

impl Service for Aggregator {
    /// The ledger is open to anyone, so any sound key may connect where the charter lets anybody read anything;
    /// elsewhere only those who have a key in the ledger, suspended or not, and who holds an open invitation.
    fn admits(&self, key: &PublicKey) -> bool {
        let federation = &self.ledger.standing().federation;
        let Access { experts, soups } = federation.charter().access();
        [experts, soups].contains(&&Audience::Anyone)
            || federation.peer(key.id()).is_some()
            || is_invited(federation, key, self.ledger.now())
    }

    fn ledger(&self, from: u64) -> Result<LedgerPage, Refusal> {
        let Page { checkpoint, cosigned, entries } = self.ledger.page(from)?;
        Ok(LedgerPage { checkpoint, cosigned, entries })
    }

    /// Whose line it is, the line says; who hands it in does not matter.
    fn cosign(&self, peer: &PublicKey, checkpoint: &str) -> Result<(), Refusal> {
        let _span = tracing::info_span!("cosign", peer = %peer.id().short()).entered();
        told(&self.counts, self.ledger.cosign(checkpoint))
    }

    fn append(&self, peer: &PublicKey, envelope: &Envelope) -> Result<Receipt, Refusal> {
        let _span = entry_span("append", peer, envelope).entered();
        told(&self.counts, submission::append(self, envelope))
    }

    fn status(
        &self,
        peer: &PublicKey,
        connections: &[(PublicKey, usize)],
    ) -> Result<Status, Refusal> {
        let _span = tracing::info_span!("status", peer = %peer.id().short()).entered();
        told(&self.counts, self.view(peer, connections))
    }

    fn submit(&self, peer: &PublicKey, envelope: &Envelope) -> Result<Offer, Refusal> {
        let _span = entry_span("submit", peer, envelope).entered();
        told(&self.counts, submission::offer(self, peer, envelope))
    }

    fn fetch(&self, peer: &PublicKey, blob: &Blake3) -> Result<StoredBlob, Refusal> {
        let (peer_id, blob_id) = (peer.id().short(), blob.short());
        let _span = tracing::info_span!("fetch", peer = %peer_id, blob = %blob_id).entered();
        told(&self.counts, self.find(peer, *blob))
    }

    fn blend(
        &self,
        peer: &PublicKey,
        round: u64,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Blended, Refusal> {
        let (peer_id, bytes) = (peer.id().short(), tracing::field::Empty);
        let _span = tracing::info_span!("blend", peer = %peer_id, round, bytes).entered();
        told(&self.counts, publish::blend(self, peer, round, progress))
    }
}

impl Aggregator {
    /// What the operator, and nobody else, sees of it.
    fn view(
        &self,
        peer: &PublicKey,
        connections: &[(PublicKey, usize)],
    ) -> Result<Status, Refusal> {
        let federation = &self.ledger.standing().federation;
        if federation.peer(peer.id()) != Some(&Author::Operator) {
            let sentence = "only the operator sees how the aggregator stands";
            return Err(Refusal::new(Code::NotPermitted, sentence));
        }
        let unreadable = |error: io::Error| {
            tracing::error!(%error, "the quarantine cannot be read");
            Refusal::new(Code::Internal, "the aggregator cannot read its quarantine")
        };
        let held = self.store.quarantine.by_party().map_err(unreadable)?;
        let mut peers: BTreeMap<String, PeerStatus> = BTreeMap::new();
        let named =
            |name: &str| PeerStatus { name: name.to_owned(), connections: 0, quarantine: 0 };
        for (name, bytes) in &held {
            // Whose it is may be lost.
            let name = if name.is_empty() { "nobody" } else { name };
            peers.entry(name.to_owned()).or_insert_with(|| named(name)).quarantine = *bytes;
        }
        for (key, count) in connections {
            let owner = federation.peer(key.id()).map(ToString::to_string);
            let name = owner.unwrap_or_else(|| key.id().short().to_string());
            let entry = peers.entry(name.clone()).or_insert_with(|| named(&name));
            // A usize fits in a u64 wherever this runs.
            entry.connections = entry.connections.saturating_add(*count as u64);
        }
        Ok(Status {
            uploads: self.uploads.status(),
            peers: peers.into_values().collect(),
            disk_left: self.store.disk.left().ok(),
            fault: self.fault.first().map(str::to_owned),
        })
    }

    /// Content that the ledger speaks of, if the charter lets the peer read it.
    fn find(&self, peer: &PublicKey, blob: Blake3) -> Result<StoredBlob, Refusal> {
        let standing = self.ledger.standing();
        let federation = &standing.federation;
        let listed = standing.catalogue.listed(blob, federation.charter().access());
        let listed = listed.ok_or_else(|| {
            Refusal::new(Code::NotFound, format!("the ledger speaks of no file {}", blob.short()))
        })?;
        if listed.audience != Audience::Anyone && federation.peer(peer.id()).is_none() {
            let sentence = "the charter lets only the parties and the operator read this file";
            return Err(Refusal::new(Code::NotPermitted, sentence));
        }
        let blobs = &self.store.blobs;
        if !blobs.contains(blob) {
            let unneeded = standing.catalogue.unneeded(federation, u64::MAX);
            if unneeded.iter().any(|file| file.blake3 == blob) {
                let sentence =
                    "the expert was replaced, no round took it up, and it is kept no more";
                return Err(Refusal::new(Code::NotFound, sentence));
            }
            tracing::error!(blob = %blob.short(), "a recorded file is missing from the store");
            let sentence = "the file is recorded, but the aggregator has lost it";
            return Err(Refusal::new(Code::StoredContentCorrupt, sentence));
        }
        Ok(StoredBlob { data: blobs.data(blob), outboard: blobs.outboard(blob), size: listed.size })
    }
}

/// Whether the key is that of an invitation which may still be taken up: its holder reads the ledger, to see into
/// what it is invited, and sends its join.
fn is_invited(federation: &Federation, key: &PublicKey, now: u64) -> bool {
    let invitation = federation.members().invitation(key.id());
    invitation.is_some_and(|invitation| invitation.taken_by.is_none() && now <= invitation.expires)
}

/// The span of one envelope: what it claims to be, in short.
fn entry_span(request: &'static str, peer: &PublicKey, envelope: &Envelope) -> tracing::Span {
    tracing::info_span!(
        "submission",
        request,
        kind = envelope.domain().kind.as_str(),
        envelope = %envelope.sha256().short(),
        author = %envelope.key().short(),
        peer = %peer.id().short(),
        party = tracing::field::Empty,
        bytes = tracing::field::Empty,
        entry = tracing::field::Empty,
    )
}

/// Leaves a line in the log for each refusal, and counts it.
pub(crate) fn told<T>(counts: &Counts, answer: Result<T, Refusal>) -> Result<T, Refusal> {
    if let Err(refusal) = &answer {
        counts.refused(refusal.code);
        tracing::info!(code = %refusal.code, sentence = refusal.sentence, "refused");
    }
    answer
}

#[cfg(test)]
mod tests;
