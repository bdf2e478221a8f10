//! One figure over time: its mean at the start, and its mean over the last steps.

use serde::{Deserialize, Serialize};

use super::bits::Bits;

/// What is remembered of a figure.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Track {
    start_sum: Bits,
    start_count: usize,
    recent: Vec<Bits>,
    /// Whether it was warned of; said again only after it was well in between.
    pub(super) warned: bool,
}

impl Track {
    /// Adds the figure of a step; one that is no number would spoil all means after it.
    pub(super) fn add(&mut self, figure: f64, start: usize, window: usize) {
        if !figure.is_finite() {
            return;
        }
        if self.start_count < start {
            self.start_sum.0 += figure;
            self.start_count += 1;
        }
        self.recent.push(Bits(figure));
        if self.recent.len() > window {
            self.recent.remove(0);
        }
    }

    /// The mean over the last steps, once there are enough.
    pub(super) fn recent(&self, window: usize) -> Option<f64> {
        (self.recent.len() >= window).then(|| self.mean())
    }

    /// The mean over whatever there is of the last steps.
    pub(super) fn mean(&self) -> f64 {
        let sum: f64 = self.recent.iter().map(|it| it.0).sum();
        sum / self.recent.len().max(1) as f64
    }

    /// The mean over the first steps, once they are over.
    pub(super) fn start(&self, start: usize) -> Option<f64> {
        (self.start_count >= start).then(|| self.start_sum.0 / self.start_count as f64)
    }
}
