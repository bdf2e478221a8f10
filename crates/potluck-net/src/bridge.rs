//! Between a QUIC stream, which is awaited, and verified files, which block.
//!
//! ```text
//! RecvStream ─ pump_in ─► bounded queue ─► Intake: Read     on a blocking thread
//! SendStream ◄─ pump_out ─ bounded queue ◄─ Outlet: Write    on a blocking thread
//! ```
//!
//! Either end may vanish: the other sees it, as an error and never as an end. A full queue makes the faster
//! side wait, and through QUIC's flow control the peer.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use bytes::{Buf as _, Bytes, BytesMut};
use quinn::{ReadError, RecvStream, SendStream, WriteError};
use tokio::sync::mpsc::{self, error::TryRecvError};

use crate::server::Seat;
use crate::stream::{Pace, SendFailed, write};

/// Pieces under way in a queue: enough that neither side waits for a single switch of threads, and at most
/// half a mebibyte of content.
const QUEUE: usize = 8;

/// What the blocking side hands over at once: a group. Smaller costs switches, larger leaves the
/// processor's cache.
const PIECE: usize = 64 << 10;

/// Packets that are taken from a stream at once: 8 to 100 KiB, by their size.
const PACKETS: usize = 16;

enum In {
    Bytes(Vec<Bytes>),
    Ended,
    Failed(io::Error),
}

/// A queue from a stream to a blocking reader. `first` is what was read of the stream already.
pub(crate) fn intake(first: Bytes) -> (PumpIn, Intake) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (
        PumpIn(sender),
        Intake { receiver, current: vec![first], failed: false, ended: false, seat: None },
    )
}

/// The awaited side of an intake.
pub(crate) struct PumpIn(mpsc::Sender<In>);

impl PumpIn {
    /// Moves the stream into the queue until either ends. Dropped before, the reader sees that it broke off,
    /// and the peer that the rest is not read.
    pub(crate) async fn run(self, mut recv: RecvStream, mut pace: Pace) {
        loop {
            let piece = read(&mut recv, &mut pace).await;
            let last = !matches!(piece, In::Bytes(_));
            // The reader wants no more where it is gone.
            if self.0.send(piece).await.is_err() || last {
                return;
            }
        }
    }
}

async fn read(recv: &mut RecvStream, pace: &mut Pace) -> In {
    let mut packets: [Bytes; PACKETS] = Default::default();
    match pace.wait(recv.read_chunks(&mut packets)).await {
        Ok(Ok(Some(count))) => {
            let packets = packets[..count].to_vec();
            let length = packets.iter().map(Bytes::len).sum();
            pace.moved(length);
            pace.rest(length).await;
            In::Bytes(packets)
        }
        Ok(Ok(None)) => In::Ended,
        Ok(Err(reason)) => {
            tracing::info!(%reason, "content broke off");
            let kind = match reason {
                ReadError::Reset(_) => io::ErrorKind::ConnectionReset,
                _ => io::ErrorKind::ConnectionAborted,
            };
            In::Failed(io::Error::new(kind, reason))
        }
        Err(reason) => {
            tracing::info!(%reason, "content stalled");
            In::Failed(io::Error::new(io::ErrorKind::TimedOut, reason))
        }
    }
}

/// The code with which the peer reset the stream, where that is why reading failed.
pub(crate) fn reset_code(error: &io::Error) -> Option<u64> {
    match error.get_ref()?.downcast_ref::<ReadError>()? {
        ReadError::Reset(code) => Some(code.into_inner()),
        _ => None,
    }
}

/// The blocking side of an intake. Read it on a blocking thread only.
pub(crate) struct Intake {
    receiver: mpsc::Receiver<In>,
    /// What is left of the current piece, in reverse.
    current: Vec<Bytes>,
    ended: bool,
    failed: bool,
    /// By which its reader takes turns with others.
    seat: Option<Seat>,
}

impl Read for Intake {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.current.last_mut() {
                Some(bytes) if !bytes.is_empty() => {
                    let count = bytes.len().min(buffer.len());
                    bytes.copy_to_slice(&mut buffer[..count]);
                    return Ok(count);
                }
                Some(_) => drop(self.current.pop()),
                None if self.ended => return Ok(0),
                None => self.refill()?,
            }
        }
    }
}

impl Intake {
    /// Its reader works on a piece only when it is its peer's turn.
    pub(crate) fn in_turn(self, seat: Seat) -> Self {
        Self { seat: Some(seat), ..self }
    }

    fn refill(&mut self) -> io::Result<()> {
        let there = self.receiver.try_recv().or_else(|_| {
            // The network is waited for without a turn.
            self.seat.iter_mut().for_each(Seat::leave);
            self.receiver.blocking_recv().ok_or(TryRecvError::Disconnected)
        });
        match there.ok() {
            Some(In::Bytes(mut pieces)) if !self.failed => {
                let length = pieces.iter().map(Bytes::len).sum();
                self.seat.iter_mut().for_each(|seat| seat.take(length));
                pieces.reverse();
                self.current = pieces;
            }
            Some(In::Ended) if !self.failed => self.ended = true,
            Some(In::Failed(error)) => {
                self.failed = true;
                return Err(error);
            }
            _ => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
        Ok(())
    }
}

/// How the writing of a stream ended.
#[derive(Debug)]
pub(crate) enum PumpedOut {
    /// The blocking side is through, or gave up: its result says which.
    Ended,
    /// The peer stopped the stream: it wants no more.
    Stopped,
    /// The peer was too slow, or is gone.
    Failed(SendFailed),
}

/// A queue from a blocking writer to a stream.
pub(crate) fn outlet() -> (Outlet, PumpOut) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let piece = BytesMut::with_capacity(PIECE);
    (Outlet { sender, piece, lent: VecDeque::new() }, PumpOut(receiver))
}

/// The awaited side of an outlet.
pub(crate) struct PumpOut(mpsc::Receiver<Bytes>);

impl PumpOut {
    /// Moves the queue into the stream until either ends; `sent` is told the length of each piece. The
    /// stream is neither finished nor reset. Dropped before, the writer sees that its receiver is gone.
    pub(crate) async fn run(
        mut self,
        send: &mut SendStream,
        mut pace: Pace,
        mut sent: impl FnMut(u64),
    ) -> PumpedOut {
        while let Some(piece) = self.0.recv().await {
            // At most PIECE, which fits in a u64.
            let length = piece.len() as u64;
            pace.rest(piece.len()).await;
            match write(send, &mut pace, piece).await {
                Ok(()) => sent(length),
                Err(SendFailed::Write(WriteError::Stopped(_))) => return PumpedOut::Stopped,
                Err(error) => return PumpedOut::Failed(error),
            }
        }
        PumpedOut::Ended
    }
}

/// The blocking side of an outlet. Write it on a blocking thread only, and flush it at the end.
pub(crate) struct Outlet {
    sender: mpsc::Sender<Bytes>,
    piece: BytesMut,
    /// Pieces that are under way, the oldest first. Their memory is used again once they have arrived: to take new memory
    /// for each, and give it back, costs a tenth of a transfer's processor time in page faults. As many as a window
    /// holds.
    lent: VecDeque<Bytes>,
}

impl Outlet {
    /// An empty piece.
    fn fresh(&mut self) -> BytesMut {
        if self.lent.front().is_some_and(Bytes::is_unique)
            && let Some(Ok(mut piece)) = self.lent.pop_front().map(Bytes::try_into_mut)
        {
            piece.clear();
            return piece;
        }
        BytesMut::with_capacity(PIECE)
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..count]);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let fresh = self.fresh();
        let piece = std::mem::replace(&mut self.piece, fresh).freeze();
        self.lent.push_back(piece.clone());
        // The kind by which `blob::send` knows that its receiver is gone.
        self.sender.blocking_send(piece).map_err(|_| io::ErrorKind::ConnectionReset.into())
    }
}
