//! Jobs on many threads whose outcomes are taken in the order of the jobs.
//!
//! That order is what makes a sum of binary64 numbers the same whatever the number of threads. Outcomes that come
//! before their turn wait, a few of them; then so do the threads that bring more. Called by [`crate::statistics`]
//! and [`crate::difference`].

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Outcomes that may wait for an earlier one.
const WAITING: usize = 64;

/// Does jobs 0 to `count` on `threads` threads, the caller's one of them.
///
/// Each thread works with a `bench` of its own. `take` gets what the jobs give, in ascending order, from one thread
/// at a time. `progress` hears of the jobs done, on the caller's thread.
///
/// # Errors
/// The failure of the first job that fails, whatever the number of threads: jobs are dealt out in order, and those
/// before it are finished.
pub(crate) fn in_turn<B, T: Send, E: Send>(
    count: u64,
    threads: NonZeroUsize,
    bench: impl Fn() -> B + Sync,
    work: impl Fn(&mut B, u64) -> Result<T, E> + Sync,
    take: impl FnMut(T) + Send,
    progress: &mut dyn FnMut(u64),
) -> Result<(), E> {
    let turns = Turns {
        next: AtomicU64::new(0),
        state: Mutex::new(State { taken: 0, early: BTreeMap::new(), end: End::Open, take }),
        moved: Condvar::new(),
    };
    let run = |progress: &mut dyn FnMut(u64)| {
        let (mut bench, guard) = (bench(), GiveUp(&turns));
        loop {
            let index = turns.next.fetch_add(1, Ordering::Relaxed);
            if index >= count || !turns.bring(index, work(&mut bench, index)) {
                break drop(guard);
            }
            progress(index + 1);
        }
    };
    thread::scope(|scope| {
        for _ in 1..u64::try_from(threads.get()).unwrap_or(u64::MAX).min(count) {
            scope.spawn(|| run(&mut |_| {}));
        }
        run(progress);
    });
    match turns.state.into_inner().unwrap_or_else(PoisonError::into_inner).end {
        End::Failed(_, failure) => Err(failure),
        End::Open | End::GivenUp => Ok(()),
    }
}

struct Turns<T, E, F> {
    next: AtomicU64,
    state: Mutex<State<T, E, F>>,
    moved: Condvar,
}

struct State<T, E, F> {
    taken: u64,
    early: BTreeMap<u64, T>,
    end: End<E>,
    take: F,
}

enum End<E> {
    Open,
    /// The first job that failed so far, and how.
    Failed(u64, E),
    /// Somebody panicked, and the scope will.
    GivenUp,
}

impl<T, E, F: FnMut(T)> Turns<T, E, F> {
    /// Hands over the outcome of a job; says whether there is any use in another.
    fn bring(&self, index: u64, outcome: Result<T, E>) -> bool {
        let mut state = self.lock();
        match outcome {
            Ok(outcome) => {
                while matches!(state.end, End::Open)
                    && state.early.len() >= WAITING
                    && state.taken != index
                {
                    state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                state.early.insert(index, outcome);
                state.advance();
            }
            Err(failure) => match state.end {
                End::Failed(earlier, _) if earlier < index => {}
                End::GivenUp => {}
                _ => state.end = End::Failed(index, failure),
            },
        }
        self.moved.notify_all();
        matches!(state.end, End::Open)
    }
}

impl<T, E, F> Turns<T, E, F> {
    fn lock(&self) -> MutexGuard<'_, State<T, E, F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, E, F: FnMut(T)> State<T, E, F> {
    fn advance(&mut self) {
        while let Some(outcome) = self.early.remove(&self.taken) {
            (self.take)(outcome);
            self.taken += 1;
        }
    }
}

/// Lets nobody wait for a thread that panicked.
struct GiveUp<'a, T, E, F>(&'a Turns<T, E, F>);

impl<T, E, F> Drop for GiveUp<'_, T, E, F> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.lock().end = End::GivenUp;
            self.0.moved.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threads(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }

    #[test]
    fn outcomes_come_in_order_from_any_number_of_threads() {
        for count in [0, 1, 2, 1000] {
            for several in [1, 2, 7] {
                let (mut taken, mut last) = (Vec::new(), 0);
                // The first job ends when all others that may run ahead of it have ended.
                let work = |done: &mut u64, index: u64| {
                    *done += 1;
                    if index == 0 {
                        thread::yield_now();
                    }
                    Ok::<_, ()>(index * 3)
                };
                let take = |it| taken.push(it);
                in_turn(count, threads(several), || 0, work, take, &mut |done| last = done)
                    .unwrap();
                assert_eq!(taken, (0..count).map(|it| it * 3).collect::<Vec<_>>());
                assert!(last <= count);
            }
        }
    }

    #[test]
    fn the_first_failure_is_told() {
        for several in [1, 2, 7] {
            let work = |_: &mut (), index| if index % 10 == 9 { Err(index) } else { Ok(()) };
            let failure = in_turn(500, threads(several), || (), work, |()| {}, &mut |_| {});
            assert_eq!(failure, Err(9));
        }
    }

    #[test]
    fn nobody_waits_for_a_thread_that_panicked() {
        let work = |_: &mut (), index| {
            assert!(index != 3, "on purpose");
            Ok::<_, ()>(())
        };
        let run = || in_turn(5000, threads(4), || (), work, |()| {}, &mut |_| {});
        assert!(std::panic::catch_unwind(run).is_err());
    }
}
