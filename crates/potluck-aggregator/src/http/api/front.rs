//! `GET /api/v1/front`: what there was to choose from: each evaluated λ with what it gives each party, and a model of the rest.
//!
//! What was evaluated stands in the ledger as integers. What is predicted is a quadratic in λ that was fitted to it here, in
//! floating point: for pictures and for looking around; nothing is decided by it, and it is marked wherever it stands.

use std::collections::BTreeMap;

use axum::response::Response;
use potluck_bargain::surrogate::Quadratic;
use potluck_bargain::{Shares, front as pareto};
use potluck_core::federation::Round;
use potluck_core::federation::bargain::{Bargaining, Purpose};
use potluck_core::{Lambda, PartyId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::agreements::find;
use super::answer::Seen;
use super::ask::Asked;
use super::problem::{Common, Named, Problem};
use super::shape::Mixture;
use crate::config::{Run, Runs};
use crate::history::Told;

/// Whose scores
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The round whose scores are meant; left out, the latest one that has some
    round: Option<u64>,
}

/// What there was to choose from
#[derive(Debug, Serialize, ToSchema)]
struct Front {
    /// Whose scores these are; nothing where no round has any
    round: Option<u64>,
    /// The parties of every λ here, in ascending order
    parties: Vec<String>,
    /// What all numbers are in: `ppm_of_own_range`, where 0 is what a party has without a deal and 1000000 the best of its
    /// first batch
    unit: &'static str,
    /// What 0 is worth: `base`, `status_quo` or `reserve`
    zero: &'static str,
    /// The base, where it is the zero of all scores
    base: Option<Vec<Gain>>,
    points: Vec<Point>,
    /// What gives each party its gain anywhere on the simplex, fitted to the points
    models: Vec<Model>,
    /// The λ that is served now
    in_force: Option<Mixture>,
    /// Runs of multi-objective training, where the operator tells of some: nobody signed these figures
    morl: Option<Morl>,
}

/// One λ
#[derive(Debug, Serialize, ToSchema)]
struct Point {
    /// The candidate's number; nothing where it was none
    candidate: Option<usize>,
    /// `expert`, `entitlement`, `agreed` or `candidate`: the first that it is
    what: &'static str,
    /// Whose expert it is
    party: Option<String>,
    lambda: Mixture,
    /// Whether the parties evaluated it; else its gains are predicted
    is_evaluated: bool,
    /// What it gives each party
    gains: Vec<Gain>,
    /// What it gave each party on the finalists' prompts
    finalist_gains: Vec<Gain>,
    /// Whether no other evaluated point is at least as good for all and better for some; nothing where it is not evaluated
    /// by all
    is_non_dominated: Option<bool>,
}

/// Models that were trained for all rewards at once, by the operator's word
#[derive(Debug, Serialize, ToSchema)]
struct Morl {
    /// Where the figures come from
    source: String,
    runs: Vec<MorlRun>,
}

/// What one of them gives the parties, on the scale of the points
#[derive(Debug, Serialize, ToSchema)]
struct MorlRun {
    label: String,
    gains: Vec<Gain>,
}

/// What a λ gives a party
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Gain {
    party: String,
    mean: i64,
    /// Its standard error; nothing where it is predicted or given
    error: Option<u32>,
    /// On how many prompts; nothing where it is predicted or given
    prompts: Option<u32>,
    /// Whether the party would live with it; nothing where it is predicted or given
    accept: Option<bool>,
}

/// A predicted gain anywhere: Σ linear[i]·λᵢ + Σ pairs[k]·λᵢ·λⱼ, with λ in parts of one
#[derive(Debug, Serialize, ToSchema)]
struct Model {
    party: String,
    /// One a coordinate, in the order of `parties`
    linear: Vec<f64>,
    /// One a pair, in the order (0,1), (0,2), …, (1,2), …
    pairs: Vec<f64>,
    /// Always true: what this gives is predicted
    is_predicted: bool,
    /// To how many points it was fitted
    points: usize,
}

/// Every evaluated mixture, and what is predicted of others
#[utoipa::path(get, path = "/api/v1/front", tag = "rounds", operation_id = "front", params(Which),
    responses((status = 200, body = Front), Common, Named))]
pub(super) async fn front(asked: Asked<Which>) -> Response {
    asked.one(|seen| match asked.query.round {
        Some(number) => {
            let missing = || Problem::not_found("no round of this number was opened");
            let (round, told) = find(seen, number).ok_or_else(missing)?;
            Ok(beside(view(seen, round, told), asked.shared.runs.as_ref()))
        }
        None => Ok(latest(seen).map_or_else(
            || empty(seen),
            |(round, told)| beside(view(seen, round, told), asked.shared.runs.as_ref()),
        )),
    })
}

fn latest<'a>(seen: &'a Seen<'_>) -> Option<(&'a Round, &'a Told)> {
    let with = |round: &&Round| {
        let batches = round.bargain.iter().flat_map(|it| &it.batches);
        batches.into_iter().any(|batch| !batch.ballots.is_empty())
    };
    let round = seen.federation().rounds().iter().rev().find(with)?;
    find(seen, round.number)
}

/// The same with the runs beside it that the operator tells of, as far as they are of these parties.
fn beside(front: Front, runs: Option<&Runs>) -> Front {
    let gain = |run: &Run, party: &String| {
        let (mean, error) = (*run.gains_ppm.get(party)?, run.errors_ppm.get(party).copied());
        Some(Gain { party: party.clone(), mean, error, prompts: None, accept: None })
    };
    let of = |run: &Run| MorlRun {
        label: run.label.clone(),
        gains: front.parties.iter().filter_map(|party| gain(run, party)).collect(),
    };
    // Without scores there is no scale on which they could stand.
    let told = runs.filter(|_| front.points.iter().any(|point| point.is_evaluated));
    let morl = told.map(|told| Morl {
        source: told.source.clone(),
        runs: told.runs.iter().map(of).filter(|run| !run.gains.is_empty()).collect(),
    });
    Front { morl, ..front }
}

/// Before there are scores: the experts alone.
fn empty(seen: &Seen<'_>) -> Front {
    let parties: Vec<_> = seen.federation().experts().keys().collect();
    let points = parties.iter().map(|party| expert(party, &parties));
    Front {
        round: None,
        parties: parties.iter().map(ToString::to_string).collect(),
        unit: "ppm_of_own_range",
        zero: "base",
        base: None,
        points: points.collect(),
        models: Vec::new(),
        in_force: in_force(seen),
        morl: None,
    }
}

fn in_force(seen: &Seen<'_>) -> Option<Mixture> {
    let round = seen.federation().in_force(seen.now)?;
    round.agreement.as_ref().map(|it| Mixture::from(&it.lambda))
}

/// One party's expert, of which nothing is known yet.
fn expert(party: &PartyId, parties: &[&PartyId]) -> Point {
    let ppm = parties.iter().map(|it| (it.to_string(), if *it == party { 1_000_000 } else { 0 }));
    let text = super::shape::normal(&Lambda::single(party.clone()));
    Point {
        candidate: None,
        what: "expert",
        party: Some(party.to_string()),
        lambda: Mixture { text, ppm: ppm.collect() },
        is_evaluated: false,
        gains: Vec::new(),
        finalist_gains: Vec::new(),
        is_non_dominated: None,
    }
}

fn view(seen: &Seen<'_>, round: &Round, told: &Told) -> Front {
    let parties: Vec<_> = round.experts.keys().collect();
    let zero = told.charter.bargain().map_or("base", |rules| rules.disagreement.as_str());
    let Some(bargain) = &round.bargain else {
        return Front { round: Some(round.number), ..empty(seen) };
    };
    let fitted: Vec<_> = parties.iter().filter_map(|party| fit(bargain, party, &parties)).collect();
    let mut points: Vec<_> = (0..bargain.candidates.len())
        .filter_map(|number| point(bargain, round, number, &parties))
        .collect();
    for party in &parties {
        let is_there = |it: &Point| it.party.as_deref() == Some(party.as_str());
        if !points.iter().any(is_there) {
            points.push(expert(party, &parties));
        }
    }
    for point in points.iter_mut().filter(|it| it.gains.is_empty()) {
        point.gains = predicted(&point.lambda, &fitted, &parties);
    }
    mark(&mut points, bargain);
    let given = |party: &&PartyId| Gain {
        party: party.to_string(),
        mean: 0,
        error: None,
        prompts: None,
        accept: None,
    };
    Front {
        round: Some(round.number),
        base: (zero == "base").then(|| parties.iter().map(given).collect()),
        parties: parties.iter().map(ToString::to_string).collect(),
        unit: "ppm_of_own_range",
        zero,
        points,
        models: fitted
            .iter()
            .map(|(party, model, count)| described(party, model, *count))
            .collect(),
        in_force: in_force(seen),
        morl: None,
    }
}

fn point(
    bargain: &Bargaining,
    round: &Round,
    number: usize,
    parties: &[&PartyId],
) -> Option<Point> {
    let lambda = bargain.candidates.get(number)?;
    let mut active = lambda.active();
    let alone = match (active.next(), active.next()) {
        (Some((party, _)), None) => Some(party.to_string()),
        _ => None,
    };
    let agreed = round.agreement.as_ref().map(|it| &it.lambda);
    let gains = gains(bargain, number, parties, false);
    Some(Point {
        candidate: Some(number),
        what: match &alone {
            Some(_) => "expert",
            None if agreed == Some(lambda) => "agreed",
            None if *lambda == bargain.entitlement => "entitlement",
            None => "candidate",
        },
        party: alone,
        lambda: Mixture::from(lambda),
        is_evaluated: !gains.is_empty(),
        finalist_gains: self::gains(bargain, number, parties, true),
        gains,
        is_non_dominated: None,
    })
}

/// What the parties showed of a candidate.
fn gains(
    bargain: &Bargaining,
    number: usize,
    parties: &[&PartyId],
    of_finalists: bool,
) -> Vec<Gain> {
    let batches = || {
        let all = bargain.batches.iter();
        all.filter(|it| (it.purpose == Purpose::Finalists) == of_finalists)
    };
    let shown = |party: &&PartyId| {
        batches().find_map(|batch| {
            let (_, row) = batch.rows(party).find(|(it, _)| *it == number)?;
            let prompts = batch.ballots.get(*party)?.prompts;
            Some(Gain {
                party: party.to_string(),
                mean: row.score,
                error: Some(row.error),
                prompts: Some(prompts),
                accept: Some(row.accept),
            })
        })
    };
    parties.iter().filter_map(shown).collect()
}

type Fitted<'a> = (&'a PartyId, Quadratic, usize);

/// A model of what one party showed.
fn fit<'a>(bargain: &Bargaining, party: &'a PartyId, parties: &[&PartyId]) -> Option<Fitted<'a>> {
    let shown: Vec<(Shares, f64)> = bargain
        .rows(party)
        .filter_map(|(number, row)| {
            let shares = bargain.candidates.get(number)?.over(parties.iter().copied())?;
            // Scores are at most 10⁹: exact.
            Some((shares, row.score as f64))
        })
        .collect();
    let shown: Vec<_> = shown.iter().map(|(shares, score)| (shares, *score)).collect();
    Some((party, Quadratic::fit(&shown)?, shown.len()))
}

fn described(party: &PartyId, model: &Quadratic, points: usize) -> Model {
    let (linear, pairs) = model.coefficients();
    Model {
        party: party.to_string(),
        linear: linear.to_vec(),
        pairs: pairs.to_vec(),
        is_predicted: true,
        points,
    }
}

fn predicted(lambda: &Mixture, fitted: &[Fitted<'_>], parties: &[&PartyId]) -> Vec<Gain> {
    let share = |party: &&PartyId| {
        f64::from(lambda.ppm.get(party.as_str()).copied().unwrap_or(0)) / 1_000_000.0
    };
    let shares: Vec<_> = parties.iter().map(share).collect();
    let gain = |(party, model, _): &Fitted<'_>| Gain {
        party: party.to_string(),
        // Rounded for people; far within an i64.
        mean: model.at(&shares).round() as i64,
        error: None,
        prompts: None,
        accept: None,
    };
    fitted.iter().map(gain).collect()
}

/// Says of the points that all whose scores count evaluated whether another one beats them.
fn mark(points: &mut [Point], bargain: &Bargaining) {
    let heard: Vec<_> = bargain.heard.iter().map(ToString::to_string).collect();
    let mut whole = Vec::new();
    for (place, point) in points.iter().enumerate().filter(|(_, point)| point.is_evaluated) {
        let by: BTreeMap<_, _> = point.gains.iter().map(|it| (&it.party, it.mean)).collect();
        let all: Option<Vec<f64>> =
            heard.iter().map(|it| by.get(it).map(|it| *it as f64)).collect();
        whole.extend(all.map(|all| (place, all)));
    }
    let gains: Vec<_> = whole.iter().map(|(_, gains)| gains.clone()).collect();
    let best = pareto::non_dominated(&gains);
    for (position, (place, _)) in whole.iter().enumerate() {
        points[*place].is_non_dominated = Some(best.contains(&position));
    }
}
