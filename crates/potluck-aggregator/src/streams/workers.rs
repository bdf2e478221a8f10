//! Those who make tiles: as many threads as one blend may use, and each stream in its turn.
//!
//! A stream that asks for many tiles delays another by one tile a worker at most, however many it asks for.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};

use potluck_soup::blend::Bench;

use super::TILE;
use super::content::{Content, Failure};
use super::memory::Memory;
use super::tile::Tile;

/// A tile to be made, unless nobody waits for it any more.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) content: Arc<dyn Content>,
    pub(super) index: u64,
    pub(super) tile: Weak<Tile>,
}

/// Threads that make tiles until they are dropped.
#[derive(Debug)]
pub(super) struct Workers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    turns: Mutex<Turns>,
    came: Condvar,
}

/// What is to be made, by stream.
#[derive(Debug, Default)]
struct Turns {
    /// Streams with something to be made, whose turn is next first.
    ring: VecDeque<u64>,
    jobs: HashMap<u64, VecDeque<Job>>,
    is_over: bool,
}

impl Turns {
    fn push(&mut self, stream: u64, job: Job) {
        let jobs = self.jobs.entry(stream).or_default();
        if jobs.is_empty() {
            self.ring.push_back(stream);
        }
        jobs.push_back(job);
    }

    fn pop(&mut self) -> Option<Job> {
        let stream = self.ring.pop_front()?;
        let jobs = self.jobs.get_mut(&stream)?;
        let job = jobs.pop_front();
        if jobs.is_empty() {
            self.jobs.remove(&stream);
        } else {
            self.ring.push_back(stream);
        }
        job
    }
}

impl Workers {
    /// Starts them.
    pub(super) fn start(threads: NonZeroUsize, memory: &Arc<Memory>) -> Self {
        let shared = Arc::new(Shared::default());
        let start = |number: usize| {
            let (shared, memory) = (Arc::clone(&shared), Arc::clone(memory));
            let named = thread::Builder::new().name(format!("soup-{number}"));
            named.spawn(move || shared.work(&memory))
        };
        let threads = (0..threads.get()).map(start).collect::<Result<Vec<_>, _>>();
        let threads = threads.unwrap_or_else(|error| {
            tracing::error!(%error, "no thread could be started: no soup will stream");
            Vec::new()
        });
        Self { shared, threads }
    }

    /// Has a tile made when it is the stream's turn.
    pub(super) fn take(&self, stream: u64, job: Job) {
        self.shared.turns().push(stream, job);
        self.shared.came.notify_one();
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.turns().is_over = true;
        self.shared.came.notify_all();
        for thread in self.threads.drain(..) {
            // One that panicked outside of a tile has nothing left to say.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// The queues are whole between any two statements, so that a panic elsewhere cannot have torn them.
    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Job> {
        let mut turns = self.turns();
        loop {
            if turns.is_over {
                return None;
            }
            if let Some(job) = turns.pop() {
                return Some(job);
            }
            turns = self.came.wait(turns).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn work(&self, memory: &Arc<Memory>) {
        let mut bench = Bench::default();
        while let Some(job) = self.next() {
            let Some(tile) = job.tile.upgrade() else { continue };
            let made = catch_unwind(AssertUnwindSafe(|| make(&job, &mut bench, memory)));
            let made = made.unwrap_or_else(|_| {
                // What it left on the bench may be of any length.
                bench = Bench::default();
                Err(Failure::of(std::io::Error::other("mixing panicked: this is a bug")))
            });
            if let Err(failure) = &made {
                let content = job.content.key().short();
                tracing::error!(content, tile = job.index, error = %failure, "a tile could not be made");
            }
            tile.put(made);
        }
    }
}

fn make(job: &Job, bench: &mut Bench, memory: &Arc<Memory>) -> Result<bytes::Bytes, Failure> {
    let offset = job.index.saturating_mul(TILE as u64);
    let left = job.content.length().saturating_sub(offset);
    let mut room = memory.take(usize::try_from(left).map_or(TILE, |left| left.min(TILE)));
    job.content.fill(bench, job.index, room.bytes_mut())?;
    Ok(room.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::content::tests::Counted;
    use super::*;

    #[test]
    fn streams_have_turns() {
        let mut turns = Turns::default();
        let content: Arc<dyn Content> = Arc::new(Counted::default());
        let job = |index| Job { content: Arc::clone(&content), index, tile: Weak::new() };
        for (stream, index) in [(1, 10), (1, 11), (1, 12), (2, 20), (3, 30), (3, 31)] {
            turns.push(stream, job(index));
        }
        let order: Vec<_> = std::iter::from_fn(|| turns.pop()).map(|job| job.index).collect();
        assert_eq!(order, [10, 20, 30, 11, 31, 12]);
        assert!(turns.jobs.is_empty() && turns.ring.is_empty());
    }
}
