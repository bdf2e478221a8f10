//! What runs in a reader's browser, run in Chromium: `crates/potluck-aggregator/web` against what the Rust code makes.
//!
//! Each test serves the modules as the dashboard does, under its content security policy, opens a page, and asks the
//! page's own script for what it found. Without Debian's `chromium-driver` they are skipped, and say so.

#![allow(missing_docs, reason = "a test binary has no public items")]
#![allow(clippy::unwrap_used, reason = "a story that cannot go on fails")]

mod chromium;
mod webdriver;
mod site;

mod ledgers;
mod teller;

mod vendor;

mod signatures;
mod trees;
mod stories;

mod decisions;
mod histories;

mod soups;
mod summaries;
mod taste;

mod served;
mod dashboard;
mod axe;
mod crowd;
