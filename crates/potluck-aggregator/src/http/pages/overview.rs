//! `/`: who is in, what is served, what was agreed, by whom, until when.

use axum::Extension;
use maud::{Markup, html};

use super::answers::{Agreement, Federation, LambdaOf, Listed, Party};
use super::layout::{self, copyable, digest, shares};
use super::{Api, Page, ask, words};

pub(super) async fn page(Extension(api): Extension<Api>) -> Page {
    let federation: Federation = ask(&api, "/api/v1/federation").await?;
    let parties: Listed<Party> = ask(&api, "/api/v1/parties?limit=200").await?;
    let (mut agreement, mut load) = (None, None);
    if let Some(served) = &federation.in_force {
        agreement = Some(ask(&api, &format!("/api/v1/agreements/{}", served.round)).await?);
        // λ that the experts now in force cannot give is loaded by the soup's id alone.
        let path = format!("/api/v1/lambda?lambda={}", served.lambda.text);
        load = ask::<LambdaOf>(&api, &path).await.ok();
    }
    let content = html! {
        h1 { (federation.name) }
        p.lead { (lead(&federation, &parties.items)) }
        @if let Some(served) = &federation.in_force { (shares(&served.lambda)) }
        ul.cards {
            li.card { (served(&federation, load.as_ref())) }
            li.card { (agreed(&federation, agreement.as_ref())) }
            li.card { (checked(&federation)) }
        }
        h2 { "Who is in" }
        (table(&federation, &parties.items))
    };
    Ok(layout::page(&federation, "/", "Overview", None, content))
}

/// The state of things in one breath.
fn lead(federation: &Federation, parties: &[Party]) -> Markup {
    let seated: Vec<_> =
        parties.iter().filter(|it| it.weight > 0).map(|it| it.party.clone()).collect();
    let groups = words::count(seated.len(), "group", "groups");
    let mut capital = groups.chars();
    let first = capital.next().map(|it| it.to_uppercase().to_string()).unwrap_or_default();
    html! {
        (first) (capital.as_str()) " – " (words::listed(&seated))
        " – share one model, and each has taught it what matters to itself. "
        @match (&federation.in_force, &federation.round) {
            (Some(served), _) => {
                "What is served now is " strong { (words::mixture(&served.lambda)) }
                ", as agreed in " a href={ "/rounds/" (served.round) } { "round " (served.round) } ", "
                @match served.until {
                    Some(until) => { "until " (words::day(until)) "." }
                    None => { "until there is another agreement." }
                }
            }
            (None, Some(round)) => {
                "There is no mixture in force. " a href={ "/rounds/" (round.round) } { "Round " (round.round) } ": "
                (words::round_state(&round.state))
                @if !round.missing.is_empty() { "; it waits for " (words::listed(&round.missing)) }
                @if let Some(ends) = round.ends { ", until " (words::time(ends)) }
                "."
            }
            (None, None) => {
                "No mixture was negotiated yet; " (words::count(federation.counts.experts, "expert is", "experts are"))
                " in."
            }
        }
    }
}

fn served(federation: &Federation, load: Option<&LambdaOf>) -> Markup {
    html! {
        h2 { "What is served" }
        @match (&federation.in_force, load) {
            (Some(_), Some(LambdaOf { load })) => {
                p { "With " code { "HF_ENDPOINT" } " set to this address, " code { "transformers" } " loads it by name:" }
                (copyable(&load.python))
            }
            (Some(served), None) => {
                p { "The soup of round " (served.round) ", with the id " (digest(&served.commit)) "." }
            }
            (None, _) => {
                p { "The base, from which all began, and " (words::count(federation.counts.experts, "expert", "experts")) "." }
            }
        }
        p { a href="/front" { "Try other mixtures" } " · " a href="/downloads" { "All files" } }
    }
}

fn agreed(federation: &Federation, agreement: Option<&Agreement>) -> Markup {
    let Some(agreement) = agreement else {
        return html! {
            h2 { "What was agreed" }
            p { "Nothing that is in force." }
            @if federation.round.is_some() { p { a href="/rounds" { "How the rounds went" } } }
        };
    };
    let (class, standing) = words::standing(&agreement.standing);
    let for_it: Vec<_> = agreement
        .parties
        .iter()
        .filter(|it| it.stance.as_deref() == Some("ratify"))
        .map(|it| it.party.clone())
        .collect();
    let against: Vec<_> = agreement
        .parties
        .iter()
        .filter(|it| it.stance.as_deref() == Some("dissent"))
        .map(|it| it.party.clone())
        .collect();
    html! {
        h2 { "What was agreed" }
        p {
            span class={ "state " (class) } { (standing) } " since " (words::day(agreement.reached.time))
        }
        p {
            "Decided by "
            @match &agreement.deal {
                Some(deal) if deal.candidate.is_some() => { (words::rule(&deal.rule)) }
                _ => { (words::rule(&agreement.rule)) }
            }
            "."
        }
        @if let Some(deal) = &agreement.deal {
            @if deal.candidate.is_some() {
                p {
                    "Of the best that each could hope for, over no deal, "
                    (words::listed(&deal.gains_ppm.iter().map(|(party, gain)| format!("{party} gains {}", words::gain(*gain))).collect::<Vec<_>>()))
                    "."
                }
            }
        }
        @if !for_it.is_empty() { p { "Ratified by " (words::listed(&for_it)) "." } }
        @if !against.is_empty() { p { strong { "Objected: " } (words::listed(&against)) "." } }
        p { a href={ "/rounds/" (agreement.round) } { "How it came about" } }
    }
}

fn checked(federation: &Federation) -> Markup {
    html! {
        h2 { "Whether it is true" }
        p {
            "Nobody has to trust this server: every statement is signed by its author, every decision and every mixture can \
             be worked out again."
        }
        p { a href="/ledger" { "Check it in the browser" } ", or all of it with" }
        (copyable("potluck audit"))
        dl.facts {
            dt { "Log" } dd { code { (federation.log_key) } }
            dt { "Federation" } dd { (digest(&federation.id)) " since " (words::day(federation.founded.time)) }
        }
    }
}

fn table(federation: &Federation, parties: &[Party]) -> Markup {
    let total: u32 = parties.iter().map(|party| party.weight).sum();
    let share = |party: &str| {
        federation.in_force.as_ref().and_then(|served| served.lambda.ppm.get(party)).copied()
    };
    html! {
        div.scroll {
            table {
                caption {
                    (words::count(federation.counts.parties, "party", "parties")) " in the federation; weights are those of the charter"
                }
                thead {
                    tr {
                        th scope="col" { "party" }
                        th scope="col" { "stands" }
                        th.number scope="col" { "weight" }
                        th scope="col" { "because" }
                        th scope="col" { "in since" }
                        th scope="col" { "expert of" }
                        th.number scope="col" { "share now" }
                    }
                }
                tbody {
                    @for party in parties {
                        tr {
                            th scope="row" { (party.party) }
                            td { (status(&party.status)) }
                            td.number { (party.weight) " of " (total) }
                            td { @if party.reason.is_empty() { span.soft { "not stated" } } @else { (party.reason) } }
                            td { @if let Some(since) = &party.since { (words::day(since.time)) } @else { "–" } }
                            td {
                                @if let Some(expert) = &party.expert {
                                    a href={ "/ledger/" (expert.submitted.index) } { (words::day(expert.submitted.time)) }
                                } @else { "–" }
                            }
                            td.number { (share(&party.party).map_or_else(|| "–".to_owned(), words::share)) }
                        }
                    }
                }
            }
        }
    }
}

fn status(status: &str) -> Markup {
    let (class, word) = match status {
        "active" => ("good", "in"),
        "suspended" => ("bad", "suspended"),
        "invited" => ("wait", "invited"),
        _ => ("wait", "not in yet"),
    };
    html! { span class={ "state " (class) } { (word) } }
}
