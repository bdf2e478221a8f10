//! The client: one connection to a server whose key is known.

use std::path::{Path, PathBuf};

use potluck_core::{Envelope, FileEntry, PrivateKey, PublicKey, Refusal};
use potluck_wire::{Blended, LedgerPage, Receipt};

/// A connection that was not made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not a host and port, or a host that does not exist.
    #[error("'{address}' is no address: write host:port, with a host that exists")]
    Address {
        /// What was given.
        address: String,
        /// What the resolver says.
        #[source]
        source: std::io::Error,
    },
    /// Nobody answers.
    #[error("nobody answers at {address}: is the aggregator running, and is UDP let through?")]
    Unreachable {
        /// Where.
        address: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The server holds another key than the one that is pinned.
    #[error("the server at {address} is not the one whose log key is pinned")]
    WrongServer {
        /// Where.
        address: String,
    },
    /// The server does not admit this key.
    #[error("the server at {address} does not admit this key: is the party admitted?")]
    Rejected {
        /// Where.
        address: String,
    },
    /// The handshake failed otherwise: another program or version, perhaps.
    #[error("the server at {address} does not speak this protocol: {reason}")]
    Handshake {
        /// Where.
        address: String,
        /// What the transport says.
        reason: String,
    },
    /// This machine gives no socket.
    #[error("no socket")]
    Socket(#[source] std::io::Error),
}

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The server refused.
    #[error(transparent)]
    Refused(Refusal),
    /// The connection was lost, or the server fell silent. What was transferred is kept: call again.
    #[error("the connection to {address} was lost: {reason}")]
    Lost {
        /// To whom.
        address: String,
        /// What the transport says.
        reason: String,
    },
    /// The server broke the protocol, or sent bytes that are not those of their digest.
    #[error("the server at {address} broke the protocol: {reason}")]
    Protocol {
        /// Who.
        address: String,
        /// How.
        reason: String,
    },
    /// A file here could not be read or written, or is not what its digest says.
    #[error("{}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: std::io::Error,
    },
}

/// A file that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its digests and size.
    pub file: FileEntry,
    /// Where it lies.
    pub path: PathBuf,
}

/// How far a transfer is, in bytes of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// What is there, with what was there before.
    pub done: u64,
    /// The whole.
    pub total: u64,
    /// What was there before this call, and is not sent again.
    pub resumed_from: u64,
}

/// A connection. Calls may run at the same time.
#[derive(Debug)]
pub struct Client {}

/// Connects to `address` (`host:port`).
///
/// # Errors
/// [`ConnectError`], within 10 seconds.
pub async fn connect(
    address: &str,
    server: &PublicKey,
    identity: &PrivateKey,
) -> Result<Client, ConnectError> {
    let _ = (address, server, identity);
    unimplemented!()
}

impl Client {
    /// The ledger from an index on.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn ledger(&self, from: u64) -> Result<LedgerPage, CallError> {
        let _ = from;
        unimplemented!()
    }

    /// Records an envelope that speaks of no content to come.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn append(&self, envelope: &Envelope) -> Result<Receipt, CallError> {
        let _ = envelope;
        unimplemented!()
    }

    /// Records an envelope and sends what the server lacks of its content.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn submit(
        &self,
        envelope: &Envelope,
        content: &[Content],
        progress: impl FnMut(Transfer) + Send,
    ) -> Result<Receipt, CallError> {
        let _ = (envelope, content, progress);
        unimplemented!()
    }

    /// Fetches a file to `target`.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn fetch(
        &self,
        file: &FileEntry,
        target: &Path,
        progress: impl FnMut(Transfer) + Send,
    ) -> Result<(), CallError> {
        let _ = (file, target, progress);
        unimplemented!()
    }

    /// Has a round's soup blended; `progress` takes steps done, and of how many.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn blend(
        &self,
        round: u64,
        progress: impl FnMut(u64, u64) + Send,
    ) -> Result<Blended, CallError> {
        let _ = (round, progress);
        unimplemented!()
    }

    /// Says goodbye, so that the server need not wait for silence.
    pub async fn close(self) {}
}
