//! `expert`: the base, fine-tuned to a private reward; what may leave is in an outbox.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{Told, progress};
use crate::folder::{self, Run};
use crate::ppo::{Settings, learn};
use crate::reward::Reward;

/// Fine-tune the base to a reward; several weighted ones are multi-objective reinforcement (MORL)
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The base: a folder that `base` made, or that `potluck pull base` fetched
    #[arg(long, value_name = "DIR")]
    base: PathBuf,
    /// Begin with these weights instead of the base's: a soup's folder or file
    #[arg(long, value_name = "PATH")]
    from: Option<PathBuf>,
    /// risky (velocity), cautious (velocity less the price of the squared actions), or both with weights: risky=0.4,cautious=0.6
    #[arg(long, value_name = "NAME=WEIGHT,…")]
    reward: Reward,
    /// Where the run goes: DIR/outbox may leave, DIR/private may not
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Of beginnings and noise
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Steps of all worlds together, in batches of 4096
    #[arg(long, default_value_t = 409_600)]
    steps: usize,
    /// What the square of a mean action beyond −1 or 1 costs; 0 lets means run out, and bends the way between experts
    #[arg(long, default_value_t = 1.0)]
    bound_cost: f64,
    /// At the beginning; it falls to a tenth
    #[arg(long, default_value_t = 3e-4)]
    learning_rate: f64,
}

pub(super) fn run(options: &Options) -> Result<Told> {
    let body = folder::body_of(&options.base)?;
    let make = body.maker()?;
    let base = folder::digest(&options.base)?;
    let from = options.from.as_ref().unwrap_or(&options.base);
    let (start, begun_from) = (folder::load(from)?, folder::digest(from)?);
    let settings = Settings {
        bound_cost: options.bound_cost,
        learning_rate: options.learning_rate,
        ..Settings::expert(1).for_steps(options.steps)
    };
    let tell = progress("expert", settings.iterations, settings.batch());
    let policy = learn(make, start, &options.reward, &settings, (options.seed, false), tell);
    let steps = settings.iterations * settings.batch();
    let reward = options.reward.to_string();
    let settings = serde_json::to_value(&settings)?;
    let run = Run { base, begun_from, reward: &reward, seed: options.seed, steps, settings };
    let digest = folder::hand_over(&options.out, &policy, body, &run)?;
    let outbox = options.out.join("outbox");
    Ok(Told {
        lines: vec![format!("The expert is in {}, its weights {digest}.", outbox.display())],
        json: json!({
            "verb": "expert", "outbox": outbox, "blake3": digest.to_hex().as_str(),
            "base_blake3": base.to_hex().as_str(), "begun_from_blake3": begun_from.to_hex().as_str(),
            "seed": options.seed, "steps": steps,
        }),
    })
}
