//! What follows from the scores: a pure function of integers, which a spreadsheet can repeat.

use std::collections::BTreeMap;

use potluck_bargain::table::{Bounds, Candidate, Exclusion, Party, Score};
use potluck_bargain::{Table, choose};
use serde::{Deserialize, Serialize};

use super::{Bargaining, Purpose};
use crate::charter::{BargainRule, BargainRules, Charter};
use crate::ids::PartyId;
use crate::lambda::Lambda;

/// How a bargain ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deal {
    /// The charter's rule.
    pub rule: BargainRule,
    /// What came of it.
    pub outcome: Outcome,
    /// What λ gives each party that was heard over no deal, in parts per million of its own range, as it was last scored.
    pub gains_ppm: BTreeMap<PartyId, i64>,
    /// The candidates that could not be chosen, with the reason.
    pub excluded: Vec<Excluded>,
}

/// What came of a bargain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A candidate was chosen.
    Chosen {
        /// Its number.
        candidate: usize,
        /// The next best one's.
        runner_up: Option<usize>,
    },
    /// λ₀ holds.
    Fallback(NoDeal),
}

/// Why there is no deal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoDeal {
    /// No candidate may be chosen.
    NoCandidate,
    /// Too little weight showed scores.
    NoQuorum,
    /// A candidate was chosen, and not ratified.
    NotRatified,
}

impl NoDeal {
    /// The reason in words.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NoCandidate => "no candidate is a gain for everybody that everybody accepts",
            Self::NoQuorum => "too few showed their scores",
            Self::NotRatified => "what was chosen was not ratified",
        }
    }
}

/// A candidate that could not be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Excluded {
    /// Its number.
    pub candidate: usize,
    /// Why.
    pub reason: Reason,
    /// By whose floor, cap, word, gain or veto.
    pub party: PartyId,
}

/// Why a candidate cannot be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its share is below its floor.
    BelowFloor,
    /// Its share is above its cap.
    AboveCap,
    /// It does not accept it.
    NotAccepted,
    /// It gains nothing by it over no deal.
    NoGain,
    /// It struck it by its proportional veto.
    Struck,
}

impl Reason {
    /// The reason in words, of a party.
    pub fn words(self) -> &'static str {
        match self {
            Self::BelowFloor => "is below its floor",
            Self::AboveCap => "is above its cap",
            Self::NotAccepted => "does not accept it",
            Self::NoGain => "gains nothing over no deal",
            Self::Struck => "struck it by its veto",
        }
    }
}

/// What the table of some candidates amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The best ones, best first.
    pub ranked: Vec<usize>,
    /// Those that cannot be chosen.
    pub excluded: Vec<Excluded>,
}

impl Bargaining {
    /// The scores of these candidates, on which the rule decides; nothing where a heard party has not scored one, or nobody is
    /// heard. `of_finalists` takes the finalists' scores instead of the first ones.
    pub fn table(&self, charter: &Charter, numbers: &[usize], of_finalists: bool) -> Option<Table> {
        let batches = || {
            self.batches
                .iter()
                .filter(|batch| (batch.purpose == Purpose::Finalists) == of_finalists)
        };
        let row = |party: &PartyId, number: usize| {
            let mut rows = batches().flat_map(|batch| batch.rows(party));
            rows.find(|(it, _)| *it == number).map(|(_, row)| row)
        };
        let parties = self.heard.iter().map(|party| {
            let score = |&number: &usize| {
                row(party, number).map(|row| Score { micro: row.score, accept: row.accept })
            };
            let scores = numbers.iter().map(score).collect::<Option<_>>()?;
            Some(Party { weight: charter.weight(party), disagreement: 0, scores })
        });
        let coordinates: Vec<_> = self.entitlement.ppm().keys().collect();
        let bounds = coordinates.iter().map(|party| {
            // Who shows nothing has no floor either, or it would hold others up for free.
            let is_heard = self.heard.contains(*party);
            let floor = if is_heard { charter.floor(party) } else { 0 };
            Bounds { floor, cap: charter.cap(party) }
        });
        let candidates = numbers.iter().map(|&number| {
            let lambda = self.candidates.get(number)?.over(coordinates.iter().copied())?;
            Some(Candidate { lambda, is_sound: true })
        });
        let (candidates, parties) =
            (candidates.collect::<Option<_>>()?, parties.collect::<Option<_>>()?);
        Table::new(candidates, parties, bounds.collect()).ok()
    }

    /// The candidates that were scored, but for the finalists' second time.
    pub fn scored(&self) -> Vec<usize> {
        let before = self.batches.iter().filter(|batch| batch.purpose != Purpose::Finalists);
        before.flat_map(|batch| batch.candidates.iter().copied()).collect()
    }

    /// Ranks `numbers` by the rule, as many as `most`; `of_finalists` says by which scores. Empty where a heard party has not
    /// scored one of them.
    ///
    /// It binds nobody: what a round leads to is its [`crate::federation::Agreement`]. Whoever wants to know what another charter
    /// would have made of the same scores asks here.
    pub fn rank(
        &self,
        charter: &Charter,
        rules: &BargainRules,
        (numbers, of_finalists): (&[usize], bool),
        most: usize,
    ) -> Choice {
        let nothing = Choice { ranked: Vec::new(), excluded: Vec::new() };
        let Some(table) = self.table(charter, numbers, of_finalists) else { return nothing };
        let coordinates: Vec<_> = self.entitlement.ppm().keys().collect();
        let Some(fallback) = self.entitlement.over(coordinates.iter().copied()) else {
            return nothing;
        };
        let heard: Vec<_> = self.heard.iter().collect();
        let decision = choose(&table, rules.rule.rule(), rules.veto, &fallback);
        let named = |&(row, exclusion): &(usize, Exclusion)| {
            let (reason, party) = match exclusion {
                Exclusion::BelowFloor(it) => (Reason::BelowFloor, coordinates.get(it).copied()?),
                Exclusion::AboveCap(it) => (Reason::AboveCap, coordinates.get(it).copied()?),
                Exclusion::NotAccepted(it) => (Reason::NotAccepted, heard.get(it).copied()?),
                Exclusion::NoGain(it) => (Reason::NoGain, heard.get(it).copied()?),
                Exclusion::Struck(it) => (Reason::Struck, heard.get(it).copied()?),
                // Nothing is unsound here: every expert was admitted, and a mixture of finite weights is finite.
                Exclusion::Unsound => return None,
            };
            Some(Excluded { candidate: *numbers.get(row)?, reason, party: party.clone() })
        };
        let excluded = decision.excluded.iter().filter_map(named).collect();
        let ranked = decision.ranked.iter().take(most);
        let ranked = ranked.filter_map(|&row| numbers.get(row).copied()).collect();
        Choice { ranked, excluded }
    }

    /// What a candidate gives the heard parties, as it was first scored: on the same prompts as all others, so that these
    /// compare.
    pub fn first_gains(&self, candidate: usize) -> BTreeMap<PartyId, i64> {
        let first = |party: &PartyId| {
            self.rows(party).find(|(it, _)| *it == candidate).map(|(_, row)| row.score)
        };
        self.heard.iter().filter_map(|party| Some((party.clone(), first(party)?))).collect()
    }

    /// What a candidate gives the heard parties, as it was last scored.
    pub fn gains(&self, candidate: usize) -> BTreeMap<PartyId, i64> {
        let last = |party: &PartyId| {
            let rows = self.batches.iter().flat_map(|batch| batch.rows(party));
            rows.filter(|(it, _)| *it == candidate).last().map(|(_, row)| row.score)
        };
        self.heard.iter().filter_map(|party| Some((party.clone(), last(party)?))).collect()
    }

    /// The number of a candidate.
    pub fn number(&self, lambda: &Lambda) -> Option<usize> {
        self.candidates.iter().position(|it| it == lambda)
    }
}

/// Whether λ lies within every floor and cap; else whose it does not, in words.
pub(super) fn outside(charter: &Charter, lambda: &Lambda) -> Option<String> {
    lambda.ppm().iter().find_map(|(party, &share)| {
        let (floor, cap) = (charter.floor(party), charter.cap(party));
        if share < floor {
            return Some(format!("λ gives {party} {share} ppm, below its floor of {floor} ppm"));
        }
        (share > cap).then(|| format!("λ gives {party} {share} ppm, above its cap of {cap} ppm"))
    })
}
