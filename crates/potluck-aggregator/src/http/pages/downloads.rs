//! `/downloads`: every file that is served, under which name it is loaded, and by which digest it is known.

use axum::Extension;
use axum::http::{HeaderMap, HeaderValue};
use maud::{Markup, html};

use super::answers::{Expert, Federation, File, LambdaOf, Listed, Soup};
use super::layout::{self, copyable, digest};
use super::{Api, Page, ask, words};

pub(super) async fn page(Extension(api): Extension<Api>, headers: HeaderMap) -> Page {
    let federation: Federation = ask(&api, "/api/v1/federation").await?;
    let experts: Listed<Expert> = ask(&api, "/api/v1/experts?limit=200").await?;
    let soups: Listed<Soup> = ask(&api, "/api/v1/soups?limit=200").await?;
    let mut load = None;
    if let Some(expert) = experts.items.first() {
        let path = format!("/api/v1/lambda?lambda={}=1", expert.party);
        load = ask::<LambdaOf>(&api, &path).await.ok().map(|it| it.load);
    }
    let model = load.as_ref().map(|load| load.model.as_str());
    let content = html! {
        h1 { "Downloads" }
        p.lead { "Every model here is loaded by name with the tools that you have, once they know this address." }
        @if let (Some(model), Some(load)) = (model, &load) {
            h2 { "With transformers, or on the command line" }
            (copyable(&format!("export HF_ENDPOINT={}", address(&headers))))
            (copyable(&format!("AutoModelForCausalLM.from_pretrained(\"{model}\")  # what is in force")))
            (copyable(&load.python))
            (copyable(&load.shell))
            p { "Any mixture is a revision: " code { (mixed(&experts.items)) } " is blended while it is sent." }
        }
        h2 { "Soups" }
        @if soups.items.is_empty() { p { "None was published yet." } } @else { (soup_table(&soups.items, model)) }
        h2 { "Experts" }
        @if experts.items.is_empty() { p { "None was handed in yet." } } @else { (expert_table(&experts.items, model)) }
        h2 { "The base" }
        (file_table(&federation.base.files, model))
        h2 { "The ledger" }
        p {
            "As files of a log (C2SP tlog-tiles): " a href="/checkpoint" { "checkpoint" } ", tiles under "
            code { "/tile/" } ", signed statements under " code { "/envelope/" } ". A copy of all of it: "
        }
        (copyable("potluck mirror"))
        p { "As data: " a href="/api/v1/openapi.json" { "the API's description" } "." }
    };
    Ok(layout::page(&federation, "/downloads", "Downloads", None, content))
}

/// Under which address the reader came, as far as that can be part of one.
fn address(headers: &HeaderMap) -> String {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let is_host =
        |host: &&str| host.chars().all(|it| it.is_ascii_alphanumeric() || "-.:[]".contains(it));
    let host = text("host").filter(is_host).unwrap_or("THIS-ADDRESS");
    // Where a proxy in front has TLS, it says so.
    let scheme = if text("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    format!("{scheme}://{host}")
}

/// A mixture of all as one writes it.
fn mixed(experts: &[Expert]) -> String {
    let share = 1_000_000 / experts.len().max(1);
    let parts = experts.iter().enumerate().map(|(number, expert)| {
        let ppm = if number == 0 { 1_000_000 - share * (experts.len() - 1) } else { share };
        format!("{}={}", expert.party, ppm as f64 / 1e6)
    });
    parts.collect::<Vec<_>>().join(",")
}

/// A file's name, and where it is had, once the repository has a name.
fn linked(model: Option<&str>, revision: &str, path: &str) -> Markup {
    html! {
        @match model {
            Some(model) => { a href={ "/" (model) "/resolve/" (revision) "/" (path) } { (path) } }
            None => { (path) }
        }
    }
}

fn soup_table(soups: &[Soup], model: Option<&str>) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { th scope="col" { "round" } th scope="col" { "shares" } th scope="col" { "revision" } th scope="col" { "file" } th.number scope="col" { "size" } th scope="col" { "BLAKE3" } } }
                tbody {
                    @for soup in soups {
                        tr.chosen[soup.is_in_force] {
                            th scope="row" { a href={ "/rounds/" (soup.round) } { (soup.round) } @if soup.is_in_force { ", in force" } }
                            td { (words::mixture(&soup.lambda)) }
                            td { code { (soup.commit) } }
                            td { (linked(model, &soup.commit, &soup.file.path)) }
                            td.number { (words::bytes(soup.file.size)) }
                            td { (digest(&soup.file.blake3)) }
                        }
                    }
                }
            }
        }
    }
}

fn expert_table(experts: &[Expert], model: Option<&str>) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { th scope="col" { "party" } th scope="col" { "handed in" } th scope="col" { "file" } th.number scope="col" { "size" } th scope="col" { "BLAKE3" } } }
                tbody {
                    @for expert in experts {
                        @for file in &expert.files {
                            tr {
                                th scope="row" { (expert.party) }
                                td { a href={ "/ledger/" (expert.submitted.index) } { (words::day(expert.submitted.time)) } }
                                td { (linked(model, &expert.party, &file.path)) }
                                td.number { (words::bytes(file.size)) }
                                td { (digest(&file.blake3)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn file_table(files: &[File], model: Option<&str>) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { th scope="col" { "file" } th.number scope="col" { "size" } th scope="col" { "BLAKE3" } } }
                tbody {
                    @for file in files {
                        tr { th scope="row" { (linked(model, "base", &file.path)) } td.number { (words::bytes(file.size)) } td { (digest(&file.blake3)) } }
                    }
                }
            }
        }
    }
}
