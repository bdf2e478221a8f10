//! The candidates of a round and what was said of them, as integers, as they stand in the ledger.

use potluck_core::PartyId;
use potluck_core::federation::Round;
use potluck_core::federation::bargain::{Bargaining, Batch, Excluded};
use serde::Serialize;
use utoipa::ToSchema;

use super::Commitment;
use crate::history::Told;
use crate::http::api::answer::Seen;
use crate::http::api::shape::Mixture;

/// Candidates and scores
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BargainOf {
    /// λ₀: what the proposals entitle to, where there is no deal
    entitlement: Mixture,
    /// Whose scores count
    heard: Vec<String>,
    /// In the order of their numbers
    candidates: Vec<CandidateOf>,
    /// In which they were scored
    batches: Vec<BatchOf>,
    /// Who nominated what, where nominations are taken now; nothing where a party passed
    nominations: Option<Vec<Nomination>>,
}

/// A λ that every party tries out
#[derive(Debug, Serialize, ToSchema)]
struct CandidateOf {
    /// Counted from 0
    number: usize,
    lambda: Mixture,
    /// Whether it is λ₀
    is_entitlement: bool,
    /// Whether it was chosen
    is_chosen: bool,
    /// Why it could not be chosen
    excluded: Option<ExcludedBy>,
}

/// Why a candidate cannot be chosen
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::http::api) struct ExcludedBy {
    /// `below_floor`, `above_cap`, `not_accepted`, `no_gain` or `struck`
    reason: &'static str,
    party: String,
    /// The same in words
    words: String,
}

impl From<&Excluded> for ExcludedBy {
    fn from(excluded: &Excluded) -> Self {
        use potluck_core::federation::bargain::Reason;
        let reason = match excluded.reason {
            Reason::BelowFloor => "below_floor",
            Reason::AboveCap => "above_cap",
            Reason::NotAccepted => "not_accepted",
            Reason::NoGain => "no_gain",
            Reason::Struck => "struck",
        };
        let words = format!("{} {}", excluded.party, excluded.reason.words());
        Self { reason, party: excluded.party.to_string(), words }
    }
}

/// Candidates that are scored at once
#[derive(Debug, Serialize, ToSchema)]
struct BatchOf {
    /// Counted from 1
    batch: usize,
    /// `first`, `nominated` or `finalists`
    purpose: &'static str,
    /// Their numbers
    candidates: Vec<usize>,
    /// On how many prompts, at least, each is scored
    least_prompts: u32,
    /// The seed of every draw, in decimal: it does not fit in a number of JavaScript
    seed: String,
    /// What the parties are bound to
    commitments: Vec<Commitment>,
    /// What they showed
    ballots: Vec<BallotOf>,
    /// Whether no more commitments are taken
    is_bound: bool,
}

/// What a party says of a batch
#[derive(Debug, Serialize, ToSchema)]
struct BallotOf {
    party: String,
    /// On how many prompts each was scored
    prompts: u32,
    rows: Vec<RowOf>,
}

/// What a party says of one candidate
#[derive(Debug, Serialize, ToSchema)]
struct RowOf {
    candidate: usize,
    /// The gain over no deal, in parts per million of the party's own range
    score: i64,
    /// Its standard error, in the same unit
    error: u32,
    /// Whether the party would live with it
    accept: bool,
}

/// A nomination
#[derive(Debug, Serialize, ToSchema)]
struct Nomination {
    party: String,
    lambda: Option<Mixture>,
}

impl BargainOf {
    pub(super) fn of(seen: &Seen<'_>, round: &Round, told: &Told, it: &Bargaining) -> Self {
        let deal = round.agreement.as_ref().and_then(|agreement| agreement.deal.as_ref());
        let excluded = match (deal, told.charter.bargain()) {
            (Some(deal), _) => deal.excluded.clone(),
            // Under way: by the scores that all have shown.
            (None, Some(rules)) => it.rank(&told.charter, rules, (&it.scored(), false), 0).excluded,
            (None, None) => Vec::new(),
        };
        let chosen = round.agreement.as_ref().and_then(|agreement| it.number(&agreement.lambda));
        let candidates = it.candidates.iter().enumerate().map(|(number, lambda)| CandidateOf {
            number,
            lambda: Mixture::from(lambda),
            is_entitlement: *lambda == it.entitlement,
            is_chosen: chosen == Some(number),
            excluded: excluded.iter().find(|it| it.candidate == number).map(ExcludedBy::from),
        });
        let rules = told.charter.bargain();
        let least = rules.map_or(0, |rules| rules.least_prompts);
        let id = seen.federation().id();
        let batches = it.batches.iter().enumerate().map(|(place, batch)| BatchOf {
            batch: place + 1,
            purpose: batch.purpose.as_str(),
            candidates: batch.candidates.clone(),
            least_prompts: batch.prompts(least),
            seed: batch.seed(id, round.number).to_string(),
            commitments: commitments(batch),
            ballots: batch.ballots.keys().map(|party| ballot(batch, party)).collect(),
            is_bound: batch.is_bound,
        });
        let nominations = it.nominations.as_ref().map(|all| {
            let nomination = all.iter().map(|(party, lambda)| Nomination {
                party: party.to_string(),
                lambda: lambda.as_ref().map(Mixture::from),
            });
            nomination.collect()
        });
        Self {
            entitlement: Mixture::from(&it.entitlement),
            heard: it.heard.iter().map(ToString::to_string).collect(),
            candidates: candidates.collect(),
            batches: batches.collect(),
            nominations,
        }
    }
}

fn commitments(batch: &Batch) -> Vec<Commitment> {
    let view = |(party, commitment): (&PartyId, &potluck_core::Blake3)| Commitment {
        party: party.to_string(),
        commitment: commitment.to_string(),
        is_shown: batch.ballots.contains_key(party),
    };
    batch.commitments.iter().map(view).collect()
}

fn ballot(batch: &Batch, party: &PartyId) -> BallotOf {
    let rows = batch.rows(party).map(|(candidate, row)| RowOf {
        candidate,
        score: row.score,
        error: row.error,
        accept: row.accept,
    });
    let prompts = batch.ballots.get(party).map_or(0, |ballot| ballot.prompts);
    BallotOf { party: party.to_string(), prompts, rows: rows.collect() }
}
