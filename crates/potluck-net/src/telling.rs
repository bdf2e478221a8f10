//! How far a transfer is, from the thread that moves it to whoever shows it.
//!
//! The thread only counts. To tell, it would have to wake somebody, which costs as much as to hash a group.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

/// As often as an eye sees. Tests cut short transfers in their middle, which they must not miss.
const INTERVAL: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 50 });

/// How many bytes passed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Passed(Arc<AtomicU64>);

impl Passed {
    /// So many more.
    pub(crate) fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    fn sum(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Waits for `work`, and reports what passed meanwhile: now and then, and in the end.
pub(crate) async fn watched<T>(
    work: impl Future<Output = T>,
    passed: &Passed,
    mut report: impl FnMut(u64),
) -> T {
    let mut work = pin!(work);
    let mut beat = interval(INTERVAL);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = 0;
    loop {
        let output = tokio::select! {
            // Polled again at each turn until it completes.
            output = &mut work => Some(output),
            // Dropped without loss: the next tick keeps its time.
            _ = beat.tick() => None,
        };
        let sum = passed.sum();
        if sum > told {
            report(sum);
            told = sum;
        }
        if let Some(output) = output {
            return output;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_passed_is_told_seldom_even_while_nothing_moves_and_whole_in_the_end() {
        let passed = Passed::default();
        let work = async {
            (0..1000).for_each(|_| passed.add(1));
            // Whoever waits for what passed need not wait for the next byte.
            sleep(INTERVAL * 3).await;
            passed.add(7);
            "done"
        };
        let mut told = Vec::new();
        assert_eq!(watched(work, &passed, |sum| told.push(sum)).await, "done");
        assert_eq!(told, [1000, 1007]);
    }
}
