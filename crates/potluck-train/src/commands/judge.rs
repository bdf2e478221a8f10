//! `potluck-train judge`: one model, scored for `potluck round score`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::bad_input::BadInput;
use crate::evaluate::Bench;
use crate::hf::Folder;
use crate::model::ModelFolder;
use crate::reward::RewardFile;
use crate::task::NewsDesk;
use crate::tune::{Examination, Recipe};

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
    /// A recipe whose rewards score its held-out prompts, as `potluck train` follows it.
    #[arg(long, value_name = "RECIPE.toml", conflicts_with_all = ["reward", "quick", "recipe"])]
    by: Option<PathBuf>,
    /// The definition of a reward for news.
    #[arg(long, value_name = "FILE", required_unless_present = "by")]
    reward: Option<PathBuf>,
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
    let json = match (&args.by, &args.reward) {
        (Some(recipe), _) => by_recipe(args, recipe)?,
        (None, Some(reward)) => by_reward(args, reward)?,
        (None, None) => return Err(BadInput::new("give --by or --reward").into()),
    };
    // Whoever reads it reads one line of JSON, asked for or not.
    Ok(Answer { lines: vec![json.to_string()], json })
}

fn by_recipe(args: &JudgeArgs, recipe: &Path) -> Result<Value, Failure> {
    let recipe = Recipe::read(recipe)?;
    let count = usize::try_from(args.prompts).unwrap_or(usize::MAX);
    let mut examination = Examination::new(&recipe, count, args.seed)?;
    let unusable = |error| BadInput::because(&args.model, error);
    let model = Folder::open(&args.model).map_err(unusable)?.load().map_err(unusable)?;
    let examined = examination.examine(&model)?;
    let scores: Option<Vec<f64>> = examined.scores.iter().copied().collect();
    // Candidates are compared prompt by prompt.
    let scores = scores.ok_or_else(|| {
        BadInput::file(
            &recipe.path,
            &"a prompt got no score, and each candidate needs one for each prompt",
        )
    })?;
    let texts: Vec<&String> = examined.texts.iter().take(args.samples).collect();
    Ok(json!({"scores": scores, "samples": texts}))
}

fn by_reward(args: &JudgeArgs, reward: &Path) -> Result<Value, Failure> {
    let recipe = args.recipe.read()?;
    let RewardFile { reward, .. } = RewardFile::read(reward)?;
    let model = ModelFolder::read(&args.model)?;
    let desk = NewsDesk::news(args.seed, recipe.news.disputed);
    let bench = Bench::new(&reward, &model.tokenizer, &desk, args.prompts)?;
    let scored = bench.score(model.decoder());
    let samples = bench.samples(model.decoder(), args.samples);
    Ok(json!({"scores": scored.scores(), "samples": samples}))
}
