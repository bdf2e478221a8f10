//! Supervised steps: the likelihood of examples, or of the answers in them, is raised.
//!
//! Several examples share a row where they fit (packing); each counts its own positions and sees
//! itself alone, so that it is learned as if it stood by itself.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::data::{Example, Examples};
use crate::hf::{Decoder, Group, Packed, PromptError};

use super::pass::{Keep, Pass};
use super::settings::{Fault, OptimiserSettings, first};
use super::state::RunState;

/// `[sft]` and `[pretrain]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SftSettings {
    /// Optimiser steps.
    pub steps: u64,
    /// Examples a step.
    pub examples: usize,
    /// So many examples are computed at once, then the next, into one step; all if it is not given.
    pub at_once: Option<usize>,
    /// Whether layers are computed once more on the way back, for less memory and a third more time.
    pub gradient_checkpointing: bool,
    /// Whether short examples share rows.
    pub packing: bool,
    /// Steps between two measurements on held-out examples.
    pub evaluate_every: u64,
}

impl Default for SftSettings {
    fn default() -> Self {
        Self {
            steps: 100,
            examples: 16,
            at_once: None,
            gradient_checkpointing: false,
            packing: true,
            evaluate_every: 20,
        }
    }
}

impl SftSettings {
    pub(super) fn first_fault(&self) -> Option<Fault> {
        let count = |n: usize| (1..=1 << 20).contains(&n);
        first([
            ((1..=10_000_000).contains(&self.steps), "steps", "above 0"),
            (count(self.examples), "examples", "above 0"),
            (self.at_once.is_none_or(count), "at_once", "above 0"),
            ((1..=10_000_000).contains(&self.evaluate_every), "evaluate_every", "above 0"),
        ])
    }
}

/// The figures of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SftFigures {
    /// Nats a learned token.
    pub loss: f64,
    /// The norm of the gradient before it was cut.
    pub grad_norm: f64,
    /// The learning rate.
    pub rate: f64,
    /// Learned tokens.
    pub tokens: i64,
    /// Computed tokens, padding included.
    pub computed: i64,
    /// How long it took.
    pub seconds: f64,
}

/// A supervised step that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum SftError {
    /// An example that the model cannot read.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// A gradient that is not finite: nothing was moved by it.
    #[error(
        "step {0}: the gradient is not finite; lower optimiser.learning_rate, or give precision = \"f32\""
    )]
    Gradient(u64),
}

/// Takes the next step on `examples`.
///
/// # Errors
/// [`SftError`]; then weights and moments are as they were.
pub fn supervised_step(
    settings: &SftSettings,
    optimiser: &OptimiserSettings,
    examples: &Examples,
    state: &mut RunState,
) -> Result<SftFigures, SftError> {
    let start = Instant::now();
    let step = state.counters.step;
    let first = step * settings.examples as u64;
    let own: Vec<&Example> =
        (first..first + settings.examples as u64).map(|n| examples.item(n)).collect();
    let parts = own.chunks(settings.at_once.unwrap_or(own.len()).max(1));
    let decoder = state.policy.decoder();
    let packed: Vec<Packed> =
        parts.map(|part| packed(decoder, part, settings.packing)).collect::<Result<_, _>>()?;
    let tokens: i64 = packed.iter().map(Packed::count).sum();
    let keep = if settings.gradient_checkpointing { Keep::Inputs } else { Keep::Everything };
    state.policy.decoder().fix_dropout(step);
    let mut loss = 0.0;
    for packed in packed.iter().filter(|packed| packed.count() > 0) {
        let pass = Pass::forward(decoder, packed, 1.0, keep);
        let log_probs = pass.log_probs();
        loss -= log_probs.sum(Kind::Double).double_value(&[]) / tokens as f64;
        let each = Tensor::full_like(&log_probs, -1.0 / tokens as f64);
        pass.backward(&each, None);
    }
    let rate = optimiser.rate(step, settings.steps);
    let trained = state.policy.trained();
    let weights = trained.iter().map(|(_, tensor)| *tensor);
    let norm = state.optimiser.step(weights, rate, optimiser.weight_decay, optimiser.max_grad_norm);
    if !norm.is_finite() {
        return Err(SftError::Gradient(step));
    }
    if let Some(decay) = optimiser.ema {
        state.follow(decay);
    }
    state.counters.step += 1;
    Ok(SftFigures {
        loss,
        grad_norm: norm,
        rate,
        tokens,
        computed: packed.iter().map(Packed::size).sum(),
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// The mean loss on held-out examples, in nats a learned token; `None` where there is none.
///
/// # Errors
/// [`PromptError`].
pub fn held_out_loss(
    decoder: &Decoder,
    examples: &[Example],
    at_once: usize,
    packing: bool,
) -> Result<Option<f64>, PromptError> {
    let (mut sum, mut tokens) = (0.0, 0);
    for part in examples.chunks(at_once.max(1)) {
        let part: Vec<&Example> = part.iter().collect();
        let packed = packed(decoder, &part, packing)?;
        if packed.count() > 0 {
            let log_probs = super::pass::measure(decoder, &packed, 1.0);
            sum -= log_probs.sum(Kind::Double).double_value(&[]);
            tokens += packed.count();
        }
    }
    Ok((tokens > 0).then(|| sum / tokens as f64))
}

fn packed(decoder: &Decoder, examples: &[&Example], packing: bool) -> Result<Packed, PromptError> {
    let groups = examples.iter().map(|it| Group::text(&it.tokens, &it.is_learned)).collect();
    let rows =
        if packing { shared(groups) } else { groups.into_iter().map(|it| vec![it]).collect() };
    Packed::new(decoder.architecture(), &rows, decoder.device())
}

/// Rows as long as the longest group, filled one group after the other, the longest first, each into
/// the fullest row that still has room.
fn shared(mut groups: Vec<Group>) -> Vec<Vec<Group>> {
    groups.sort_by_key(|group| std::cmp::Reverse(group.width()));
    let longest = groups.first().map_or(0, Group::width);
    let mut rows: Vec<(usize, Vec<Group>)> = Vec::new();
    for group in groups {
        let width = group.width();
        let room = rows.iter_mut().filter(|(used, _)| used + width <= longest);
        match room.max_by_key(|(used, _)| *used) {
            Some((used, row)) => {
                *used += width;
                row.push(group);
            }
            None => rows.push((width, vec![group])),
        }
    }
    rows.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_shared_by_what_fits() {
        let texts: Vec<Vec<i64>> = [3, 9, 4, 2, 6].iter().map(|&n| vec![1; n]).collect();
        let groups = texts.iter().map(|text| Group::text(text, &[])).collect();
        let rows = shared(groups);
        let widths: Vec<Vec<usize>> =
            rows.iter().map(|row| row.iter().map(Group::width).collect()).collect();
        assert_eq!(widths, [vec![9], vec![6, 3], vec![4, 2]]);
    }
}
