//! A reader of soups and of the API, and a long ledger to be read: what `cargo xtask bench serve` holds against the programs.
//!
//! ```text
//! cargo bench -p potluck-aggregator --bench serve -- TASK --help
//! ```
//!
//! The reader is as thin as one can be that still takes what it is sent: one socket, one buffer, HTTP/1.1. Each task prints one
//! JSON object.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on stops")]

#[path = "serve/client.rs"]
mod client;
#[path = "serve/crowd.rs"]
mod crowd;
#[path = "serve/fetch.rs"]
mod fetch;
#[path = "serve/ledger.rs"]
mod ledger;
#[path = "serve/pace.rs"]
mod pace;

use clap::Parser;

#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    task: Task,
    /// What cargo adds
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(clap::Subcommand)]
enum Task {
    /// Read one file, or its beginning, and forget it
    Fetch(fetch::Args),
    /// Read the beginnings of many files at once
    Crowd(crowd::Args),
    /// Ask the API so often a second, whether it keeps up or not
    Pace(pace::Args),
    /// Make a federation's folder with a long ledger
    Ledger(ledger::Args),
}

fn main() {
    let told = match Args::parse().task {
        Task::Fetch(args) => fetch::run(&args),
        Task::Crowd(args) => crowd::run(&args),
        Task::Pace(args) => pace::run(&args),
        Task::Ledger(args) => ledger::run(&args),
    };
    println!("{told}");
}
