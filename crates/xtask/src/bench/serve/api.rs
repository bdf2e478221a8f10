//! The API over a long ledger, asked at a fixed pace; and the dashboard's pages, which are made of its answers.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Extent;
use super::place::{Place, Server, free};
use crate::bench::measure::remove;
use crate::bench::report::{Row, median};

/// Requests a second.
pub(super) const RATE: u32 = 500;

/// The dashboard's pages that speak of the whole ledger.
const PAGES: [&str; 4] = ["/", "/rounds", "/ledger", "/front"];

/// How often each is asked for.
const ASKED: usize = 10;

/// What was measured.
pub(super) struct Api {
    pub(super) entries: u64,
    pub(super) rounds: u64,
    /// Over all requests, the median of the runs.
    pub(super) p99_ms: f64,
    /// Of each endpoint: requests, and the medians of the runs, in milliseconds.
    pub(super) kinds: Vec<Kind>,
    /// How long the server took to start.
    pub(super) start_seconds: f64,
    pub(super) peak: u64,
    pub(super) pages: Vec<Row>,
}

/// One endpoint.
pub(super) struct Kind {
    pub(super) name: String,
    pub(super) count: u64,
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

/// The pace, `runs` times, after one that is not counted.
pub(super) fn measure(place: &Place, extent: &Extent, runs: usize) -> Result<Api> {
    let (home, rounds) = ledger(place, extent.entries)?;
    let http = free()?;
    let settings =
        format!("listen = \"127.0.0.1:0\"\n[http]\nlisten = \"{http}\"\nrequests_per_second = 0\n");
    fs::write(home.join("aggregator.toml"), settings)?;
    let begun = Instant::now();
    let server = place.serve_other(&home, http)?;
    let start_seconds = begun.elapsed().as_secs_f64();
    pace(place, &server, extent.entries, rounds, 1)?;
    let told: Vec<Value> = (0..runs)
        .map(|_| pace(place, &server, extent.entries, rounds, extent.seconds))
        .collect::<Result<_>>()?;
    let pages = PAGES.map(|page| dashboard(place, &server, page));
    Ok(Api {
        entries: extent.entries,
        rounds,
        p99_ms: over(&told, |run| run["all"]["p99_ms"].as_f64()),
        kinds: kinds(&told)?,
        start_seconds,
        peak: server.peak_rss()?,
        pages: pages.into_iter().collect::<Result<_>>()?,
    })
}

/// The folder with the ledger, made once, and how many rounds it has.
fn ledger(place: &Place, entries: u64) -> Result<(PathBuf, u64)> {
    let home = place.path(&format!("ledger-{entries}"));
    let whole = home.join("whole");
    if !whole.exists() {
        eprintln!("making a ledger of {entries} entries (once)");
        remove(&home)?;
        let mut make = place.reader("ledger");
        make.arg("--dir").arg(&home).args([
            "--entries",
            &entries.to_string(),
            "--http",
            "127.0.0.1:0",
        ]);
        let told = Place::told(&mut make)?;
        fs::write(&whole, told["rounds"].to_string())?;
    }
    let rounds = fs::read_to_string(&whole)?;
    Ok((home, rounds.trim().parse().context("no number of rounds")?))
}

fn pace(place: &Place, server: &Server, entries: u64, rounds: u64, seconds: u32) -> Result<Value> {
    let mut reader = place.reader("pace");
    reader.args(["--address", &server.address.to_string(), "--rate", &RATE.to_string()]);
    reader.args(["--entries", &entries.to_string(), "--rounds", &rounds.to_string()]);
    reader.args(["--seconds", &seconds.to_string()]);
    let told = Place::told(&mut reader)?;
    anyhow::ensure!(
        told["failed"] == 0,
        "{} requests failed: {}",
        told["failed"],
        told["failures"]
    );
    eprintln!("the API for {seconds} s: {}", told["all"]);
    Ok(told)
}

fn over(told: &[Value], figure: impl Fn(&Value) -> Option<f64>) -> f64 {
    median(&told.iter().filter_map(figure).collect::<Vec<_>>())
}

fn kinds(told: &[Value]) -> Result<Vec<Kind>> {
    let first = told.first().and_then(|run| run["kinds"].as_array()).context("no run")?;
    let kind = |(at, kind): (usize, &Value)| {
        let of = |name: &str| over(told, |run| run["kinds"][at][name].as_f64());
        Kind {
            name: kind["kind"].as_str().unwrap_or_default().to_owned(),
            count: told.iter().filter_map(|run| run["kinds"][at]["count"].as_u64()).sum(),
            p50: of("p50_ms"),
            p99: of("p99_ms"),
            max: of("max_ms"),
        }
    };
    Ok(first.iter().enumerate().map(kind).collect())
}

/// One page, time and again.
fn dashboard(place: &Place, server: &Server, page: &str) -> Result<Row> {
    let mut seconds = Vec::new();
    for _ in 0..ASKED {
        let mut reader = place.reader("fetch");
        reader.args(["--address", &server.address.to_string(), "--path", page]);
        seconds.push(Place::told(&mut reader)?["seconds"].as_f64().context("no seconds")?);
    }
    Ok(Row::new("the dashboard's pages", page, &seconds, &[], 0))
}
