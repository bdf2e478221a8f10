//! A federation as large as a dashboard may meet: eight parties, rounds with some 500 scored mixtures, a long ledger.
//!
//! ```text
//! cargo bench -p potluck-aggregator --bench crowd -- --dir DIR [--entries N]
//! ```
//!
//! DIR becomes a federation's folder that `potluck serve` serves. What fills the ledger are experts that are handed in anew,
//! and a party's suspensions and their ends; every signature is real. `cargo xtask bench dashboard` opens its pages.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on stops")]

#[path = "crowd/teller.rs"]
mod teller;

use std::fs;
use std::path::PathBuf;

use clap::Parser;
use serde_json::json;

use self::teller::{PARTIES, Teller};

/// Rounds whose scores together are of some 500 mixtures.
const ROUNDS: u64 = 8;

/// Runs of another method that are drawn beside the mixtures of one round.
const RUNS: usize = 430;

#[derive(Parser)]
struct Args {
    /// The folder to be made
    #[arg(long)]
    dir: PathBuf,
    /// Entries of its ledger
    #[arg(long, default_value_t = 100_000)]
    entries: u64,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let args = Args::parse();
    let _ = fs::remove_dir_all(&args.dir);
    fs::create_dir_all(args.dir.join("base")).unwrap();
    let mut teller = Teller::found(&args.dir);
    for round in 1..=ROUNDS {
        teller.round(round);
    }
    let points = teller.scored();
    teller.fill(args.entries);
    teller.store(&args.dir);
    let run = |number: usize| {
        let gain = |party: usize| 200_000 + (number * 7919 + party * 104_729) % 700_000;
        let gains: serde_json::Map<_, _> =
            (0..PARTIES).map(|party| (format!("p{party}"), json!(gain(party)))).collect();
        json!({"label": format!("run {number}"), "gains_ppm": gains})
    };
    let runs: Vec<_> = (0..RUNS).map(run).collect();
    let told = json!({"source": "Made up, to fill a picture.", "runs": runs});
    fs::write(args.dir.join("morl.json"), told.to_string()).unwrap();
    println!("{}", json!({"entries": teller.size(), "points": points, "runs": RUNS}));
}
