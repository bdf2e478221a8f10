//! The loss of a batch as a function of the log-probabilities of its tokens.
//!
//! `flat` tensors have one number a token, completion after completion. Gradients end at them: how a
//! model makes log-probabilities is not this file's matter.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::kl::{KlSettings, Place};

/// Of what a probability ratio is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ratio {
    /// Of a completion as a whole, as TRL's RLOO has it.
    Sequence,
    /// Of each token, as PPO and GRPO have it.
    Token,
}

/// How tokens' losses become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Average {
    /// The mean over a completion, then over completions (GRPO): long ones weigh less a token.
    Sequences,
    /// The mean over all tokens (DAPO 2025, section 3.3).
    Tokens,
    /// The sum over the most tokens that there could have been (Dr. GRPO 2025, section 3.2).
    Constant,
}

/// What is minimised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossSettings {
    /// Of what a probability ratio is taken.
    pub ratio: Ratio,
    /// How far below 1 a ratio counts.
    pub clip_low: f64,
    /// How far above 1 a ratio counts; DAPO has it larger than `clip_low` ("clip higher").
    pub clip_high: f64,
    /// How tokens' losses become one.
    pub average: Average,
}

/// What a batch is held against; without gradients.
pub(super) struct Facts<'a> {
    /// Log-probabilities when the batch was drawn.
    pub(super) old: &'a Tensor,
    /// An advantage a token.
    pub(super) advantages: &'a Tensor,
    /// Log-probabilities of the base.
    pub(super) reference: Option<&'a Tensor>,
    pub(super) spans: &'a Spans,
    pub(super) kl: &'a KlSettings,
    pub(super) kl_cost: f64,
}

/// Where completions lie in a flat tensor, and what each token weighs.
pub(super) struct Spans {
    /// Of each token, its completion.
    owner: Tensor,
    /// Of each token, its part of the mean.
    weight: Tensor,
    /// Of each completion, its part of the mean.
    each: Tensor,
    count: i64,
}

/// What an update has in all, of completions that count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Totals {
    pub(super) completions: usize,
    pub(super) tokens: usize,
    /// The most tokens that a completion could have.
    pub(super) most: usize,
}

impl Totals {
    pub(super) fn of(lengths: &[usize], counted: &[bool], most: usize) -> Self {
        let alive = || lengths.iter().zip(counted).filter(|(_, counted)| **counted);
        Self { completions: alive().count(), tokens: alive().map(|(n, _)| n).sum(), most }
    }
}

impl Spans {
    /// Of completions of `lengths` tokens, of which those that are not `counted` weigh nothing, in an
    /// update that has `totals` in all.
    pub(super) fn new(
        lengths: &[usize],
        counted: &[bool],
        average: Average,
        totals: &Totals,
        device: Device,
    ) -> Self {
        let alive = totals.completions.max(1) as f64;
        let (mut owner, mut weight, mut each) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (&length, &counted)) in (0i64..).zip(lengths.iter().zip(counted)) {
            let part = match average {
                _ if !counted => 0.0,
                Average::Sequences => 1.0 / (alive * length.max(1) as f64),
                Average::Tokens => 1.0 / totals.tokens.max(1) as f64,
                Average::Constant => 1.0 / (alive * totals.most.max(1) as f64),
            };
            owner.extend(std::iter::repeat_n(at, length));
            weight.extend(std::iter::repeat_n(part as f32, length));
            each.push(if counted { (1.0 / alive) as f32 } else { 0.0 });
        }
        Self {
            owner: Tensor::from_slice(&owner).to_device(device),
            weight: Tensor::from_slice(&weight).to_device(device),
            each: Tensor::from_slice(&each).to_device(device),
            count: lengths.len() as i64,
        }
    }

    /// The sum over each completion's tokens.
    pub(super) fn sums(&self, flat: &Tensor) -> Tensor {
        Tensor::zeros([self.count], (flat.kind(), flat.device())).index_add(0, &self.owner, flat)
    }

    /// Those of completions that count, and how many.
    pub(super) fn mean(&self, flat: &Tensor) -> Tensor {
        (flat * &self.weight).sum(Kind::Float)
    }
}

impl LossSettings {
    /// The loss, and the share of ratios that were cut.
    pub(super) fn loss(&self, new: &Tensor, facts: &Facts) -> (Tensor, f64) {
        let moved = new - facts.old;
        let (moved, advantages, weights) = match self.ratio {
            Ratio::Token => (moved, facts.advantages.shallow_clone(), &facts.spans.weight),
            Ratio::Sequence => {
                let ones = facts.spans.sums(&facts.advantages.ones_like());
                let own = facts.spans.sums(facts.advantages) / ones.clamp_min(1.0);
                (facts.spans.sums(&moved), own, &facts.spans.each)
            }
        };
        let ratio = moved.exp();
        let cut = ratio.clamp(1.0 - self.clip_low, 1.0 + self.clip_high);
        let gain = (&ratio * &advantages).minimum(&(&cut * &advantages));
        let is_cut = (&ratio * &advantages).gt_tensor(&(&cut * &advantages));
        let share = is_cut.to_kind(Kind::Float).mean(Kind::Float).double_value(&[]);
        let loss = -(gain * weights).sum(Kind::Float);
        let loss = match (facts.kl.place, facts.reference) {
            (Place::Loss, Some(reference)) if facts.kl_cost > 0.0 => {
                let far = facts.kl.estimator.of_tensor(&(new - reference));
                let weights = match self.ratio {
                    Ratio::Token => facts.spans.weight.shallow_clone(),
                    // A completion's divergence is the sum over its tokens.
                    Ratio::Sequence => facts.spans.each.index_select(0, &facts.spans.owner),
                };
                loss + (far * weights).sum(Kind::Float) * facts.kl_cost
            }
            _ => loss,
        };
        (loss, share)
    }

    /// The first key that is out of range, and what it must be.
    pub(super) fn first_fault(&self) -> Option<(&'static str, &'static str)> {
        let low = self.clip_low > 0.0 && self.clip_low <= 1.0;
        let high = self.clip_high > 0.0 && self.clip_high.is_finite();
        match (low, high) {
            (false, _) => Some(("rl.clip", "above 0 and at most 1")),
            (_, false) => Some(("rl.clip_high", "above 0")),
            _ => None,
        }
    }
}

/// The value head's loss (Schulman et al. 2017, as in TRL's PPO): half the square of what it is off,
/// of the worse of the value and the value cut to `clip` around what it was.
pub(super) fn value_loss(
    values: &Tensor,
    old: &Tensor,
    returns: &Tensor,
    clip: f64,
    spans: &Spans,
) -> Tensor {
    let near = old + (values - old).clamp(-clip, clip);
    let off = (values - returns).square().maximum(&(near - returns).square());
    spans.mean(&off) * 0.5
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::kl::Estimator;

    const LENGTHS: [usize; 2] = [2, 3];

    fn tensor(values: &[f64]) -> Tensor {
        Tensor::from_slice(values).to_kind(Kind::Float)
    }

    fn loss(settings: &LossSettings, kl: &KlSettings, new: &[f64], old: &[f64]) -> (f64, Vec<f32>) {
        let totals = Totals::of(&LENGTHS, &[true, true], 4);
        let spans = Spans::new(&LENGTHS, &[true, true], settings.average, &totals, Device::Cpu);
        let new = tensor(new).set_requires_grad(true);
        let (old, advantages) = (tensor(old), tensor(&[2.0, 2.0, -1.0, -1.0, -1.0]));
        let reference = tensor(&[-1.0; 5]);
        let facts = Facts {
            old: &old,
            advantages: &advantages,
            reference: Some(&reference),
            spans: &spans,
            kl,
            kl_cost: kl.cost,
        };
        let (loss, _) = settings.loss(&new, &facts);
        loss.backward();
        (loss.double_value(&[]), Vec::try_from(new.grad()).unwrap())
    }

    fn settings(ratio: Ratio, average: Average) -> LossSettings {
        LossSettings { ratio, clip_low: 0.2, clip_high: 0.3, average }
    }

    #[test]
    fn on_policy_the_gradient_is_that_of_reinforce() {
        let free = KlSettings { cost: 0.0, ..KlSettings::default() };
        let at = [-1.0, -2.0, -0.5, -0.1, -3.0];
        for (ratio, average, expected) in [
            (Ratio::Sequence, Average::Sequences, [-1.0, -1.0, 0.5, 0.5, 0.5]),
            (Ratio::Token, Average::Sequences, [-0.5, -0.5, 1.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0]),
            (Ratio::Token, Average::Tokens, [-0.4, -0.4, 0.2, 0.2, 0.2]),
            (Ratio::Token, Average::Constant, [-0.25, -0.25, 0.125, 0.125, 0.125]),
        ] {
            let (_, gradient) = loss(&settings(ratio, average), &free, &at, &at);
            for (a, b) in gradient.iter().zip(expected) {
                assert!((f64::from(*a) - b).abs() < 1e-6, "{ratio:?} {average:?} {gradient:?}");
            }
        }
    }

    #[test]
    fn a_ratio_that_went_far_enough_moves_nothing_more() {
        let free = KlSettings { cost: 0.0, ..KlSettings::default() };
        // Up by more than 30 % where the advantage is positive; down by more than 20 % where it is not.
        let new = [-0.6, -1.0, -1.3, -1.0, -0.5];
        let (_, gradient) = loss(&settings(Ratio::Token, Average::Tokens), &free, &new, &[-1.0; 5]);
        assert_eq!((gradient[0], gradient[2]), (0.0, 0.0));
        assert!(gradient[1] != 0.0 && gradient[3] != 0.0);
        assert!(gradient[4] > 0.0, "a bad one that became likelier is pushed back, however far");
    }

    #[test]
    fn a_divergence_in_the_loss_pulls_towards_the_base() {
        let kl = KlSettings {
            cost: 1.0,
            estimator: Estimator::K3,
            place: Place::Loss,
            ..KlSettings::default()
        };
        let free = KlSettings { cost: 0.0, ..kl.clone() };
        let new = [-0.5, -1.5, -1.0, -1.0, -1.0];
        let settings = settings(Ratio::Token, Average::Tokens);
        let (_, with) = loss(&settings, &kl, &new, &new);
        let (_, without) = loss(&settings, &free, &new, &new);
        assert!(with[0] > without[0] && with[1] < without[1]);
        assert!((with[2] - without[2]).abs() < 1e-6, "at the base nothing pulls");
    }
}
