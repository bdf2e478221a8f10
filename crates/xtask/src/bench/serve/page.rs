//! The page of results.

use super::Extent;
use super::api::{Api, RATE};
use super::crowd::{Crowd, READERS};
use super::streams::{FIRST, FIRST_MIB, Streamed, WHOLE};
use crate::bench::machine::Machine;
use crate::bench::report::{Ratio, median};

/// All that stands on the page.
pub(super) struct Results<'a> {
    pub(super) machine: &'a Machine,
    pub(super) nginx: String,
    pub(super) streamed: &'a Streamed,
    pub(super) crowd: &'a Crowd,
    pub(super) api: &'a Api,
    pub(super) ratios: &'a [Ratio],
    pub(super) extent: &'a Extent,
    pub(super) quick: bool,
}

/// Writes it.
pub(super) fn write(results: &Results<'_>) -> String {
    let Machine { cpu, cores, memory_gib, kernel, load } = results.machine;
    let quick = if results.quick { " --quick" } else { "" };
    let each = results.extent.each_mib;
    let mut page = format!(
        "# Serving: how fast\n\n\
         Written by `cargo xtask bench serve{quick}`. Three experts of {each} MiB (BF16) lie in an aggregator's store. One client \
         takes, over HTTP/1.1\nand loopback, what it is sent, on the same cores as the server: the soup of a λ that nobody asked for \
         before, as it is mixed, or a file of\nthe same size from nginx (one process, `sendfile`). `potluck mix` reads the same \
         experts and writes such a file, which nobody syncs, without\ndigests. All take turns, over and over; everything is in the \
         page cache. One stream is held against what `potluck mix` makes, byte for byte.\nA server that just started compares each \
         64 KiB of an expert with the ledger's digest when it first reads it.\n\n\
         Machine: {cpu}; {cores} cores, {memory_gib} GiB, Linux {kernel}; load before the first run {load:.1}. Rival: {}.\n\n\
         ## Figures\n\n",
        results.nginx
    );
    for ratio in results.ratios {
        let Some(worst) = ratio.worst() else { continue };
        let verdict = match ratio.holds() {
            Some(true) => format!("; target {}: holds", ratio.target),
            Some(false) => format!("; target {}: **does not hold**", ratio.target),
            None => String::new(),
        };
        page += &format!("- `{}`: {worst:.2}, {}{verdict}\n", ratio.name, ratio.meaning);
    }
    page += "\nOf the two shares the target is for the one whose rival is slower.\n\n## Runs\n\n";
    page += &streams(results.streamed);
    page += &crowd(results.crowd, results.extent.read_mib);
    page += &api(results.api);
    page
}

fn streams(streamed: &Streamed) -> String {
    let mut text = format!(
        "### {WHOLE}\n\nProcessor seconds are those of the server alone, or of `potluck mix`.\n\n\
         | contender | median s | lowest to highest | CPU s | peak MiB | runs |\n|---|--:|--:|--:|--:|--:|\n"
    );
    for row in streamed.rows.iter().filter(|row| row.work == WHOLE) {
        let peak = match row.peak_rss_bytes {
            0 => String::new(),
            bytes => (bytes >> 20).to_string(),
        };
        text += &format!(
            "| {} | {:.3} | {:.3} to {:.3} | {:.2} | {peak} | {} |\n",
            row.contender, row.seconds, row.lowest, row.highest, row.cpu_seconds, row.n
        );
    }
    for work in [FIRST, FIRST_MIB] {
        text += &format!("\n### {work}\n\n{MILLISECONDS}");
        for row in streamed.rows.iter().filter(|row| row.work == work) {
            text += &milliseconds(row);
        }
    }
    text
}

const MILLISECONDS: &str = "| | median ms | lowest to highest | runs |\n|---|--:|--:|--:|\n";

fn milliseconds(row: &crate::bench::report::Row) -> String {
    let [median, lowest, highest] = [row.seconds, row.lowest, row.highest].map(|it| it * 1e3);
    format!("| {} | {median:.1} | {lowest:.1} to {highest:.1} | {} |\n", row.contender, row.n)
}

fn crowd(crowd: &Crowd, read_mib: u64) -> String {
    let ends = |of: &[f64]| {
        let at = |it: Option<&f64>| it.copied().unwrap_or(f64::NAN);
        [at(of.first()), median(of), at(of.last())]
    };
    let [first, middle, last] = ends(&crowd.seconds);
    let [soonest, usual, latest] = ends(&crowd.first_bytes);
    format!(
        "\n### {READERS} readers of {READERS} λ at once\n\nEach reads the first {read_mib} MiB of its soup, of a server that just \
         started. None failed.\n\n\
         | | first | median | last |\n|---|--:|--:|--:|\n\
         | first byte, s | {soonest:.2} | {usual:.2} | {latest:.2} |\n\
         | all of it, s | {first:.2} | {middle:.2} | {last:.2} |\n\n\
         Together {:.0} MiB a second; the server took {:.1} processor seconds and held {} MiB at most.\n",
        (READERS as u64 * read_mib) as f64 / last,
        crowd.cpu_seconds,
        crowd.peak >> 20
    )
}

fn api(api: &Api) -> String {
    let Api { entries, rounds, start_seconds, peak, .. } = api;
    let mut text = format!(
        "\n### {RATE} requests a second over a ledger of {entries} entries\n\nThe ledger has {rounds} rounds, each with a soup. \
         Each endpoint is asked in its turn, nearly always for something else than before. Requests\ncome when they are due; their \
         time is counted from then. Replaying the ledger at the start took {start_seconds:.1} s; the server held {} MiB at most.\n\n\
         | endpoint | requests | p50 ms | p99 ms | longest ms |\n|---|--:|--:|--:|--:|\n",
        peak >> 20
    );
    for kind in &api.kinds {
        text += &format!(
            "| {} | {} | {:.2} | {:.2} | {:.2} |\n",
            kind.name, kind.count, kind.p50, kind.p99, kind.max
        );
    }
    text += &format!(
        "\nThe dashboard's pages over that ledger, one after the other:\n\n{MILLISECONDS}"
    );
    for row in &api.pages {
        text += &milliseconds(row);
    }
    text
}
