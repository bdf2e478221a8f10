//! The client: one connection to a server whose key is known.
//!
//! Every call is one stream. A call whose future is dropped is given up, and the connection stays good. What
//! a server answers is as yet nobody's word but its own: receipts, checkpoints and entries are verified by
//! the caller; content is verified here, against the digest that was asked for.

mod connect;
mod fetch;
mod submit;

mod pieces;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use potluck_core::{Code, Envelope, FileEntry, Refusal};
use potluck_wire::frame::MAX_REPLY;
use potluck_wire::message::{Reply, Request};
use potluck_wire::session::client::{
    AppendCall, BlendCall, CosignCall, Ended, LedgerCall, StatusCall, Step,
};
use potluck_wire::{Blended, LedgerPage, Receipt, STORED_CONTENT_CORRUPT, Status, Wanted};
use quinn::{Connection, Endpoint, ReadError, SendStream, VarInt};
use tokio::time::timeout;

use crate::blob::SendError;
use crate::bridge::Outlet;
use crate::stream::{Frames, FramesError, Pace, write};
use crate::transport::{IDLE, Shortfall};

#[cfg(test)]
pub(crate) use connect::explain;
pub use connect::{ConnectError, connect, connect_tuned, connect_x509};

/// How long a goodbye may take.
const FAREWELL: Duration = Duration::from_secs(2);

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
        source: io::Error,
    },
}

/// A file that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its digests and size.
    pub file: FileEntry,
    /// Where it lies.
    pub path: PathBuf,
    /// Its tree of hashes where that is known from before ([`Hashed::outboard`](crate::blob::Hashed::outboard)); else, and where
    /// it is another file's, the file is read and hashed before anything is asked.
    pub outboard: Option<Arc<[u8]>>,
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

/// A connection. Calls may run at the same time; clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct Client {
    address: String,
    endpoint: Endpoint,
    pub(crate) connection: Connection,
    shortfall: Option<Shortfall>,
}

impl Client {
    fn new(
        address: &str,
        endpoint: Endpoint,
        connection: Connection,
        shortfall: Option<Shortfall>,
    ) -> Self {
        Self { address: address.to_owned(), endpoint, connection, shortfall }
    }

    /// What this machine lacks for large transfers, in a sentence for its user.
    pub fn shortfall(&self) -> Option<Shortfall> {
        self.shortfall
    }

    /// The ledger from an index on, or the first part of it. Nothing in it is verified.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn ledger(&self, from: u64) -> Result<LedgerPage, CallError> {
        let (mut call, request) = LedgerCall::new(from);
        let mut frames = self.ask(&request).await?;
        loop {
            let reply = self.reply(&mut frames).await?;
            if let Step::Done(page) = call.on(reply).map_err(|ended| self.ended(ended))? {
                return Ok(page);
            }
        }
    }

    /// Records an envelope that speaks of no content to come.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn append(&self, envelope: &Envelope) -> Result<Receipt, CallError> {
        let (mut call, request) = AppendCall::new(envelope);
        let mut frames = self.ask(&request).await?;
        loop {
            let reply = self.reply(&mut frames).await?;
            if let Step::Done(receipt) = call.on(reply).map_err(|ended| self.ended(ended))? {
                return Ok(receipt);
            }
        }
    }

    /// Hands in a checkpoint with this client's cosignature on it.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn cosign(&self, checkpoint: String) -> Result<(), CallError> {
        let (mut call, request) = CosignCall::new(checkpoint);
        let mut frames = self.ask(&request).await?;
        loop {
            let reply = self.reply(&mut frames).await?;
            if let Step::Done(()) = call.on(reply).map_err(|ended| self.ended(ended))? {
                return Ok(());
            }
        }
    }

    /// How the server stands: for the operator.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn status(&self) -> Result<Status, CallError> {
        let (mut call, request) = StatusCall::new();
        let mut frames = self.ask(&request).await?;
        loop {
            let reply = self.reply(&mut frames).await?;
            if let Step::Done(status) = call.on(reply).map_err(|ended| self.ended(ended))? {
                return Ok(status);
            }
        }
    }

    /// Records an envelope, and sends what the server lacks of its content. Called again after an
    /// interruption, it sends only what had not arrived.
    ///
    /// # Errors
    /// [`CallError`]; [`CallError::File`] where a file is not that of its entry.
    pub async fn submit(
        &self,
        envelope: &Envelope,
        content: &[Content],
        progress: impl FnMut(Transfer) + Send,
    ) -> Result<Receipt, CallError> {
        submit::submit(self, envelope, content, progress).await
    }

    /// As [`Self::submit`], over several connections of the same key: this one, and `others`. Each brings pieces of the content;
    /// where one breaks, the others bring its piece.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn submit_over(
        &self,
        others: &[Self],
        envelope: &Envelope,
        content: &[Content],
        progress: impl FnMut(Transfer) + Send,
    ) -> Result<Receipt, CallError> {
        pieces::submit(self, others, envelope, content, progress).await
    }

    /// As [`Self::submit`], for content that does not lie in files, or that is encoded already: `encode`
    /// writes the verified stream of each wanted part, in order. Nothing is checked on this side.
    ///
    /// # Errors
    /// [`CallError`]; [`CallError::File`] without a path where `encode` fails.
    pub async fn submit_encoded(
        &self,
        envelope: &Envelope,
        files: Vec<FileEntry>,
        encode: impl FnOnce(&[Wanted], &mut dyn io::Write) -> io::Result<()> + Send + 'static,
    ) -> Result<Receipt, CallError> {
        let encode = move |wanted: Vec<Wanted>, outlet: &mut Outlet| {
            let written = encode(&wanted, outlet).and_then(|()| outlet.flush());
            written.map_err(|source| (PathBuf::new(), SendError::from(source)))
        };
        submit::submit_encoded(self, envelope, files, |_| (), encode).await
    }

    /// Fetches a file to `target`, verified while it comes. What is there already is not fetched: nothing
    /// where `target` is the file, and what is missing where an earlier call left `<target>.part`.
    ///
    /// # Errors
    /// [`CallError`]; what came is kept.
    pub async fn fetch(
        &self,
        file: &FileEntry,
        target: &Path,
        progress: impl FnMut(Transfer) + Send,
    ) -> Result<(), CallError> {
        fetch::fetch(self, file, target, progress).await
    }

    /// As [`Self::fetch`], from several servers, or over several connections to one, at the same time. Each brings pieces; where
    /// one breaks or has not what is asked for, the others bring its piece. `failed` is told which, and how.
    ///
    /// # Errors
    /// As [`Self::fetch`], of the first that failed, once none is left; what came is kept.
    pub async fn fetch_from(
        clients: &[Self],
        file: &FileEntry,
        target: &Path,
        progress: impl FnMut(Transfer) + Send,
        failed: impl FnMut(usize, &CallError) + Send,
    ) -> Result<(), CallError> {
        pieces::fetch(clients, file, target, progress, failed).await
    }

    /// Has a round's soup blended; `progress` takes steps done, and of how many.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn blend(
        &self,
        round: u64,
        mut progress: impl FnMut(u64, u64) + Send,
    ) -> Result<Blended, CallError> {
        let (mut call, request) = BlendCall::new(round);
        let mut frames = self.ask(&request).await?;
        loop {
            let reply = self.reply(&mut frames).await?;
            match call.on(reply).map_err(|ended| self.ended(ended))? {
                Step::Done(blended) => return Ok(blended),
                Step::Progress(done, total) => progress(done, total),
                Step::More => (),
            }
        }
    }

    /// Says goodbye, so that the server need not wait for silence.
    pub async fn close(self) {
        self.connection.close(VarInt::from_u32(0), b"");
        // Past the limit the server finds out by the idle timeout.
        let _ = timeout(FAREWELL, self.endpoint.wait_idle()).await;
    }

    /// Opens a stream, sends a request on it, and ends our half.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Frames, CallError> {
        let (mut send, frames) = self.open(request).await?;
        // A stream that the server stopped needs no end; its answer says why.
        let _ = send.finish();
        Ok(frames)
    }

    /// Opens a stream and sends a request on it.
    async fn open(&self, request: &Request) -> Result<(SendStream, Frames), CallError> {
        let frame = request.to_frame().map_err(|error| self.violation(&error))?;
        let opening = timeout(IDLE, self.connection.open_bi()).await;
        let (mut send, recv) =
            opening.map_err(|slow| self.lost(&slow))?.map_err(|error| self.lost(&error))?;
        let sent = write(&mut send, &mut Pace::new(IDLE), frame).await;
        sent.map_err(|error| self.lost(&error))?;
        Ok((send, Frames::new(recv, IDLE)))
    }

    pub(crate) async fn reply(&self, frames: &mut Frames) -> Result<Reply, CallError> {
        let body = frames.next(MAX_REPLY).await.map_err(|error| match error {
            FramesError::Read(ReadError::Reset(code)) => self.reset(code.into_inner()),
            FramesError::Frame(_) | FramesError::Ended => self.violation(&error),
            FramesError::Read(_) | FramesError::TooSlow(_) => self.lost(&error),
        })?;
        Reply::parse(&body).map_err(|error| self.violation(&error))
    }

    fn ended(&self, ended: Ended) -> CallError {
        match ended {
            Ended::Refused(refusal) => CallError::Refused(refusal),
            Ended::Violation(reason) => self.violation(&reason),
        }
    }

    /// The server broke a stream off.
    fn reset(&self, code: u64) -> CallError {
        if code == u64::from(STORED_CONTENT_CORRUPT) {
            let sentence = "the aggregator's store holds other bytes than those of the digest";
            return CallError::Refused(Refusal::new(Code::StoredContentCorrupt, sentence));
        }
        self.lost(&format_args!("the server gave up this request (code {code})"))
    }

    fn violation(&self, reason: &dyn std::fmt::Display) -> CallError {
        CallError::Protocol { address: self.address.clone(), reason: reason.to_string() }
    }

    fn lost(&self, reason: &dyn std::fmt::Display) -> CallError {
        // What ended the connection says more than what a stream saw of it.
        let reason = match self.connection.close_reason() {
            Some(closed) => closed.to_string(),
            None => reason.to_string(),
        };
        CallError::Lost { address: self.address.clone(), reason }
    }
}

/// Work of ours that panicked is a bug; it is passed on, as it would be without the thread.
fn joined<T>(result: Result<T, tokio::task::JoinError>) -> T {
    match result {
        Ok(output) => output,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
