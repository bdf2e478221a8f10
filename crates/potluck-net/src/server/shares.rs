//! Whose content is worked on next: as many bytes for each peer that has some waiting, however many streams it has.
//!
//! An upload's thread verifies and writes what came piece by piece. Only as many do so at once as there are cores, and
//! before each piece a thread takes a turn; where several wait, the next is that of the peer which was served the
//! fewest bytes (fair queuing by start time, Goyal, Vin and Cheng, SIGCOMM 1996). So a peer with a hundred streams delays
//! itself, and another by no more than a piece a turn. Who waits for the network holds no turn and earns none, but
//! for a little: a peer that comes back begins level with those that are there. What is not used is anybody's.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use potluck_core::PublicKey;

/// For how long a turn counts. A piece takes a tenth of a millisecond; who holds a turn for longer waits for the disk, or
/// is through and does something else, and another works beside it. Beside other tests a thread may sleep for longer than
/// that within its turn, which is not what is tested.
const TURN: Duration = Duration::from_millis(if cfg!(test) { 2_000 } else { 50 });

/// So many bytes that it could not take when its turn came, because they were still on their way from the socket, a peer
/// may make up for. It is what a newcomer may be served before the others, too.
const CREDIT: u64 = 2 << 20;

type KeyBytes = [u8; 32];

/// The turns of a server.
pub(super) struct Shares(Arc<Turns>);

struct Turns {
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// One stream's part in them.
pub(crate) struct Seat {
    peer: KeyBytes,
    turns: Arc<Turns>,
    /// The turn that it has.
    held: Option<u64>,
}

impl Shares {
    /// So many turns at once.
    pub(super) fn new(turns: usize) -> Self {
        Self(Arc::new(Turns { queue: Mutex::new(Queue::new(turns)), changed: Condvar::new() }))
    }

    /// A seat for a stream of the peer's.
    pub(super) fn seat(&self, peer: &PublicKey) -> Seat {
        Seat { peer: *peer.as_bytes(), turns: Arc::clone(&self.0), held: None }
    }
}

impl Seat {
    /// Waits for a turn to work on so many bytes; the one before ends. Blocking.
    pub(crate) fn take(&mut self, bytes: usize) {
        let mut queue = self.turns.lock();
        // Under one lock: who has more to do is in the queue again when its turn is given on.
        self.held.take().into_iter().for_each(|ticket| queue.end(ticket));
        // A piece's length fits in a u64 wherever this runs.
        let ticket = queue.line_up(self.peer, bytes as u64);
        loop {
            queue.deal(Instant::now());
            // Not whether it holds a turn: where this thread slept over it, the turn may have run out.
            if !queue.waits(self.peer, ticket) {
                break;
            }
            let waited = self.turns.changed.wait_timeout(queue, TURN);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(queue);
        // Another may have been dealt in with this one.
        self.turns.changed.notify_all();
        self.held = Some(ticket);
    }

    /// Gives the turn back, before the network is waited for.
    pub(crate) fn leave(&mut self) {
        if let Some(ticket) = self.held.take() {
            self.turns.lock().end(ticket);
            self.turns.changed.notify_all();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Turns {
    /// The queue is whole between any two statements, so that a panic elsewhere cannot have torn it.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who works, and who waits.
struct Queue {
    turns: usize,
    tickets: u64,
    /// Since when each works, by ticket, and for whom.
    working: BTreeMap<u64, (KeyBytes, Instant)>,
    peers: BTreeMap<KeyBytes, Peer>,
    /// What the peer had been served that was served last, before it: about where newcomers begin.
    level: u64,
}

/// A peer that works or waits.
#[derive(Default)]
struct Peer {
    served: u64,
    working: usize,
    /// Tickets and bytes, in the order in which they came.
    waiting: VecDeque<(u64, u64)>,
}

impl Queue {
    fn new(turns: usize) -> Self {
        let (working, peers) = (BTreeMap::new(), BTreeMap::new());
        Self { turns: turns.max(1), tickets: 0, working, peers, level: 0 }
    }

    fn line_up(&mut self, peer: KeyBytes, bytes: u64) -> u64 {
        let ticket = self.tickets;
        self.tickets += 1;
        let peer = self.peers.entry(peer).or_default();
        peer.served = peer.served.max(self.level.saturating_sub(CREDIT));
        peer.waiting.push_back((ticket, bytes));
        ticket
    }

    /// Gives out the turns that are free, and those that were held for too long.
    fn deal(&mut self, now: Instant) {
        loop {
            if self.working.len() >= self.turns && !self.end_overdue(now) {
                return;
            }
            let next = self.peers.iter().filter(|(_, peer)| !peer.waiting.is_empty());
            let Some(key) = next.min_by_key(|(_, peer)| peer.served).map(|(key, _)| *key) else {
                return;
            };
            let Some(peer) = self.peers.get_mut(&key) else { return };
            let Some((ticket, bytes)) = peer.waiting.pop_front() else { return };
            self.level = peer.served;
            peer.served = peer.served.saturating_add(bytes);
            peer.working += 1;
            self.working.insert(ticket, (key, now));
        }
    }

    fn end_overdue(&mut self, now: Instant) -> bool {
        if self.peers.values().all(|peer| peer.waiting.is_empty()) {
            return false;
        }
        let overdue =
            self.working.iter().find(|(_, (_, since))| now.duration_since(*since) >= TURN);
        let Some(ticket) = overdue.map(|(ticket, _)| *ticket) else { return false };
        self.end(ticket);
        true
    }

    fn waits(&self, peer: KeyBytes, ticket: u64) -> bool {
        let peer = self.peers.get(&peer);
        peer.is_some_and(|peer| peer.waiting.iter().any(|(waiting, _)| *waiting == ticket))
    }

    #[cfg(test)]
    fn holds(&self, ticket: u64) -> bool {
        self.working.contains_key(&ticket)
    }

    /// The work is done, or counts no more.
    fn end(&mut self, ticket: u64) {
        let Some((key, _)) = self.working.remove(&ticket) else { return };
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.working -= 1;
        // A peer that has nothing here is remembered while it is ahead: to leave and come back gains nothing.
        let level = self.level.saturating_sub(CREDIT);
        self.peers.retain(|_, it| it.working > 0 || !it.waiting.is_empty() || it.served > level);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GREEDY: KeyBytes = [1; 32];
    const HONEST: KeyBytes = [2; 32];

    /// A peer's streams, each of which works on pieces of so many bytes as fast as it has turns.
    struct Streams {
        peer: KeyBytes,
        waiting: Vec<(u64, u64)>,
        served: u64,
    }

    impl Streams {
        fn new(queue: &mut Queue, peer: KeyBytes, pieces: &[u64]) -> Self {
            let waiting = pieces.iter().map(|piece| (queue.line_up(peer, *piece), *piece));
            Self { peer, waiting: waiting.collect(), served: 0 }
        }

        /// Those that have a turn end it and wait for the next.
        fn work(&mut self, queue: &mut Queue) {
            for (ticket, piece) in &mut self.waiting {
                if queue.holds(*ticket) {
                    self.served += *piece;
                    queue.end(*ticket);
                    *ticket = queue.line_up(self.peer, *piece);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn who_has_one_stream_gets_as_many_bytes_as_who_has_many(
            greedy in prop::collection::vec(1u64..200_000, 1..100),
            honest in 1u64..200_000,
            turns in 1usize..5,
            steps in 1usize..300,
        ) {
            let (mut queue, now) = (Queue::new(turns), Instant::now());
            let mut one = Streams::new(&mut queue, HONEST, &[honest]);
            let mut many = Streams::new(&mut queue, GREEDY, &greedy);
            let largest = greedy.iter().copied().max().unwrap().max(honest);
            for _ in 0..steps {
                queue.deal(now);
                one.work(&mut queue);
                many.work(&mut queue);
                // One stream has at most one turn at a time, of which there may be several. Where it is behind
                // nevertheless, it was served in each step.
                let most = largest * (turns as u64 + 1);
                let in_each_step = one.served >= honest * steps as u64;
                prop_assert!(
                    turns > 1 || in_each_step || many.served <= one.served + most,
                    "{} beside {}", one.served, many.served
                );
            }
            prop_assert!(one.served > 0 && many.served > 0 || steps < 3);
        }
    }

    #[test]
    fn who_was_away_begins_level_and_who_leaves_gains_nothing() {
        let (mut queue, now) = (Queue::new(1), Instant::now());
        let mut many = Streams::new(&mut queue, GREEDY, &[100; 4]);
        for _ in 0..CREDIT {
            queue.deal(now);
            many.work(&mut queue);
        }
        let before = many.served;
        let mut one = Streams::new(&mut queue, HONEST, &[100]);
        for _ in 0..CREDIT / 10 {
            queue.deal(now);
            one.work(&mut queue);
            many.work(&mut queue);
        }
        let (one, many) = (one.served, many.served - before);
        assert!((one - many).abs_diff(CREDIT) <= 200, "{one} {many}");
    }

    #[test]
    fn a_turn_that_lasts_too_long_keeps_nobody_out() {
        let (mut queue, now) = (Queue::new(1), Instant::now());
        let stuck = queue.line_up(GREEDY, 1);
        queue.deal(now);
        let next = queue.line_up(HONEST, 1);
        queue.deal(now);
        assert!(queue.holds(stuck) && !queue.holds(next));
        queue.deal(now + TURN);
        assert!(!queue.holds(stuck) && queue.holds(next));
        queue.end(stuck);
        assert!(queue.holds(next));
        queue.end(next);
        assert!(queue.working.is_empty());
    }

    #[test]
    fn threads_take_turns_and_all_come_to_an_end() {
        let shares = Shares::new(2);
        let keys = [1, 1, 1, 2].map(|seed| potluck_core::PrivateKey::from_seed(&[seed; 32]));
        std::thread::scope(|scope| {
            for key in &keys {
                let mut seat = shares.seat(&key.public());
                scope.spawn(move || (0..200).for_each(|_| seat.take(1000)));
            }
        });
        let queue = shares.0.lock();
        assert!(queue.working.is_empty() && queue.peers.values().all(|it| it.waiting.is_empty()));
    }
}
