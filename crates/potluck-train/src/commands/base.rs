//! `potluck-train base`: tokenizer, pretraining, fine-tuning and gate, into a model folder.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::algorithm::{RunState, Stage, WorkFolder, copy_accuracy, train_supervised};
use crate::model::{Decoder, ModelFolder, Shape};
use crate::recipe::Recipe;
use crate::task::NewsDesk;
use crate::tokenizer::Tokenizer;

use super::{Answer, Common, Failure, RecipeArgs};

/// Train the shared base: pretraining, then fine-tuning on reference summaries.
///
/// Killed at any moment, the same command goes on from its last checkpoint and ends with the same
/// bytes. Vocabulary and shape do not depend on the seed.
#[derive(Debug, Args)]
pub(super) struct BaseArgs {
    /// The Hugging Face folder to write; the run is kept in its folder `work`.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The seed of weights and texts.
    #[arg(long, value_name = "S")]
    seed: u64,
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) fn base(args: &BaseArgs) -> Result<Answer, Failure> {
    let recipe = args.recipe.read()?;
    let work = WorkFolder::new(&args.out.join("work"), &settings(&recipe, args.seed));
    let whole = args.out.join("model.safetensors").exists();
    if let Some(result) = work.result()?.filter(|_| whole) {
        return Ok(answer(result));
    }
    let tokenizer = Tokenizer::learn(&recipe.tokenizer, &recipe.news)?;
    let shape = Shape::new(&recipe.model, tokenizer.vocabulary());
    let state = match work.checkpoint(&shape)? {
        Some(state) => state,
        None => RunState::begin(0, Decoder::random(shape, args.seed), 0.0),
    };
    let state = pretrained(&recipe, args.seed, &tokenizer, &work, state)?;
    let state = fine_tuned(&recipe, args.seed, &tokenizer, &work, state)?;

    let desk = NewsDesk::news(args.seed, recipe.news.disputed);
    let test = copy_accuracy(&state.decoder, &tokenizer, &desk, recipe.gate.prompts)?;
    let decoder = Decoder::new(state.decoder.shape().clone(), state.weights());
    let blake3 = ModelFolder::write(&args.out, &decoder, &tokenizer)?;
    let result = json!({
        "verb": "base",
        "base": args.out,
        "blake3": blake3.to_hex().as_str(),
        "parameters": decoder.shape().parameters(),
        "copy_accuracy": test.accuracy,
        "broken": test.broken,
        "seed": args.seed,
        "seconds": state.seconds,
    });
    work.finish(&result)?;
    Ok(answer(result))
}

/// What the result depends on.
fn settings(recipe: &Recipe, seed: u64) -> Value {
    let Recipe { news, tokenizer, model, pretrain, sft, gate, .. } = recipe;
    json!({
        "verb": "base", "seed": seed, "threads": tch::get_num_threads(), "news": news, "tokenizer": tokenizer, "model": model,
        "pretrain": pretrain, "sft": sft, "gate": gate,
    })
}

fn pretrained(
    recipe: &Recipe,
    seed: u64,
    tokenizer: &Tokenizer,
    work: &WorkFolder,
    mut state: RunState,
) -> Result<RunState, Failure> {
    if state.stage > 0 {
        return Ok(state);
    }
    train_supervised(Stage::Pretrain, &recipe.pretrain, (seed, 0), tokenizer, work, &mut state)?;
    let decoder = Decoder::new(state.decoder.shape().clone(), state.weights());
    let state = RunState::begin(1, decoder, state.seconds);
    work.keep(&state)?;
    Ok(state)
}

fn fine_tuned(
    recipe: &Recipe,
    seed: u64,
    tokenizer: &Tokenizer,
    work: &WorkFolder,
    mut state: RunState,
) -> Result<RunState, Failure> {
    let first = recipe.pretrain.steps * recipe.pretrain.items;
    train_supervised(Stage::Sft, &recipe.sft, (seed, first), tokenizer, work, &mut state)?;
    Ok(state)
}

fn answer(json: Value) -> Answer {
    let number = |key: &str| json[key].as_f64().unwrap_or_default();
    let lines = vec![
        format!("base        {}", json["base"].as_str().unwrap_or_default()),
        format!("blake3      {}", json["blake3"].as_str().unwrap_or_default()),
        format!("parameters  {}", json["parameters"]),
        format!("copies      {:.1} % of what it claims", 100.0 * number("copy_accuracy")),
        format!("seconds     {:.1}", number("seconds")),
    ];
    Answer { json, lines }
}
