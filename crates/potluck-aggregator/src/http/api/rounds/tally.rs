//! The decision of a round as a table of integers: enough to do it again elsewhere, in a spreadsheet or a browser, and
//! compare.

use potluck_core::federation::Round;
use potluck_core::federation::bargain::{Bargaining, Purpose};
use potluck_core::{Charter, Lambda, PartyId};
use serde::Serialize;
use utoipa::ToSchema;

use super::bargain::ExcludedBy;

/// What is put in, and what comes out
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http::api) struct Tally {
    /// The parties of every λ here, in the order of its shares
    coordinates: Vec<String>,
    /// Bounds on the shares, in the same order
    bounds: Vec<BoundsOf>,
    /// What follows from the proposals
    proposals: ProposalTable,
    /// What follows from the scores; nothing where nobody bargained
    scores: Option<ScoreTable>,
    /// The shares that were agreed on
    outcome: Option<Vec<u32>>,
}

/// Bounds on a share, in parts per million
#[derive(Debug, Serialize, ToSchema)]
struct BoundsOf {
    floor: u32,
    cap: u32,
}

/// The weighted proposals
#[derive(Debug, Serialize, ToSchema)]
struct ProposalTable {
    #[schema(example = "mean")]
    rule: &'static str,
    rows: Vec<ProposalRow>,
    /// What follows from them; nothing where none was made or not all are in
    outcome: Option<Vec<u32>>,
}

/// One proposal
#[derive(Debug, Serialize, ToSchema)]
struct ProposalRow {
    party: String,
    weight: u32,
    /// In parts per million
    shares: Vec<u32>,
}

/// The weighted scores
#[derive(Debug, Serialize, ToSchema)]
struct ScoreTable {
    #[schema(example = "nash")]
    rule: &'static str,
    /// Whether each party strikes its worst candidates first
    veto: bool,
    /// Whose scores count, in the order of each candidate's scores
    heard: Vec<Voter>,
    /// How many go on to the second stage; 0 where there is none
    finalists: u32,
    /// The first ranks all that were scored; the second, where there is one, the finalists by their new scores
    stages: Vec<Stage>,
}

/// Somebody whose scores count
#[derive(Debug, Serialize, ToSchema)]
struct Voter {
    party: String,
    weight: u32,
}

/// One ranking
#[derive(Debug, Serialize, ToSchema)]
struct Stage {
    /// `all` or `finalists`
    of: &'static str,
    candidates: Vec<CandidateRow>,
    /// Candidates by number, the best first
    ranked: Vec<usize>,
}

/// One candidate
#[derive(Debug, Serialize, ToSchema)]
struct CandidateRow {
    number: usize,
    /// In parts per million
    shares: Vec<u32>,
    /// The gains, in parts per million of each voter's own range
    scores: Vec<i64>,
    /// Whether each voter would live with it
    accepts: Vec<bool>,
    /// Why it cannot be chosen
    excluded: Option<ExcludedBy>,
}

impl Tally {
    pub(super) fn of(round: &Round, charter: &Charter) -> Self {
        let coordinates: Vec<_> = round.experts.keys().collect();
        let bargain = round.bargain.as_ref();
        let is_heard = |party: &PartyId| bargain.is_none_or(|it| it.heard.contains(party));
        let bounds = coordinates.iter().map(|party| BoundsOf {
            // Who shows nothing has no floor either.
            floor: if is_heard(party) { charter.floor(party) } else { 0 },
            cap: charter.cap(party),
        });
        let rows = round.proposals.iter().map(|(party, lambda)| ProposalRow {
            party: party.to_string(),
            weight: charter.weight(party),
            shares: shares(lambda, &coordinates),
        });
        let agreed = round.agreement.as_ref().map(|it| &it.lambda);
        let entitled = bargain.map(|it| &it.entitlement).or(agreed);
        Self {
            coordinates: coordinates.iter().map(ToString::to_string).collect(),
            bounds: bounds.collect(),
            proposals: ProposalTable {
                rule: charter.rule().as_str(),
                rows: rows.collect(),
                outcome: entitled.map(|lambda| shares(lambda, &coordinates)),
            },
            scores: bargain.and_then(|it| table(it, charter, &coordinates)),
            outcome: agreed.map(|lambda| shares(lambda, &coordinates)),
        }
    }
}

fn table(bargain: &Bargaining, charter: &Charter, coordinates: &[&PartyId]) -> Option<ScoreTable> {
    let rules = charter.bargain()?;
    let heard = bargain
        .heard
        .iter()
        .map(|party| Voter { party: party.to_string(), weight: charter.weight(party) });
    let stage = |of_finalists: bool| {
        let numbers: Vec<usize> = match of_finalists {
            false => bargain.scored(),
            true => {
                let last = bargain.batches.iter().rfind(|it| it.purpose == Purpose::Finalists)?;
                last.candidates.clone()
            }
        };
        // Nothing where one of those whose scores count has not shown them yet.
        bargain.table(charter, &numbers, of_finalists)?;
        let choice = bargain.rank(charter, rules, (&numbers, of_finalists), usize::MAX);
        let candidates = numbers.iter().map(|&number| {
            let row = |party| row(bargain, of_finalists, party, number);
            let rows: Vec<_> = bargain.heard.iter().filter_map(row).collect();
            Some(CandidateRow {
                number,
                shares: shares(bargain.candidates.get(number)?, coordinates),
                scores: rows.iter().map(|row| row.score).collect(),
                accepts: rows.iter().map(|row| row.accept).collect(),
                excluded: choice
                    .excluded
                    .iter()
                    .find(|it| it.candidate == number)
                    .map(ExcludedBy::from),
            })
        });
        Some(Stage {
            of: if of_finalists { "finalists" } else { "all" },
            candidates: candidates.collect::<Option<_>>()?,
            ranked: choice.ranked,
        })
    };
    Some(ScoreTable {
        rule: rules.rule.as_str(),
        veto: rules.veto,
        heard: heard.collect(),
        finalists: rules.finalists,
        stages: [stage(false), stage(true)].into_iter().flatten().collect(),
    })
}

fn row<'a>(
    bargain: &'a Bargaining,
    of_finalists: bool,
    party: &'a PartyId,
    number: usize,
) -> Option<&'a potluck_core::entry::Row> {
    let batches = bargain.batches.iter();
    let batches = batches.filter(|it| (it.purpose == Purpose::Finalists) == of_finalists);
    let mut rows = batches.flat_map(|batch| batch.rows(party));
    rows.find(|(it, _)| *it == number).map(|(_, row)| row)
}

/// The shares of `coordinates`, in their order.
fn shares(lambda: &Lambda, coordinates: &[&PartyId]) -> Vec<u32> {
    coordinates.iter().map(|party| lambda.ppm().get(*party).copied().unwrap_or(0)).collect()
}
