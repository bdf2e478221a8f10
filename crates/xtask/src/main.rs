//! The project's own commands. One file a verb; `cargo xtask help` lists them.
//!
//! This program is built before anything else and therefore has few dependencies and knows no
//! other crate of ours: it drives them as programs.

use anyhow::Result;
use clap::{Parser, Subcommand};

mod libtorch;
mod toolchain;

/// Build, try and check Potluck.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Fetch libtorch for the trainer, once, and print its folder
    Libtorch,
}

fn main() -> Result<()> {
    match Args::parse().verb {
        Verb::Libtorch => libtorch::print_path(),
    }
}
