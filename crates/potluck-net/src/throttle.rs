//! A peer's rate of content, over all its streams and both directions together.
//!
//! The line is taken for as long as what passes takes at that rate; who comes next waits until it is free, in
//! the order in which it came. Waiting here is ours: it does not count against the peer's progress.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use potluck_core::PublicKey;
use tokio::time::{Instant, sleep_until};

/// How much of what was not used may be made up for at once: a pause of the disk costs no rate.
const CREDIT: Duration = Duration::from_millis(200);

/// Lines by the key of the peer, kept while it has a stream with content.
pub(crate) struct Rates {
    rate: Mutex<Option<NonZeroU64>>,
    lines: Mutex<BTreeMap<[u8; 32], Weak<Line>>>,
}

struct Line {
    /// Bytes a second.
    rate: NonZeroU64,
    taken_until: Mutex<Instant>,
}

/// What a stream passes its content through.
#[derive(Clone, Default)]
pub(crate) struct Throttle(Option<Arc<Line>>);

impl Rates {
    /// So many bytes a second for each peer; nothing for as many as come.
    pub(crate) fn new(rate: Option<NonZeroU64>) -> Self {
        Self { rate: Mutex::new(rate), lines: Mutex::default() }
    }

    /// Another rate, from the next stream of each peer on: those under way keep theirs.
    pub(crate) fn set(&self, rate: Option<NonZeroU64>) {
        *lock(&self.rate) = rate;
    }

    /// The peer's line.
    pub(crate) fn of(&self, peer: &PublicKey) -> Throttle {
        let Some(rate) = *lock(&self.rate) else { return Throttle(None) };
        let mut lines = lock(&self.lines);
        let line = lines.get(peer.as_bytes()).and_then(Weak::upgrade);
        if let Some(line) = line.filter(|line| line.rate == rate) {
            return Throttle(Some(line));
        }
        lines.retain(|_, line| line.strong_count() > 0);
        let line = Arc::new(Line { rate, taken_until: Mutex::new(Instant::now()) });
        lines.insert(*peer.as_bytes(), Arc::downgrade(&line));
        Throttle(Some(line))
    }
}

impl Throttle {
    /// Whether nothing is ever waited for.
    pub(crate) fn is_free(&self) -> bool {
        self.0.is_none()
    }

    /// Waits until so many bytes have passed.
    pub(crate) async fn pass(&self, bytes: usize) {
        let Some(line) = &self.0 else { return };
        sleep_until(line.take(bytes)).await;
    }
}

impl Line {
    /// Takes the line for so many bytes; until when it is taken then.
    fn take(&self, bytes: usize) -> Instant {
        let nanos = u128::try_from(bytes).unwrap_or(u128::MAX).saturating_mul(1_000_000_000)
            / u128::from(self.rate.get());
        let lasting = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let now = Instant::now();
        let mut until = lock(&self.taken_until);
        // `checked`: shortly after the machine's start there may be no such time before.
        let begin = now.checked_sub(CREDIT).map_or(*until, |credit| (*until).max(credit));
        *until = begin.checked_add(lasting).unwrap_or(begin);
        *until
    }
}

/// What is locked is whole between any two statements, so that a panic elsewhere cannot have torn it.
fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_core::PrivateKey;

    fn key(seed: u8) -> PublicKey {
        PrivateKey::from_seed(&[seed; 32]).public()
    }

    #[tokio::test(start_paused = true)]
    async fn all_streams_of_a_peer_share_its_rate_and_no_other_s() {
        let rates = Rates::new(NonZeroU64::new(1000));
        let begun = Instant::now();
        let stream = |peer: u8| {
            let throttle = rates.of(&key(peer));
            async move {
                for _ in 0..10 {
                    throttle.pass(500).await;
                }
                begun.elapsed()
            }
        };
        let (one, other, alone) = tokio::join!(stream(1), stream(1), stream(2));
        let whole = [one, other].into_iter().max().unwrap();
        // Ten thousand bytes at a thousand a second, less the credit.
        assert!((9700..=10_100).contains(&whole.as_millis()), "{whole:?}");
        assert!((4700..=5100).contains(&alone.as_millis()), "{alone:?}");
        drop(rates.of(&key(3)));
        assert_eq!(lock(&rates.lines).len(), 1, "lines that nobody uses are forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn another_rate_holds_from_the_next_stream_on() {
        let rates = Rates::new(NonZeroU64::new(1000));
        let before = rates.of(&key(1));
        rates.set(NonZeroU64::new(500));
        let rate = |throttle: &Throttle| throttle.0.as_ref().map(|line| line.rate.get());
        assert_eq!((rate(&before), rate(&rates.of(&key(1)))), (Some(1000), Some(500)));
        rates.set(None);
        assert!(rates.of(&key(1)).is_free());
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_nobody_waits() {
        let begun = Instant::now();
        Rates::new(None).of(&key(1)).pass(usize::MAX).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
