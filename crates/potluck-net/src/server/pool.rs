//! Blocking work, fenced: what may run at once, by what it waits for.
//!
//! Lanes are apart so that none starves another: a thread that waits for a slow upload must never be the one
//! that an append needs, and an append never waits behind what strangers read. Within a lane, peers have places in
//! turn ([`fair`](super::fair)), and where a place can be held for long by being slow, one key has at most its share
//! of them. Together they stay far below the runtime's own bound of 512 blocking threads, so that a place always means
//! a thread.
//!
//! Where as many wait as there are places (or, for short work, some hundreds), one more is told at once when to come
//! back, instead of waiting in vain.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use potluck_core::{Code, PublicKey, Refusal};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::Span;

use super::Limits;
use super::fair::{Held, Places};

/// How long a request waits for its turn before it is told to come back.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most requests that wait for short work: what two cores do within [`PATIENCE`] at 20 ms each.
const SHORT_QUEUE: usize = 1000;

/// What kind of work it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// Short, with processor and disk: appends. As many at once as there are cores.
    Decision,
    /// Short, with processor and disk: ledger pages, look-ups. As many at once as there are cores.
    Reading,
    /// Waits for a peer's content, then verifies it.
    Upload,
    /// Waits for a piece of a peer's content.
    Piece,
    /// Waits for a peer to take content.
    Download,
    /// Long, with all cores and the disk. One at a time.
    Blend,
}

/// The lanes.
pub(super) struct Pool {
    decisions: Places,
    readings: Places,
    uploads: Places,
    pieces: Places,
    downloads: Places,
    blends: Places,
    /// The most of one key, where that is counted.
    streams_of_key: usize,
    uploads_of_key: usize,
    pieces_of_key: usize,
    downloads_of_key: usize,
    shares: Arc<Mutex<Shares>>,
}

/// What is counted by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Counted {
    Streams,
    Uploads,
    Pieces,
    Downloads,
}

/// How many each key has.
type Shares = BTreeMap<(Counted, [u8; 32]), usize>;

/// A place in a lane.
pub(super) struct Place {
    _held: Held,
    _share: Option<Share>,
}

/// One of what a key may have so many of, for as long as this lives.
pub(super) struct Share {
    of: (Counted, [u8; 32]),
    shares: Arc<Mutex<Shares>>,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut shares = lock(&self.shares);
        match shares.get_mut(&self.of) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(shares.remove(&self.of)),
        }
    }
}

/// The counts are whole between any two statements, so that a panic elsewhere cannot have torn them.
fn lock(shares: &Mutex<Shares>) -> MutexGuard<'_, Shares> {
    shares.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    pub(super) fn new(limits: &Limits) -> Self {
        let cores = super::cores();
        let long = |places| Places::new(places, places);
        Self {
            decisions: Places::new(cores, SHORT_QUEUE),
            readings: Places::new(cores, SHORT_QUEUE),
            uploads: long(limits.uploads),
            // As many threads, in all and of one key, as connections that bring them: a piece's place is that of an upload
            // which is brought by several.
            pieces: long(limits.uploads.max(limits.per_key)),
            downloads: long(limits.downloads),
            blends: long(1),
            streams_of_key: limits.streams_of_key,
            uploads_of_key: limits.uploads_of_key,
            pieces_of_key: limits.per_key,
            downloads_of_key: limits.downloads_of_key,
            shares: Arc::default(),
        }
    }

    /// One more stream of the peer's.
    ///
    /// # Errors
    /// A refusal to send, where it has as many as it may.
    pub(super) fn stream(&self, peer: &PublicKey) -> Result<Share, Refusal> {
        self.share(Counted::Streams, peer)
    }

    /// Waits for a place for what `peer` asks.
    ///
    /// # Errors
    /// A refusal to send: at once where too many wait already, or the peer's key has its share; later where
    /// none is free for too long.
    pub(super) async fn enter(&self, lane: Lane, peer: &PublicKey) -> Result<Place, Refusal> {
        // Whoever waits counts as well.
        let share = match lane {
            Lane::Upload => Some(self.share(Counted::Uploads, peer)?),
            Lane::Piece => Some(self.share(Counted::Pieces, peer)?),
            Lane::Download => Some(self.share(Counted::Downloads, peer)?),
            Lane::Decision | Lane::Reading | Lane::Blend => None,
        };
        // In how many seconds a place may be free: short work ends within some milliseconds, and uploads and
        // downloads last from seconds to hours.
        let (places, what, again) = match lane {
            Lane::Decision => (&self.decisions, "requests", 5),
            Lane::Reading => (&self.readings, "requests", 5),
            Lane::Upload => (&self.uploads, "uploads", 30),
            Lane::Piece => (&self.pieces, "pieces of uploads", 30),
            Lane::Download => (&self.downloads, "downloads", 30),
            Lane::Blend => (&self.blends, "blends", 30),
        };
        match timeout(PATIENCE, places.take(peer)).await {
            Ok(Ok(held)) => Ok(Place { _held: held, _share: share }),
            _ => Err(busy(format!("too many {what} are under way"), again)),
        }
    }

    /// One more of what is counted by key.
    fn share(&self, counted: Counted, peer: &PublicKey) -> Result<Share, Refusal> {
        let (most, what) = match counted {
            Counted::Streams => (self.streams_of_key, "requests"),
            Counted::Uploads => (self.uploads_of_key, "uploads"),
            Counted::Pieces => (self.pieces_of_key, "pieces of uploads"),
            Counted::Downloads => (self.downloads_of_key, "downloads"),
        };
        let of = (counted, *peer.as_bytes());
        let mut shares = lock(&self.shares);
        let count = shares.get(&of).copied().unwrap_or(0);
        if count >= most {
            return Err(busy(format!("this key has {count} {what} under way, its share"), 10));
        }
        shares.insert(of, count + 1);
        Ok(Share { of, shares: Arc::clone(&self.shares) })
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

fn busy(what: String, again: u32) -> Refusal {
    Refusal::new(Code::Busy, format!("{what}; try again in {again} s")).retry_after(again)
}

impl Place {
    /// Runs `work` on a blocking thread. The place goes along, so that it is taken for as long as the work
    /// really runs, and comes back with the result.
    pub(super) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> (Option<Self>, Result<T, Refusal>) {
        // What the work says belongs to the request.
        let span = Span::current();
        match spawn_blocking(move || (self, span.in_scope(work))).await {
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
        let pool = Pool::new(&Limits { uploads: 5, uploads_of_key: 2, ..Limits::default() });
        let [slow, other] = [1, 2].map(|seed| PrivateKey::from_seed(&[seed; 32]).public());
        let first = pool.enter(Lane::Upload, &slow).await.unwrap();
        let second = pool.enter(Lane::Upload, &slow).await.unwrap();
        let refused = pool.enter(Lane::Upload, &slow).await.err().unwrap();
        assert_eq!((refused.code, refused.retry_after), (Code::Busy, Some(10)));
        let others = pool.enter(Lane::Upload, &other).await.unwrap();
        let reading = pool.enter(Lane::Download, &slow).await.unwrap();
        drop(first);
        let third = pool.enter(Lane::Upload, &slow).await.unwrap();
        drop((second, third, others, reading));
        assert!(lock(&pool.shares).is_empty());
    }

    #[tokio::test]
    async fn an_append_does_not_wait_behind_readers() {
        let pool = Pool::new(&Limits::default());
        let peer = PrivateKey::from_seed(&[1; 32]).public();
        let mut readers = Vec::new();
        while pool.readings.free() > 0 {
            readers.push(pool.enter(Lane::Reading, &peer).await.unwrap());
        }
        pool.run(Lane::Decision, &peer, || Ok(())).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_would_wait_in_vain_is_told_at_once_when_to_come_back() {
        let limits = Limits { uploads: 1, ..Limits::default() };
        let pool = Arc::new(Pool::new(&limits));
        let [first, second, third] = [1, 2, 3].map(|it| PrivateKey::from_seed(&[it; 32]).public());
        let _held = pool.enter(Lane::Upload, &first).await.unwrap();
        let begun = tokio::time::Instant::now();
        let waiting = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.enter(Lane::Upload, &second).await.err().unwrap() }
        });
        tokio::task::yield_now().await;
        let refused = pool.enter(Lane::Upload, &third).await.err().unwrap();
        assert_eq!((refused.code, refused.retry_after), (Code::Busy, Some(30)));
        assert_eq!(begun.elapsed(), Duration::ZERO);
        // And nobody waits without an end.
        assert_eq!(waiting.await.unwrap(), refused);
        assert_eq!(begun.elapsed(), PATIENCE);
    }
}
