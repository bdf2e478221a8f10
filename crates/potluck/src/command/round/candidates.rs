//! The candidates of a round as everybody sees them: λ, and the scores that were shown.

use potluck_core::PartyId;
use potluck_core::federation::bargain::{Bargaining, Deal, Outcome, Purpose};
use serde_json::{Value, json};

use crate::command::table::table;

/// A table: candidates down, heard parties across; gains over no deal, as parts of each party's own best. Finalists stand
/// once more below, as they were scored on new prompts: those scores compare with each other, and not with the first ones.
pub(super) fn words(bargain: &Bargaining, deal: Option<&Deal>) -> Vec<String> {
    let first =
        |party: &PartyId, candidate: usize| bargain.first_gains(candidate).get(party).copied();
    let mut lines = vec![
        "Candidates, and what each gives over no deal, as a part of a party's own best:".to_owned(),
    ];
    lines.extend(scores(bargain, 0..bargain.candidates.len(), deal, &first));
    let finals = bargain.batches.iter().find(|batch| batch.purpose == Purpose::Finalists);
    if let Some(finals) = finals.filter(|batch| !batch.ballots.is_empty()) {
        let last = |party: &PartyId, candidate: usize| {
            finals.rows(party).find(|(it, _)| *it == candidate).map(|(_, row)| row.score)
        };
        lines.push("Finalists, scored once more on new prompts; these scores decide:".to_owned());
        lines.extend(scores(bargain, finals.candidates.iter().copied(), deal, &last));
    }
    lines
}

fn scores(
    bargain: &Bargaining,
    candidates: impl Iterator<Item = usize>,
    deal: Option<&Deal>,
    score: &dyn Fn(&PartyId, usize) -> Option<i64>,
) -> Vec<String> {
    let parties: Vec<_> = bargain.heard.iter().collect();
    let mut head = vec!["", ""];
    head.extend(parties.iter().map(|party| party.as_str()));
    head.push("λ");
    let row = |candidate: usize| {
        let mut row = vec![format!("{}", candidate + 1), mark(deal, candidate)];
        let scores = parties.iter().map(|party| score(party, candidate));
        row.extend(scores.map(|it| it.map_or("-".to_owned(), percent)));
        let lambda = bargain.candidates.get(candidate);
        row.push(lambda.map(ToString::to_string).unwrap_or_default());
        row
    };
    let rows: Vec<_> = candidates.map(row).collect();
    table(&head, &rows).into_iter().map(|line| format!("  {line}")).collect()
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
    format!("{:.1} %", ppm as f64 / 10_000.0)
}

/// The same for scripts.
pub(super) fn as_json(bargain: &Bargaining) -> Value {
    let candidates: Vec<_> = bargain
        .candidates
        .iter()
        .enumerate()
        .map(|(candidate, lambda)| {
            json!({"number": candidate + 1, "lambda_ppm": lambda, "gains_ppm": bargain.first_gains(candidate)})
        })
        .collect();
    let finals = bargain.batches.iter().find(|batch| batch.purpose == Purpose::Finalists);
    let finalists = finals.map(|batch| {
        let again = |it: &usize| json!({"number": it + 1, "gains_ppm": bargain.gains(*it)});
        batch.candidates.iter().map(again).collect::<Vec<_>>()
    });
    let batch = bargain.batch();
    json!({
        "entitlement": bargain.entitlement, "heard": bargain.heard, "candidates": candidates,
        "finalists": finalists,
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
