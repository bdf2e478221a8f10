//! What is said in a round: it is opened, parties commit to proposals and show them, it is closed.

use serde::{Deserialize, Serialize};

use crate::ids::{Blake3, FederationId, PartyId};
use crate::lambda::Lambda;

/// The opening of a round over the experts that stand in the ledger at this entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenRound {
    /// Counts from 1.
    pub round: u64,
}

/// A proposal that is bound and not yet shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// The open round.
    pub round: u64,
    /// [`commitment`] of the proposal.
    pub commitment: Blake3,
}

/// A proposed λ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reveal {
    /// The open round.
    pub round: u64,
    /// What the party proposes, over exactly the round's parties.
    pub lambda: Lambda,
    /// Where rounds are sealed, what hid it within its commitment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Blake3>,
}

/// The end of a round whose deadline is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseRound {
    /// The open round.
    pub round: u64,
}

const CONTEXT: &str = "potluck 1 proposal commitment";

/// Binds a party to its proposal without showing it. The party and the round stand in it, so that another's commitment
/// is of no use to anybody; the 32 random bytes of the nonce keep others from trying out proposals.
///
/// ```text
/// BLAKE3 derive_key("potluck 1 proposal commitment",
///     federation id (32 bytes) ‖ round (u64, little-endian) ‖ length of the party's name (u64, little-endian) ‖ name
///     ‖ nonce (32 bytes) ‖ λ as it stands in a statement)
/// ```
pub fn commitment(
    federation: FederationId,
    round: u64,
    party: &PartyId,
    nonce: &Blake3,
    lambda: &Lambda,
) -> Blake3 {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher
        .update(federation.as_bytes())
        .update(&round.to_le_bytes())
        .update(&(party.as_str().len() as u64).to_le_bytes())
        .update(party.as_str().as_bytes())
        .update(nonce.as_bytes())
        .update(&super::json(lambda));
    Blake3::from_bytes(*hasher.finalize().as_bytes())
}
