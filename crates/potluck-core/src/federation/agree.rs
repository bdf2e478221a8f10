//! The agreement that follows from a round's proposals.

use potluck_bargain::{Shares, phantom, weighted_mean};
use serde::{Deserialize, Serialize};

use crate::charter::{Charter, Rule};
use crate::federation::Round;
use crate::lambda::Lambda;

/// The outcome of a round: derived, never asserted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Which round.
    pub round: u64,
    /// The charter's rule that was applied.
    pub rule: Rule,
    /// The agreed weights.
    pub lambda: Lambda,
}

/// What follows from the proposals that are there; nothing where there is none.
pub(super) fn agreement(charter: &Charter, round: &Round) -> Option<Agreement> {
    let parties: Vec<_> = round.experts.keys().collect();
    let proposals: Vec<(u32, Shares)> = round
        .proposals
        .iter()
        .map(|(party, lambda)| {
            let weight = charter.parties().get(party).map_or(0, |seat| seat.weight);
            lambda.over(parties.iter().copied()).map(|shares| (weight, shares))
        })
        .collect::<Option<_>>()?;
    let proposals: Vec<_> = proposals.iter().map(|(weight, shares)| (*weight, shares)).collect();
    let floors: Vec<_> = parties.iter().map(|party| charter.floor(party)).collect();
    // No proposal is below a floor, or it would have been refused; then neither is their mean.
    let shares = match charter.rule().phantoms() {
        None => weighted_mean(&proposals).ok()?,
        Some(phantoms) => phantom::decide(phantoms, &proposals, &floors).ok()?,
    };
    let lambda = Lambda::from_shares(parties, &shares)?;
    Some(Agreement { round: round.number, rule: charter.rule(), lambda })
}
