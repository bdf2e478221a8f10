//! What is said in a bargaining round once there are candidates: scores, nominations, ratifications.
//!
//! A party's scores leave it normalised only: zero is what it has without a deal, a million the best of the first batch.
//! Whoever sees them learns which candidates the party prefers and by how much of its own range, and nothing of its reward.

use serde::{Deserialize, Serialize};

use crate::ids::{Blake3, FederationId, PartyId};
use crate::lambda::Lambda;

/// Scores lie within this, in parts per million of the party's own range: a thousand times the best of the first batch.
pub const MAX_SCORE: i64 = 1_000_000_000;

/// What a party says of one candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The gain over no deal, in parts per million of the party's own range.
    pub score: i64,
    /// Its standard error, in the same unit.
    pub error: u32,
    /// Whether the party would live with it.
    pub accept: bool,
}

/// What a party says of a batch of candidates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ballot {
    /// On how many prompts each was scored.
    pub prompts: u32,
    /// One a candidate, in the batch's order.
    pub rows: Vec<Row>,
}

/// Scores that are bound and not yet shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitScores {
    /// The open round.
    pub round: u64,
    /// The open batch, from 1.
    pub batch: u32,
    /// [`ballot_commitment`] of the scores.
    pub commitment: Blake3,
}

/// Scores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevealScores {
    /// The open round.
    pub round: u64,
    /// The open batch.
    pub batch: u32,
    /// What the party says of each candidate.
    pub ballot: Ballot,
    /// What hid it within its commitment.
    pub nonce: Blake3,
}

/// A candidate for the next batch, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nominate {
    /// The open round.
    pub round: u64,
    /// The batch that it is for.
    pub batch: u32,
    /// A λ that is no candidate yet; nothing where the party has none to add.
    pub lambda: Option<Lambda>,
}

/// How a party stands to an agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stance {
    /// It ratifies.
    Ratify,
    /// It lets it pass.
    Abstain,
    /// It objects.
    Dissent,
}

impl Stance {
    /// Its name in entries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ratify => "ratify",
            Self::Abstain => "abstain",
            Self::Dissent => "dissent",
        }
    }
}

/// A party's stance to an agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ratify {
    /// The agreed round.
    pub round: u64,
    /// BLAKE3 of the agreement, so that nobody ratifies what it has not seen.
    pub agreement: Blake3,
    /// How it stands to it.
    pub stance: Stance,
    /// Why; whoever objects says it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

const COMMITMENT: &str = "potluck 1 ballot commitment";
const SEED: &str = "potluck 1 evaluation seed";

/// Binds a party to its scores without showing them, as [`super::commitment`] does to a proposal.
///
/// ```text
/// BLAKE3 derive_key("potluck 1 ballot commitment",
///     federation id (32 bytes) ‖ round (u64, little-endian) ‖ batch (u32, little-endian)
///     ‖ length of the party's name (u64, little-endian) ‖ name ‖ nonce (32 bytes) ‖ the ballot as it stands in a statement)
/// ```
pub fn ballot_commitment(
    federation: FederationId,
    (round, batch): (u64, u32),
    party: &PartyId,
    nonce: &Blake3,
    ballot: &Ballot,
) -> Blake3 {
    let mut hasher = blake3::Hasher::new_derive_key(COMMITMENT);
    hasher
        .update(federation.as_bytes())
        .update(&round.to_le_bytes())
        .update(&batch.to_le_bytes())
        .update(&(party.as_str().len() as u64).to_le_bytes())
        .update(party.as_str().as_bytes())
        .update(nonce.as_bytes())
        .update(&super::json(ballot));
    Blake3::from_bytes(*hasher.finalize().as_bytes())
}

/// The seed of every draw in the evaluation of a batch: the same for all parties and candidates, so that candidates differ by
/// what they are and not by luck. It is one for the federation's whole life, so that what was scored in an earlier round
/// need not be scored again; but finalists are scored on the draws of their round alone.
///
/// ```text
/// the first 8 bytes, as a little-endian u64, of BLAKE3 derive_key("potluck 1 evaluation seed",
///     federation id (32 bytes) ‖ of finalists, round (u64, little-endian); else 0 (u64))
/// ```
pub fn evaluation_seed(federation: FederationId, of_finalists: Option<u64>) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key(SEED);
    // Rounds count from 1.
    hasher.update(federation.as_bytes()).update(&of_finalists.unwrap_or(0).to_le_bytes());
    let mut seed = [0; 8];
    hasher.finalize_xof().fill(&mut seed);
    u64::from_le_bytes(seed)
}
