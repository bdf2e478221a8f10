//! RLOO with a KL penalty: from a base to an expert on one reward.
//!
//! As TRL has it (`RLOOTrainer`): the penalty `kl_cost · Σₜ (log πₜ − log π₀ₜ)` is subtracted from
//! the reward, without gradient; a completion's advantage is its reward minus the mean of its
//! group's others; the loss is −A · log π of the whole completion. One update is made on each
//! batch, so old and new policy are one and the clipped ratio is 1.

use std::time::Instant;

use tch::{Kind, Tensor};

use crate::model::Decoder;
use crate::progress::Progress;
use crate::recipe::Rl;
use crate::reward::{Judgement, Reward};
use crate::rollout::{Choice, Completion, complete};
use crate::stream::Stream;
use crate::task::{Item, NewsDesk, Split};
use crate::tokenizer::Tokenizer;

use super::metrics::MetricsFile;
use super::packing::{Counted, Packed};
use super::state::{CHECKPOINT_EVERY, RunState, StateError, WorkFolder};

/// The norm to which gradients are cut.
const MOST_GRADIENT: f64 = 1.0;

/// Over so many steps the divergence is averaged before it can stop a run.
const KL_WINDOW: usize = 10;

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// All steps of the recipe are done.
    Steps,
    /// It went as far from the base as the recipe allows.
    Kl,
}

/// What [`train_expert`] works with.
#[derive(Debug)]
pub struct Expert<'a> {
    /// The recipe's part on RL.
    pub recipe: &'a Rl,
    /// The reward.
    pub reward: &'a Reward,
    /// The base, which stays as it is.
    pub base: &'a Decoder,
    /// The base's tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// Whose prompts are trained on.
    pub desk: &'a NewsDesk,
    /// Where the run is kept.
    pub work: &'a WorkFolder,
}

/// The figures of one step.
struct Figures {
    reward: f64,
    reward_std: f64,
    kl: f64,
    entropy: f64,
    mean_length: f64,
    clipped_ratio: f64,
    broken: f64,
    grad_norm: f64,
}

/// Trains from `state` until the steps are done or the divergence passes its limit.
///
/// # Errors
/// [`StateError`] where checkpoints or metrics cannot be written.
pub fn train_expert(expert: &Expert, state: &mut RunState) -> Result<Stopped, StateError> {
    let Expert { recipe, work, .. } = expert;
    let path = work.file("metrics.jsonl");
    let disk = |error| StateError::Disk(path.clone(), error);
    let mut metrics = MetricsFile::resume(&path, &[], "rl", state.step).map_err(disk)?;
    let mut progress = Progress::new("rl", recipe.steps, state.step);
    let mut stopped = has_stopped(recipe, state);
    while stopped.is_none() {
        let start = Instant::now();
        let figures = step(expert, state)?;
        let step_time = start.elapsed().as_secs_f64();
        metrics.add("rl", state.step, &named(&figures, step_time)).map_err(disk)?;
        state.step += 1;
        state.seconds += step_time;
        state.recent.push(figures.kl);
        if state.recent.len() > KL_WINDOW {
            state.recent.remove(0);
        }
        stopped = has_stopped(recipe, state);
        if state.step.is_multiple_of(CHECKPOINT_EVERY) || stopped.is_some() {
            work.keep(state)?;
        }
        progress.at(state.step, || {
            format!(
                "reward {:.3} kl {:.2} length {:.1}",
                figures.reward, figures.kl, figures.mean_length
            )
        });
    }
    progress.end(&format!("kl {:.2}", state.recent_kl()));
    Ok(stopped.unwrap_or(Stopped::Steps))
}

fn has_stopped(recipe: &Rl, state: &RunState) -> Option<Stopped> {
    let far = state.recent.len() == KL_WINDOW && state.recent_kl() > recipe.kl_stop;
    match far {
        true => Some(Stopped::Kl),
        false => (state.step >= recipe.steps).then_some(Stopped::Steps),
    }
}

fn named(figures: &Figures, step_time: f64) -> [(&'static str, f64); 9] {
    [
        ("reward", figures.reward),
        ("reward_std", figures.reward_std),
        ("kl", figures.kl),
        ("entropy", figures.entropy),
        ("completions/mean_length", figures.mean_length),
        ("completions/clipped_ratio", figures.clipped_ratio),
        ("completions/broken_ratio", figures.broken),
        ("grad_norm", figures.grad_norm),
        ("step_time", step_time),
    ]
}

/// rollout → reward → advantage → update.
fn step(expert: &Expert, state: &mut RunState) -> Result<Figures, StateError> {
    let Expert { recipe, base, tokenizer, .. } = expert;
    let (items, prompts) = prompts(expert, state.step)?;
    let prompts: Vec<&[i64]> = prompts.iter().map(Vec::as_slice).collect();
    let group = recipe.group as usize;
    let completions = sample(expert, state, &prompts);
    let judged: Vec<Judgement> = completions
        .iter()
        .enumerate()
        .map(|(index, completion)| {
            let text = tokenizer.finished_text(&completion.tokens);
            expert.reward.judge(&items[index / group], text.as_deref())
        })
        .collect();

    let groups: Vec<_> = prompts.iter().copied().zip(completions.chunks(group)).collect();
    let packed = Packed::new(tokenizer.special(), Counted::Completions, &groups);
    let reference = {
        let _guard = tch::no_grad_guard();
        packed.log_probs(base)
    };
    let current = packed.log_probs(&state.decoder);
    let kl = by_completion(&(current.detach() - reference), &completions);
    let scores: Vec<f64> = judged.iter().map(|judged| judged.score).collect();
    let penalised: Vec<f64> =
        scores.iter().zip(&kl).map(|(score, kl)| score - recipe.kl_cost * kl).collect();
    let advantages = advantages(&penalised, group, recipe.normalise);
    let weights = weights_by_token(&advantages, &completions);
    (-(&current * weights).sum(Kind::Float)).backward();
    let rate =
        recipe.learning_rate * ((state.step + 1) as f64 / recipe.warmup.max(1) as f64).min(1.0);
    let grad_norm = state.optimiser.step(state.decoder.weights(), rate, 0.0, MOST_GRADIENT);

    let mean =
        |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / completions.len() as f64;
    let reward = mean(&mut scores.iter().copied());
    let eos = tokenizer.special().eos;
    Ok(Figures {
        reward,
        reward_std: mean(&mut scores.iter().map(|score| (score - reward).powi(2))).sqrt(),
        kl: mean(&mut kl.iter().copied()),
        entropy: -current.detach().mean(Kind::Float).double_value(&[]),
        mean_length: mean(&mut completions.iter().map(|c| c.tokens.len() as f64)),
        clipped_ratio: mean(
            &mut completions.iter().map(|c| f64::from(u8::from(c.tokens.last() != Some(&eos)))),
        ),
        broken: mean(&mut judged.iter().map(|judged| f64::from(u8::from(judged.claims.is_none())))),
        grad_norm,
    })
}

fn prompts(expert: &Expert, step: u64) -> Result<(Vec<Item>, Vec<Vec<i64>>), StateError> {
    let count = expert.recipe.prompts;
    let items: Vec<_> = (step * count..(step + 1) * count)
        .map(|index| expert.desk.item(Split::Train, index))
        .collect();
    let prompts =
        items.iter().map(|item| expert.tokenizer.prompt(item.article())).collect::<Result<_, _>>();
    let prompts = prompts.map_err(|error| StateError::Weights(error.to_string()))?;
    Ok((items, prompts))
}

fn sample(expert: &Expert, state: &RunState, prompts: &[&[i64]]) -> Vec<Completion> {
    let count = prompts.len() as u64 * expert.recipe.group;
    let stream =
        |index| Choice::Drawn(Stream::of("rollout", &[expert.desk.seed, state.step, index]));
    complete(&state.decoder, expert.tokenizer.special(), prompts, (0..count).map(stream).collect())
}

/// The sum of `values` over each completion's tokens.
fn by_completion(values: &Tensor, completions: &[Completion]) -> Vec<f64> {
    let mut flat = vec![0f32; values.numel()];
    values.copy_data(&mut flat, values.numel());
    let mut rest = flat.as_slice();
    completions
        .iter()
        .map(|completion| {
            let (own, others) = rest.split_at(completion.tokens.len());
            rest = others;
            own.iter().map(|&value| f64::from(value)).sum()
        })
        .collect()
}

/// Each reward minus the mean of its group's others; on demand divided by the batch's deviation.
fn advantages(rewards: &[f64], group: usize, normalise: bool) -> Vec<f64> {
    let mut advantages: Vec<f64> = rewards
        .chunks(group)
        .flat_map(|rewards| {
            let sum: f64 = rewards.iter().sum();
            let others = (group - 1) as f64;
            rewards.iter().map(move |reward| reward - (sum - reward) / others)
        })
        .collect();
    if normalise {
        let count = advantages.len() as f64;
        let mean = advantages.iter().sum::<f64>() / count;
        let variance = advantages.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / count;
        advantages.iter_mut().for_each(|a| *a = (*a - mean) / (variance.sqrt() + 1e-4));
    }
    advantages
}

/// A completion's advantage over the number of completions, at each of its tokens.
fn weights_by_token(advantages: &[f64], completions: &[Completion]) -> Tensor {
    let count = completions.len() as f64;
    let weights: Vec<f32> = advantages
        .iter()
        .zip(completions)
        .flat_map(|(advantage, completion)| {
            std::iter::repeat_n((advantage / count) as f32, completion.tokens.len())
        })
        .collect();
    Tensor::from_slice(&weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_baseline_is_the_mean_of_the_others() {
        let advantages = advantages(&[1.0, 2.0, 6.0, 0.0, 0.0, 0.0], 3, false);
        assert_eq!(advantages, [-3.0, -1.5, 4.5, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn normalised_advantages_have_mean_0_and_deviation_1() {
        let advantages = advantages(&[1.0, 2.0, 6.0, 3.0], 2, true);
        let mean = advantages.iter().sum::<f64>() / 4.0;
        let variance = advantages.iter().map(|a| a * a).sum::<f64>() / 4.0;
        assert!(mean.abs() < 1e-9 && (variance - 1.0).abs() < 1e-3);
    }

    #[test]
    fn sums_are_by_completion() {
        let completion =
            |length| Completion { tokens: vec![5; length], log_probs: vec![0.0; length] };
        let values = Tensor::from_slice(&[1f32, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(by_completion(&values, &[completion(2), completion(3)]), [3.0, 12.0]);
        let weights = weights_by_token(&[1.0, -2.0], &[completion(2), completion(3)]);
        assert_eq!(Vec::<f32>::try_from(weights).unwrap(), [0.5, 0.5, -1.0, -1.0, -1.0]);
    }
}
