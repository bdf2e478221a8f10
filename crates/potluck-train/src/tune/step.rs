//! One step of reinforcement: rollout → score → advantage → update.
//!
//! It is a function of settings, seed, step number and weights. A batch is scored before anything is
//! computed for gradients; a reward that fails leaves weights and moments as they were.

use std::time::Instant;

use tch::{Device, Kind, Tensor};

use crate::hf::{Decoder, Packed, PromptError, Sampling};

use super::advantage::{advantages, whiten};
use super::batch::Batch;
use super::figures::{Figures, Seconds};
use super::kl::{KlSettings, Place};
use super::objective::{Facts, Spans, Totals, value_loss};
use super::pass::{Keep, Pass, measure};
use super::rollout::{Prompt, Words, Written, roll_out};
use super::settings::{
    Algorithm, OptimiserSettings, PpoSettings, RlSettings, SamplingSettings, Unfinished,
};
use super::state::RunState;

/// What a step works with, all of it fixed for the run.
pub struct Learner<'a> {
    /// How a run goes.
    pub rl: &'a RlSettings,
    /// What only PPO has.
    pub ppo: &'a PpoSettings,
    /// What the distance from the base costs.
    pub kl: &'a KlSettings,
    /// How completions are drawn.
    pub sampling: &'a SamplingSettings,
    /// The same, checked.
    pub sampler: &'a Sampling,
    /// AdamW and its rate.
    pub optimiser: &'a OptimiserSettings,
    /// The base, where a divergence is asked for.
    pub reference: Option<&'a Decoder>,
    /// Text of tokens.
    pub words: &'a dyn Words,
    /// The seed of sampling.
    pub seed: u64,
}

/// The score of each completion, or nothing where there is none.
pub type Scores = Vec<Option<f64>>;

/// A step that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum StepError<E> {
    /// A prompt that the model cannot read.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// No score.
    #[error(transparent)]
    Score(E),
    /// A gradient that is not finite: nothing was moved by it.
    #[error(
        "step {0}: the gradient is not finite; lower optimiser.learning_rate, or give precision = \"f32\""
    )]
    Gradient(u64),
}

/// As many tokens are computed at once on a CPU: more only take memory.
const MOST_TOKENS: usize = 2048;

/// What is known of a batch when it is learned from; flat tensors, none with gradients.
struct Learned {
    /// Log-probabilities before the step; without them, a part's own, since nothing moved yet.
    old: Option<Tensor>,
    reference: Option<Tensor>,
    advantages: Tensor,
    /// Old values and returns, with PPO.
    values: Option<(Tensor, Tensor)>,
}

impl Learner<'_> {
    /// Takes a step on `prompts`; `score` gets the prompts and, `group` for each, what was written.
    ///
    /// # Errors
    /// [`StepError`]; then weights, moments and counters are as they were.
    pub fn step<E>(
        &self,
        state: &mut RunState,
        prompts: &[Prompt],
        score: impl FnOnce(&[Prompt], &[Written]) -> Result<Scores, E>,
    ) -> Result<(Figures, Vec<Written>), StepError<E>> {
        let start = Instant::now();
        let (rl, decoder) = (self.rl, state.policy.decoder());
        let step = state.counters.step;
        let kind = decoder.compute();
        let settings = (self.sampling, self.sampler);
        let seeds = [self.seed, step];
        let written = {
            // Gone before gradients need room.
            let sampler = decoder.sampler(kind);
            roll_out(&sampler, self.words, settings, prompts, rl.group, seeds)?
        };
        let sampled = start.elapsed().as_secs_f64();
        let scores = score(prompts, &written).map_err(StepError::Score)?;
        let scored = start.elapsed().as_secs_f64();

        let masked = rl.unfinished == Unfinished::Mask;
        let batch = Batch {
            prompts,
            written: &written,
            group: rl.group,
            lengths: written.iter().map(|it| it.tokens.len()).collect(),
            counted: written
                .iter()
                .zip(&scores)
                .map(|(it, score)| score.is_some() && (it.is_finished || !masked))
                .collect(),
        };
        let mut figures = Figures::of(&written, &scores);
        let cost = state.counters.kl_cost.first().copied().unwrap_or(self.kl.cost);
        figures.kl_cost = cost;
        figures.rate = self.optimiser.rate(step, rl.steps);
        self.learn(state, &batch, &scores, cost, &mut figures).map_err(|error| match error {
            StepError::Prompt(error) => StepError::Prompt(error),
            StepError::Gradient(step) => StepError::Gradient(step),
            StepError::Score(never) => match never {},
        })?;
        let next = self.kl.next_cost(cost, figures.kl, written.len());
        state.counters.kl_cost = vec![next];
        state.counters.step += 1;
        let all = start.elapsed().as_secs_f64();
        figures.seconds =
            Seconds { all, sample: sampled, score: scored - sampled, learn: all - scored };
        Ok((figures, written))
    }

    fn learn(
        &self,
        state: &mut RunState,
        batch: &Batch,
        scores: &Scores,
        cost: f64,
        figures: &mut Figures,
    ) -> Result<(), StepError<std::convert::Infallible>> {
        let (rl, step) = (self.rl, state.counters.step);
        let prompts = batch.prompts.len();
        let update = (prompts / rl.minibatches).max(1);
        let at_once = rl.at_once.unwrap_or_else(|| self.fits_at_once(state, batch)).min(update);
        let parts = |of: std::ops::Range<usize>| {
            let end = of.end;
            of.step_by(at_once).map(move |from| from..(from + at_once).min(end))
        };
        let packed: Vec<_> = parts(0..prompts)
            .map(|part| Ok((part.clone(), batch.packed(state.policy.decoder(), part)?)))
            .collect::<Result<Vec<_>, PromptError>>()?;
        let temperature = self.sampling.temperature;
        let keep = if rl.gradient_checkpointing { Keep::Inputs } else { Keep::Everything };
        state.policy.decoder().fix_dropout(step);
        // One passage over one part: what is computed to measure can be learned from, too.
        let mut first = (packed.len() == 1)
            .then(|| Pass::forward(state.policy.decoder(), &packed[0].1, temperature, keep));
        let learned = self.measured(state, batch, &packed, first.as_ref(), scores, cost, figures);
        let counters = (rl.iterations * rl.minibatches) as f64;
        let mut measured = (0.0, 0.0, 0.0);
        for _ in 0..rl.iterations {
            for from in (0..prompts).step_by(update) {
                let own = batch.completions(&(from..from + update));
                let most = self.sampling.max_tokens;
                let totals = Totals::of(&batch.lengths[own.clone()], &batch.counted[own], most);
                for (part, packed) in
                    packed.iter().filter(|(part, _)| (from..from + update).contains(&part.start))
                {
                    let pass = first.take().unwrap_or_else(|| {
                        Pass::forward(state.policy.decoder(), packed, temperature, keep)
                    });
                    let (loss, cut) =
                        self.descend(state, batch, part, &totals, &learned, cost, pass);
                    measured.0 += loss / counters;
                    measured.1 += cut * part.len() as f64 / (update as f64 * counters);
                }
                let trained = state.policy.trained();
                let weights = trained.iter().map(|(_, tensor)| *tensor);
                let norm = state.optimiser.step(
                    weights,
                    figures.rate,
                    self.optimiser.weight_decay,
                    self.optimiser.max_grad_norm,
                );
                if !norm.is_finite() {
                    return Err(StepError::Gradient(step));
                }
                measured.2 += norm / counters;
            }
        }
        (figures.loss, figures.cut, figures.grad_norm) = measured;
        if let Some(decay) = self.optimiser.ema {
            state.follow(decay);
        }
        Ok(())
    }

    /// How many prompts are computed at once where the recipe does not say.
    fn fits_at_once(&self, state: &RunState, batch: &Batch) -> usize {
        if state.policy.decoder().device() != Device::Cpu {
            return batch.prompts.len();
        }
        let longest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or_default();
        let prompt = longest(&mut batch.prompts.iter().map(|it| it.tokens.len()));
        let own = longest(&mut batch.lengths.iter().copied());
        (MOST_TOKENS / (batch.group * (prompt + own)).max(1)).max(1)
    }

    /// Log-probabilities before the step and of the base, and the advantages that follow.
    ///
    /// Where a batch is gone through once but in parts, the log-probabilities with which it was drawn
    /// stand in for those before the step in all that has no gradient.
    #[expect(clippy::too_many_arguments, reason = "each is a thing of its own")]
    fn measured(
        &self,
        state: &RunState,
        batch: &Batch,
        packed: &[(std::ops::Range<usize>, Packed)],
        first: Option<&Pass>,
        scores: &Scores,
        cost: f64,
        figures: &mut Figures,
    ) -> Learned {
        let _guard = tch::no_grad_guard();
        let policy = &state.policy;
        let device = policy.decoder().device();
        let temperature = self.sampling.temperature;
        let all = |of: &Decoder| {
            let parts: Vec<_> =
                packed.iter().map(|(_, packed)| measure(of, packed, temperature)).collect();
            Tensor::cat(&parts, 0)
        };
        let once = self.rl.iterations == 1 && self.rl.minibatches == 1;
        let drawn = || {
            let log_probs = batch.written.iter().flat_map(|it| &it.log_probs).copied();
            Tensor::from_slice(&log_probs.collect::<Vec<f32>>()).to_device(device)
        };
        let needs_values = self.rl.algorithm == Algorithm::Ppo;
        let measured = first
            .map(Pass::log_probs)
            .or_else(|| (!once || needs_values).then(|| all(policy.decoder())));
        let old = measured.as_ref().map_or_else(drawn, Tensor::shallow_clone);
        let reference = self.reference.map(all);
        let distance = reference.as_ref().map(|reference| &old - reference);
        let far = distance.as_ref().map(flat);
        figures.entropy = -old.mean(Kind::Float).double_value(&[]);
        let by_completion = |values: &[f64]| -> Vec<f64> {
            let mut rest = values;
            let own = batch.lengths.iter().map(|&length| {
                let (own, others) = rest.split_at(length);
                rest = others;
                own.iter().sum()
            });
            own.collect()
        };
        if let Some(far) = &far {
            let sums = by_completion(far);
            figures.kl = sums.iter().sum::<f64>() / sums.len().max(1) as f64;
        }
        let charged: Option<Vec<f64>> = far
            .filter(|_| self.kl.place == Place::Reward && cost > 0.0)
            .map(|far| far.iter().map(|&d| cost * self.kl.estimator.of(d)).collect());
        let rewards: Vec<Option<f64>> = scores
            .iter()
            .zip(batch.written)
            .map(|(score, written)| {
                let lost = !written.is_finished && self.rl.unfinished == Unfinished::Penalty;
                score.map(|score| score - if lost { self.rl.unfinished_penalty } else { 0.0 })
            })
            .collect();
        if self.rl.algorithm == Algorithm::Ppo {
            let hidden = |packed: &Packed| match first {
                Some(first) => first.chosen().detach(),
                None => packed.chosen(&policy.decoder().hidden(packed.rows())),
            };
            let values: Vec<_> =
                packed.iter().filter_map(|(_, packed)| policy.values(&hidden(packed))).collect();
            let values = Tensor::cat(&values, 0);
            let (advantages, returns) =
                self.generalised(batch, &rewards, charged.as_deref(), &flat(&values));
            let values = Some((values, tensor(&returns, device)));
            return Learned {
                old: measured,
                reference,
                advantages: tensor(&advantages, device),
                values,
            };
        }
        let charged = charged.map(|charged| by_completion(&charged));
        let penalised: Vec<Option<f64>> = rewards
            .iter()
            .enumerate()
            .map(|(at, reward)| Some((*reward)? - charged.as_ref().map_or(0.0, |it| it[at])))
            .collect();
        let each = advantages(&penalised, self.rl.group, self.rl.baseline(), self.rl.scale());
        figures.without_spread =
            each.chunks(self.rl.group).filter(|own| own.iter().all(|a| *a == 0.0)).count() as f64
                / batch.prompts.len().max(1) as f64;
        let by_token: Vec<f64> = each
            .iter()
            .zip(&batch.lengths)
            .flat_map(|(&advantage, &length)| std::iter::repeat_n(advantage, length))
            .collect();
        Learned { old: measured, reference, advantages: tensor(&by_token, device), values: None }
    }

    /// Advantages and returns of each token: the divergence is charged where it arises, the score
    /// comes with the last token.
    fn generalised(
        &self,
        batch: &Batch,
        rewards: &[Option<f64>],
        charged: Option<&[f64]>,
        values: &[f64],
    ) -> (Vec<f64>, Vec<f64>) {
        let gae = self.ppo.gae();
        let (mut advantages, mut returns) = (Vec::new(), Vec::new());
        for (reward, &length) in rewards.iter().zip(&batch.lengths) {
            let from = advantages.len();
            let mut own = vec![0.0; length];
            if let Some(charged) = charged {
                own.iter_mut().zip(&charged[from..]).for_each(|(reward, cost)| *reward -= cost);
            }
            if let (Some(last), Some(reward)) = (own.last_mut(), reward) {
                *last += reward;
            }
            let (a, r) = gae.of(&own, &values[from..from + length]);
            advantages.extend(a);
            returns.extend(r);
        }
        whiten(&mut advantages);
        (advantages, returns)
    }

    /// Adds the gradients of one part of an update; returns its loss, and the share of ratios that
    /// were cut.
    #[expect(clippy::too_many_arguments, reason = "each is a thing of its own")]
    fn descend(
        &self,
        state: &RunState,
        batch: &Batch,
        part: &std::ops::Range<usize>,
        totals: &Totals,
        learned: &Learned,
        cost: f64,
        pass: Pass,
    ) -> (f64, f64) {
        let own = batch.completions(part);
        let (from, length) = batch.span(part);
        let loss = self.rl.loss();
        let lengths = &batch.lengths[own.clone()];
        let device = state.policy.decoder().device();
        let spans = Spans::new(lengths, &batch.counted[own], loss.average, totals, device);
        let slice = |flat: &Tensor| flat.narrow(0, from, length);
        let reference = learned.reference.as_ref().map(slice);
        let leaf = pass.log_probs().set_requires_grad(true);
        let facts = Facts {
            old: &learned.old.as_ref().map_or_else(|| leaf.detach(), slice),
            advantages: &slice(&learned.advantages),
            reference: reference.as_ref(),
            spans: &spans,
            kl: self.kl,
            kl_cost: cost,
        };
        let (value, cut) = loss.loss(&leaf, &facts);
        value.backward();
        let more = learned.values.as_ref().and_then(|(old, returns)| {
            let values = state.policy.values(pass.chosen())?;
            let clip = self.ppo.value_clip;
            let off = value_loss(&values, &slice(old), &slice(returns), clip, &spans);
            Some(off * self.ppo.value_cost)
        });
        pass.backward(&leaf.grad(), more);
        (value.double_value(&[]), cut)
    }
}

fn tensor(values: &[f64], device: Device) -> Tensor {
    Tensor::from_slice(values).to_kind(Kind::Float).to_device(device)
}

fn flat(values: &Tensor) -> Vec<f64> {
    let values = values.to_device(Device::Cpu).to_kind(Kind::Double).contiguous();
    let mut flat = vec![0f64; values.numel()];
    values.copy_data(&mut flat, values.numel());
    flat
}
