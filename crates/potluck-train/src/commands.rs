//! The verbs of `potluck-train`: one file each, whose arguments are the help and whose one
//! function reads like a table of contents.

mod base;
mod eval;
mod examine;
mod failure;
mod generate;
mod judge;
mod reward_model;
mod rl;
mod run;
mod sample;
mod score;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use serde_json::Value;

use crate::bad_input::BadInput;
use crate::recipe::Recipe;

pub use failure::{Failure, exit_code, public_code};

/// Trains a base, an expert on a private reward, and scores soups; speaks to no network.
#[derive(Debug, Parser)]
#[command(name = "potluck-train", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Base(base::BaseArgs),
    Run(run::RunArgs),
    Rl(rl::RlArgs),
    Eval(eval::EvalArgs),
    Examine(examine::ExamineArgs),
    Judge(judge::JudgeArgs),
    Sample(sample::SampleArgs),
    Generate(generate::GenerateArgs),
    RewardModel(reward_model::RewardModelArgs),
    Score(score::ScoreArgs),
}

/// What every verb takes.
#[derive(Debug, Args)]
struct Common {
    /// Threads to compute with; all cores if it is not given. Sums are rounded in another order with
    /// another number, so it is part of what a run's bytes depend on.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=1024))]
    threads: Option<i32>,
    /// Print one JSON object as the last line on stdout.
    #[arg(long)]
    json: bool,
}

/// Which recipe a verb follows.
#[derive(Debug, Args)]
struct RecipeArgs {
    /// Follow the small recipe: worse figures, in a fraction of the time.
    #[arg(long, conflicts_with = "recipe")]
    quick: bool,
    /// Follow this recipe, as configs/training/full.toml shows one.
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
}

impl RecipeArgs {
    fn read(&self) -> Result<Recipe, BadInput> {
        match (&self.recipe, self.quick) {
            (Some(path), _) => Recipe::read(path),
            (None, true) => Ok(Recipe::quick()),
            (None, false) => Ok(Recipe::full()),
        }
    }
}

/// What a verb found out: an object for scripts, and lines for people.
struct Answer {
    json: Value,
    lines: Vec<String>,
}

impl Cli {
    /// Whether a script reads along: then a failure is one JSON object too.
    pub fn wants_json(&self) -> bool {
        self.common().json
    }

    fn common(&self) -> &Common {
        match &self.verb {
            Verb::Base(args) => &args.common,
            Verb::Run(args) => &args.common,
            Verb::Rl(args) => &args.common,
            Verb::Eval(args) => &args.common,
            Verb::Examine(args) => &args.common,
            Verb::Judge(args) => &args.common,
            Verb::Sample(args) => &args.common,
            Verb::Generate(args) => &args.common,
            Verb::RewardModel(args) => &args.common,
            Verb::Score(args) => &args.common,
        }
    }
}

/// Runs the verb of `cli` and prints its answer.
///
/// # Errors
/// [`Failure`], whose kind fixes the exit code.
pub fn run(cli: Cli) -> Result<(), Failure> {
    let common = cli.common();
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    tch::set_num_threads(common.threads.unwrap_or(i32::try_from(cores).unwrap_or(1)));
    let as_json = common.json;
    let answer = match cli.verb {
        Verb::Base(args) => base::base(&args)?,
        Verb::Run(args) => run::run(&args)?,
        Verb::Rl(args) => rl::rl(&args)?,
        Verb::Eval(args) => eval::eval(&args)?,
        Verb::Examine(args) => examine::examine(&args)?,
        Verb::Judge(args) => judge::judge(&args)?,
        Verb::Sample(args) => sample::sample(&args)?,
        Verb::Generate(args) => generate::generate(&args)?,
        Verb::RewardModel(args) => reward_model::reward_model(&args)?,
        Verb::Score(args) => score::score(&args)?,
    };
    if as_json {
        println!("{}", answer.json);
    } else {
        answer.lines.iter().for_each(|line| println!("{line}"));
    }
    Ok(())
}
