//! `/ledger` and `/ledger/{index}`: every entry with a sentence, and what the browser can check of it.

use axum::Extension;
use axum::extract::{Path, Query};
use maud::{Markup, html};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::answers::{Entry, Federation, Line, Listed, Party};
use super::layout::{self, time};
use super::{Api, Page, ask};

/// How the kinds are called in the list to choose from.
const KINDS: [&str; 22] = [
    "genesis",
    "invite",
    "join",
    "admit",
    "suspend",
    "reinstate",
    "rotate_key",
    "revoke_key",
    "recover_key",
    "submit",
    "withdraw",
    "open_round",
    "commit",
    "reveal",
    "nominate",
    "commit_scores",
    "reveal_scores",
    "close_round",
    "ratify",
    "publish",
    "amend",
    "endorse",
];

#[derive(Debug, Deserialize)]
pub(super) struct Which {
    /// Left empty in the form, it is the latest.
    #[serde(default, deserialize_with = "number")]
    from: Option<u64>,
    kind: Option<String>,
    author: Option<String>,
}

fn number<'de, D: Deserializer<'de>>(text: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(text)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(D::Error::custom) }
}

impl Which {
    /// The query for the API, of words that are names and nothing else.
    fn query(&self) -> String {
        let mut query = "order=desc&limit=50".to_owned();
        if let Some(from) = self.from {
            query.push_str(&format!("&from={from}"));
        }
        query + &self.filter()
    }

    fn filter(&self) -> String {
        let mut filter = String::new();
        for (key, value) in [("kind", &self.kind), ("author", &self.author)] {
            let is_name = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
            let name: String =
                value.iter().flat_map(|it| it.chars()).filter(|it| is_name(*it)).collect();
            if !name.is_empty() {
                filter.push_str(&format!("&{key}={name}"));
            }
        }
        filter
    }
}

pub(super) async fn list(Extension(api): Extension<Api>, Query(which): Query<Which>) -> Page {
    let federation: Federation = ask(&api, "/api/v1/federation").await?;
    let parties: Listed<Party> = ask(&api, "/api/v1/parties?limit=200").await?;
    let path = format!("/api/v1/ledger/entries?{}", which.query());
    let entries: Listed<Line> = ask(&api, &path).await?;
    let content = html! {
        h1 { "Ledger" }
        p.lead {
            "All that was ever said here, in order, signed by whoever said it. Nothing can be changed or left out without \
             everybody noticing."
        }
        (check(&federation))
        form.row method="get" action="/ledger" {
            (choice("kind", "Kind", &KINDS.map(str::to_owned), which.kind.as_deref()))
            (choice("author", "Author", &authors(&parties.items), which.author.as_deref()))
            label {
                "From entry "
                input type="number" name="from" min="0" max=(federation.checkpoint.size.saturating_sub(1))
                    value=[which.from] placeholder="the latest";
            }
            button type="submit" { "Show" }
        }
        @if entries.items.is_empty() { p { "There is no such entry." } } @else { (table(&entries.items)) }
        div.pages {
            @if which.from.is_some() { a.button href={ "/ledger?" (which.filter().trim_start_matches('&')) } { "The latest" } }
            @if let Some(next) = &entries.next { a.button href={ "/ledger?from=" (next) (which.filter()) } { "Earlier" } }
        }
    };
    Ok(layout::page(&federation, "/ledger", "Ledger", Some("ledger/page.js"), content))
}

fn authors(parties: &[Party]) -> Vec<String> {
    let parties = parties.iter().map(|party| party.party.clone());
    ["operator".to_owned()].into_iter().chain(parties).collect()
}

fn choice(name: &str, label: &str, options: &[String], chosen: Option<&str>) -> Markup {
    html! {
        label {
            (label) " "
            select name=(name) {
                option value="" { "all" }
                @for option in options {
                    option value=(option) selected[chosen == Some(option)] { (option.replace('_', " ")) }
                }
            }
        }
    }
}

/// The place of what the browser checks by itself.
fn check(federation: &Federation) -> Markup {
    html! {
        div #check .card .script data-log-key=(federation.log_key) data-federation=(federation.id) {
            h2 { "Check it here" }
            p {
                "Your browser can verify the log's signature, and that each entry stands in the log under a sound \
                 signature of its author. It trusts the log's key alone: compare it with the one that you were told."
            }
            p { code { (federation.log_key) } }
            p { button type="button" { "Verify all entries" } }
            div.walk {}
            div role="status" {}
        }
    }
}

fn table(lines: &[Line]) -> Markup {
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th.number scope="col" { "entry" }
                        th scope="col" { "when" }
                        th scope="col" { "who" }
                        th scope="col" { "what" }
                    }
                }
                tbody {
                    @for line in lines {
                        tr data-index=(line.index) {
                            td.number { a href={ "/ledger/" (line.index) } { (line.index) } }
                            td { (time(line.time)) }
                            td { (line.author) }
                            td { (line.sentence) }
                        }
                    }
                }
            }
        }
    }
}

pub(super) async fn page(Extension(api): Extension<Api>, Path(index): Path<String>) -> Page {
    let federation: Federation = ask(&api, "/api/v1/federation").await?;
    let name: String = index.chars().filter(char::is_ascii_alphanumeric).collect();
    let entry: Entry = ask(&api, &format!("/api/v1/ledger/entries/{name}")).await?;
    let statement = serde_json::to_string_pretty(&entry.statement).unwrap_or_default();
    let content = html! {
        h1 { "Entry " (entry.line.index) }
        p.lead { (entry.line.sentence) }
        dl.facts {
            dt { "Kind" } dd { (entry.line.kind.replace('_', " ")) }
            dt { "Author" } dd { (entry.line.author) }
            dt { "Taken in" } dd { (time(entry.line.time)) }
            dt { "Signed with" } dd { code { (entry.key.key.as_deref().unwrap_or(&entry.key.id)) } }
            dt { "Envelope" } dd { a href=(entry.envelope_path) { code { (entry.digest) } } }
        }
        div #check .card .script data-log-key=(federation.log_key) data-federation=(federation.id) data-entry=(entry.line.index) {
            p { "Whether it stands in the log, under a sound signature: " button type="button" { "Verify" } }
            div role="status" {}
        }
        h2 { "What was signed" }
        pre { (statement) }
        details { summary { "The log's record of it" } pre { (entry.record) } }
        details { summary { "The proof that it stands in the log" } pre { (entry.proof.text) } }
        div.pages {
            @if let Some(before) = entry.line.index.checked_sub(1) { a.button href={ "/ledger/" (before) } { "The entry before" } }
            @if entry.line.index + 1 < federation.checkpoint.size { a.button href={ "/ledger/" (entry.line.index + 1) } { "The next entry" } }
        }
    };
    let title = format!("Entry {}", entry.line.index);
    Ok(layout::page(&federation, "/ledger", &title, Some("ledger/page.js"), content))
}
