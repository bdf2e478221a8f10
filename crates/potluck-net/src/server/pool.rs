//! Blocking work, fenced: what may run at once, by what it waits for.
//!
//! Lanes are apart so that none starves another: a thread that waits for a slow upload must never be the one
//! that an append needs, and an append never waits behind what strangers read. In the lanes where a place can be
//! held for long by being slow, one key has at most a quarter of the places. Together they stay far below the runtime's own bound of 512 blocking threads, so
//! that a permit always means a thread.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use potluck_core::{Code, PublicKey, Refusal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::Limits;

/// How long a request waits for its turn before it is told to come back.
const PATIENCE: Duration = Duration::from_secs(10);

/// What kind of work it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// Short, with processor and disk: appends. As many at once as there are cores.
    Decision,
    /// Short, with processor and disk: ledger pages, look-ups. As many at once as there are cores.
    Reading,
    /// Waits for a peer's content, then verifies it.
    Upload,
    /// Waits for a peer to take content.
    Download,
    /// Long, with all cores and the disk. One at a time.
    Blend,
}

/// The lanes.
pub(super) struct Pool {
    decisions: Arc<Semaphore>,
    readings: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
    blends: Arc<Semaphore>,
    /// The most places of one key in the lanes where that is counted.
    uploads_of_key: usize,
    downloads_of_key: usize,
    held: Arc<Mutex<Held>>,
}

/// How many places each key holds, in the lanes where that is counted.
type Held = BTreeMap<(Lane, [u8; 32]), usize>;

/// A place in a lane.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    _share: Option<Share>,
}

/// One of a key's own places, for as long as this lives.
struct Share {
    of: (Lane, [u8; 32]),
    held: Arc<Mutex<Held>>,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        match held.get_mut(&self.of) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(held.remove(&self.of)),
        }
    }
}

/// The counts are whole between any two statements, so that a panic elsewhere cannot have torn them.
fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    pub(super) fn new(limits: &Limits) -> Self {
        // At least two, so that one slow disk read on a small machine stops no other.
        let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
        let lane = |places| Arc::new(Semaphore::new(places));
        Self {
            decisions: lane(cores),
            readings: lane(cores),
            uploads: lane(limits.uploads),
            downloads: lane(limits.downloads),
            blends: lane(1),
            uploads_of_key: limits.uploads.div_ceil(4),
            downloads_of_key: limits.downloads.div_ceil(4),
            held: Arc::default(),
        }
    }

    /// Waits for a place for what `peer` asks.
    ///
    /// # Errors
    /// A refusal to send, where none is free for too long, or the peer's key has its share already.
    pub(super) async fn enter(&self, lane: Lane, peer: &PublicKey) -> Result<Place, Refusal> {
        let share = self.share(lane, peer)?;
        let (places, what) = match lane {
            Lane::Decision => (&self.decisions, "requests"),
            Lane::Reading => (&self.readings, "requests"),
            Lane::Upload => (&self.uploads, "uploads"),
            Lane::Download => (&self.downloads, "downloads"),
            Lane::Blend => (&self.blends, "blends"),
        };
        match timeout(PATIENCE, Arc::clone(places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place { _permit: permit, _share: share }),
            _ => Err(Refusal::new(
                Code::Busy,
                format!("too many {what} are under way; try again in a minute"),
            )),
        }
    }

    /// One more place of the key, in the lanes where that is counted; whoever waits counts as well.
    fn share(&self, lane: Lane, peer: &PublicKey) -> Result<Option<Share>, Refusal> {
        let (most, what) = match lane {
            Lane::Upload => (self.uploads_of_key, "uploads"),
            Lane::Download => (self.downloads_of_key, "downloads"),
            Lane::Decision | Lane::Reading | Lane::Blend => return Ok(None),
        };
        let of = (lane, *peer.as_bytes());
        let mut held = lock(&self.held);
        let count = held.get(&of).copied().unwrap_or(0);
        if count >= most {
            let sentence =
                format!("this key has {count} {what} under way; let one of them end first");
            return Err(Refusal::new(Code::Busy, sentence));
        }
        held.insert(of, count + 1);
        Ok(Some(Share { of, held: Arc::clone(&self.held) }))
    }

    /// Runs short work.
    ///
    /// # Errors
    /// The work's own refusal, or one where there is no place.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        peer: &PublicKey,
        work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.enter(lane, peer).await?.run(work).await.1
    }
}

impl Place {
    /// Runs `work` on a blocking thread. The place goes along, so that it is taken for as long as the work
    /// really runs, and comes back with the result.
    pub(super) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> (Option<Self>, Result<T, Refusal>) {
        match spawn_blocking(move || (self, work())).await {
            Ok((place, result)) => (Some(place), result),
            Err(error) => {
                tracing::error!(%error, "a request's work panicked");
                let sentence = "the aggregator failed at this; its log says more";
                (None, Err(Refusal::new(Code::Internal, sentence)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_core::PrivateKey;

    #[tokio::test]
    async fn one_key_has_its_share_and_leaves_the_rest_to_others() {
        let pool = Pool::new(&Limits { uploads: 5, ..Limits::default() });
        let [slow, other] = [1, 2].map(|seed| PrivateKey::from_seed(&[seed; 32]).public());
        let first = pool.enter(Lane::Upload, &slow).await.unwrap();
        let second = pool.enter(Lane::Upload, &slow).await.unwrap();
        let refused = pool.enter(Lane::Upload, &slow).await.err().unwrap();
        assert_eq!(refused.code, Code::Busy);
        let others = pool.enter(Lane::Upload, &other).await.unwrap();
        let reading = pool.enter(Lane::Download, &slow).await.unwrap();
        drop(first);
        let third = pool.enter(Lane::Upload, &slow).await.unwrap();
        drop((second, third, others, reading));
        assert!(lock(&pool.held).is_empty());
    }

    #[tokio::test]
    async fn an_append_does_not_wait_behind_readers() {
        let pool = Pool::new(&Limits::default());
        let peer = PrivateKey::from_seed(&[1; 32]).public();
        let mut readers = Vec::new();
        while pool.readings.available_permits() > 0 {
            readers.push(pool.enter(Lane::Reading, &peer).await.unwrap());
        }
        pool.run(Lane::Decision, &peer, || Ok(())).await.unwrap();
    }
}
