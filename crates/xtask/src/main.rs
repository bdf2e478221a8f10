//! The project's own commands. One file a verb; `cargo xtask help` lists them.
//!
//! This program is built before anything else and therefore has few dependencies and knows no
//! other crate of ours: it drives them as programs.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod toolchain;
mod libtorch;
mod mujoco;
mod interchange;
mod process;
mod federation;
mod demo;
mod experiment;
mod test;
mod tidy;
mod ci;
mod bench;

/// Build, try and check Potluck.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Tell the whole story on this machine: train, push, agree, soup, audit
    Demo(demo::Args),
    /// Show the paper's claims on made-up tasks: fronts, baselines, statistics; writes docs/results
    Experiment(experiment::Args),
    /// Build everything and run every test, then the quick demo with its assertions
    Test(test::Args),
    /// Train with TRL from PyPI, and push what it leaves; fetches some 2.5 GB, once
    TestTrl,
    /// Load models with the clients of the Hugging Face Hub from a federation; fetches what test-trl does
    TestHub,
    /// Fuzz /api/v1 with schemathesis from PyPI; fetches some 20 MB, once
    TestApi,
    /// Run exactly what CI runs
    Ci,
    /// Check the walls of the architecture
    Tidy(tidy::Args),
    /// Measure against the rivals, and write docs/results
    Bench(bench::Args),
    /// Fetch libtorch for the trainer, once, and print its folder
    Libtorch,
    /// Fetch MuJoCo for the locomotion study, once, and print its folder
    Mujoco {
        /// Build potluck-locomotion with it, and print the program's path instead
        #[arg(long, conflicts_with = "test")]
        build: bool,
        /// Run the tests of potluck-locomotion with it
        #[arg(long)]
        test: bool,
    },
}

fn main() -> ExitCode {
    let done = match Args::parse().verb {
        Verb::Demo(args) => demo::run(args),
        Verb::Experiment(args) => experiment::run(&args),
        Verb::Test(args) => test::run_all(args),
        Verb::TestTrl => test::run_trl(),
        Verb::TestHub => test::run_hub(),
        Verb::TestApi => test::run_api(),
        Verb::Ci => ci::run_all(),
        Verb::Tidy(args) => tidy::run(args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Libtorch => libtorch::print_path(),
        Verb::Mujoco { build: true, .. } => mujoco::print_program(),
        Verb::Mujoco { test: true, .. } => mujoco::test(),
        Verb::Mujoco { .. } => mujoco::print_path(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
