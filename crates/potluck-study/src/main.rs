//! `potluck-study`: makes a task's folder, and is the program behind its rewards.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use potluck_study::tasks;

/// Made-up tasks for `cargo xtask experiment`: data, prompts, rewards, labellers.
#[derive(Parser)]
#[command(name = "potluck-study", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Write a task's folder: a fresh model, data sets, prompts, and study.json, which says how to train on it
    ///
    /// Example: potluck-study make news --seed 1 --out news
    Make {
        /// The task.
        #[arg(value_parser = tasks::NAMES)]
        task: String,
        /// The seed of weights and texts.
        #[arg(long, value_name = "S", default_value_t = 1)]
        seed: u64,
        /// The folder; what stands there already is replaced file by file.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// A small part of everything, to see that it works
        #[arg(long)]
        quick: bool,
    },
    /// Score completions: lines of JSON in, lines out, as an `exec` reward (docs/rewards.md)
    ///
    /// Example: command = ["potluck-study", "reward", "news", "copies"]
    Reward {
        /// The task.
        #[arg(value_parser = tasks::NAMES)]
        task: String,
        /// The reward's name in the task.
        reward: String,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<()> {
    let known = |name: &str| tasks::named(name).context("there is no such task");
    match verb {
        Verb::Make { task, seed, out, quick } => {
            let study = potluck_study::make(known(&task)?.as_ref(), seed, &out, quick)?;
            println!("{study}");
            Ok(())
        }
        Verb::Reward { task, reward } => {
            let task = known(&task)?;
            let (stdin, stdout) = (std::io::stdin().lock(), std::io::stdout().lock());
            potluck_study::serve(task.as_ref(), &reward, stdin, stdout)
        }
    }
}
