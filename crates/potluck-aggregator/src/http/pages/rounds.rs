//! `/rounds` and `/rounds/{round}`: how λ was negotiated, and everything that decided it.

use axum::Extension;
use axum::extract::{Path, Query};
use maud::{Markup, html};
use serde::Deserialize;

use super::answers::{Agreement, Bargain, Batch, Brief, Federation, Listed, Round};
use super::layout::{self, digest, shares, time};
use super::{Api, Page, ask, words};

#[derive(Debug, Deserialize)]
pub(super) struct From {
    from: Option<u64>,
}

pub(super) async fn list(Extension(api): Extension<Api>, Query(from): Query<From>) -> Page {
    let federation: Federation = ask(&api, "/api/v1/federation").await?;
    let path = from
        .from
        .map_or_else(|| "/api/v1/rounds".to_owned(), |from| format!("/api/v1/rounds?from={from}"));
    let rounds: Listed<Brief> = ask(&api, &path).await?;
    let content = html! {
        h1 { "Rounds" }
        p.lead { "In each round the parties settle anew which mixture is served, by the rules of their charter." }
        @if rounds.items.is_empty() { p { "None was opened yet." } } @else { (briefs(&rounds.items)) }
        @if let Some(next) = &rounds.next {
            div.pages { a.button href={ "/rounds?from=" (next) } { "Earlier rounds" } }
        }
    };
    Ok(layout::page(&federation, "/rounds", "Rounds", None, content))
}

fn briefs(rounds: &[Brief]) -> Markup {
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th scope="col" { "round" }
                        th scope="col" { "opened" }
                        th scope="col" { "stands" }
                        th scope="col" { "parties" }
                        th.number scope="col" { "candidates" }
                        th scope="col" { "agreed on" }
                    }
                }
                tbody {
                    @for round in rounds {
                        tr {
                            th scope="row" { a href={ "/rounds/" (round.round) } { (round.round) } }
                            td { (time(round.opened.time)) }
                            td { (words::round_state(&round.state)) }
                            td { (words::listed(&round.parties)) }
                            td.number { @if round.candidates > 0 { (round.candidates) } @else { "–" } }
                            td { @if let Some(lambda) = &round.lambda { (words::mixture(lambda)) } @else { "–" } }
                        }
                    }
                }
            }
        }
    }
}

pub(super) async fn page(Extension(api): Extension<Api>, Path(number): Path<String>) -> Page {
    let federation: Federation = ask(&api, "/api/v1/federation").await?;
    // What is no number is refused by the API, once it is nothing that could end the path.
    let name: String = number.chars().filter(char::is_ascii_alphanumeric).collect();
    let round: Round = ask(&api, &format!("/api/v1/rounds/{name}")).await?;
    let content = html! {
        h1 { "Round " (round.round) }
        p {
            span class={ "state " (words::round_class(&round.state)) } { (words::round_state(&round.state)) }
            " Opened " (time(round.opened.time)) "."
            @if !round.missing.is_empty() { " It waits for " (words::listed(&round.missing)) }
            @if let Some(ends) = round.ends { ", until " (time(ends)) }
            @if !round.missing.is_empty() || round.ends.is_some() { "." }
        }
        @if let Some(agreement) = &round.agreement { (agreed(agreement)) }
        (recompute(&federation, &round))
        @if let Some(bargain) = &round.bargain { (bargained(bargain)) }
        (proposed(&round))
        @if let Some(bargain) = &round.bargain {
            @for batch in &bargain.batches { (sealed(batch)) }
        }
        @if let Some(soup) = &round.soup {
            h2 { "The soup" }
            dl.facts {
                dt { "Published" } dd { a href={ "/ledger/" (soup.published.index) } { "entry " (soup.published.index) } ", " (time(soup.published.time)) }
                dt { "Id" } dd { code { (soup.commit) } }
                dt { "Recipe" } dd { (digest(&soup.recipe_digest)) }
                dt { "Weights" } dd { (words::bytes(soup.file.size)) ", BLAKE3 " (digest(&soup.file.blake3)) }
            }
        }
        h2 { "Step by step" }
        ol.timeline {
            @for line in &round.timeline {
                li { (time(line.time)) " " a href={ "/ledger/" (line.index) } { (line.sentence) } }
            }
        }
    };
    let title = format!("Round {}", round.round);
    Ok(layout::page(&federation, "/rounds", &title, Some("rounds/page.js"), content))
}

fn agreed(agreement: &Agreement) -> Markup {
    let (class, standing) = words::standing(&agreement.standing);
    html! {
        h2 { "What was agreed" }
        p.lead { strong { (words::mixture(&agreement.lambda)) } }
        (shares(&agreement.lambda))
        p {
            span class={ "state " (class) } { (standing) } " Reached in "
            a href={ "/ledger/" (agreement.reached.index) } { "entry " (agreement.reached.index) } ", "
            (time(agreement.reached.time))
            @if let Some(expires) = agreement.expires { "; it holds until " (time(expires)) } "."
        }
        @if let Some(deal) = &agreement.deal {
            @match &deal.no_deal_words {
                Some(why) => { p { "There was no deal: " (why) ". So the fallback holds, by " (words::rule(&agreement.rule)) "." } }
                None => { p { "Decided by " (words::rule(&deal.rule)) "." } }
            }
        } @else {
            p { "Decided by " (words::rule(&agreement.rule)) "." }
        }
        div.scroll {
            table {
                caption { "How the parties stand to it" }
                thead {
                    tr {
                        th scope="col" { "party" }
                        th.number scope="col" { "weight" }
                        th.number scope="col" { "share" }
                        th.number scope="col" { "gains over no deal" }
                        th scope="col" { "says" }
                        th scope="col" { "because" }
                    }
                }
                tbody {
                    @for party in &agreement.parties {
                        tr {
                            th scope="row" { (party.party) }
                            td.number { (party.weight) }
                            td.number { (words::share(agreement.lambda.ppm.get(&party.party).copied().unwrap_or(0))) }
                            td.number {
                                @match agreement.deal.as_ref().and_then(|deal| deal.gains_ppm.get(&party.party)) {
                                    Some(gain) => { (words::gain(*gain)) }
                                    None => { "–" }
                                }
                            }
                            td { (stance(party.stance.as_deref())) }
                            td { (party.reason) }
                        }
                    }
                }
            }
        }
    }
}

fn stance(stance: Option<&str>) -> &'static str {
    match stance {
        Some("ratify") => "yes",
        Some("abstain") => "abstains",
        Some("dissent") => "no",
        _ => "nothing yet",
    }
}

/// The place of what the browser works out by itself.
fn recompute(federation: &Federation, round: &Round) -> Markup {
    html! {
        @if round.agreement.is_some() {
            div #recompute .card .script data-round=(round.round) data-log-key=(federation.log_key) {
                p {
                    "The decision is arithmetic with whole numbers. Your browser can read the whole ledger, check every \
                     signature, and do the sum itself."
                }
                p { button type="button" { "Recompute the decision" } }
                div.walk {}
                div role="status" {}
            }
        }
    }
}

fn bargained(bargain: &Bargain) -> Markup {
    let score = |number: usize, party: &str| {
        let rows = bargain
            .batches
            .iter()
            .flat_map(|batch| &batch.ballots)
            .filter(|ballot| ballot.party == party);
        // The last word on a candidate is its latest score.
        rows.flat_map(|ballot| &ballot.rows).rfind(|row| row.candidate == number)
    };
    html! {
        h2 { "What there was to choose from" }
        p { a href="/front" { "The same as a picture" } }
        div.scroll {
            table {
                caption { "Gains over no deal, with two standard errors; “no” where the party would not live with it" }
                thead {
                    tr {
                        th scope="col" { "candidate" }
                        th scope="col" { "shares" }
                        @for party in &bargain.heard { th.number scope="col" { (party) } }
                        th scope="col" { "out, because" }
                    }
                }
                tbody {
                    @for candidate in &bargain.candidates {
                        tr.chosen[candidate.is_chosen].out[candidate.excluded.is_some()] {
                            th scope="row" {
                                (candidate.number + 1)
                                @if candidate.is_chosen { ", chosen" }
                                @if candidate.is_entitlement { ", the fallback" }
                            }
                            td { (words::mixture(&candidate.lambda)) }
                            @for party in &bargain.heard {
                                td.number {
                                    @match score(candidate.number, party) {
                                        Some(row) => {
                                            (words::gain(row.score)) " ± " (words::gain(2 * i64::from(row.error)))
                                            @if !row.accept { ", no" }
                                        }
                                        None => { "–" }
                                    }
                                }
                            }
                            td { @if let Some(excluded) = &candidate.excluded { (excluded.words) } }
                        }
                    }
                }
            }
        }
    }
}

fn proposed(round: &Round) -> Markup {
    let proposal = |party: &str| round.proposals.iter().find(|it| it.party == party);
    let commitment = |party: &str| round.commitments.iter().find(|it| it.party == party);
    html! {
        h2 { "What each proposed" }
        div.scroll {
            table {
                thead {
                    tr {
                        th scope="col" { "party" }
                        th.number scope="col" { "weight" }
                        th.number scope="col" { "at least" }
                        th.number scope="col" { "at most" }
                        th scope="col" { "sealed as" }
                        th scope="col" { "proposed" }
                    }
                }
                tbody {
                    @for seat in &round.parties {
                        tr {
                            th scope="row" { (seat.party) }
                            td.number { (seat.weight) }
                            td.number { (words::share(seat.floor_ppm)) }
                            td.number { (words::share(seat.cap_ppm)) }
                            td { @if let Some(it) = commitment(&seat.party) { (digest(&it.commitment)) } @else { "–" } }
                            td {
                                @match proposal(&seat.party) {
                                    Some(proposal) => { (words::mixture(&proposal.lambda)) }
                                    None => { "nothing" }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn sealed(batch: &Batch) -> Markup {
    let purpose = match batch.purpose.as_str() {
        "first" => "the first candidates",
        "nominated" => "what the parties nominated",
        _ => "the best ones, on new prompts",
    };
    let prompts = |party: &str| {
        batch.ballots.iter().find(|ballot| ballot.party == party).map(|it| it.prompts)
    };
    html! {
        h3 { "Scores, part " (batch.batch) ": " (purpose) }
        div.scroll {
            table {
                caption { (words::count(batch.candidates.len(), "candidate", "candidates")) }
                thead {
                    tr {
                        th scope="col" { "party" }
                        th scope="col" { "sealed as" }
                        th scope="col" { "shown" }
                        th.number scope="col" { "prompts each" }
                    }
                }
                tbody {
                    @for commitment in &batch.commitments {
                        tr {
                            th scope="row" { (commitment.party) }
                            td { (digest(&commitment.commitment)) }
                            td { @if commitment.is_shown { "yes" } @else { "not yet" } }
                            td.number { @if let Some(it) = prompts(&commitment.party) { (it) } @else { "–" } }
                        }
                    }
                }
            }
        }
    }
}
