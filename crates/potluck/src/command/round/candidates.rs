//! The candidates of a round as everybody sees them: λ, and the scores that were shown.

use potluck_core::federation::bargain::{Bargaining, Deal, Outcome};
use serde_json::{Value, json};

use crate::command::table::{number, table};

/// A table: candidates down, heard parties across; gains over no deal, as parts of each party's own best.
pub(super) fn words(bargain: &Bargaining, deal: Option<&Deal>) -> Vec<String> {
    let parties: Vec<_> = bargain.heard.iter().collect();
    let mut head = vec!["candidate", ""];
    head.extend(parties.iter().map(|party| party.as_str()));
    head.push("λ");
    let rows: Vec<_> = (0..bargain.candidates.len())
        .map(|candidate| {
            let gains = bargain.gains(candidate);
            let gain = |party| gains.get(party).map_or("-".to_owned(), |ppm| percent(*ppm));
            let mut row = vec![format!("{}", candidate + 1), mark(deal, candidate)];
            row.extend(parties.iter().map(|party| gain(*party)));
            row.push(bargain.candidates[candidate].to_string());
            row
        })
        .collect();
    table(&head, &rows)
}

fn mark(deal: Option<&Deal>, candidate: usize) -> String {
    let Some(deal) = deal else { return String::new() };
    match deal.outcome {
        Outcome::Chosen { candidate: chosen, .. } if chosen == candidate => "chosen".to_owned(),
        Outcome::Chosen { runner_up: Some(second), .. } if second == candidate => {
            "second".to_owned()
        }
        _ => {
            let excluded = deal.excluded.iter().find(|it| it.candidate == candidate);
            excluded.map_or(String::new(), |it| format!("{} {}", it.party, it.reason.words()))
        }
    }
}

/// A gain as a part of a party's own best.
pub(super) fn percent(ppm: i64) -> String {
    // Scores are far below 2^53.
    format!("{}%", number(ppm as f64 / 10_000.0))
}

/// The same for scripts.
pub(super) fn as_json(bargain: &Bargaining) -> Value {
    let candidates: Vec<_> = bargain
        .candidates
        .iter()
        .enumerate()
        .map(|(candidate, lambda)| {
            json!({"number": candidate + 1, "lambda_ppm": lambda, "gains_ppm": bargain.gains(candidate)})
        })
        .collect();
    let batch = bargain.batch();
    json!({
        "entitlement": bargain.entitlement, "heard": bargain.heard, "candidates": candidates,
        "batch": batch.map(|(number, _)| number),
        "purpose": batch.map(|(_, batch)| batch.purpose.as_str()),
        "open": batch.map(|(_, batch)| batch.candidates.iter().map(|it| it + 1).collect::<Vec<_>>()),
        "nominations": bargain.nominations,
    })
}

/// How a bargain ended, for scripts.
pub(super) fn deal_json(deal: &Deal) -> Value {
    let (outcome, candidate, runner_up) = match deal.outcome {
        Outcome::Chosen { candidate, runner_up } => {
            ("chosen", Some(candidate + 1), runner_up.map(|it| it + 1))
        }
        Outcome::Fallback(why) => (why_code(why), None, None),
    };
    let excluded: Vec<_> = deal
        .excluded
        .iter()
        .map(|it| json!({"candidate": it.candidate + 1, "reason": it.reason, "party": it.party}))
        .collect();
    json!({
        "rule": deal.rule.as_str(), "outcome": outcome, "candidate": candidate,
        "runner_up": runner_up, "gains_ppm": deal.gains_ppm, "excluded": excluded,
    })
}

fn why_code(why: potluck_core::federation::bargain::NoDeal) -> &'static str {
    use potluck_core::federation::bargain::NoDeal;
    match why {
        NoDeal::NoCandidate => "fallback-no-candidate",
        NoDeal::NoQuorum => "fallback-no-quorum",
        NoDeal::NotRatified => "fallback-not-ratified",
    }
}
