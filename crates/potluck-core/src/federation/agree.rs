//! What a round leads to, and the λ that follows from its proposals.

use potluck_bargain::{Shares, phantom, weighted_mean};
use serde::{Deserialize, Serialize};

use crate::charter::{Charter, Rule};
use crate::federation::Round;
use crate::federation::bargain::{Deal, Outcome};
use crate::ids::Blake3;
use crate::lambda::Lambda;

/// The outcome of a round: derived, never asserted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Which round.
    pub round: u64,
    /// The charter's rule for proposals.
    pub rule: Rule,
    /// The agreed weights.
    pub lambda: Lambda,
    /// Where λ was bargained for, how that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deal: Option<Deal>,
    /// The log's time after which it is no longer in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
}

impl Agreement {
    /// By what it is ratified: BLAKE3 of its compact JSON, fields in the order of their definition.
    pub fn digest(&self) -> Blake3 {
        let text = serde_json::to_vec(self);
        Blake3::of(&text.expect("strings, integers, lists and maps by text have a JSON form"))
    }

    /// Whether λ₀ holds for want of a deal.
    pub fn is_fallback(&self) -> bool {
        let outcome = self.deal.as_ref().map(|deal| deal.outcome);
        matches!(outcome, Some(Outcome::Fallback(_)))
    }
}

/// What follows from the proposals that are there; nothing where there is none.
pub(super) fn entitlement(charter: &Charter, round: &Round) -> Option<Lambda> {
    let parties: Vec<_> = round.experts.keys().collect();
    let proposals: Vec<(u32, Shares)> = round
        .proposals
        .iter()
        .map(|(party, lambda)| {
            let shares = lambda.over(parties.iter().copied())?;
            Some((charter.weight(party), shares))
        })
        .collect::<Option<_>>()?;
    let proposals: Vec<_> = proposals.iter().map(|(weight, shares)| (*weight, shares)).collect();
    let floors: Vec<_> = parties.iter().map(|party| charter.floor(party)).collect();
    // No proposal is below a floor, or it would have been refused; then neither is their mean.
    let shares = match charter.rule().phantoms() {
        None => weighted_mean(&proposals).ok()?,
        Some(phantoms) => phantom::decide(phantoms, &proposals, &floors).ok()?,
    };
    Lambda::from_shares(parties, &shares)
}
