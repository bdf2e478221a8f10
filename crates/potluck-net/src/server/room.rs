//! How much of what peers sent may wait to be read, over all uploads together: the fewer there are, the more each has.
//!
//! A window as wide as a long line asks for, filled by each of many peers while the disk is slow, would be a server's whole
//! memory. So a connection begins with little, an upload has its part of one budget, and the parts change as uploads come and
//! go. Within an upload's part the peer's stream has its own window still; the smaller counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quinn::{Connection, VarInt};

use crate::tuning::Window;

/// What a connection without an upload may have under way: requests, of which none is longer.
pub(crate) const AT_REST: u32 = 2 << 20;

/// For all uploads together, or one stream's window where that is larger: sixteen have 4 MiB each, which fills a gigabit over
/// 32 ms, and up to five as much as a stream's usual window.
const BUDGET: u32 = 64 << 20;

/// Under which an upload's part never falls, however many there are: two reads of a disk.
const LEAST: u32 = 2 << 20;

/// The server's room.
pub(super) struct Room(Arc<Inner>);

struct Inner {
    /// The most that a connection may have.
    largest: u32,
    /// What all have together.
    budget: u32,
    taking: Mutex<BTreeMap<usize, Taking>>,
}

/// A connection on which content comes, and of how many uploads.
struct Taking {
    connection: Connection,
    uploads: u32,
}

/// An upload's part, until it is dropped.
pub(super) struct Part {
    room: Arc<Inner>,
    id: usize,
}

impl Room {
    /// For streams of this window.
    pub(super) fn new(window: Window) -> Self {
        let (largest, budget) = (window.of_connection(), BUDGET.max(window.of_stream()));
        Self(Arc::new(Inner { largest, budget, taking: Mutex::default() }))
    }

    /// Makes room for an upload on this connection.
    pub(super) fn take(&self, connection: &Connection) -> Part {
        let id = connection.stable_id();
        let mut taking = self.0.lock();
        let begin = || Taking { connection: connection.clone(), uploads: 0 };
        taking.entry(id).or_insert_with(begin).uploads += 1;
        self.0.spread(&taking);
        Part { room: Arc::clone(&self.0), id }
    }
}

impl Inner {
    /// The map is whole between any two statements, so that a panic elsewhere cannot have torn it.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, Taking>> {
        self.taking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spread(&self, taking: &BTreeMap<usize, Taking>) {
        let uploads: u32 = taking.values().map(|it| it.uploads).sum();
        for Taking { connection, uploads: own } in taking.values() {
            let window = part(self.budget, uploads).saturating_mul(*own).min(self.largest);
            connection.set_receive_window(VarInt::from_u32(window));
        }
    }
}

/// What each of so many uploads has.
fn part(budget: u32, uploads: u32) -> u32 {
    (budget / uploads.max(1)).max(LEAST)
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut taking = self.room.lock();
        let Some(own) = taking.get_mut(&self.id) else { return };
        own.uploads -= 1;
        if own.uploads == 0
            && let Some(Taking { connection, .. }) = taking.remove(&self.id)
        {
            connection.set_receive_window(VarInt::from_u32(AT_REST.min(self.room.largest)));
        }
        self.room.spread(&taking);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_are_the_budget_until_each_is_the_least() {
        let parts = [1, 4, 16, 32].map(|uploads| part(BUDGET, uploads));
        assert_eq!(parts, [64 << 20, 16 << 20, 4 << 20, 2 << 20]);
        assert_eq!((part(BUDGET, 200), part(BUDGET, 0)), (LEAST, BUDGET));
    }
}
