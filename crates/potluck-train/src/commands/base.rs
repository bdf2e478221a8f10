//! `potluck-train base`: tokenizer, pretraining, fine-tuning and gate, into a model folder.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::algorithm::{CopyTest, Phase, Stage, copy_accuracy, train_supervised};
use crate::bad_input::BadInput;
use crate::hf::{Architecture, Decoder};
use crate::model::{ModelFolder, llama_config};
use crate::recipe::{Recipe, Supervised};
use crate::task::NewsDesk;
use crate::tokenizer::Tokenizer;
use crate::tune::{RunState, WorkFolder};

use super::rl::begin;
use super::{Answer, Common, Failure, RecipeArgs};

/// How often both stages are passed at most. A small model finds out suddenly how to copy a name, and now and
/// then it has not by the end of the first passage.
const MOST_ROUNDS: u64 = 3;

/// Train the shared base: pretraining, then fine-tuning on reference summaries.
///
/// Killed at any moment, the same command goes on from its last checkpoint and ends with the same
/// bytes. Vocabulary and shape do not depend on the seed.
#[derive(Debug, Args)]
pub(super) struct BaseArgs {
    /// The Hugging Face folder to write; the run is kept in its hidden folder `.work`, which is no part of the model.
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
    let work = WorkFolder::new(&args.out.join(".work"), &settings(&recipe, args.seed));
    let whole = args.out.join("model.safetensors").exists();
    if let Some(result) = work.result()?.filter(|_| whole) {
        return Ok(answer(result));
    }
    let tokenizer = Tokenizer::learn(&recipe.tokenizer, &recipe.news)?;
    let config = llama_config(&recipe.model, tokenizer.vocabulary(), tokenizer.special());
    let architecture = Architecture::parse(config.to_string().as_bytes())
        .map_err(|error| BadInput::new(format!("[model]: {error}")))?;
    let mut state = begin(Decoder::random(architecture, args.seed));
    work.restore(&mut state)?;
    let (state, test) = trained(&recipe, args.seed, &tokenizer, &work, state)?;
    let decoder = state.policy.decoder();
    let blake3 = ModelFolder::write(&args.out, &config, decoder, &tokenizer)?;
    let result = json!({
        "verb": "base",
        "base": args.out,
        "blake3": blake3.to_hex().as_str(),
        "parameters": decoder.plan().parameters(),
        "copy_accuracy": test.accuracy,
        "broken": test.broken,
        "seed": args.seed,
        "seconds": state.seconds(),
    });
    work.finish(&result)?;
    Ok(answer(result))
}

/// What the result depends on.
fn settings(recipe: &Recipe, seed: u64) -> Value {
    let Recipe { news, tokenizer, model, pretrain, sft, gate, .. } = recipe;
    json!({
        "verb": "base", "seed": seed, "threads": tch::get_num_threads(), "news": news, "tokenizer": tokenizer, "model": model,
        "pretrain": pretrain, "sft": sft, "gate": gate, "rounds": MOST_ROUNDS,
    })
}

/// Goes through both stages, and through both again where copying has not been found out yet.
fn trained(
    recipe: &Recipe,
    seed: u64,
    tokenizer: &Tokenizer,
    work: &WorkFolder,
    mut state: RunState,
) -> Result<(RunState, CopyTest), Failure> {
    let desk = NewsDesk::news(seed, recipe.news.disputed);
    // Half way from the gate to perfection, so that the gate's own prompts do not close it again.
    let enough = 0.5 + recipe.gate.copy_accuracy / 2.0;
    loop {
        let Phase { stage, round } = Phase::of(state.counters.stage);
        let items = |stage: &Supervised| stage.steps * stage.items;
        let begun = round * (items(&recipe.pretrain) + items(&recipe.sft));
        let (supervised, first) = match stage {
            Stage::Pretrain => (&recipe.pretrain, begun),
            Stage::Sft => (&recipe.sft, begun + items(&recipe.pretrain)),
        };
        train_supervised(supervised, (seed, first), tokenizer, work, &mut state)?;
        if stage == Stage::Sft {
            let test =
                copy_accuracy(state.policy.decoder(), tokenizer, &desk, recipe.gate.prompts)?;
            if test.accuracy >= enough || round + 1 == MOST_ROUNDS {
                return Ok((state, test));
            }
        }
        let mut next = begin(state.policy.decoder().duplicate());
        next.counters.stage = state.counters.stage + 1;
        next.add_seconds(state.seconds());
        state = next;
        work.keep(&state)?;
    }
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
