//! `potluck-train judge`: one model, scored for `potluck round score`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::evaluate::Bench;
use crate::model::ModelFolder;
use crate::reward::RewardFile;
use crate::task::NewsDesk;

use super::{Answer, Common, Failure, RecipeArgs};

/// Score one model with a private reward, as an evaluator of `potluck round score`.
///
/// Prints one JSON object: the score of each prompt, and some of what the model wrote. Prompts and draws follow from the seed
/// alone, so that every candidate gets the same.
#[derive(Debug, Args)]
pub(super) struct JudgeArgs {
    /// The model's folder.
    #[arg(long, value_name = "DIR", env = "POTLUCK_MODEL")]
    model: PathBuf,
    /// The reward's definition.
    #[arg(long, value_name = "FILE")]
    reward: PathBuf,
    /// How many held-out prompts.
    #[arg(
        long, value_name = "N", env = "POTLUCK_PROMPTS", default_value_t = 400,
        value_parser = clap::value_parser!(u64).range(2..=10_000_000),
    )]
    prompts: u64,
    /// The seed of prompts and sampling.
    #[arg(long, value_name = "S", env = "POTLUCK_SEED", default_value_t = 1)]
    seed: u64,
    /// How many summaries to print beside the scores.
    #[arg(long, value_name = "N", default_value_t = 3)]
    samples: usize,
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) fn judge(args: &JudgeArgs) -> Result<Answer, Failure> {
    let recipe = args.recipe.read()?;
    let RewardFile { reward, .. } = RewardFile::read(&args.reward)?;
    let model = ModelFolder::read(&args.model)?;
    let desk = NewsDesk::news(args.seed, recipe.news.disputed);
    let bench = Bench::new(&reward, &model.tokenizer, &desk, args.prompts)?;
    let scored = bench.score(model.decoder());
    let samples = bench.samples(model.decoder(), args.samples);
    let json = json!({"scores": scored.scores(), "samples": samples});
    // Whoever reads it reads one line of JSON, asked for or not.
    Ok(Answer { lines: vec![json.to_string()], json })
}
