//! What changes the terms on which a federation works: a party takes its expert back, the charter is amended.

use serde::{Deserialize, Serialize};

use crate::charter::Charter;
use crate::ids::Blake3;

/// A party takes its expert back: no later round has it, and what was blended with it is no longer in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdraw {
    /// The manifest of the expert.
    pub expert: Blake3,
    /// Why, in public words.
    pub reason: String,
}

/// A member puts a new charter to the vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amend {
    /// The version that it would be: one more than the charter in force.
    pub version: u64,
    /// The whole new charter.
    pub charter: Charter,
}

impl Amend {
    /// By what an amendment is endorsed: BLAKE3 of its version and charter, as they stand in a statement.
    pub fn digest(&self) -> Blake3 {
        Blake3::of(&super::json(self))
    }
}

/// A party endorses a new charter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endorse {
    /// [`Amend::digest`] of what it endorses.
    pub amendment: Blake3,
}
