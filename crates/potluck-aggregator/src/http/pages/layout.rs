//! What all pages have: the head, the foot, and the small things that several of them show.

use axum::http::StatusCode;
use axum::response::Response;
use maud::{DOCTYPE, Markup, html};

use super::answers::{Federation, Mixture};
use super::{taste, words};

/// The page that not every federation has.
const TASTE: &str = "/taste";

/// Where one can go.
const PAGES: [(&str, &str); 7] = [
    ("/", "Overview"),
    ("/front", "Front"),
    (TASTE, "Taste"),
    ("/rounds", "Rounds"),
    ("/ledger", "Ledger"),
    ("/live", "Live"),
    ("/downloads", "Downloads"),
];

/// One page of a federation. `here` is the page of [`PAGES`] that it belongs to, `script` the module that adds to it.
pub(super) fn page(
    federation: &Federation,
    here: &str,
    title: &str,
    script: Option<&str>,
    content: Markup,
) -> Response {
    let foot = html! {
        p {
            (federation.checkpoint.size) " entries, the latest of "
            (words::time(federation.latest.time)) "."
        }
        p { "Root " code { (federation.checkpoint.root) } }
        p { a href="/api/v1/openapi.json" { "API" } }
        p { a href="/checkpoint" { "Checkpoint" } }
    };
    let pages = PAGES.iter().filter(|(path, _)| *path != TASTE || taste::is_possible(federation));
    let frame = Frame { name: &federation.name, here, pages: pages.copied().collect(), foot };
    super::send(StatusCode::OK, document(&frame, title, script, content))
}

/// The page that says why there is none.
pub(super) fn failure(status: StatusCode) -> Response {
    let (title, sentence) = match status {
        StatusCode::NOT_FOUND => ("Not here", "The ledger has nothing of that name, or not yet."),
        StatusCode::BAD_REQUEST => {
            ("Not understood", "The address asks for something that cannot be.")
        }
        StatusCode::TOO_MANY_REQUESTS => {
            ("Too much at once", "Please wait a moment, and ask again.")
        }
        _ => (
            "Not now",
            "The server cannot show this page at the moment; its operator finds the reason in its log.",
        ),
    };
    let content =
        html! { h1 { (title) } p.lead { (sentence) } p { a href="/" { "To the overview" } } };
    let frame = Frame { name: "Potluck", here: "", pages: Vec::new(), foot: html! {} };
    super::send(status, document(&frame, title, None, content))
}

/// What stands around the content.
struct Frame<'a> {
    /// Whose page it is.
    name: &'a str,
    /// Which of the pages.
    here: &'a str,
    pages: Vec<(&'a str, &'a str)>,
    foot: Markup,
}

fn document(frame: &Frame<'_>, title: &str, script: Option<&str>, content: Markup) -> Markup {
    let Frame { name, here, pages, foot } = frame;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – " (name) }
                link rel="icon" href="/assets/mark.svg" type="image/svg+xml";
                link rel="stylesheet" href="/assets/style.css";
                @if let Some(script) = script {
                    script type="module" src={ "/assets/" (script) } {}
                }
            }
            body {
                a.skip href="#content" { "To the content" }
                header.head {
                    div {
                        a.mark href="/" { (mark()) (name) }
                        nav aria-label="Pages" {
                            ul {
                                @for (path, label) in pages {
                                    li { a href=(path) aria-current=[(path == here).then_some("page")] { (label) } }
                                }
                            }
                        }
                    }
                }
                main #content { (content) }
                footer.foot { div { (foot) } }
            }
        }
    }
}

/// The bowl that all bring something to.
fn mark() -> Markup {
    html! {
        svg viewBox="0 0 32 32" aria-hidden="true" {
            path fill="currentColor" d="M4 15h24c0 7-5 12-12 12S4 22 4 15z" {}
            path fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round"
                d="M11 10c0-3 3-3 3-6M18 10c0-3 3-3 3-6" {}
        }
    }
}

/// The shares of a soup as one bar, and in words below it.
pub(super) fn shares(lambda: &Mixture) -> Markup {
    let mut begin = 0_u32;
    let parts = lambda.ppm.iter().enumerate().map(|(number, (party, ppm))| {
        let from = begin;
        begin += ppm;
        (number % 8, party, *ppm, from)
    });
    let parts: Vec<_> = parts.filter(|(_, _, ppm, _)| *ppm > 0).collect();
    html! {
        div.shares {
            svg viewBox="0 0 1000000 10" preserveAspectRatio="none" role="img" aria-label=(words::mixture(lambda)) {
                @for (number, _, ppm, from) in &parts {
                    rect class={ "party-" (number) } x=(from) y="0" width=(ppm) height="10" {}
                }
            }
        }
        ul.legend {
            @for (number, party, ppm, _) in &parts {
                li { span class={ "dot party-" (number) } {} (party) " " (words::share(*ppm)) }
            }
        }
    }
}

/// A digest in short, all of it for whoever points at it.
pub(super) fn digest(text: &str) -> Markup {
    let short = text.get(..16).unwrap_or(text);
    html! { code title=(text) { (short) @if short.len() < text.len() { "…" } } }
}

/// Lines to be copied.
pub(super) fn copyable(text: &str) -> Markup {
    html! { pre { (text) } }
}

/// A time that programs can read, too.
pub(super) fn time(seconds: u64) -> Markup {
    html! { time { (words::time(seconds)) } }
}
