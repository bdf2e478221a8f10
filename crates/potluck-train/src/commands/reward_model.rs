//! `potluck-train reward-model`: from a base and preference pairs to a reward model.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::bad_input::BadInput;
use crate::bradley_terry::{Figures, Length, Pairs, Recipe, Run, Schedule, TrainError};
use crate::hf::{ScoreError, Scorer};
use crate::tune::{WorkFolder, digest_of};

use super::{Answer, Common, Failure};

/// Train a reward model on pairs of texts of which one was preferred (Bradley and Terry).
///
/// Killed at any moment, the same command goes on from its last checkpoint and ends with the same
/// bytes.
#[derive(Debug, Args)]
pub(super) struct RewardModelArgs {
    /// The Hugging Face folder to begin with: a decoder or an encoder, which gets a new head, or a
    /// scorer with one label.
    #[arg(long, value_name = "DIR")]
    base: PathBuf,
    /// JSON lines with `chosen`, `rejected` and, where there is one, `prompt` and `margin`; texts, or
    /// conversations that the base's chat template prints.
    #[arg(long, value_name = "FILE")]
    pairs: PathBuf,
    /// The Hugging Face folder to write; the run is kept in its hidden folder `.work`, which is no
    /// part of the model.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The seed of the head, of the order of pairs, and of which are held out.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// How many times to go through all pairs.
    #[arg(long, value_name = "X", default_value = "1", value_parser = positive)]
    epochs: f64,
    /// How many steps to take instead.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "epochs")]
    steps: Option<u64>,
    /// Pairs of a step.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: u32,
    /// Pairs that are computed at once; fewer need less memory. All of a step if it is not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    at_once: Option<u32>,
    /// The highest learning rate.
    #[arg(long, value_name = "X", default_value = "1e-5", value_parser = positive)]
    learning_rate: f64,
    /// Steps in which the rate grows to its highest; a tenth of all if it is not given.
    #[arg(long, value_name = "N")]
    warmup: Option<u64>,
    /// How the rate falls then.
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Schedule::Cosine)]
    schedule: Schedule,
    /// By how much matrices shrink in a step, as a multiple of the rate.
    #[arg(long, value_name = "X", default_value = "0", value_parser = not_negative)]
    weight_decay: f64,
    /// The norm to which gradients are cut.
    #[arg(long, value_name = "X", default_value = "1", value_parser = positive)]
    clip: f64,
    /// What the squared sum of a pair's scores costs, which keeps scores near zero; TRL's
    /// `center_rewards_coefficient`.
    #[arg(long, value_name = "X", default_value = "0", value_parser = not_negative)]
    center: f64,
    /// The share of prompts whose pairs are not learned from: the figures come from them.
    #[arg(long, value_name = "X", default_value = "0.1", value_parser = share)]
    held_out: f64,
    /// Steps from one checkpoint to the next.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_every: u64,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) fn reward_model(args: &RewardModelArgs) -> Result<Answer, Failure> {
    let unusable = |error| BadInput::because(&args.base, error);
    let scorer = Scorer::begin(&args.base, args.seed).map_err(unusable)?;
    let pairs = Pairs::read(&args.pairs, &scorer, args.held_out, args.seed)?;
    let recipe = recipe(args);
    let settings = settings(args, &recipe, &scorer, &pairs);
    let work = WorkFolder::new(&args.out.join(".work"), &settings);
    let weights = args.out.join("model.safetensors");
    if let Some(result) = work.result()?.filter(|_| weights.exists()) {
        return Ok(answer(result));
    }
    let mut run = Run::open(&scorer, &recipe, args.seed, &work)?;
    if weights.exists() && !run.is_kept() {
        return Err(BadInput::file(&args.out, &"a model is there already").into());
    }
    run.train(&pairs.training, args.checkpoint_every).map_err(failure)?;
    let held_out = match pairs.held_out.is_empty() {
        true => None,
        false => Some(Figures::of(&scorer, &pairs.held_out).map_err(unscored)?),
    };
    // A run that was killed between its last two steps left them there.
    remove_if_there(&weights)?;
    scorer.save(&args.out)?;
    let result = json!({
        "verb": "reward-model",
        "out": args.out,
        "blake3": digest_of(&weights)?.to_hex().as_str(),
        "pairs": pairs.training.len(),
        "alike": pairs.alike,
        "steps": recipe.steps(pairs.training.len()),
        "held_out": held_out,
        "seed": args.seed,
        "seconds": run.seconds(),
    });
    work.finish(&result)?;
    Ok(answer(result))
}

fn recipe(args: &RewardModelArgs) -> Recipe {
    Recipe {
        length: args.steps.map_or(Length::Epochs(args.epochs), Length::Steps),
        batch: args.batch as usize,
        at_once: args.at_once.unwrap_or(args.batch) as usize,
        learning_rate: args.learning_rate,
        warmup: args.warmup,
        schedule: args.schedule,
        weight_decay: args.weight_decay,
        clip: args.clip,
        centering: args.center,
    }
}

/// What the result depends on.
fn settings(args: &RewardModelArgs, recipe: &Recipe, scorer: &Scorer, pairs: &Pairs) -> Value {
    json!({
        "verb": "reward-model", "seed": args.seed, "threads": tch::get_num_threads(),
        "held_out": args.held_out, "recipe": recipe,
        "base": scorer.digest().to_hex().as_str(),
        "pairs": pairs.digest.to_hex().as_str(),
    })
}

fn failure(error: TrainError) -> Failure {
    match error {
        TrainError::State(error) => error.into(),
        TrainError::Score(error) => unscored(error),
        diverged @ TrainError::Diverged(_) => BadInput::new(diverged.to_string()).into(),
    }
}

fn unscored(error: ScoreError) -> Failure {
    BadInput::new(error.to_string()).into()
}

fn remove_if_there(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::Disk(path.display().to_string(), error))
        }
        _ => Ok(()),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    number(text, |it| it > 0.0, "a number above 0")
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text, |it| it >= 0.0, "0 or a number above")
}

fn share(text: &str) -> Result<f64, String> {
    number(text, |it| (0.0..1.0).contains(&it), "a number from 0 to below 1")
}

fn number(text: &str, fits: impl Fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|it| it.is_finite() && fits(*it));
    number.ok_or_else(|| format!("it must be {expected}"))
}

fn answer(json: Value) -> Answer {
    let mut lines = vec![
        format!("model      {}", json["out"].as_str().unwrap_or_default()),
        format!("blake3     {}", json["blake3"].as_str().unwrap_or_default()),
        format!("pairs      {} in {} steps", json["pairs"], json["steps"]),
    ];
    if json["alike"] != 0 {
        lines.push(format!("left out   {} pairs that read alike", json["alike"]));
    }
    let held_out = &json["held_out"];
    if held_out.is_object() {
        lines.extend(figures(held_out));
    }
    lines.push(format!("seconds    {:.1}", json["seconds"].as_f64().unwrap_or_default()));
    Answer { json, lines }
}

fn figures(held_out: &Value) -> Vec<String> {
    let number = |key: &str| held_out[key].as_f64().unwrap_or_default();
    let calibration = &held_out["calibration"];
    let mut lines = vec![
        format!("held out   {} pairs", held_out["pairs"]),
        format!("accuracy   {:.1} %", 100.0 * number("accuracy")),
        format!("loss       {:.4}", number("loss")),
        format!("ece        {:.4}", calibration["ece"].as_f64().unwrap_or_default()),
    ];
    for bin in calibration["bins"].as_array().into_iter().flatten() {
        let percent = |key: &str| 100.0 * bin[key].as_f64().unwrap_or_default();
        lines.push(format!(
            "{:>3.0}-{:<3.0} %  says {:5.1} %, is right in {:5.1} % of {} pairs",
            percent("from"),
            percent("to"),
            percent("predicted"),
            percent("observed"),
            bin["pairs"]
        ));
    }
    lines
}
