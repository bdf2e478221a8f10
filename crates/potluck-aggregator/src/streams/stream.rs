//! One reader's way through a content: a few tiles ahead of what it has taken.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;

use super::content::{Content, Failure};
use super::tile::Tile;
use super::workers::Job;
use super::{AHEAD, MOST_AHEAD, Streams, TILE};

/// How many streams there are, which share what may be asked for ahead.
#[derive(Debug, Default)]
pub(super) struct Seats {
    taken: AtomicUsize,
    numbers: AtomicU64,
}

impl Seats {
    /// How many tiles each stream may ask for ahead.
    fn share(&self) -> usize {
        (AHEAD / self.taken.load(Ordering::Relaxed).max(1)).clamp(1, MOST_AHEAD)
    }
}

/// A stream's place among the others, until it ends.
#[derive(Debug)]
struct Seat(Arc<Seats>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Bytes of a content in order. Dropped, it lets go of what nobody else waits for.
#[derive(Debug)]
pub(crate) struct Stream {
    streams: Arc<Streams>,
    content: Arc<dyn Content>,
    number: u64,
    seat: Seat,
    /// What comes next, in bytes from the content's start.
    position: u64,
    end: u64,
    /// Tiles that were asked for, from the one under `position` on.
    ahead: VecDeque<Arc<Tile>>,
    /// The next that is asked for.
    next: u64,
}

impl Stream {
    pub(super) fn new(
        streams: Arc<Streams>,
        content: Arc<dyn Content>,
        begin: u64,
        end: u64,
    ) -> Self {
        let seats = Arc::clone(&streams.seats);
        seats.taken.fetch_add(1, Ordering::Relaxed);
        let number = seats.numbers.fetch_add(1, Ordering::Relaxed);
        let (seat, next) = (Seat(seats), begin / TILE as u64);
        Self { streams, content, number, seat, position: begin, end, ahead: VecDeque::new(), next }
    }

    /// Bytes that are still to come.
    pub(crate) fn left(&self) -> u64 {
        self.end - self.position
    }

    /// The next bytes, at most a tile of them; nothing at the end.
    ///
    /// # Errors
    /// [`Failure`]: what follows cannot be had.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        if self.position >= self.end {
            return None;
        }
        self.ask();
        if let Some(mut there) = self.content.at_once(self.position) {
            there.truncate(usize::try_from(self.left()).unwrap_or(usize::MAX));
            self.position += there.len() as u64;
            return Some(Ok(there));
        }
        let tile = self.ahead.pop_front()?;
        Some(tile.made().await.map(|made| self.part(&made)))
    }

    /// Asks for tiles as far ahead as it may.
    pub(super) fn ask(&mut self) {
        let share = self.seat.0.share();
        // The first is needed whatever the share, and comes with the others.
        while self.ahead.len() < share && self.next.saturating_mul(TILE as u64) < self.end {
            let (tile, is_new) = self.streams.tiles.at((self.content.key(), self.next));
            if is_new {
                let content = Arc::clone(&self.content);
                let job = Job { content, index: self.next, tile: Arc::downgrade(&tile) };
                self.streams.workers.take(self.number, job);
            }
            self.ahead.push_back(tile);
            self.next += 1;
        }
    }

    /// What of a tile lies between the position and the end.
    fn part(&mut self, tile: &Bytes) -> Bytes {
        let start = self.position - self.position % TILE as u64;
        let within =
            |at: u64| usize::try_from(at - start).map_or(tile.len(), |at| at.min(tile.len()));
        let (begin, end) = (within(self.position), within(self.end));
        self.position = start + end as u64;
        tile.slice(begin..end)
    }
}
