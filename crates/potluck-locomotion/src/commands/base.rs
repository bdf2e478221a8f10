//! `base`: from nothing to a body that runs, and to statistics of what it observes.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use potluck_train::stream::Stream;
use serde_json::json;

use super::{Told, progress};
use crate::body::Body;
use crate::folder;
use crate::normaliser::Normaliser;
use crate::policy::Policy;
use crate::ppo::{Settings, learn};
use crate::reward::Reward;
use crate::world::World as _;

/// Train a base from nothing: velocity, with a small price on effort
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Where the base goes; a new folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What is to run: cheetah or humanoid; experts, scores and films of this base are of the same
    #[arg(long, value_name = "NAME", default_value = "cheetah")]
    body: &'static Body,
    /// Of weights, beginnings and noise
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Steps of all worlds together, in batches of 4096
    #[arg(long, default_value_t = 409_600)]
    steps: usize,
    /// What it is rewarded with
    #[arg(long, value_name = "NAME=WEIGHT,…", default_value_t = Reward::BASE)]
    reward: Reward,
    /// Take the statistics of observations of this base and learn none, so that only the weights are independent of it
    #[arg(long, value_name = "DIR")]
    statistics_of: Option<PathBuf>,
    /// At the beginning; it falls to a tenth
    #[arg(long, default_value_t = 1e-3)]
    learning_rate: f64,
}

pub(super) fn run(options: &Options) -> Result<Told> {
    let make = options.body.maker()?;
    let learning_rate = options.learning_rate;
    let settings = Settings { learning_rate, ..Settings::base(1).for_steps(options.steps) };
    let world = make();
    let normaliser = match &options.statistics_of {
        Some(base) => {
            let other = folder::body_of(base)?;
            ensure!(
                other == options.body,
                "--statistics-of {} is of the {other}, not of the {}; say --body {other}",
                base.display(),
                options.body
            );
            folder::load(base)?.normaliser
        }
        None => Normaliser::identity(world.observations()),
    };
    let mut stream = Stream::of("locomotion base", &[options.seed]);
    let start = Policy::fresh(normaliser, world.actions(), &mut stream);
    let tell = progress("base", settings.iterations, settings.batch());
    let learns_world = options.statistics_of.is_none();
    let policy = learn(make, start, &options.reward, &settings, (options.seed, learns_world), tell);
    let digest = folder::save_base(&options.out, &policy, options.body)?;
    Ok(Told {
        lines: vec![format!("The base is in {}, its weights {digest}.", options.out.display())],
        json: json!({
            "verb": "base", "out": options.out, "blake3": digest.to_hex().as_str(), "seed": options.seed,
            "steps": settings.iterations * settings.batch(),
        }),
    })
}
