//! The front: which λ are evaluated, and where their soups lie against the chords.
//!
//! An edge joins two experts. In the plane of their two rewards, each divided by the distance between
//! the two experts in it, the chord is the line from (1, 0) to (0, 1); the height of a soup is how far
//! it lies beyond that line, x + y − 1, in shares of the range. Pure arithmetic; `demo.rs` runs the
//! evaluations and `outcome.rs` judges.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::Value;

pub(crate) use crate::federation::Ppm;

const MILLION: u64 = 1_000_000;

/// Soups on an edge, its two experts counted in.
const STEPS: u64 = 10;

/// One soup and what every party scores it.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Point {
    /// What it is mixed of.
    pub(crate) lambda_ppm: Ppm,
    /// Each party's mean reward on its held-out prompts.
    pub(crate) scores: BTreeMap<String, f64>,
    /// The standard errors of these means.
    pub(crate) se: BTreeMap<String, f64>,
}

/// Eleven λ on each edge between two parties, corners once, and the centre.
pub(crate) fn lambdas(parties: &[&str]) -> Vec<Ppm> {
    let mut lambdas = Vec::new();
    for party in parties {
        lambdas.push(mixture(&[(party, MILLION)]));
    }
    for (first, second) in edges(parties) {
        for step in 1..STEPS {
            let share = MILLION / STEPS * step;
            lambdas.push(mixture(&[(first, MILLION - share), (second, share)]));
        }
    }
    let equal = MILLION / parties.len() as u64;
    let spare = MILLION - equal * parties.len() as u64;
    let centre: Vec<_> = parties
        .iter()
        .enumerate()
        .map(|(position, party)| (*party, equal + if position == 0 { spare } else { 0 }))
        .collect();
    lambdas.push(mixture(&centre));
    lambdas
}

/// The pairs of parties, each once, in order.
pub(crate) fn edges<'a>(parties: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let pairs = |(position, first): (usize, &&'a str)| {
        let first = *first;
        parties[position + 1..].iter().map(move |second| (first, *second)).collect::<Vec<_>>()
    };
    parties.iter().enumerate().flat_map(pairs).collect()
}

/// λ from pairs of a party and its share.
pub(crate) fn mixture(shares: &[(&str, u64)]) -> Ppm {
    shares.iter().map(|(party, ppm)| ((*party).to_owned(), *ppm)).collect()
}

/// λ as the programs take it.
pub(crate) fn text(lambda: &Ppm) -> String {
    let decimal = |(party, ppm): (&String, &u64)| {
        let share = format!("{}.{:06}", ppm / MILLION, ppm % MILLION);
        format!("{party}={}", share.trim_end_matches('0').trim_end_matches('.'))
    };
    lambda.iter().map(decimal).collect::<Vec<_>>().join(",")
}

/// Joins the parties' evaluations, one JSON report each over the same list of λ, into points.
///
/// # Errors
/// When a report is not over exactly `lambdas`, in their order.
pub(crate) fn join(lambdas: &[Ppm], reports: &BTreeMap<String, Value>) -> Result<Vec<Point>> {
    let mut points: Vec<_> = lambdas
        .iter()
        .map(|lambda| Point {
            lambda_ppm: lambda.clone(),
            scores: BTreeMap::new(),
            se: BTreeMap::new(),
        })
        .collect();
    for (party, report) in reports {
        let rows = report["rows"].as_array().context("an evaluation without rows")?;
        if rows.len() != lambdas.len() {
            bail!("{party} evaluated {} soups of {}", rows.len(), lambdas.len());
        }
        for (point, row) in points.iter_mut().zip(rows) {
            point.scores.insert(party.clone(), number(&row["mean"])?);
            point.se.insert(party.clone(), number(&row["se"])?);
        }
    }
    Ok(points)
}

/// A finite number in a report.
///
/// # Errors
/// When it is none.
pub(crate) fn number(value: &Value) -> Result<f64> {
    value.as_f64().with_context(|| format!("'{value}' stands where a number should"))
}

/// The points of one edge, from the first party's expert to the second's.
pub(crate) fn along<'p>(points: &'p [Point], edge: (&str, &str)) -> Vec<&'p Point> {
    let on_edge = |point: &&Point| {
        let named = |party: &String| party == edge.0 || party == edge.1;
        point.lambda_ppm.iter().all(|(party, ppm)| *ppm == 0 || named(party))
    };
    let mut on_edge: Vec<_> = points.iter().filter(on_edge).collect();
    on_edge.sort_by_key(|point| point.lambda_ppm.get(edge.1).copied().unwrap_or(0));
    on_edge
}

/// How high the inner soups of an edge lie above its chord, in shares of the range; `points` run from
/// one expert to the other.
///
/// # Errors
/// When the two experts do not trade: each must be the better one in its own reward.
pub(crate) fn heights(points: &[&Point], edge: (&str, &str)) -> Result<Vec<f64>> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        bail!("an edge without points");
    };
    let x = |point: &Point| point.scores[edge.0];
    let y = |point: &Point| point.scores[edge.1];
    let (x_range, y_range) = (x(first) - x(last), y(last) - y(first));
    if x_range <= 0.0 || y_range <= 0.0 {
        bail!("the experts of {} and {} do not trade: neither reward is given up", edge.0, edge.1);
    }
    let height =
        |point: &&Point| (x(point) - x(last)) / x_range + (y(point) - y(first)) / y_range - 1.0;
    Ok(points[1..points.len() - 1].iter().map(height).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTIES: [&str; 3] = ["a", "b", "c"];

    fn point(a: u64, x: f64, y: f64) -> Point {
        Point {
            lambda_ppm: mixture(&[("a", a), ("b", MILLION - a)]),
            scores: BTreeMap::from([("a".to_owned(), x), ("b".to_owned(), y)]),
            se: BTreeMap::new(),
        }
    }

    #[test]
    fn every_lambda_sums_to_one_and_stands_once() {
        let lambdas = lambdas(&PARTIES);
        assert_eq!(lambdas.len(), 3 + 3 * 9 + 1);
        for (position, lambda) in lambdas.iter().enumerate() {
            assert_eq!(lambda.values().sum::<u64>(), MILLION);
            assert!(!lambdas[..position].contains(lambda));
        }
        assert_eq!(text(&lambdas[3]), "a=0.9,b=0.1");
        assert_eq!(text(&lambdas[0]), "a=1");
        assert_eq!(edges(&PARTIES), [("a", "b"), ("a", "c"), ("b", "c")]);
    }

    #[test]
    fn heights_are_shares_of_the_range() {
        // Experts at (10, 0) and (0, 2): the middle of the chord is (5, 1).
        let points = [point(MILLION, 10.0, 0.0), point(500_000, 6.0, 1.2), point(0, 0.0, 2.0)];
        let points: Vec<_> = points.iter().collect();
        let heights = heights(&points, ("a", "b")).unwrap();
        assert!((heights[0] - 0.2).abs() < 1e-12);
    }

    #[test]
    fn experts_that_do_not_trade_have_no_chord() {
        let points = [point(MILLION, 1.0, 0.0), point(500_000, 1.0, 0.0), point(0, 2.0, 1.0)];
        let points: Vec<_> = points.iter().collect();
        assert!(heights(&points, ("a", "b")).is_err());
    }

    #[test]
    fn an_edge_runs_from_its_first_party() {
        let points = [point(0, 0.0, 0.0), point(300_000, 1.0, 1.0), point(MILLION, 2.0, 2.0)];
        let edge = along(&points, ("a", "b"));
        assert_eq!(edge[0].lambda_ppm["a"], MILLION);
        assert!(along(&points, ("a", "c")).len() == 1);
    }
}
