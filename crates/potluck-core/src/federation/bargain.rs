//! Bargaining for λ: candidates that every party tries out, in batches.
//!
//! ```text
//!  proposals ─▶ λ₀ ─▶ first batch ─▶ nominate ─▶ batch ─▶ … ─▶ finalists ─▶ decision: a candidate, or λ₀
//!                     commit*, show*             commit*, show*   commit*, show*
//! ```
//!
//! λ₀, to which the proposals entitle the parties, holds where there is no deal. What is decided follows from the scores by
//! the table of integers in `choice`; which candidates there are does not touch it, since each was scored before it counts.

mod choice;
mod say;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use potluck_bargain::{MILLION, Shares, design};
use serde::{Deserialize, Serialize};

pub use self::choice::{Choice, Deal, Excluded, NoDeal, Outcome, Reason};
pub use self::say::check_ballot;
use super::Phase;
use crate::charter::{BargainRules, Charter, FINALIST_PROMPTS};
use crate::entry::{Ballot, evaluation_seed};
use crate::ids::{Blake3, FederationId, PartyId};
use crate::lambda::Lambda;

/// Candidates and what was said of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bargaining {
    /// λ₀: what follows from the proposals.
    pub entitlement: Lambda,
    /// All candidates, in the order of their numbers.
    pub candidates: Vec<Lambda>,
    /// In which they were scored.
    pub batches: Vec<Batch>,
    /// Whose scores count: those who have shown theirs in every batch that is over.
    pub heard: BTreeSet<PartyId>,
    /// The log's time since when it waits for what it waits for.
    pub since: u64,
    /// Where nominations are taken, who nominated what; nothing where a party passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nominations: Option<BTreeMap<PartyId, Option<Lambda>>>,
}

/// What a batch is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The simplex lattice, its centroid, and λ₀.
    First,
    /// What the parties nominated.
    Nominated,
    /// The best ones so far, on new prompts.
    Finalists,
}

impl Purpose {
    /// Its name in what scripts read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Nominated => "nominated",
            Self::Finalists => "finalists",
        }
    }
}

/// Candidates that are scored at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// What it is for.
    pub purpose: Purpose,
    /// Their numbers.
    pub candidates: Vec<usize>,
    /// What the parties are bound to.
    pub commitments: BTreeMap<PartyId, Blake3>,
    /// What they showed.
    pub ballots: BTreeMap<PartyId, Ballot>,
    /// Whether no more commitments are taken.
    pub is_bound: bool,
}

impl Batch {
    fn new(purpose: Purpose, candidates: Vec<usize>) -> Self {
        let (commitments, ballots) = (BTreeMap::new(), BTreeMap::new());
        Self { purpose, candidates, commitments, ballots, is_bound: false }
    }

    /// On how many prompts, at least, its candidates are scored where others are on `prompts`.
    pub fn prompts(&self, prompts: u32) -> u32 {
        let times = if self.purpose == Purpose::Finalists { FINALIST_PROMPTS } else { 1 };
        prompts.saturating_mul(times)
    }

    /// The seed of every draw in its evaluation.
    pub fn seed(&self, federation: FederationId, round: u64) -> u64 {
        evaluation_seed(federation, (self.purpose == Purpose::Finalists).then_some(round))
    }
}

impl Bargaining {
    /// Begins over `experts` with the first batch.
    pub(super) fn new(
        charter: &Charter,
        experts: &BTreeMap<PartyId, Blake3>,
        entitlement: Lambda,
        time: u64,
    ) -> Self {
        let mut candidates = first_candidates(charter, experts.keys());
        if !candidates.contains(&entitlement) {
            candidates.push(entitlement.clone());
        }
        let first = Batch::new(Purpose::First, (0..candidates.len()).collect());
        Self {
            entitlement,
            candidates,
            batches: vec![first],
            heard: experts.keys().cloned().collect(),
            since: time,
            nominations: None,
        }
    }

    /// The number, from 1, and the batch that is being scored; nothing while candidates are nominated.
    pub fn batch(&self) -> Option<(u32, &Batch)> {
        if self.nominations.is_some() {
            return None;
        }
        let number = u32::try_from(self.batches.len()).unwrap_or(u32::MAX);
        self.batches.last().map(|batch| (number, batch))
    }

    /// What it is waiting for at the log's `time`.
    pub fn phase(&self, rules: &BargainRules, time: u64) -> Phase {
        let waiting = self.waiting();
        match self.ends(rules) {
            Some(end) if time > end => Phase::Close,
            _ => waiting,
        }
    }

    /// The log's time after which it no longer takes what it waits for; nothing without a deadline.
    pub fn ends(&self, rules: &BargainRules) -> Option<u64> {
        let seconds = match self.waiting() {
            Phase::Nominate => rules.nominate_seconds,
            Phase::Score => rules.score_seconds,
            _ => rules.show_seconds,
        };
        (seconds > 0).then(|| self.since.saturating_add(seconds))
    }

    fn waiting(&self) -> Phase {
        match self.batch() {
            None => Phase::Nominate,
            Some((_, batch)) if !batch.is_bound => Phase::Score,
            Some(_) => Phase::Show,
        }
    }

    /// For whom it waits.
    pub fn missing(&self) -> Vec<&PartyId> {
        let has_spoken = |party: &PartyId| match (&self.nominations, self.batches.last()) {
            (Some(nominations), _) => nominations.contains_key(party),
            (None, Some(batch)) if !batch.is_bound => batch.commitments.contains_key(party),
            (None, Some(batch)) => {
                batch.ballots.contains_key(party) || !batch.commitments.contains_key(party)
            }
            (None, None) => true,
        };
        self.heard.iter().filter(|party| !has_spoken(party)).collect()
    }

    /// What `party` said of each candidate outside the finalists' batch, in order of batch.
    pub fn rows<'a>(
        &'a self,
        party: &'a PartyId,
    ) -> impl Iterator<Item = (usize, &'a crate::entry::Row)> + 'a {
        let before = self.batches.iter().filter(|batch| batch.purpose != Purpose::Finalists);
        before.flat_map(move |batch| batch.rows(party))
    }
}

impl Batch {
    /// What `party` said of each of its candidates; nothing where it has shown nothing.
    pub fn rows<'a>(
        &'a self,
        party: &PartyId,
    ) -> impl Iterator<Item = (usize, &'a crate::entry::Row)> + 'a {
        let rows = self.ballots.get(party).into_iter().flat_map(|ballot| &ballot.rows);
        self.candidates.iter().copied().zip(rows)
    }
}

/// The simplex lattice {N, 2} and its centroid, within what the floors leave: λ = ℓ + (1 − Σℓ)·point.
fn first_candidates<'a>(
    charter: &Charter,
    parties: impl Iterator<Item = &'a PartyId>,
) -> Vec<Lambda> {
    let parties: Vec<_> = parties.collect();
    let floors: Vec<_> = parties.iter().map(|party| u128::from(charter.floor(party))).collect();
    let left = u128::from(MILLION).saturating_sub(floors.iter().sum());
    let within = |point: &Shares| {
        let weights = point.ppm().iter().zip(&floors);
        let weights: Vec<_> = weights
            .map(|(&share, floor)| floor * u128::from(MILLION) + left * u128::from(share))
            .collect();
        Lambda::from_shares(parties.iter().copied(), &Shares::from_weights(&weights)?)
    };
    // A charter with a bargain names no more parties than there are designs for.
    let lattice = design::lattice(parties.len()).unwrap_or_default();
    let mut candidates = Vec::new();
    for lambda in lattice.iter().filter_map(within) {
        // Where the floors leave next to nothing, rounding can make two points one.
        if !candidates.contains(&lambda) {
            candidates.push(lambda);
        }
    }
    candidates
}
