//! What is counted since the start, for whoever watches the server. Nothing is decided by it.

use std::sync::atomic::{AtomicU64, Ordering};

use potluck_core::Code;

/// Counters of what parties and the operator had done. What readers over HTTP had is counted there.
#[derive(Debug)]
pub struct Counts {
    /// Refusals, by the place of their code among all.
    refused: Vec<AtomicU64>,
    /// Soups that were blended, not found again.
    blended: AtomicU64,
}

impl Default for Counts {
    fn default() -> Self {
        let refused = Code::ALL.iter().map(|_| AtomicU64::new(0)).collect();
        Self { refused, blended: AtomicU64::new(0) }
    }
}

impl Counts {
    /// One was refused.
    pub fn refused(&self, code: Code) {
        let place = Code::ALL.iter().position(|it| *it == code);
        if let Some(count) = place.and_then(|place| self.refused.get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A soup was blended.
    pub fn blended(&self) {
        self.blended.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were refused by each code.
    pub fn refusals(&self) -> impl Iterator<Item = (Code, u64)> {
        let counts = self.refused.iter().map(|count| count.load(Ordering::Relaxed));
        Code::ALL.iter().copied().zip(counts)
    }

    /// How many soups were blended.
    pub fn blends(&self) -> u64 {
        self.blended.load(Ordering::Relaxed)
    }
}
