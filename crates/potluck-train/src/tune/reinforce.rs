//! Reinforcement on a party's prompts and rewards, from a state to its end.

use crate::bad_input::BadInput;
use crate::data::Prompts;
use crate::guard::{Guards, StepFigures, Verdict, copy_rate, distinct};
use crate::hf::{Decoder, Folder};
use crate::journal::{Journal, Part, SampleText};
use crate::reward::{Part as RewardPart, Rewards, Sample};

use super::figures::Figures;
use super::held_out::HeldOut;
use super::recipe::Reinforced;
use super::rollout::{Prompt, Written};
use super::run::{Run, RunError, Stop};
use super::state::{RunState, StateError};
use super::step::Learner;

/// Over so many steps the divergence that a card tells is averaged.
const KL_WINDOW: usize = 10;

/// Trains until the steps are done, a guard ends the run, or somebody asks to stop.
pub(super) fn reinforce(
    run: &Run,
    own: &Reinforced,
    (mut rewards, held_out): (Rewards, Option<Rewards>),
    state: &mut RunState,
) -> Result<Stop, RunError> {
    let recipe = run.recipe;
    let prompts = Prompts::read(&recipe.file, run.words.tokenizer(), &recipe.data, recipe.seed)?;
    rewards.log_into(&run.work.file("rewards"));
    if !state.counters.rewards.is_null() {
        rewards.restore(&state.counters.rewards)?;
    }
    let mut guards = match state.counters.guards.is_null() {
        true => Guards::new(own.guards.clone()),
        false => Guards::resume(own.guards.clone(), &state.counters.guards)?,
    };
    if own.held_out.is_some() && prompts.held_out().is_empty() {
        let fault = "[held_out] needs a prompt that is held out, and none is: give more prompts, or a held_out in [data]";
        return Err(BadInput::file(&recipe.file, &fault).into());
    }
    let mut held_out = own.held_out.as_ref().map(|table| HeldOut {
        table,
        prompts: prompts.held_out(),
        rewards: held_out,
    });
    let reference = reference(run, own, state)?;
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
    let folder = run.work.file("");
    let disk = |error| StateError::Disk(folder.clone(), error);
    let part = Part { stage: "rl", earlier: &[], step: state.counters.step, steps: own.rl.steps };
    let mut journal = Journal::open(&folder, &recipe.journal, part).map_err(disk)?;
    let mut stopped = has_stopped(own, state);
    while stopped.is_none() {
        let step = state.counters.step;
        let measured = match &mut held_out {
            Some(held_out) if held_out.is_due(step) => {
                held_out.measure(run, &own.sampling, &mut rewards, state)?
            }
            _ => None,
        };
        let count = own.rl.prompts as u64;
        let batch: Vec<Prompt> =
            (step * count..(step + 1) * count).map(|n| prompts.item(n).clone()).collect();
        let (mut parts, mut total) = (Vec::new(), Vec::new());
        let (figures, written) = learner.step(state, &batch, |prompts, written| {
            let scored = rewards.score(step, &samples(prompts, written, own.rl.group))?;
            parts = scored.parts;
            total.clone_from(&scored.total);
            Ok(scored.total)
        })?;
        state.remember(&figures, KL_WINDOW);

        let look = guards.look(&seen(own, step, &figures, &batch, &written, measured.clone()));
        if look.is_best {
            state.mark_best();
        }
        let named = named(&figures, &parts, measured.as_deref());
        let names: Vec<(&str, f64)> =
            named.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        journal.step(step, &names, &figures.live()).map_err(disk)?;
        let wanted = journal.wanted_samples(step);
        let texts = texts(&batch, &written, &total, own.rl.group, wanted);
        journal.sample(step, &texts).map_err(disk)?;
        match look.verdict {
            Verdict::Go => {}
            Verdict::Warn(reasons) => {
                for reason in reasons {
                    let sentence = format!("guards.{}: {}", reason.guard, reason.text);
                    journal.say(step, &sentence).map_err(disk)?;
                }
            }
            Verdict::Stop(reason) => {
                state.counters.ended = vec![reason.guard.to_owned(), reason.text];
            }
        }
        state.counters.rewards = rewards.state();
        state.counters.guards = guards.state();
        stopped = has_stopped(own, state);
        if stopped.is_none() && run.is_interrupted() {
            stopped = Some(Stop::Interrupted);
        }
        if state.counters.step.is_multiple_of(recipe.checkpoint_every) || stopped.is_some() {
            run.work.keep(state)?;
        }
    }
    let end = if stopped == Some(Stop::Interrupted) { "stopped" } else { "done" };
    journal.end(&format!("{end}, kl {:.2}", state.recent_kl())).map_err(disk)?;
    Ok(stopped.unwrap_or(Stop::Steps))
}

/// The base, where a divergence is asked for.
fn reference(run: &Run, own: &Reinforced, state: &RunState) -> Result<Option<Decoder>, RunError> {
    let decoder = state.policy.decoder();
    let kind = decoder.compute();
    if own.kl.cost == 0.0 && !own.guards.kl.enabled {
        return Ok(None);
    }
    // LoRA leaves the base as it is, but for modules that it trains whole.
    let shares_base = run.recipe.lora.as_ref().is_some_and(|lora| lora.saved.is_empty());
    let other = match &run.recipe.reference {
        Some(path) => Some(Folder::open(path).map_err(|error| BadInput::because(path, error))?),
        None if shares_base => return Ok(Some(decoder.base_snapshot(kind))),
        None => None,
    };
    let folder = other.as_ref().unwrap_or(run.folder);
    if folder.architecture().vocabulary != decoder.architecture().vocabulary {
        let fault = "the reference has another vocabulary than the model";
        return Err(BadInput::file(folder.path(), &fault).into());
    }
    let mut base = folder.load().map_err(|error| BadInput::because(folder.path(), error))?;
    base.move_to(decoder.device());
    Ok(Some(base.snapshot(kind)))
}

/// What guards look at.
fn seen(
    own: &Reinforced,
    step: u64,
    figures: &Figures,
    prompts: &[Prompt],
    written: &[Written],
    held_out: Option<Vec<f64>>,
) -> StepFigures {
    let rows: Vec<&[i64]> = written.iter().map(|it| it.tokens.as_slice()).collect();
    let prompts = prompts.iter().flat_map(|it| std::iter::repeat_n(it, own.rl.group));
    let copies: Vec<f64> = prompts
        .zip(&rows)
        .filter_map(|(prompt, row)| copy_rate(&prompt.tokens, row, own.guards.copies.n))
        .collect();
    let empty = written.iter().filter(|it| it.text.trim().is_empty()).count();
    StepFigures {
        step,
        reward: figures.reward,
        kl_cost: figures.kl_cost,
        kl: figures.kl,
        entropy: Some(figures.entropy),
        mean_length: figures.length,
        distinct: distinct(&rows, own.guards.distinct.n),
        copy_rate: (!copies.is_empty()).then(|| copies.iter().sum::<f64>() / copies.len() as f64),
        empty: empty as f64 / written.len().max(1) as f64,
        unfinished: figures.unfinished,
        gradient_norm: figures.grad_norm,
        has_spread: figures.without_spread < 1.0,
        held_out,
    }
}

pub(super) fn samples<'a>(
    prompts: &'a [Prompt],
    written: &'a [Written],
    group: usize,
) -> Vec<Sample<'a>> {
    let prompts = prompts.iter().flat_map(|it| std::iter::repeat_n(it, group));
    prompts
        .zip(written)
        .map(|(prompt, written)| Sample {
            prompt: &prompt.text,
            conversation: prompt.conversation.as_ref(),
            completion: &written.text,
            tokens: written.tokens.len(),
            is_finished: written.is_finished,
            columns: &prompt.columns,
        })
        .collect()
}

fn named(figures: &Figures, parts: &[RewardPart], held_out: Option<&[f64]>) -> Vec<(String, f64)> {
    let mut named: Vec<(String, f64)> =
        figures.named().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    for part in parts {
        let name = &part.name;
        named.push((format!("rewards/{name}/mean"), part.mean));
        named.push((format!("rewards/{name}/std"), part.std));
        named.push((format!("rewards/{name}/unscored"), part.unscored as f64));
        let metrics = part.metrics.iter();
        named.extend(metrics.map(|(key, value)| (format!("rewards/{name}/{key}"), *value)));
    }
    if let Some(held_out) = held_out {
        let mean = held_out.iter().sum::<f64>() / held_out.len().max(1) as f64;
        named.push(("eval_reward".to_owned(), mean));
    }
    named
}

fn texts<'a>(
    prompts: &'a [Prompt],
    written: &'a [Written],
    scores: &[Option<f64>],
    group: usize,
    wanted: usize,
) -> Vec<SampleText<'a>> {
    let firsts = prompts.iter().enumerate().take(wanted);
    firsts
        .map(|(at, prompt)| SampleText {
            prompt: &prompt.text,
            completion: &written[at * group].text,
            reward: scores.get(at * group).copied().flatten(),
        })
        .collect()
}

fn has_stopped(own: &Reinforced, state: &RunState) -> Option<Stop> {
    match state.counters.ended.as_slice() {
        [guard, text] => Some(Stop::Guard(guard.clone(), text.clone())),
        _ => (state.counters.step >= own.rl.steps).then_some(Stop::Steps),
    }
}
