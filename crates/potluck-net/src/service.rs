//! What a server serves: the seam between sockets and the ledger.
//!
//! All methods are synchronous and may block, but for [`Service::admits`]. The server runs them on its
//! fenced blocking pool, several at once. Who may ask what is the service's to decide: the handshake has
//! only shown that the peer holds its key, and that [`Service::admits`] knows it.

use std::io::Read;
use std::path::PathBuf;

use potluck_core::{Blake3, Envelope, PublicKey, Refusal};
use potluck_wire::{Blended, Compared, LedgerPage, Ranges, Receipt, Status, Wanted};

/// The ledger and the store behind a server.
pub trait Service: Send + Sync + 'static {
    /// Whether a key may connect at all. Called within the handshake, on the reactor: no I/O, no waiting.
    fn admits(&self, key: &PublicKey) -> bool;

    /// The ledger from an index on. A page may hold fewer entries than there are; the checkpoint says how
    /// many there are.
    ///
    /// # Errors
    /// The refusal to send.
    fn ledger(&self, from: u64) -> Result<LedgerPage, Refusal>;

    /// Records an envelope that speaks of no content to come. Returns only once it is durable.
    ///
    /// # Errors
    /// The refusal to send.
    fn append(&self, peer: &PublicKey, envelope: &Envelope) -> Result<Receipt, Refusal>;

    /// Keeps a witness's cosignature on a checkpoint of this log.
    ///
    /// # Errors
    /// The refusal to send.
    fn cosign(&self, peer: &PublicKey, checkpoint: &str) -> Result<(), Refusal>;

    /// How the server stands; `connections` are those of each key.
    ///
    /// # Errors
    /// The refusal to send.
    fn status(
        &self,
        peer: &PublicKey,
        connections: &[(PublicKey, usize)],
    ) -> Result<Status, Refusal>;

    /// Begins a submission. The peer's earlier upload of the same envelope, if one was under way, has ended
    /// when this is called: the newest connection wins.
    ///
    /// # Errors
    /// The refusal to send.
    fn submit(&self, peer: &PublicKey, envelope: &Envelope) -> Result<Offer, Refusal>;

    /// Finds content. Its bytes are verified while they are sent, so this needs to look at none of them.
    ///
    /// # Errors
    /// The refusal to send.
    fn fetch(&self, peer: &PublicKey, blob: &Blake3) -> Result<StoredBlob, Refusal>;

    /// Blends a round's soup. `progress` takes steps done, and of how many; call it as often as you like.
    ///
    /// # Errors
    /// The refusal to send.
    fn blend(
        &self,
        peer: &PublicKey,
        round: u64,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Blended, Refusal>;
}

/// The answer to a submission.
pub enum Offer {
    /// This very envelope is recorded already.
    Recorded(Receipt),
    /// Content comes next.
    Wanted(Box<dyn Upload>),
}

/// A submission whose content is to come. Dropped without [`Upload::receive`] where the peer is gone before;
/// dropping must then keep what is partial.
pub trait Upload: Send {
    /// Of which files the trees of hashes would be of use, because content that is here may be partly the same. Asked for
    /// once, before [`Self::wanted`], where the peer has them. Files of equal content count once.
    fn comparable(&self) -> Vec<Compared> {
        Vec::new()
    }

    /// Takes those trees, in that order (see `blob::Partial::take_hashes`), and what can be had without the peer. What is
    /// [`Self::wanted`] is asked afterwards. `hashes` is as the content of [`Self::receive`], which follows it.
    ///
    /// # Errors
    /// As [`Self::receive`].
    fn compare(&mut self, _hashes: &mut dyn Read) -> Result<(), Refusal> {
        Ok(())
    }

    /// What is lacking, in the order in which it is to be sent. Files of equal content count once. It may be
    /// empty: then nothing is sent.
    fn wanted(&self) -> Vec<Wanted>;

    /// A way in for pieces of one of [`Self::wanted`], by several streams at the same time; nothing where there is none. What came
    /// so, [`Self::receive`] need not take.
    fn share(&self, _blob: &Blake3) -> Option<Box<dyn Share>> {
        None
    }

    /// Takes the content: for each of [`Self::wanted`] in order, the verified stream of its ranges (see
    /// `blob::Partial::receive`). Then verifies and records, and returns once that is durable.
    ///
    /// `content` blocks while the peer is slow, and fails where it is gone ([`std::io::ErrorKind`]
    /// `ConnectionAborted`), sent nothing for too long (`TimedOut`), or broke the stream off
    /// (`ConnectionReset`). It ends (`Ok(0)`) only where the peer finished.
    ///
    /// # Errors
    /// The refusal to send, at once: what is still on its way is not read.
    fn receive(self: Box<Self>, content: &mut dyn Read) -> Result<Receipt, Refusal>;
}

/// A way in for pieces of a file.
pub trait Share: Send + Sync {
    /// What is lacking yet.
    fn missing(&self) -> Ranges;

    /// Takes the verified stream of `ranges` (see `blob::Share::receive`). `content` is as that of [`Upload::receive`].
    ///
    /// # Errors
    /// As [`Upload::receive`]; what came is kept.
    fn receive(&self, ranges: &Ranges, content: &mut dyn Read) -> Result<(), Refusal>;
}

/// Content in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlob {
    /// The bytes.
    pub data: PathBuf,
    /// The tree of hashes over them, as `blob` writes it.
    pub outboard: PathBuf,
    /// Their number.
    pub size: u64,
}
