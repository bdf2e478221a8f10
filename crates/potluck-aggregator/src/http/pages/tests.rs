//! Pages of a federation before and after an agreement: what they say, and that they hold to the policy.

use std::fs;

use axum::body::to_bytes;
use potluck_core::Author;

use super::*;
use crate::fixture::{Folder, admit};
use crate::server::Aggregator;

async fn get(folder: &Folder, aggregator: &Aggregator, path: &str) -> (StatusCode, String) {
    let http = crate::config::Http::at("127.0.0.1:0".parse().unwrap());
    let shared = Arc::new(Shared::over(aggregator, &http, &folder.settings().kept_soups()));
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answer = crate::http::routes(shared).oneshot(request).await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    if text.starts_with("<!DOCTYPE html>") {
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    }
    (status, text)
}

/// What the policy forbids does not stand in a page, which would show nothing of it.
fn holds_to_the_policy(page: &str) {
    for forbidden in [" style=", "<style", " onclick=", "javascript:", "http://cdn", "https://"] {
        assert!(!page.contains(forbidden), "{forbidden} in {page}");
    }
    for script in page.split("<script").skip(1) {
        assert!(script.starts_with(" type=\"module\" src=\"/assets/"), "{script}");
    }
}

const PAGES: [&str; 6] = ["/", "/front", "/rounds", "/ledger", "/live", "/downloads"];

#[tokio::test(flavor = "multi_thread")]
async fn a_federation_without_anything_has_all_its_pages() {
    let folder = Folder::new();
    let aggregator = folder.open();
    for path in PAGES {
        let (status, page) = get(&folder, &aggregator, path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        holds_to_the_policy(&page);
        assert!(page.contains("aria-current=\"page\"") && page.contains("news"), "{path}");
    }
    let (_, overview) = get(&folder, &aggregator, "/").await;
    assert!(overview.contains("Two groups – agency and readers"), "{overview}");
    assert!(overview.contains("No mixture was negotiated yet"), "{overview}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_is_told_in_words_and_numbers() {
    let folder = Folder::new();
    let aggregator = folder.open();
    aggregator.agree();
    aggregator
        .say(Author::Operator, potluck_core::Body::Publish(aggregator.publication()))
        .unwrap();
    let (_, overview) = get(&folder, &aggregator, "/").await;
    assert!(overview.contains("What is served now is"), "{overview}");
    assert!(overview.contains("in force"), "{overview}");
    let (status, round) = get(&folder, &aggregator, "/rounds/1").await;
    assert_eq!(status, StatusCode::OK);
    assert!(round.contains("Recompute the decision") && round.contains("What each proposed"));
    let size = aggregator.size();
    for path in PAGES.into_iter().map(str::to_owned).chain([
        "/rounds/1".to_owned(),
        "/ledger/0".to_owned(),
        format!("/ledger/{}", size - 1),
        "/ledger?kind=submit&author=readers".to_owned(),
        "/ledger?kind=&author=&from=".to_owned(),
        "/ledger?kind=&author=&from=2".to_owned(),
    ]) {
        let (status, page) = get(&folder, &aggregator, &path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        holds_to_the_policy(&page);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_on_a_page() {
    let folder = Folder::new();
    let aggregator = folder.open();
    aggregator.say(Author::Operator, admit("agency")).unwrap();
    for path in ["/rounds/1", "/ledger/99", "/rounds/..", "/ledger/<b>"] {
        let path = path.replace('<', "%3C").replace('>', "%3E");
        let (status, page) = get(&folder, &aggregator, &path).await;
        assert!(status.is_client_error(), "{path}: {status}");
        assert!(!page.contains("<b>"), "{page}");
    }
    let (status, page) = get(&folder, &aggregator, "/ledger?kind=nonsense").await;
    assert!(status.is_client_error() && page.contains("<h1>"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_that_a_page_or_module_names_is_served() {
    let folder = Folder::new();
    let aggregator = folder.open();
    let web = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    let mut waiting = vec!["style.css".to_owned(), "mark.svg".to_owned()];
    for path in PAGES {
        let (_, page) = get(&folder, &aggregator, path).await;
        waiting.extend(
            page.split("src=\"/assets/").skip(1).map(|it| it.split('"').next().unwrap().to_owned()),
        );
    }
    waiting.push("rounds/page.js".into());
    let mut seen = std::collections::BTreeSet::new();
    while let Some(name) = waiting.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let (status, text) = get(&folder, &aggregator, &format!("/assets/{name}")).await;
        assert_eq!(status, StatusCode::OK, "{name}");
        assert_eq!(text, fs::read_to_string(web.join(&name)).unwrap());
        // `from "../x.js"` and `import("../x.js")`, relative to the module.
        for import in
            text.split(['"', '\'']).filter(|it| it.starts_with('.') && it.ends_with(".js"))
        {
            let mut path: Vec<_> = name.split('/').collect();
            path.pop();
            for step in import.split('/') {
                match step {
                    "." => (),
                    ".." => drop(path.pop()),
                    step => path.push(step),
                }
            }
            waiting.push(path.join("/"));
        }
    }
    assert!(seen.len() > 12, "{seen:?}");
}
