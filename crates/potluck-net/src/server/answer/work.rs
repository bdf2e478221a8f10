//! Long work, and the signs of life while it goes on.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::Fault;

/// How often the peer is told of new steps.
pub(super) const BEAT: Duration = Duration::from_secs(1);

/// After how many beats it is told even without: well within the time after which it would give up.
const QUIET_BEATS: u32 = 10;

/// How far work is. Set on its thread, read by who tells the peer.
#[derive(Debug, Clone, Default)]
pub(super) struct Steps(Arc<[AtomicU64; 2]>);

impl Steps {
    /// So much is done, of so much. The two may be read torn, for a beat: they are for people.
    pub(super) fn set(&self, done: u64, total: u64) {
        self.0[0].store(done, Ordering::Relaxed);
        self.0[1].store(total, Ordering::Relaxed);
    }

    /// So much more is done.
    pub(super) fn add(&self, done: u64) {
        self.0[0].fetch_add(done, Ordering::Relaxed);
    }

    fn read(&self) -> (u64, u64) {
        (self.0[0].load(Ordering::Relaxed), self.0[1].load(Ordering::Relaxed))
    }
}

/// Somebody who wants to know how far work is.
pub(super) trait Tell {
    /// Tells it; an error means that nobody listens any more.
    fn tell(&mut self, done: u64, total: u64) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// Waits for `work` and tells of its steps meanwhile. Where telling fails, the peer is gone; the work is
/// waited for all the same, because what holds for it must hold until it ends.
pub(super) async fn attend<T>(
    work: impl Future<Output = T>,
    steps: &Steps,
    mut listener: impl Tell,
) -> T {
    let mut work = pin!(work);
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once.
    beat.tick().await;
    let (mut told, mut quiet) = (steps.read(), 0);
    loop {
        tokio::select! {
            // Polled again at each turn until it completes.
            output = &mut work => return output,
            // Dropped without loss: the next tick keeps its time.
            _ = beat.tick() => (),
        }
        let now = steps.read();
        quiet = if now == told { quiet + 1 } else { QUIET_BEATS };
        if quiet >= QUIET_BEATS {
            (told, quiet) = (now, 0);
            if listener.tell(now.0, now.1).await.is_err() {
                return work.await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Record<'a>(tokio::time::Instant, &'a mut Vec<(u64, u64)>);

    impl Tell for Record<'_> {
        async fn tell(&mut self, done: u64, _total: u64) -> Result<(), Fault> {
            self.1.push((self.0.elapsed().as_secs(), done));
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn steps_are_told_each_second_and_silence_is_broken_after_ten() {
        let steps = Steps::default();
        steps.set(0, 2);
        let work = async {
            tokio::time::sleep(Duration::from_millis(2500)).await;
            steps.set(1, 2);
            tokio::time::sleep(Duration::from_millis(13_000)).await;
            "done"
        };
        let mut told = Vec::new();
        let output = attend(work, &steps, Record(tokio::time::Instant::now(), &mut told)).await;
        assert_eq!(output, "done");
        assert_eq!(told, [(3, 1), (13, 1)]);
    }
}
