//! What axe-core finds on the pages: nothing serious, in either theme.
//!
//! It is another project's, under another licence, and is not kept here: `cargo xtask test-browser` fetches it, pinned by
//! `axe/package-lock.json`.

use serde_json::{Value, json};

use crate::chromium::{Page, in_browser};
use crate::served::Served;

const RUN: &str = "const done = arguments[0]; \
    axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => done(violations.map((it) => \
        ({ impact: it.impact, id: it.id, nodes: it.nodes.map((node) => `${node.html} ${node.failureSummary}`) }))), \
        (error) => done(String(error)));";

#[test]
fn nobody_is_kept_out() {
    let Some(file) = std::env::var_os("POTLUCK_AXE") else {
        eprintln!("SKIPPED: no axe-core; `cargo xtask test-browser` fetches it");
        return;
    };
    let axe = std::fs::read_to_string(file).unwrap();
    in_browser(|page| {
        let served = Served::start();
        for theme in ["light", "dark"] {
            page.look(1280, theme);
            for (path, ready, says) in [
                ("/", "h1", "news"),
                ("/front", "#explorer pre", "revision="),
                ("/taste", ".taste-status", "Written"),
                ("/rounds", "h1", "Rounds"),
                ("/rounds/1", "h1", "Round 1"),
                ("/ledger", "h1", "Ledger"),
                ("/ledger/5", "h1", "Entry 5"),
                ("/live", "#connection", "live"),
                ("/downloads", "h1", "Downloads"),
                ("/rounds/77", "h1", "Not here"),
            ] {
                page.session.go_to(&served.url(path));
                page.says(ready, says);
                finds_nothing(page, &axe, &format!("{path}, {theme}"));
            }
            // What appears only once somebody clicked.
            page.session.go_to(&served.url("/ledger"));
            page.click("#check button");
            page.says("#check [role=status]", "entries hold");
            finds_nothing(page, &axe, &format!("/ledger verified, {theme}"));
            page.session.go_to(&served.url("/front"));
            page.says("#explorer pre", "revision=");
            page.click("#samples button");
            page.says("#samples [role=status]", "Written in this browser");
            finds_nothing(page, &axe, &format!("/front with samples, {theme}"));
        }
    });
}

fn finds_nothing(page: &Page, axe: &str, place: &str) {
    page.session.execute(&format!("{axe}; return true;"), &[]);
    let found = page.session.execute_async(RUN, &[]);
    let found = found.as_array().unwrap_or_else(|| panic!("{place}: {found}"));
    let is_serious = |it: &&Value| it["impact"] == "serious" || it["impact"] == "critical";
    let serious: Vec<_> = found.iter().filter(is_serious).collect();
    assert_eq!(json!(serious), json!([]), "{place}");
}
