//! `cargo xtask bench serve`: soups as they stream, beside nginx and `potluck mix`; many readers at once; and the API over a
//! long ledger.
//!
//! A federation of the product's own programs is founded once, over three experts ([`place`]). Then a file of the same size
//! comes from nginx, is made by `potluck mix`, and streams from the aggregator, in turn ([`streams`]); many read at once
//! ([`crowd`]); and a server of a long ledger is asked at a fixed pace ([`api`]). The reader is the bench program
//! of `potluck-aggregator`.

mod place;
mod nginx;
mod streams;
mod crowd;
mod api;
mod page;

use std::fs;

use anyhow::{Context, Result};

use self::place::Place;
use super::Args;
use super::machine::Machine;
use super::report::{Ratio, Target, object};
use crate::toolchain::{Toolchain, root};

/// How much is measured.
struct Extent {
    /// Of each expert.
    each_mib: u64,
    /// What each of the many readers reads.
    read_mib: u64,
    /// Of the long ledger.
    entries: u64,
    /// For how long the API is asked, each time.
    seconds: u32,
}

/// 1 GB in whole tensors, and the ledger that the figures are of.
const WHOLE: Extent = Extent { each_mib: 960, read_mib: 192, entries: 100_000, seconds: 10 };
const QUICK: Extent = Extent { each_mib: 320, read_mib: 32, entries: 20_000, seconds: 5 };

/// Measures everything, writes `docs/results/serving.md`, and prints it.
///
/// # Errors
/// When something cannot be built or run, nginx is not there, or a stream is not what `potluck mix` makes.
pub(super) fn run(args: &Args) -> Result<()> {
    let extent = if args.quick { QUICK } else { WHOLE };
    let nginx = nginx::find()?;
    let toolchain = Toolchain::set_up()?;
    let place = Place::set_up(&toolchain, args.dir.clone(), &extent)?;
    let machine = Machine::here();
    let runs = args.runs.unwrap_or(if args.quick { 3 } else { 5 });

    let streamed = streams::measure(&place, &nginx, runs)?;
    let crowd = crowd::measure(&place, extent.read_mib)?;
    let api = api::measure(&place, &extent, runs.min(3))?;

    let mut ratios = streamed.ratios();
    ratios.extend(crowd.ratios());
    ratios.push(Ratio {
        name: "json_p99_ms",
        meaning: "milliseconds from when a request was due to its answer's end, of 99 in 100, at 500 requests a second",
        target: Target::AtMost(10.0),
        values: vec![("all".to_owned(), api.p99_ms)],
    });
    let page = page::write(&page::Results {
        machine: &machine,
        nginx: nginx::version(&nginx)?,
        streamed: &streamed,
        crowd: &crowd,
        api: &api,
        ratios: &ratios,
        extent: &extent,
        quick: args.quick,
    });
    let path = root().join("docs/results/serving.md");
    fs::write(&path, &page).with_context(|| format!("cannot write {}", path.display()))?;
    if args.json {
        println!("{}", object("serve", &machine, &streamed.rows, &ratios));
    } else {
        println!("{page}\nThis page is {}.", path.display());
    }
    Ok(())
}
