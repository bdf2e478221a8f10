//! Between a QUIC stream, which is awaited, and verified files, which block.
//!
//! ```text
//! RecvStream ─► Intake: Read     on a blocking thread
//! SendStream ◄─ Outlet: Sink     on a blocking thread
//! ```
//!
//! The blocking side itself waits for the stream. A queue between it and a task that waits in its place would cost two
//! switches of threads for each group: a tenth and more of a transfer's processor time. What the awaited side keeps is a
//! [`Leash`]: dropped, it ends the blocking side's waiting. A side that is slow makes the peer wait, through QUIC's flow
//! control.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::pin::pin;
use std::task::Poll;

use bytes::{Buf as _, Bytes, BytesMut};
use potluck_wire::ABANDONED;
use quinn::{ReadError, RecvStream, SendStream, VarInt, WriteError};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::blob::{SendError, Sink};
use crate::server::Seat;
use crate::stream::{Pace, SendFailed, write_all};
use crate::telling::Passed;

/// What is sent at once: a group. Smaller costs more calls, larger leaves the processor's cache.
const PIECE: usize = 64 << 10;

/// Room for the hashes before a group: those on the way from the root, 64 bytes for each doubling of the file. Its end is the
/// beginning of a page.
const HEAD: usize = 4096;

/// Packets that are taken from a stream at once: up to 400 KiB, by their size.
const PACKETS: usize = 64;

/// So many are given to the stream at once, where the peer's rate is free: for each gift the connection is locked, which the
/// task that encrypts and sends holds for most of the time. As much as that sends in a few turns.
const PIECES: usize = 4;

/// What holds the blocking side to its purpose: dropped, its stream breaks off.
#[must_use = "dropped, the stream breaks off"]
pub(crate) struct Leash(#[expect(dead_code, reason = "held, and dropped")] oneshot::Sender<()>);

/// Waits for `future` on a blocking thread; nothing where the leash was dropped.
fn on_leash<T>(
    runtime: &Handle,
    leash: &mut oneshot::Receiver<()>,
    future: impl Future<Output = T>,
) -> Option<T> {
    runtime.block_on(async {
        tokio::select! {
            biased;
            // Polled again at each call until it completes; after that, nobody calls.
            _ = leash => None,
            output = future => Some(output),
        }
    })
}

/// The blocking side of a stream that is read. `first` is what was read of it already.
pub(crate) fn intake(first: Bytes, recv: RecvStream, pace: Pace) -> (Leash, Intake) {
    let (holder, leash) = oneshot::channel();
    let state = State::Open;
    let (runtime, current) = (Handle::current(), vec![first]);
    (Leash(holder), Intake { runtime, recv, pace, leash, current, state, seat: None })
}

/// A stream to read on a blocking thread. Dropped, it tells the peer that the rest is not read.
pub(crate) struct Intake {
    runtime: Handle,
    recv: RecvStream,
    pace: Pace,
    leash: oneshot::Receiver<()>,
    /// What came and was not read yet, in reverse.
    current: Vec<Bytes>,
    state: State,
    /// By which its reader takes turns with others.
    seat: Option<Seat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Ended,
    Failed,
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
                None => match self.state {
                    State::Open => self.refill()?,
                    State::Ended => return Ok(0),
                    State::Failed => return Err(io::ErrorKind::ConnectionAborted.into()),
                },
            }
        }
    }
}

impl Intake {
    /// Its reader works on a piece only when it is its peer's turn.
    pub(crate) fn in_turn(self, seat: Seat) -> Self {
        Self { seat: Some(seat), ..self }
    }

    /// Takes what came meanwhile, or waits for it.
    fn refill(&mut self) -> io::Result<()> {
        let (recv, pace, seat) = (&mut self.recv, &mut self.pace, &mut self.seat);
        let mut packets = [const { Bytes::new() }; PACKETS];
        let reading = async {
            let read = {
                let mut coming = pin!(pace.wait(recv.read_chunks(&mut packets)));
                let there = poll_fn(|context| Poll::Ready(coming.as_mut().poll(context))).await;
                match there {
                    Poll::Ready(read) => read,
                    Poll::Pending => {
                        // The network is waited for without a turn.
                        seat.iter_mut().for_each(Seat::leave);
                        coming.await
                    }
                }
            };
            if let Ok(Ok(Some(count))) = read {
                let length = packets[..count].iter().map(Bytes::len).sum();
                pace.moved(length);
                pace.rest(length).await;
            }
            read
        };
        let error = match on_leash(&self.runtime, &mut self.leash, reading) {
            Some(Ok(Ok(Some(count)))) => {
                let length = packets[..count].iter().map(Bytes::len).sum();
                self.seat.iter_mut().for_each(|seat| seat.take(length));
                self.current.extend(packets.into_iter().take(count).rev());
                return Ok(());
            }
            Some(Ok(Ok(None))) => {
                self.state = State::Ended;
                return Ok(());
            }
            Some(Ok(Err(reason))) => {
                tracing::info!(%reason, "content broke off");
                let kind = match reason {
                    ReadError::Reset(_) => io::ErrorKind::ConnectionReset,
                    _ => io::ErrorKind::ConnectionAborted,
                };
                io::Error::new(kind, reason)
            }
            Some(Err(reason)) => {
                tracing::info!(%reason, "content stalled");
                io::Error::new(io::ErrorKind::TimedOut, reason)
            }
            None => io::ErrorKind::ConnectionAborted.into(),
        };
        self.state = State::Failed;
        Err(error)
    }
}

/// The code with which the peer reset the stream, where that is why reading failed.
pub(crate) fn reset_code(error: &io::Error) -> Option<u64> {
    match error.get_ref()?.downcast_ref::<ReadError>()? {
        ReadError::Reset(code) => Some(code.into_inner()),
        _ => None,
    }
}

/// Why a stream takes no more.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The peer stopped it: it wants no more.
    Stopped,
    /// The peer was too slow, or is gone.
    Failed(SendFailed),
    /// The leash was dropped.
    Called,
}

/// The blocking side of a stream that is written. `sent` counts the bytes that were taken for sending.
pub(crate) fn outlet(send: SendStream, pace: Pace, sent: Passed) -> (Leash, Outlet) {
    let (holder, leash) = oneshot::channel();
    let outlet = Outlet {
        runtime: Handle::current(),
        send: Some(send),
        pace,
        leash,
        written: Vec::new(),
        pieces: Vec::new(),
        lent: VecDeque::new(),
        halt: None,
        sent,
    };
    (Leash(holder), outlet)
}

/// A stream to write on a blocking thread. Dropped before its [`end`](Outlet::end), the stream is reset.
pub(crate) struct Outlet {
    runtime: Handle,
    /// Until the end.
    send: Option<SendStream>,
    pace: Pace,
    leash: oneshot::Receiver<()>,
    /// What was written piecemeal, at most [`PIECE`].
    written: Vec<u8>,
    /// What is next to be sent, at most [`PIECES`].
    pieces: Vec<Bytes>,
    /// Memory that is under way, the oldest first. It is used again once it has arrived: to take new memory
    /// for each group, and give it back, costs a tenth of a transfer's processor time in page faults. As many as a window
    /// holds.
    lent: VecDeque<Bytes>,
    halt: Option<Halt>,
    sent: Passed,
}

impl Outlet {
    /// Gives the stream back, neither finished nor reset, and says why it took no more, if it did not. What was not flushed is
    /// not sent.
    pub(crate) fn end(mut self) -> (Option<SendStream>, Option<Halt>) {
        (self.send.take(), self.halt.take())
    }

    /// Memory for the hashes and the bytes of a group.
    fn fresh(&mut self) -> BytesMut {
        if self.lent.front().is_some_and(Bytes::is_unique)
            && let Some(Ok(memory)) = self.lent.pop_front().map(Bytes::try_into_mut)
        {
            return memory;
        }
        BytesMut::zeroed(HEAD + PIECE)
    }

    /// Puts what was written piecemeal before what follows.
    fn gather(&mut self) {
        if !self.written.is_empty() {
            self.pieces.push(std::mem::take(&mut self.written).into());
        }
    }

    /// Sends the pieces, if there are enough of them.
    fn hand_on(&mut self) -> io::Result<()> {
        // Where a rate holds, a peer that waits for its progress is to see each piece.
        let most = if self.pace.is_free() { PIECES } else { 1 };
        if self.pieces.len() < most { Ok(()) } else { self.hand_over() }
    }

    /// Sends the pieces. The error's kind is that by which `blob::send` knows that its receiver is gone.
    fn hand_over(&mut self) -> io::Result<()> {
        let (Some(send), None) = (&mut self.send, &self.halt) else {
            return Err(io::ErrorKind::ConnectionReset.into());
        };
        let (pace, pieces) = (&mut self.pace, &mut self.pieces);
        let length = pieces.iter().map(Bytes::len).sum();
        let writing = async {
            pace.rest(length).await;
            write_all(send, pace, pieces).await
        };
        let written = on_leash(&self.runtime, &mut self.leash, writing);
        pieces.clear();
        self.halt = match written {
            Some(Ok(())) => {
                // A length in memory fits in a u64 wherever this runs.
                self.sent.add(length as u64);
                return Ok(());
            }
            Some(Err(SendFailed::Write(WriteError::Stopped(_)))) => Some(Halt::Stopped),
            Some(Err(error)) => Some(Halt::Failed(error)),
            None => Some(Halt::Called),
        };
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        // Of its own accord quinn would finish it, as if all had been sent.
        if let Some(send) = &mut self.send {
            // A stream that ended already needs no reset.
            let _ = send.reset(VarInt::from_u32(ABANDONED));
        }
    }
}

impl Sink for Outlet {
    fn take(
        &mut self,
        hashes: &[u8],
        length: usize,
        fill: &mut dyn FnMut(&mut [u8]) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let gone = |_| SendError::Gone;
        let begin = match HEAD.checked_sub(hashes.len()) {
            Some(begin) => begin,
            None => {
                self.write_all(hashes).map_err(gone)?;
                HEAD
            }
        };
        self.gather();
        let mut memory = self.fresh();
        if begin < HEAD {
            memory[begin..HEAD].copy_from_slice(hashes);
        }
        fill(&mut memory[HEAD..HEAD + length])?;
        let memory = memory.freeze();
        self.lent.push_back(memory.clone());
        self.pieces.push(memory.slice(begin..HEAD + length));
        self.hand_on().map_err(gone)
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(PIECE - self.written.len());
        self.written.extend_from_slice(&bytes[..count]);
        if self.written.len() == PIECE {
            self.gather();
            self.hand_on()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.gather();
        if self.pieces.is_empty() { Ok(()) } else { self.hand_over() }
    }
}
