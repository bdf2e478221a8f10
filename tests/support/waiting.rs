//! Waiting for a state, with a limit: never for a time.

use std::time::{Duration, Instant};

/// How long anything may take here before a test gives up.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Asks until `state` answers; `None` where it does not within [`LIMIT`].
pub fn until<T>(mut state: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    while started.elapsed() < LIMIT {
        if let Some(answer) = state() {
            return Some(answer);
        }
        std::thread::park_timeout(Duration::from_micros(200));
    }
    None
}
