//! What would follow from the scores under another charter.

use std::collections::BTreeMap;

use potluck_core::charter::BargainRules;
use potluck_core::federation::bargain::{Bargaining, Purpose};
use potluck_core::{Charter, Lambda, PartyId};

use super::terms::Variation;
use crate::failure::Failure;

/// What would be chosen, and what it would be worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::command::round) struct Would {
    /// Under which terms.
    pub(super) name: String,
    /// The candidate, counted from 0; nothing where the fallback is none.
    pub(super) candidate: Option<usize>,
    /// Whether there would be no deal.
    pub(super) is_fallback: bool,
    /// Whether the choice is among finalists that were scored twice, as the charter wants it.
    pub(super) is_confirmed: bool,
    /// What it gives each party by the first scores, which alone compare with those of every other candidate.
    pub(super) gains: BTreeMap<PartyId, i64>,
    /// What the best candidate that may be chosen would give each.
    best: BTreeMap<PartyId, i64>,
    /// How many may not be chosen.
    pub(super) excluded: usize,
}

impl Would {
    /// Decides again. Where the finalists under these terms are ones that were scored twice, their second scores decide, as in the
    /// round; else the first scores do.
    pub(super) fn of(variation: &Variation, bargain: &Bargaining) -> Result<Self, Failure> {
        let Variation { name, charter, without } = variation;
        let rules = rules(charter)?;
        let mut bargain = bargain.clone();
        bargain.heard.retain(|party| !without.contains(party));
        let numbers = scored_by_all(&bargain, without);
        let first = bargain.rank(charter, rules, (&numbers, false), usize::MAX);
        let finalists: Vec<_> =
            first.ranked.iter().copied().take(rules.finalists as usize).collect();
        let twice = bargain.batches.last().filter(|it| it.purpose == Purpose::Finalists);
        let is_confirmed = !finalists.is_empty()
            && twice.is_some_and(|batch| {
                finalists.iter().all(|it| batch.candidates.contains(it))
                    && bargain.heard.iter().all(|party| batch.ballots.contains_key(party))
            });
        let winner = if is_confirmed {
            bargain.rank(charter, rules, (&finalists, true), 1).ranked.first().copied()
        } else {
            first.ranked.first().copied()
        };
        let fallback = bargain.number(&bargain.entitlement);
        let candidate = winner.or(fallback);
        let mut best = BTreeMap::new();
        for (party, gain) in first.ranked.iter().flat_map(|it| bargain.first_gains(*it)) {
            let most = best.entry(party).or_insert(gain);
            *most = gain.max(*most);
        }
        Ok(Self {
            name: name.clone(),
            candidate,
            is_fallback: winner.is_none(),
            // Without a second round of scores in the rules, the first ones are all there is.
            is_confirmed: is_confirmed || rules.finalists == 0,
            gains: candidate.map(|it| bargain.first_gains(it)).unwrap_or_default(),
            best,
            excluded: first.excluded.len(),
        })
    }

    /// λ of the choice.
    pub(super) fn lambda<'b>(&self, bargain: &'b Bargaining) -> Option<&'b Lambda> {
        bargain.candidates.get(self.candidate?)
    }

    /// What the party gains by `other` beyond what it gains here.
    pub(super) fn regret(&self, other: &Self, party: &PartyId) -> Option<i64> {
        Some(other.gains.get(party)?.saturating_sub(*self.gains.get(party)?))
    }

    /// What its best candidate that may be chosen gives it beyond this.
    pub(super) fn short_of_best(&self, party: &PartyId) -> Option<i64> {
        Some(self.best.get(party)?.saturating_sub(*self.gains.get(party)?))
    }
}

/// What is compared with: what was agreed on; before there is an agreement, what the charter would choose by now.
pub(super) fn reference(
    charter: &Charter,
    bargain: &Bargaining,
    agreed: Option<&Lambda>,
) -> Result<Would, Failure> {
    let as_it_is = Variation {
        name: "the charter would choose by now".to_owned(),
        charter: charter.clone(),
        without: Vec::new(),
    };
    let would = Would::of(&as_it_is, bargain)?;
    let Some(number) = agreed.and_then(|lambda| bargain.number(lambda)) else { return Ok(would) };
    Ok(Would {
        name: "was agreed on".to_owned(),
        candidate: Some(number),
        is_fallback: agreed == Some(&bargain.entitlement) && would.is_fallback,
        is_confirmed: true,
        gains: bargain.first_gains(number),
        ..would
    })
}

fn rules(charter: &Charter) -> Result<&BargainRules, Failure> {
    charter.bargain().ok_or_else(|| Failure::input("the round's charter has no bargains"))
}

/// The candidates that everybody who is heard has scored, but for mixtures with an expert that is left out.
fn scored_by_all(bargain: &Bargaining, without: &[PartyId]) -> Vec<usize> {
    let has_scored =
        |party: &PartyId, number: usize| bargain.rows(party).any(|(it, _)| it == number);
    let is_within = |number: usize| {
        bargain.candidates.get(number).is_some_and(|lambda| {
            without.iter().all(|party| lambda.ppm().get(party).is_none_or(|share| *share == 0))
        })
    };
    let scored = bargain.scored().into_iter();
    let scored = scored.filter(|number| is_within(*number));
    scored.filter(|number| bargain.heard.iter().all(|party| has_scored(party, *number))).collect()
}
