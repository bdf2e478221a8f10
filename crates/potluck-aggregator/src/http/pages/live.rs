//! `/live`: what happens while one looks. Without JavaScript, what has just happened.

use axum::Extension;
use maud::html;

use super::answers::{Federation, Line, Listed};
use super::layout::{self, time};
use super::{Api, Page, ask, words};

pub(super) async fn page(Extension(api): Extension<Api>) -> Page {
    let federation: Federation = ask(&api, "/api/v1/federation").await?;
    let path = "/api/v1/ledger/entries?order=desc&limit=20";
    let entries: Listed<Line> = ask(&api, path).await?;
    let content = html! {
        h1 { "Live" }
        p.lead { "Entries, rounds and blends as they happen." }
        p #connection .script role="status" { "Connecting…" }
        @if let Some(round) = &federation.round {
            p #round {
                a href={ "/rounds/" (round.round) } { "Round " (round.round) } ": " (words::round_state(&round.state))
                @if !round.missing.is_empty() { "; it waits for " (words::listed(&round.missing)) }
                "."
            }
        }
        div #work {}
        h2 { "Latest entries" }
        ol.timeline #entries {
            @for line in &entries.items {
                li { (time(line.time)) " " a href={ "/ledger/" (line.index) } { (line.sentence) } }
            }
        }
    };
    Ok(layout::page(&federation, "/live", "Live", Some("live/page.js"), content))
}
