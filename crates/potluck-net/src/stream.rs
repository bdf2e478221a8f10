//! Frames on a QUIC stream, and the one liveness rule.
//!
//! Who is waited for must move 64 KiB of content (a server may ask for more), or a whole frame, within the idle
//! time. Only waiting for the peer counts, never our own disk or processor.

use std::time::Duration;

use bytes::Bytes;
use potluck_wire::frame::{Decoder, FrameError};
use potluck_wire::ranges::GROUP;
use quinn::{ReadError, RecvStream, SendStream, WriteError};
use tokio::time::Instant;

use crate::throttle::Throttle;

/// The peer made no progress in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nothing moved for {} s", .0.as_secs())]
pub(crate) struct TooSlow(Duration);

/// How long the peer may still keep us waiting.
pub(crate) struct Pace {
    idle: Duration,
    left: Duration,
    floor: u64,
    moved: u64,
    throttle: Throttle,
}

impl Pace {
    /// Begins with the whole of `idle` left.
    pub(crate) fn new(idle: Duration) -> Self {
        Self { idle, left: idle, floor: GROUP, moved: 0, throttle: Throttle::default() }
    }

    /// Only so many bytes are progress.
    pub(crate) fn above(self, floor: u64) -> Self {
        Self { floor, ..self }
    }

    /// What moves shares a line with the peer's other streams.
    pub(crate) fn through(self, throttle: Throttle) -> Self {
        Self { throttle, ..self }
    }

    /// Waits for the peer. `future` is dropped where the time is over: the stream is then given up.
    pub(crate) async fn wait<F: Future>(&mut self, future: F) -> Result<F::Output, TooSlow> {
        let begun = Instant::now();
        let output = tokio::time::timeout(self.left, future).await;
        self.left = self.left.saturating_sub(begun.elapsed());
        output.map_err(|_| TooSlow(self.idle))
    }

    /// So many bytes moved; as many as the floor are progress.
    pub(crate) fn moved(&mut self, bytes: usize) {
        self.moved = self.moved.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.moved >= self.floor {
            (self.moved, self.left) = (0, self.idle);
        }
    }

    /// Whether the peer may have as much as the line takes.
    pub(crate) fn is_free(&self) -> bool {
        self.throttle.is_free()
    }

    /// Waits until so many bytes fit the peer's rate. Dropped without loss.
    pub(crate) async fn rest(&self, bytes: usize) {
        self.throttle.pass(bytes).await;
    }
}

/// A stream that cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FramesError {
    /// It ended where a frame is due.
    #[error("the stream ended where a message is due")]
    Ended,
    /// It broke off.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Nothing came in time.
    #[error(transparent)]
    TooSlow(#[from] TooSlow),
    /// What came is no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Reads frames.
pub(crate) struct Frames {
    recv: RecvStream,
    decoder: Decoder,
    idle: Duration,
}

/// Enough for any usual message at once.
const READ: usize = 16 << 10;

impl Frames {
    /// Reads frames from `recv`; each must be complete within `idle`.
    pub(crate) fn new(recv: RecvStream, idle: Duration) -> Self {
        Self { recv, decoder: Decoder::default(), idle }
    }

    /// The body of the next frame. Cancelling it loses nothing: what has come stays in the decoder.
    pub(crate) async fn next(&mut self, limit: usize) -> Result<Bytes, FramesError> {
        let mut pace = Pace::new(self.idle);
        loop {
            if let Some(frame) = self.decoder.next(limit)? {
                return Ok(frame);
            }
            match pace.wait(self.recv.read_chunk(READ, true)).await?? {
                Some(chunk) => {
                    pace.moved(chunk.bytes.len());
                    self.decoder.feed(&chunk.bytes);
                }
                None => return Err(FramesError::Ended),
            }
        }
    }

    /// Whether nothing came after the frames that were read.
    pub(crate) fn is_drained(&self) -> bool {
        self.decoder.is_empty()
    }

    /// What came after the last frame, and the rest of the stream.
    pub(crate) fn into_parts(self) -> (Bytes, RecvStream) {
        (self.decoder.into_rest(), self.recv)
    }
}

/// A stream that cannot be written on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendFailed {
    /// The peer stopped it, or is gone.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The peer did not take it in time.
    #[error(transparent)]
    TooSlow(#[from] TooSlow),
}

/// Writes pieces of content, each part of which is progress.
pub(crate) async fn write_all(
    send: &mut SendStream,
    pace: &mut Pace,
    mut pieces: &mut [Bytes],
) -> Result<(), SendFailed> {
    while !pieces.is_empty() {
        let written = pace.wait(send.write_chunks(pieces)).await??;
        pace.moved(written.bytes);
        pieces = &mut pieces[written.chunks..];
    }
    Ok(())
}

/// Writes `bytes`, which are one message or one piece of content.
pub(crate) async fn write(
    send: &mut SendStream,
    pace: &mut Pace,
    bytes: Bytes,
) -> Result<(), SendFailed> {
    let length = bytes.len();
    pace.wait(send.write_chunk(bytes)).await??;
    pace.moved(length);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    /// For how many seconds a peer that moves so many bytes a second is waited for; `None`: for ever.
    async fn patience(bytes: usize) -> Option<u32> {
        let mut pace = Pace::new(Duration::from_secs(10)).above(1000);
        for second in 1..1000 {
            // A little less than a second, so that no two timers end at the same time.
            if pace.wait(sleep(Duration::from_millis(990))).await.is_err() {
                return Some(second);
            }
            pace.moved(bytes);
            // Our own work, however long, is not the peer's.
            sleep(Duration::from_secs(60)).await;
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn who_moves_less_than_the_floor_within_the_time_is_too_slow() {
        assert_eq!(patience(100).await, None);
        assert_eq!(patience(99).await, Some(11));
        assert_eq!(patience(0).await, Some(11));
    }
}
