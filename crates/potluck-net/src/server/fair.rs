//! Places of a lane, given out in turn: one to each peer that waits, then again from the first.
//!
//! ```text
//! waiting:  A A A A      B       C C          a place is free:  A B C A C A A
//! ```
//!
//! So who asks for a hundred things at once delays itself, and another by no more than one place. A peer that
//! waits no longer is passed over.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use potluck_core::PublicKey;
use tokio::sync::oneshot;

type KeyBytes = [u8; 32];

/// The places of a lane.
pub(super) struct Places(Arc<Mutex<State>>);

struct State {
    free: usize,
    /// The most that may wait.
    bound: usize,
    /// Those who wait, by peer, in the order in which each came.
    waiting: BTreeMap<KeyBytes, VecDeque<oneshot::Sender<Held>>>,
    /// The peers that wait, each once: the first has the next turn.
    turns: VecDeque<KeyBytes>,
}

/// A place, given on when it is dropped.
pub(super) struct Held(Option<Arc<Mutex<State>>>);

/// So many wait that another would wait in vain.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Crowded;

impl Places {
    /// So many places, for which at most `bound` may wait.
    pub(super) fn new(places: usize, bound: usize) -> Self {
        let (waiting, turns) = (BTreeMap::new(), VecDeque::new());
        Self(Arc::new(Mutex::new(State { free: places, bound, waiting, turns })))
    }

    /// Waits for the peer's turn. Dropped, it waits no longer; a place that came meanwhile is given on.
    pub(super) async fn take(&self, peer: &PublicKey) -> Result<Held, Crowded> {
        let turn = match lock(&self.0).line_up(*peer.as_bytes())? {
            Some(turn) => turn,
            None => return Ok(Held(Some(Arc::clone(&self.0)))),
        };
        // A sender is dropped only where its receiver is gone, or with the lane.
        turn.await.map_err(|_| Crowded)
    }

    /// How many places are free.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        lock(&self.0).free
    }
}

impl State {
    /// A free place at once (`None`), or a turn to wait for.
    fn line_up(&mut self, key: KeyBytes) -> Result<Option<oneshot::Receiver<Held>>, Crowded> {
        // Where a place is free, nobody waits: it would have been given on.
        if self.free > 0 {
            self.free -= 1;
            return Ok(None);
        }
        if self.count() >= self.bound {
            self.forget_the_gone();
            if self.count() >= self.bound {
                return Err(Crowded);
            }
        }
        let (sender, receiver) = oneshot::channel();
        let queue = self.waiting.entry(key).or_default();
        if queue.is_empty() {
            self.turns.push_back(key);
        }
        queue.push_back(sender);
        Ok(Some(receiver))
    }

    fn count(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum()
    }

    fn forget_the_gone(&mut self) {
        self.waiting.retain(|_, queue| {
            queue.retain(|sender| !sender.is_closed());
            !queue.is_empty()
        });
        let waiting = &self.waiting;
        self.turns.retain(|key| waiting.contains_key(key));
    }

    /// Who is next.
    fn next(&mut self) -> Option<oneshot::Sender<Held>> {
        let key = self.turns.pop_front()?;
        let queue = self.waiting.get_mut(&key)?;
        let next = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&key);
        } else {
            self.turns.push_back(key);
        }
        next
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(places) = self.0.take() else { return };
        loop {
            let next = {
                let mut state = lock(&places);
                let next = state.next();
                if next.is_none() {
                    state.free += 1;
                }
                next
            };
            let Some(next) = next else { return };
            match next.send(Self(Some(Arc::clone(&places)))) {
                Ok(()) => return,
                // It waits no longer. What comes back is the same place, and must not be given on twice.
                Err(mut place) => drop(place.0.take()),
            }
        }
    }
}

/// The state is whole between any two statements, so that a panic elsewhere cannot have torn it.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_core::PrivateKey;
    use std::sync::mpsc;

    fn key(seed: u8) -> PublicKey {
        PrivateKey::from_seed(&[seed; 32]).public()
    }

    /// Lets every task run until it waits.
    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn each_peer_has_its_turn_however_much_another_asks_for() {
        let places = Arc::new(Places::new(1, 100));
        let held = places.take(&key(0)).await.unwrap();
        let (served, order) = mpsc::channel();
        for peer in [1, 1, 1, 1, 1, 2, 3, 3] {
            let (places, served) = (Arc::clone(&places), served.clone());
            tokio::spawn(async move {
                let _place = places.take(&key(peer)).await.unwrap();
                served.send(peer).unwrap();
            });
            settle().await;
        }
        drop(held);
        settle().await;
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [1, 2, 3, 1, 3, 1, 1, 1]);
        assert_eq!(places.free(), 1);
    }

    #[tokio::test]
    async fn who_waits_no_longer_is_passed_over_and_keeps_nothing() {
        let places = Arc::new(Places::new(1, 2));
        let held = places.take(&key(0)).await.unwrap();
        let wait = |peer| {
            let places = Arc::clone(&places);
            tokio::spawn(async move { places.take(&key(peer)).await.map(drop) })
        };
        let (gone, next) = (wait(1), wait(2));
        settle().await;
        assert_eq!(places.take(&key(3)).await.err(), Some(Crowded), "two wait already");
        gone.abort();
        settle().await;
        let third = wait(3);
        settle().await;
        drop(held);
        next.await.unwrap().unwrap();
        third.await.unwrap().unwrap();
        settle().await;
        assert_eq!(places.free(), 1);
        assert!(lock(&places.0).waiting.is_empty() && lock(&places.0).turns.is_empty());
    }
}
