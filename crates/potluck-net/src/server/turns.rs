//! One upload of an envelope at a time, and the newest wins.
//!
//! A client that was killed says nothing: its server waits for the silence to grow long. Meanwhile the client
//! is back and wants to resume. So the newcomer ends the older upload of the same envelope by the same key,
//! and waits until its thread has let go of the files.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use potluck_core::{PublicKey, Sha256};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard, watch};

type Key = ([u8; 32], Sha256);

/// Who uploads what.
#[derive(Default)]
pub(super) struct Turns(Arc<Mutex<Queues>>);

type Queues = BTreeMap<Key, Queue>;

/// Cloned only under the lock of the map, so that the count of clones can be trusted there.
#[derive(Clone)]
struct Queue {
    turn: Arc<Turn<()>>,
    /// Counts those who came; whoever sees it grow is no longer the newest.
    newest: Arc<watch::Sender<u64>>,
}

/// A place in a queue, and the turn once it is had. Leaves the queue when dropped.
pub(super) struct Taken {
    superseded: Superseded,
    guard: Option<OwnedMutexGuard<()>>,
    queue: Option<Queue>,
    key: Key,
    queues: Arc<Mutex<Queues>>,
}

/// Tells when somebody newer has come.
#[derive(Clone)]
pub(super) struct Superseded {
    number: u64,
    newest: watch::Receiver<u64>,
}

impl Superseded {
    /// Completes once somebody newer has come.
    pub(super) async fn wait(mut self) {
        // An error means that the queue is gone, which whoever waits keeps alive.
        let _ = self.newest.wait_for(|newest| *newest > self.number).await;
    }
}

impl Turns {
    /// Ends the older upload of `envelope` by `peer` and waits until it is gone; `None` where somebody newer
    /// comes meanwhile.
    pub(super) async fn take(&self, peer: &PublicKey, envelope: Sha256) -> Option<Taken> {
        let mut taken = self.line_up((*peer.as_bytes(), envelope));
        let turn = Arc::clone(&taken.queue.as_ref()?.turn);
        tokio::select! {
            // Dropped without loss: it only waits.
            () = taken.superseded() => None,
            // Dropped without loss: its place in the lock's queue is given up.
            guard = turn.lock_owned() => {
                taken.guard = Some(guard);
                Some(taken)
            }
        }
    }

    fn line_up(&self, key: Key) -> Taken {
        let mut queues = lock(&self.0);
        let queue = queues.entry(key).or_insert_with(|| Queue {
            turn: Arc::default(),
            newest: Arc::new(watch::Sender::new(0)),
        });
        queue.newest.send_modify(|newest| *newest += 1);
        let newest = queue.newest.subscribe();
        let number = *newest.borrow();
        Taken {
            superseded: Superseded { number, newest },
            guard: None,
            queue: Some(queue.clone()),
            key,
            queues: Arc::clone(&self.0),
        }
    }
}

impl Taken {
    /// Completes once somebody newer has come.
    pub(super) fn superseded(&self) -> impl Future<Output = ()> + use<> {
        self.superseded.clone().wait()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        drop(self.guard.take());
        let mut queues = lock(&self.queues);
        drop(self.queue.take());
        if queues.get(&self.key).is_some_and(|queue| Arc::strong_count(&queue.newest) == 1) {
            queues.remove(&self.key);
        }
    }
}

fn lock(turns: &Mutex<Queues>) -> MutexGuard<'_, Queues> {
    turns.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_core::PrivateKey;

    #[tokio::test]
    async fn the_newest_ends_the_others_and_waits_for_them() {
        let turns = Turns::default();
        let peer = PrivateKey::from_seed(&[1; 32]).public();
        let take = || turns.take(&peer, Sha256::of(b"envelope"));
        let first = take().await.unwrap();
        let mut second = Box::pin(take());
        assert!(is_pending(&mut second).await, "the first has its turn");
        first.superseded().await;
        let mut third = Box::pin(take());
        assert!(is_pending(&mut third).await, "the first still has its turn");
        assert!(second.await.is_none(), "the third is newer");
        drop(first);
        drop(third.await.unwrap());
        assert!(lock(&turns.0).is_empty());
    }

    #[tokio::test]
    async fn other_envelopes_do_not_wait() {
        let turns = Turns::default();
        let peer = PrivateKey::from_seed(&[1; 32]).public();
        let _first = turns.take(&peer, Sha256::of(b"one")).await.unwrap();
        assert!(turns.take(&peer, Sha256::of(b"two")).await.is_some());
    }

    async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
        std::future::poll_fn(|context| {
            let pending = std::pin::Pin::new(&mut *future).poll(context).is_pending();
            std::task::Poll::Ready(pending)
        })
        .await
    }
}
