//! Blocking work, fenced: what may run at once, by what it waits for.
//!
//! Lanes are apart so that none starves another: a thread that waits for a slow upload must never be the one
//! that an append needs. Together they stay far below the runtime's own bound of 512 blocking threads, so
//! that a permit always means a thread.

use std::sync::Arc;
use std::time::Duration;

use potluck_core::{Code, Refusal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::Limits;

/// How long a request waits for its turn before it is told to come back.
const PATIENCE: Duration = Duration::from_secs(10);

/// What kind of work it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lane {
    /// Short, with processor and disk: ledger pages, appends, look-ups. As many at once as there are cores.
    Decision,
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
    uploads: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
    blends: Arc<Semaphore>,
}

/// A place in a lane.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    pub(super) fn new(limits: &Limits) -> Self {
        // At least two, so that one slow disk read on a small machine stops no other.
        let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
        let lane = |places| Arc::new(Semaphore::new(places));
        Self {
            decisions: lane(cores),
            uploads: lane(limits.uploads),
            downloads: lane(limits.downloads),
            blends: lane(1),
        }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// A refusal to send, where none is free for too long.
    pub(super) async fn enter(&self, lane: Lane) -> Result<Place, Refusal> {
        let (places, what) = match lane {
            Lane::Decision => (&self.decisions, "requests"),
            Lane::Upload => (&self.uploads, "uploads"),
            Lane::Download => (&self.downloads, "downloads"),
            Lane::Blend => (&self.blends, "blends"),
        };
        match timeout(PATIENCE, Arc::clone(places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place { _permit: permit }),
            _ => Err(Refusal::new(
                Code::Busy,
                format!("too many {what} are under way; try again in a minute"),
            )),
        }
    }

    /// Runs short work.
    ///
    /// # Errors
    /// The work's own refusal, or one where there is no place.
    pub(super) async fn decide<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.enter(Lane::Decision).await?.run(work).await.1
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
