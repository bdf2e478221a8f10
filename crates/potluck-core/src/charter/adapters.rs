//! What an expert is, where it is not all of the weights: a LoRA adapter on the base.

use serde::{Deserialize, Serialize};

use super::CharterError;

/// The largest rank that a charter can allow: what is said of the rounding of a change's norm holds up to it.
pub const MAX_ADAPTER_RANK: u32 = 1024;

/// The rules of a federation whose experts are adapters. A charter without them has experts of full weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdapterRules {
    /// The largest rank of a module in an expert; a soup has the sum of its experts' ranks.
    #[serde(default = "usual_rank")]
    pub max_rank: u32,
    /// The seed of a factor A that is drawn and never trained: an expert is its factors B alone, and a soup their mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_a: Option<u32>,
}

impl Default for AdapterRules {
    fn default() -> Self {
        Self { max_rank: usual_rank(), shared_a: None }
    }
}

impl AdapterRules {
    pub(super) fn check(&self) -> Result<(), CharterError> {
        match self.max_rank {
            1..=MAX_ADAPTER_RANK => Ok(()),
            rank => Err(CharterError::Rank(rank)),
        }
    }
}

fn usual_rank() -> u32 {
    64
}
