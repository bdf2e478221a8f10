//! What the trainer does on the stage: bases, experts, evaluations, samples.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::front::{Ppm, text};
use super::stage::{PARTIES, Stage, arg};
use crate::toolchain;

/// Trains the base of a seed, or finds it from an earlier telling.
///
/// # Errors
/// When the trainer fails.
pub(crate) fn base(stage: &Stage, seed: u64) -> Result<PathBuf> {
    let dir = stage.kept_base(seed);
    let title = format!("base, seed {seed}");
    let seed = seed.to_string();
    let args = ["train", "base", "--out", arg(&dir)?, "--seed", &seed, "--threads", "1"];
    let args = with_scale(stage, &args);
    let ended = stage.programs.potluck(&title, &args)?;
    if ended.code == Some(3) && dir.exists() {
        // Kept by an older version with another recipe.
        fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        stage.programs.succeed(&title, &args)?;
    } else if ended.code != Some(0) {
        anyhow::bail!("training the base failed: {}", ended.last_words.trim());
    }
    Ok(dir)
}

/// Puts a party's private reward into its own folder.
///
/// # Errors
/// When it cannot be copied.
pub(crate) fn hand_reward(dir: &Path, party: &str) -> Result<()> {
    let from = toolchain::root().join("configs/training").join(format!("{party}.toml"));
    fs::copy(&from, dir.join("reward.toml"))
        .with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

/// RL-fine-tunes the base at `base` on the reward in `dir`; returns the outbox.
///
/// # Errors
/// When the trainer fails.
pub(crate) fn expert(stage: &Stage, title: &str, base: &Path, dir: &Path) -> Result<PathBuf> {
    let (reward, out) = (dir.join("reward.toml"), dir.join("training"));
    let seed = stage.seed.to_string();
    let mut args = vec!["train", "rl", "--base", arg(base)?, "--reward", arg(&reward)?];
    args.extend(["--out", arg(&out)?, "--seed", &seed, "--threads", "1"]);
    stage.programs.succeed(title, &with_scale(stage, &args))?;
    Ok(out.join("outbox"))
}

/// One party's scores of every λ, on its own held-out prompts.
///
/// # Errors
/// When the trainer fails.
pub(crate) fn evaluate(
    stage: &Stage,
    title: &str,
    dir: &Path,
    experts: &[(&str, PathBuf)],
    lambdas: &[Ppm],
) -> Result<Value> {
    let list = dir.join(format!("{}.lambdas", title.replace(' ', "-")));
    fs::write(&list, lambdas.iter().map(|lambda| text(lambda) + "\n").collect::<String>())?;
    let (base, reward) = (dir.join("base"), dir.join("reward.toml"));
    let named = named(experts)?;
    let mut args = vec!["eval", "--base", arg(&base)?, "--reward", arg(&reward)?];
    args.extend(["--lambdas", arg(&list)?, "--threads", "1"]);
    args.extend(named.iter().flat_map(|expert| ["--expert", expert]));
    stage.programs.succeed(title, &with_scale(stage, &args))
}

/// The same text summarised by the base, by each expert, and by the given soups.
///
/// # Errors
/// When the trainer fails.
pub(crate) fn samples(
    stage: &Stage,
    dir: &Path,
    experts: &[(&str, PathBuf)],
    lambdas: &[Ppm],
) -> Result<Value> {
    let base = dir.join("base");
    let lambdas: Vec<_> = lambdas.iter().map(text).collect();
    let named = named(experts)?;
    let mut args = vec!["train", "sample", "--base", arg(&base)?];
    args.extend(lambdas.iter().flat_map(|lambda| ["--lambda", lambda]));
    args.extend(named.iter().flat_map(|expert| ["--expert", expert]));
    stage.programs.succeed("samples", &args)
}

fn named(experts: &[(&str, PathBuf)]) -> Result<Vec<String>> {
    experts.iter().map(|(name, path)| Ok(format!("{name}={}", arg(path)?))).collect()
}

fn with_scale<'a>(stage: &Stage, args: &[&'a str]) -> Vec<&'a str> {
    let quick = stage.quick.then_some("--quick");
    args.iter().copied().chain(quick).collect()
}

/// Each party's folder.
pub(crate) fn homes(stage: &Stage) -> Vec<(&'static str, PathBuf)> {
    PARTIES.iter().map(|party| (*party, stage.path(format!("parties/{party}")))).collect()
}
