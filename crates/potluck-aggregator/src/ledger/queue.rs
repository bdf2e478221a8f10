//! Many who want something done, one who does it for all that wait.
//!
//! ```text
//! ask ─▶ waiting ─▶ one asker leads: takes all that wait, works, answers each ─▶ the next leads
//! ```
//!
//! While the leader works, others gather; so the work's fixed cost, an fsync, is shared by as many as came
//! meanwhile, and whoever comes alone waits for nobody. No thread of its own: the leader is one of the askers.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The askers of one kind of work. How many wait is bounded by the threads that ask.
#[derive(Debug)]
pub(super) struct Queue<A, B> {
    state: Mutex<State<A, B>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<A, B> {
    waiting: Vec<(u64, A)>,
    answers: HashMap<u64, B>,
    next: u64,
    leading: bool,
    /// A leader panicked: nobody knows what it had done.
    broken: bool,
}

impl<A, B> Queue<A, B> {
    pub(super) fn new() -> Self {
        let (waiting, answers) = (Vec::new(), HashMap::new());
        let state = State { waiting, answers, next: 0, leading: false, broken: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Has `ask` done: by this caller's `work`, with all others that wait, or by another's. `work` answers each
    /// in its order. Nothing comes back once a leader has panicked.
    pub(super) fn ask(&self, ask: A, work: impl FnOnce(Vec<A>) -> Vec<B>) -> Option<B> {
        let mut state = self.lock();
        let ticket = state.next;
        state.next += 1;
        state.waiting.push((ticket, ask));
        while state.leading && !state.broken && !state.answers.contains_key(&ticket) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.broken || state.answers.contains_key(&ticket) {
            return state.answers.remove(&ticket);
        }
        state.leading = true;
        let (tickets, asks): (Vec<u64>, Vec<A>) =
            std::mem::take(&mut state.waiting).into_iter().unzip();
        drop(state);
        let leading = Leading(self);
        let answers = work(asks);
        self.lock().answers.extend(tickets.into_iter().zip(answers));
        drop(leading);
        self.lock().answers.remove(&ticket)
    }

    /// A panic while it is held is impossible but for a lack of memory, and would leave it whole.
    fn lock(&self) -> MutexGuard<'_, State<A, B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn of one leader, which ends however its work does.
struct Leading<'a, A, B>(&'a Queue<A, B>);

impl<A, B> Drop for Leading<'_, A, B> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.leading = false;
        state.broken |= std::thread::panicking();
        drop(state);
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, mpsc};
    use std::thread;

    use super::*;

    #[test]
    fn those_who_come_while_one_works_share_the_next_turn() {
        const OTHERS: usize = 50;
        let (queue, turns) = (Queue::new(), AtomicUsize::new(0));
        let (begin, begun) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let double = |asks: Vec<usize>| asks.iter().map(|ask| ask * 2).collect();
        thread::scope(|scope| {
            let queue = &queue;
            let first = scope.spawn(move || {
                queue.ask(7, |asks| {
                    begin.send(()).unwrap();
                    released.recv().unwrap();
                    double(asks)
                })
            });
            begun.recv().unwrap();
            let others: Vec<_> = (0..OTHERS)
                .map(|ask| {
                    let work = |asks: Vec<usize>| {
                        turns.fetch_add(1, Ordering::SeqCst);
                        double(asks)
                    };
                    scope.spawn(move || queue.ask(ask, work))
                })
                .collect();
            while queue.lock().waiting.len() < OTHERS {
                thread::yield_now();
            }
            release.send(()).unwrap();
            assert_eq!(first.join().unwrap(), Some(14));
            for (ask, other) in others.into_iter().enumerate() {
                assert_eq!(other.join().unwrap(), Some(ask * 2));
            }
        });
        assert_eq!(turns.into_inner(), 1);
        assert!(queue.lock().answers.is_empty());
    }

    #[test]
    fn a_leader_that_panics_leaves_nobody_waiting() {
        let queue: Queue<u8, u8> = Queue::new();
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            let leader = scope.spawn(|| {
                queue.ask(1, |_| {
                    barrier.wait();
                    while queue.lock().waiting.is_empty() {
                        thread::yield_now();
                    }
                    panic!("a bug");
                })
            });
            barrier.wait();
            assert_eq!(queue.ask(2, |asks| asks), None);
            assert!(leader.join().is_err());
        });
        assert_eq!(queue.ask(3, |asks| asks), None);
    }
}
