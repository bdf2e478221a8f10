//! Reinforcement on a party's prompts and rewards, from a state to its end.

use std::fs::OpenOptions;
use std::io::Write as _;

use serde_json::json;

use crate::algorithm::MetricsFile;
use crate::bad_input::BadInput;
use crate::data::Prompts;
use crate::progress::Progress;
use crate::reward::{Part, Rewards, Sample};

use super::figures::Figures;
use super::recipe::Reinforced;
use super::rollout::{Prompt, Written};
use super::run::{Run, RunError, Stop};
use super::state::{RunState, StateError};
use super::step::Learner;

/// Over so many steps the divergence is averaged before it can stop a run.
const KL_WINDOW: usize = 10;

/// Trains until the steps are done, the divergence passes its limit, or somebody asks to stop.
pub(super) fn reinforce(
    run: &Run,
    own: &Reinforced,
    mut rewards: Rewards,
    state: &mut RunState,
) -> Result<Stop, RunError> {
    let recipe = run.recipe;
    let prompts = Prompts::read(&recipe.file, run.words.tokenizer(), &recipe.data, recipe.seed)?;
    rewards.log_into(&run.work.file("rewards"));
    if !state.counters.rewards.is_null() {
        rewards.restore(&state.counters.rewards)?;
    }
    let kind = state.policy.decoder().compute();
    let needs_reference = own.kl.cost > 0.0 || own.kl.stop.is_some();
    let reference = needs_reference.then(|| state.policy.decoder().base_snapshot(kind));
    // LoRA leaves the base as it is, but for modules that it trains whole.
    let shares_base = recipe.lora.as_ref().is_some_and(|lora| lora.saved.is_empty());
    let reference = match (reference, state.counters.step, shares_base) {
        // Of a resumed run the weights have moved: the base is read again.
        (Some(_), 1.., false) => Some(base(run, kind)?),
        // A snapshot may share memory with what is trained.
        (Some(reference), _, false) => Some(reference.duplicate()),
        (reference, ..) => reference,
    };
    let sampler = own.sampling.sampling().map_err(BadInput::new)?;
    let learner = Learner {
        rl: &own.rl,
        ppo: &own.ppo,
        kl: &own.kl,
        sampling: &own.sampling,
        sampler: &sampler,
        optimiser: &recipe.optimiser,
        reference: reference.as_ref(),
        words: run.words,
        seed: recipe.seed,
    };
    let path = run.work.file("metrics.jsonl");
    let disk = |error| StateError::Disk(path.clone(), error);
    let mut metrics =
        MetricsFile::resume(&path, &[], "rl", state.counters.step).map_err(disk)?;
    let mut progress = Progress::new("rl", own.rl.steps, state.counters.step);
    let mut stopped = has_stopped(own, state);
    while stopped.is_none() {
        let step = state.counters.step;
        let count = own.rl.prompts as u64;
        let batch: Vec<Prompt> =
            (step * count..(step + 1) * count).map(|n| prompts.item(n).clone()).collect();
        let mut parts = Vec::new();
        let mut total = Vec::new();
        let (figures, written) = learner.step(state, &batch, |prompts, written| {
            let samples = samples(prompts, written, own.rl.group);
            let scored = rewards.score(step, &samples)?;
            parts = scored.parts;
            total.clone_from(&scored.total);
            Ok(scored.total)
        })?;
        state.counters.rewards = rewards.state();
        let mut named: Vec<(String, f64)> =
            figures.named().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        named.extend(parts.iter().flat_map(of_reward));
        let names: Vec<(&str, f64)> =
            named.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        metrics.add("rl", step, &names).map_err(disk)?;
        if step.is_multiple_of(own.samples_every) {
            keep_samples(run, step, &batch, &written, &total, own.rl.group)?;
        }
        state.remember(&figures, KL_WINDOW);
        stopped = has_stopped(own, state);
        if stopped.is_none() && run.is_interrupted() {
            stopped = Some(Stop::Interrupted);
        }
        if state.counters.step.is_multiple_of(recipe.checkpoint_every) || stopped.is_some() {
            run.work.keep(state)?;
        }
        progress.at(state.counters.step, || told(&figures));
    }
    let end = if stopped == Some(Stop::Interrupted) { "stopped" } else { "done" };
    progress.end(&format!("{end}, kl {:.2}", state.recent_kl()));
    Ok(stopped.unwrap_or(Stop::Steps))
}

fn base(run: &Run, kind: tch::Kind) -> Result<crate::hf::Decoder, RunError> {
    let mut decoder = run
        .folder
        .load()
        .map_err(|error| BadInput::file(run.folder.path(), &format!("{error:#}")))?;
    decoder.compute_in(kind);
    Ok(decoder.base_snapshot(kind))
}

fn samples<'a>(prompts: &'a [Prompt], written: &'a [Written], group: usize) -> Vec<Sample<'a>> {
    let prompts = prompts.iter().flat_map(|it| std::iter::repeat_n(it, group));
    prompts
        .zip(written)
        .map(|(prompt, written)| Sample {
            prompt: &prompt.text,
            completion: &written.text,
            is_finished: written.is_finished,
            columns: &prompt.columns,
        })
        .collect()
}

fn of_reward(part: &Part) -> Vec<(String, f64)> {
    let name = &part.name;
    let mut named = vec![
        (format!("rewards/{name}/mean"), part.mean),
        (format!("rewards/{name}/std"), part.std),
        (format!("rewards/{name}/unscored"), part.unscored as f64),
    ];
    named.extend(part.metrics.iter().map(|(key, value)| (format!("rewards/{name}/{key}"), *value)));
    named
}

fn has_stopped(own: &Reinforced, state: &RunState) -> Option<Stop> {
    let kl = state.recent_kl();
    let is_full = state.counters.recent.len() == KL_WINDOW;
    match own.kl.stop {
        Some(stop) if is_full && kl > stop => Some(Stop::Kl(kl)),
        _ => (state.counters.step >= own.rl.steps).then_some(Stop::Steps),
    }
}

fn told(figures: &Figures) -> String {
    format!(
        "reward {:.3} ± {:.3} kl {:.2} length {:.1} {:.0} tokens/s",
        figures.reward,
        figures.reward_error(),
        figures.kl,
        figures.length,
        figures.tokens as f64 / figures.seconds.all.max(1e-9)
    )
}

/// Of so many prompts a completion is kept.
const KEPT: usize = 4;

fn keep_samples(
    run: &Run,
    step: u64,
    prompts: &[Prompt],
    written: &[Written],
    scores: &[Option<f64>],
    group: usize,
) -> Result<(), RunError> {
    let path = run.work.file("samples.jsonl");
    let disk = |error| RunError::Disk(path.display().to_string(), error);
    let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(disk)?;
    for (at, prompt) in prompts.iter().enumerate().take(KEPT) {
        let written = &written[at * group];
        let line = json!({
            "step": step, "prompt": prompt.text, "completion": written.text,
            "finished": written.is_finished, "reward": scores.get(at * group).copied().flatten(),
        });
        writeln!(file, "{line}").map_err(disk)?;
    }
    Ok(())
}
