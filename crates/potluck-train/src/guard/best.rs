//! Which step is the best so far, so that its weights are kept.

use serde::{Deserialize, Serialize};

use super::bits::Bits;

/// The best step so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Best(Option<(u64, Bits)>);

impl Best {
    /// Whether `score` makes `step` the best; a tie does not: the earlier is nearer to the base.
    pub(super) fn see(&mut self, step: u64, score: f64) -> bool {
        let is_best = score.is_finite() && self.0.is_none_or(|(_, best)| score > best.0);
        if is_best {
            self.0 = Some((step, Bits(score)));
        }
        is_best
    }

    pub(super) fn get(&self) -> Option<(u64, f64)> {
        self.0.map(|(step, score)| (step, score.0))
    }
}
