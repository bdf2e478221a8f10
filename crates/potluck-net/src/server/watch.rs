//! How a running server is looked at, and what of it can be changed while it runs.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quinn::Connection;

use super::Shared;

/// A handle to a running server, for whoever watches it. It keeps no connection alive.
#[derive(Clone)]
pub struct Watch(pub(super) Arc<Shared>);

impl Watch {
    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.0.open.lock().live.len()
    }

    /// Bytes of UDP that were received and sent since the start, those of the handshakes of strangers left out.
    pub fn traffic(&self) -> (u64, u64) {
        let open = self.0.open.lock();
        open.live.values().fold(open.ended, |sum, connection| add(sum, moved(connection)))
    }

    /// Has each key move so many bytes of content a second, from its next transfer on; nothing for as many as come.
    pub fn set_rate(&self, rate: Option<NonZeroU64>) {
        self.0.rates.set(rate);
    }
}

/// The connections that are open, and what went over those that were.
#[derive(Default)]
pub(super) struct Open(Mutex<Numbered>);

#[derive(Default)]
struct Numbered {
    came: u64,
    live: BTreeMap<u64, Connection>,
    /// Bytes received and sent.
    ended: (u64, u64),
}

/// A connection is among them, for as long as this lives.
pub(super) struct Listed {
    number: u64,
    shared: Arc<Shared>,
}

impl Open {
    pub(super) fn list(shared: &Arc<Shared>, connection: &Connection) -> Listed {
        let mut open = shared.open.lock();
        let number = open.came;
        open.came += 1;
        open.live.insert(number, connection.clone());
        Listed { number, shared: Arc::clone(shared) }
    }

    /// What is locked is whole between any two statements, so that a panic elsewhere cannot have torn it.
    fn lock(&self) -> MutexGuard<'_, Numbered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut open = self.shared.open.lock();
        if let Some(connection) = open.live.remove(&self.number) {
            open.ended = add(open.ended, moved(&connection));
        }
    }
}

/// Bytes of UDP that a connection received and sent.
fn moved(connection: &Connection) -> (u64, u64) {
    let stats = connection.stats();
    (stats.udp_rx.bytes, stats.udp_tx.bytes)
}

fn add((received, sent): (u64, u64), more: (u64, u64)) -> (u64, u64) {
    (received.saturating_add(more.0), sent.saturating_add(more.1))
}
