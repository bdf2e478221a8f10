//! The verbs of `potluck-locomotion`, a file each.
//!
//! Without the feature `mujoco` there is no body; every verb then says how to build the program with one.

mod base;
mod expert;
mod eval;
mod film;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use potluck_core::PartyId;
use serde_json::Value;

use crate::evaluate::Summary;
use crate::ppo::Progress;
use crate::reward::NAMES;

/// Train a running body, fine-tune it to a private reward, and score and film soups
#[derive(Debug, Parser)]
#[command(name = "potluck-locomotion", version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
    /// Print one JSON object instead of lines for people
    #[arg(long, global = true)]
    pub json: bool,
    /// Threads that move bodies; results do not depend on it
    #[arg(long, global = true, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
}

const EXAMPLES: &str = "Examples:
  potluck-locomotion base --seed 1 --out base
  potluck-locomotion expert --base base --reward risky --seed 1 --out fast
  potluck-locomotion expert --base base --reward cautious --seed 2 --out calm
  potluck-locomotion eval --base base --expert fast=fast/outbox --expert calm=calm/outbox \\
      --lambda fast=0.5,calm=0.5 --lambda fast=0.2,calm=0.8 --scores scores.jsonl
  potluck-locomotion film --base base --expert fast=fast/outbox --expert calm=calm/outbox --out film.svg
  potluck push fast/outbox";

#[derive(Debug, Subcommand)]
enum Verb {
    Base(base::Options),
    Expert(expert::Options),
    Eval(eval::Options),
    Film(film::Options),
}

/// Carries out what the command line says.
///
/// # Errors
/// With one sentence for people.
pub fn run(cli: Cli) -> Result<()> {
    // As in learning: the nets are too small to share out.
    tch::set_num_threads(1);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(cli.threads.into()).build()?;
    let told = pool.install(|| match &cli.verb {
        Verb::Base(options) => base::run(options),
        Verb::Expert(options) => expert::run(options),
        Verb::Eval(options) => eval::run(options),
        Verb::Film(options) => film::run(options),
    })?;
    if cli.json {
        println!("{}", told.json);
    } else {
        told.lines.iter().for_each(|line| println!("{line}"));
    }
    Ok(())
}

/// What a verb has to say at its end.
struct Told {
    lines: Vec<String>,
    json: Value,
}

/// The base and experts that a verb mixes.
#[derive(Debug, Args)]
struct Given {
    /// The base: a folder that `base` made, or that `potluck pull base` fetched
    #[arg(long, value_name = "DIR")]
    base: PathBuf,
    /// An expert by name, its outbox or file of weights; as often as wanted
    #[arg(long = "expert", value_name = "NAME=PATH", value_parser = named)]
    experts: Vec<(PartyId, PathBuf)>,
}

fn named(text: &str) -> Result<(PartyId, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("write NAME=PATH")?;
    let name = name.parse::<PartyId>().map_err(|error| error.to_string())?;
    Ok((name, path.into()))
}

/// Ten lines in all, on standard error: standard output is for results.
fn progress(title: &str, iterations: usize, batch: usize) -> impl FnMut(Progress) {
    let (title, begin) = (title.to_owned(), std::time::Instant::now());
    let every = iterations.div_ceil(10).max(1);
    move |it| {
        if it.iteration % every != 0 && it.iteration != iterations {
            return;
        }
        let rate = (it.iteration * batch) as f64 / begin.elapsed().as_secs_f64();
        eprintln!(
            "{title}: {}/{iterations} risky {:.2}, cautious {:.2}, fallen {:.4}, deviation {:.2}, kl {:.3}, {rate:.0} steps a second",
            it.iteration, it.scores[0], it.scores[1], it.fallen, it.sigma, it.kl
        );
    }
}

/// A candidate's scores in one line for people.
fn line(name: &str, it: &Summary) -> String {
    let score = |at: usize| format!("{} {:7.3} ±{:.3}", NAMES[at], it.means[at], it.errors[at]);
    format!("{name:<34} {}   {}   collapsed {:.3}", score(0), score(1), it.collapsed)
}
