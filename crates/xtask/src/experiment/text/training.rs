//! Trainings: bases with their gate, reward models, and everything that is reinforced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::Shop;
use super::recipes::{Recipes, Way};
use crate::experiment::pieces::piece;
use crate::process::{arg, beside};

/// How often pretraining and fine-tuning are passed at most: a small model finds out suddenly how to copy.
const MOST_ROUNDS: u64 = 3;

/// A training after the bases.
pub(super) struct Job {
    pub(super) name: String,
    pub(super) base: PathBuf,
    /// The base's digest.
    pub(super) from: Value,
    pub(super) weights: Vec<(String, f64)>,
    pub(super) seed: u64,
    pub(super) way: Way,
}

/// A model that was trained.
#[derive(Debug, Clone)]
pub(super) struct Made {
    /// Its folder.
    pub(super) model: PathBuf,
    /// Of a LoRA training, the adapter's folder.
    pub(super) adapter: Option<PathBuf>,
    pub(super) seconds: f64,
    /// What the trainer said.
    pub(super) said: Value,
    /// Of a base, what the gate measured.
    pub(super) gate: Value,
}

/// Pretrains and fine-tunes until the gate lets the base through.
///
/// # Errors
/// When a training fails, or the gate stays shut.
pub(super) fn base(shop: &Shop, recipes: &Recipes, name: &str) -> Result<Made> {
    let mut model = recipes.folder.join("fresh");
    let measure = recipes.study["gate"]["measure"].as_str().unwrap_or_default().to_owned();
    let least = recipes.study["gate"]["least"].as_f64().unwrap_or(0.0);
    let (mut seconds, mut said, mut reached) = (0.0, Value::Null, f64::NAN);
    for round in 0..MOST_ROUNDS {
        for stage in ["pretrain", "sft"] {
            let title = format!("{name}-{stage}-{round}");
            let recipe = recipes.stage(stage, &model, round)?;
            let inputs =
                json!({"recipe": recipe, "from": said["blake3"], "task": recipes.study["digest"]});
            said = follow(shop, &title, &recipe, &inputs)?;
            seconds += said["seconds"].as_f64().unwrap_or_default();
            model = said["outbox"].as_str().context("a training without an outbox")?.into();
        }
        reached = gate(shop, recipes, name, &model, &measure, &said["blake3"])?;
        println!("  {name}: {measure} {reached:.3} after {seconds:.0} s");
        if reached >= least || recipes.quick {
            break;
        }
    }
    if !recipes.quick && (reached.is_nan() || reached < least) {
        bail!(
            "{name} reaches {reached:.3} in '{measure}', and {least} are needed before any reward is optimised"
        );
    }
    let gate = json!({"measure": measure, "least": least, "reached": reached});
    Ok(Made { model, adapter: None, seconds, said, gate })
}

/// The mean of the gate's measure over the base's likeliest answers: what it knows, whatever it may draw.
fn gate(
    shop: &Shop,
    recipes: &Recipes,
    name: &str,
    model: &Path,
    measure: &str,
    digest: &Value,
) -> Result<f64> {
    let recipe = recipes.judged(model, &[measure.to_owned()], true)?;
    let inputs = json!({"recipe": recipe, "model": digest});
    let said = piece(&shop.dir.join(format!("{name}-gate")), &inputs, |dir| {
        let path = dir.join("gate.toml");
        std::fs::write(&path, &recipe)?;
        let args = ["eval", arg(&path)?, "--prompts", "128", "--threads", "1"];
        shop.programs.succeed(&format!("{name} gate"), &args)
    })?;
    said["base"]["mean"].as_f64().context("an evaluation without a mean")
}

/// Follows a recipe, in a piece of its own.
fn follow(shop: &Shop, title: &str, recipe: &str, inputs: &Value) -> Result<Value> {
    piece(&shop.dir.join(title), inputs, |dir| {
        let path = dir.join("recipe.toml");
        std::fs::write(&path, recipe)?;
        let run = dir.join("run");
        let args = ["train", arg(&path)?, "--out", arg(&run)?, "--threads", "1"];
        shop.programs.succeed(title, &args)
    })
}

/// Trains the reward models of simulated labellers, each from the base.
///
/// # Errors
/// When a training fails.
pub(super) fn reward_models(shop: &Shop, recipes: &Recipes, base: &Made) -> Result<()> {
    let models = recipes.models();
    beside(&models, |model| {
        let pairs = recipes.folder.join(format!("pairs/{model}.jsonl"));
        let inputs =
            json!({"base": base.said["blake3"], "task": recipes.study["digest"], "model": model});
        piece(&recipes.models.join(model), &inputs, |dir| {
            let out = dir.join("model");
            let seed = recipes.seed.to_string();
            let mut args = vec!["train", "reward-model", "--base", arg(&base.model)?];
            args.extend(["--pairs", arg(&pairs)?, "--out", arg(&out)?, "--seed", &seed]);
            args.extend(["--epochs", "2", "--batch", "32", "--learning-rate", "1e-3"]);
            args.extend(["--threads", "1"]);
            shop.programs.succeed(&format!("reward model {model}"), &args)
        })
    })?;
    Ok(())
}

/// Trains everything, two at a time on two cores; the longest first.
///
/// # Errors
/// When a training fails.
pub(super) fn all(shop: &Shop, recipes: &Recipes, jobs: &[Job]) -> Result<BTreeMap<String, Made>> {
    let mut order: Vec<&Job> = jobs.iter().collect();
    order.sort_by(|a, b| b.way.times.total_cmp(&a.way.times));
    let made = beside(&order, |job| {
        let recipe = recipes.rl(&job.base, &job.weights, job.seed, job.way)?;
        let inputs = json!({
            "recipe": recipe, "from": job.from,
            "task": recipes.study["digest"], "judged": recipes.study["judged"],
        });
        let said = follow(shop, &job.name, &recipe, &inputs)?;
        let outbox = said["outbox"].as_str().context("a training without an outbox")?;
        let run = shop.dir.join(&job.name).join("run");
        Ok((
            job.name.clone(),
            Made {
                model: outbox.into(),
                adapter: job.way.lora.then(|| run.join("adapter")),
                seconds: said["seconds"].as_f64().unwrap_or_default(),
                said,
                gate: Value::Null,
            },
        ))
    })?;
    Ok(made.into_iter().collect())
}
