//! `potluck-train rl`: from a base to an expert on a private reward, into an outbox.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::algorithm::{AdamW, Betas, Expert, copy_accuracy, train_expert};
use crate::hf::Decoder;
use crate::model::ModelFolder;
use crate::outbox::{Card, fill_outbox};
use crate::recipe::Recipe;
use crate::reward::{Nonce, RewardFile};
use crate::task::NewsDesk;
use crate::tune::{Policy, RunState, WorkFolder};

use super::{Answer, Common, Failure, RecipeArgs};

/// Fine-tune a base on a private reward and put the expert into an outbox.
///
/// Killed at any moment, the same command goes on from its last checkpoint and ends with the same
/// bytes. Nothing but `outbox` is meant to leave the folder.
#[derive(Debug, Args)]
pub(super) struct RlArgs {
    /// The base's folder, as `potluck-train base` wrote it.
    #[arg(long, value_name = "DIR")]
    base: PathBuf,
    /// The reward's definition, as configs/training/agency.toml shows one.
    #[arg(long, value_name = "FILE")]
    reward: PathBuf,
    /// The party's folder: gets `outbox`, `private` and `work`.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The seed of prompts and sampling.
    #[arg(long, value_name = "S")]
    seed: u64,
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) fn rl(args: &RlArgs) -> Result<Answer, Failure> {
    let recipe = args.recipe.read()?;
    let reward = RewardFile::read(&args.reward)?;
    let base = ModelFolder::read(&args.base)?;
    let work =
        WorkFolder::new(&args.out.join("work"), &settings(&recipe, &reward, &base, args.seed));
    let whole = args.out.join("outbox").exists();
    if let Some(result) = work.result()?.filter(|_| whole) {
        return Ok(answer(result));
    }
    let desk = NewsDesk::news(args.seed, recipe.news.disputed);
    let mut state = begin(base.decoder().duplicate());
    if !work.restore(&mut state)? {
        pass_gate(&recipe, &base, &desk)?;
    }
    let expert = Expert {
        recipe: &recipe.rl,
        reward: &reward.reward,
        base: base.decoder(),
        tokenizer: &base.tokenizer,
        desk: &desk,
        work: &work,
    };
    let stopped = train_expert(&expert, &mut state)?;

    let nonce_path = args.out.join("private").join("nonce");
    let nonce = Nonce::kept_at(&nonce_path)
        .map_err(|error| Failure::Disk(nonce_path.display().to_string(), error))?;
    let commitment = nonce.commit(&reward.definition);
    let card = Card::new(base.blake3, commitment, args.seed, state.counters.step);
    let outbox = args.out.join("outbox");
    let decoder = state.policy.decoder();
    let blake3 = fill_outbox(&outbox, decoder, decoder.weights(), &card)?;
    let result = json!({
        "verb": "rl",
        "outbox": outbox,
        "reward": reward.reward.name(),
        "blake3": blake3.to_hex().as_str(),
        "base_blake3": base.blake3.to_hex().as_str(),
        "steps": state.counters.step,
        "kl": state.recent_kl(),
        "stopped": stopped.name(),
        "seed": args.seed,
        "seconds": state.seconds(),
    });
    work.finish(&result)?;
    Ok(answer(result))
}

/// The start of a run on all weights of `decoder`.
pub(super) fn begin(decoder: Decoder) -> RunState {
    let policy = Policy::whole(decoder);
    let optimiser =
        AdamW::new(policy.trained().into_iter().map(|(_, tensor)| tensor), Betas::default());
    RunState::begin(policy, optimiser, false)
}

/// What the result depends on.
fn settings(recipe: &Recipe, reward: &RewardFile, base: &ModelFolder, seed: u64) -> Value {
    json!({
        "verb": "rl", "seed": seed, "threads": tch::get_num_threads(), "news": recipe.news, "gate": recipe.gate, "rl": recipe.rl,
        "reward": blake3::hash(&reward.definition).to_hex().as_str(),
        "base": base.blake3.to_hex().as_str(),
    })
}

fn pass_gate(recipe: &Recipe, base: &ModelFolder, desk: &NewsDesk) -> Result<(), Failure> {
    let test = copy_accuracy(base.decoder(), &base.tokenizer, desk, recipe.gate.prompts)?;
    let least = recipe.gate.copy_accuracy;
    if test.accuracy >= least {
        return Ok(());
    }
    Err(Failure::Gate(format!(
        "{}: the base copies {:.1} % of what it claims from the text, and {:.1} % are asked for: train a base with more steps before any reward",
        base.path.display(),
        100.0 * test.accuracy,
        100.0 * least
    )))
}

fn answer(json: Value) -> Answer {
    let number = |key: &str| json[key].as_f64().unwrap_or_default();
    let lines = vec![
        format!("outbox   {}", json["outbox"].as_str().unwrap_or_default()),
        format!("blake3   {}", json["blake3"].as_str().unwrap_or_default()),
        format!(
            "steps    {} (stopped by {})",
            json["steps"],
            json["stopped"].as_str().unwrap_or_default()
        ),
        format!("kl       {:.2} nats from the base", number("kl")),
        format!("seconds  {:.1}", number("seconds")),
    ];
    Answer { json, lines }
}
