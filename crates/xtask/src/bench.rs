//! `cargo xtask bench NAME`: how fast the product is beside its rivals, all in one run.
//!
//! Each bench builds the product in release, puts its rivals into an environment of their own
//! ([`peers`]), runs everybody in turn ([`measure`]), and ends with a page in `docs/results` and
//! one object for scripts ([`report`]). A figure is the median of its runs; the spread stands beside it.

mod measure;
mod peers;
mod machine;
mod report;
mod federation;
mod soup;
mod ledger;
mod negotiation;
mod transport;
mod train;
mod serve;
mod dashboard;

use std::path::PathBuf;

use anyhow::Result;

/// What to measure, and how long.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which bench
    name: Name,
    /// Fewer runs and contenders: at most ten minutes on two quiet cores
    #[arg(long)]
    quick: bool,
    /// Of `transport`: beside Flower, too (some minutes, and memory for several times what is sent)
    #[arg(long)]
    flower: bool,
    /// Print the results as one JSON object, in the last line on standard output
    #[arg(long)]
    json: bool,
    /// Runs of each contender [default: 5]; fewer make no figure to publish
    #[arg(long, value_name = "N")]
    runs: Option<usize>,
    /// Where test data and outputs go, kept from run to run [default: target/bench/NAME]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Name {
    /// Mixing checkpoints, against mergekit, torch and a copy loop
    Soup,
    /// Replay, appends, proofs and audits, beside signatures, fsyncs and tiles
    Ledger,
    /// Transfers, resumes and the aggregator's memory, beside quinn, BLAKE3 and TLS over TCP
    Transport,
    /// Bargaining in made-up federations: how good, and what lies win
    Negotiation,
    /// Sampling and training steps, beside transformers and TRL
    Train,
    /// Soups as they stream, beside nginx and `potluck mix`; many readers at once; the API over a long ledger
    Serve,
    /// The dashboard with eight parties, 500 points and 100 000 entries, in Chromium
    Dashboard,
}

/// Measures, writes the page, and prints where it stands.
///
/// # Errors
/// When something cannot be built, installed or run, or a page not written.
pub(crate) fn run(args: &Args) -> Result<()> {
    match args.name {
        Name::Soup => soup::run(args),
        Name::Ledger => ledger::run(args),
        Name::Transport => transport::run(args),
        Name::Negotiation => negotiation::run(args),
        Name::Train => train::run(args),
        Name::Serve => serve::run(args),
        Name::Dashboard => dashboard::run(args),
    }
}
