//! The recipe of a reinforcement run, as a party writes it in TOML.
//!
//! An algorithm is a set of defaults for one loop: what is subtracted from a reward, by what it is
//! divided, of what a ratio is taken, how tokens are averaged, where the divergence is charged. Each
//! may be set by itself. Unknown keys and numbers out of range are refused by name.

use serde::{Deserialize, Serialize};

use crate::algorithm::Betas;

use super::advantage::{Baseline, Gae, Scale};
use super::kl::{Estimator, KlSettings, Place};
use super::objective::{Average, LossSettings, Ratio};

/// Which algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// REINFORCE, each completion against the others of its prompt (Ahmadian et al. 2024), as TRL has it.
    #[default]
    Rloo,
    /// Group-relative, token by token (DeepSeekMath 2024), averaged as DAPO does, which is TRL's default.
    Grpo,
    /// The same without the two divisions that bias it (Liu et al. 2025).
    DrGrpo,
    /// With a value head and generalised advantages (Schulman et al. 2017), which the paper used.
    Ppo,
    /// Against the mean of the batch, divided by its deviation.
    Reinforce,
}

/// `[rl]`: how a run goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RlSettings {
    /// Which algorithm.
    pub algorithm: Algorithm,
    /// The most steps.
    pub steps: u64,
    /// Prompts a step.
    pub prompts: usize,
    /// Completions of each prompt.
    pub group: usize,
    /// How often a batch is gone through.
    pub iterations: usize,
    /// Into how many updates one passage is divided.
    pub minibatches: usize,
    /// With as many prompts are gradients computed at once; without it, as many as make some 2000
    /// tokens, and on a GPU all of an update. Less takes less memory.
    pub at_once: Option<usize>,
    /// Whether layers are computed once more on the way back, for less memory and a third more time.
    pub gradient_checkpointing: bool,
    /// What is subtracted from a reward.
    pub baseline: Option<Baseline>,
    /// By what advantages are divided.
    pub scale: Option<Scale>,
    /// Of what a ratio is taken.
    pub ratio: Option<Ratio>,
    /// How tokens are averaged.
    pub average: Option<Average>,
    /// How far below 1 a ratio counts, above 0 and at most 1.
    pub clip: f64,
    /// How far above 1, if not as far as below.
    pub clip_high: Option<f64>,
    /// What becomes of a completion that did not end.
    pub unfinished: Unfinished,
    /// What such a one loses where `unfinished` is `penalty`.
    pub unfinished_penalty: f64,
}

/// What becomes of a completion that did not end within its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unfinished {
    /// It is scored like any other.
    Score,
    /// Its reward is lowered ("missing EOS penalty"; Huang et al. 2024, detail 5).
    Penalty,
    /// It is scored, but moves nothing (DAPO 2025, section 3.4).
    Mask,
}

/// `[ppo]`: what only PPO has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PpoSettings {
    /// Of a reward a token later; 0 to 1.
    pub gamma: f64,
    /// Between one step and the whole return; 0 to 1.
    pub lambda: f64,
    /// How far a value may move from what it was.
    pub value_clip: f64,
    /// What the value head's loss weighs.
    pub value_cost: f64,
}

/// `[sampling]`: how completions are drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplingSettings {
    /// The most tokens of a completion.
    pub max_tokens: usize,
    /// Divides logits, in sampling and in the loss.
    pub temperature: f64,
    /// Draw from so many of the likeliest tokens.
    pub top_k: Option<usize>,
    /// Draw from the likeliest tokens that have this share together.
    pub top_p: Option<f64>,
    /// Draw from tokens at least so many times as likely as the likeliest.
    pub min_p: Option<f64>,
    /// Divide logits of tokens that stand in the text already.
    pub repetition_penalty: Option<f64>,
    /// Strings that end a completion; they are no part of it.
    pub stop: Vec<String>,
}

/// `[optimiser]`: AdamW and its learning rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimiserSettings {
    /// At its peak.
    pub learning_rate: f64,
    /// Steps until the peak.
    pub warmup: u64,
    /// What follows the peak.
    pub schedule: Schedule,
    /// Of the mean of gradients.
    pub beta1: f64,
    /// Of the mean of their squares.
    pub beta2: f64,
    /// Decoupled decay, of matrices alone.
    pub weight_decay: f64,
    /// The norm to which gradients are cut.
    pub max_grad_norm: f64,
    /// Keep the mean of weights over steps and hand it on; what a step leaves of the mean before, 0 to 1.
    pub ema: Option<f64>,
}

/// What follows the peak of a learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// The peak.
    Constant,
    /// A line down to 0.
    Linear,
    /// Half a cosine down to a tenth.
    Cosine,
}

impl Default for RlSettings {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::Rloo,
            steps: 100,
            prompts: 16,
            group: 4,
            iterations: 1,
            minibatches: 1,
            at_once: None,
            gradient_checkpointing: false,
            baseline: None,
            scale: None,
            ratio: None,
            average: None,
            clip: 0.2,
            clip_high: None,
            unfinished: Unfinished::Score,
            unfinished_penalty: 1.0,
        }
    }
}

impl Default for PpoSettings {
    fn default() -> Self {
        Self { gamma: 1.0, lambda: 0.95, value_clip: 0.2, value_cost: 0.1 }
    }
}

impl Default for SamplingSettings {
    fn default() -> Self {
        Self {
            max_tokens: 128,
            temperature: 1.0,
            top_k: None,
            top_p: None,
            min_p: None,
            repetition_penalty: None,
            stop: Vec::new(),
        }
    }
}

impl Default for OptimiserSettings {
    fn default() -> Self {
        Self {
            learning_rate: 1e-5,
            warmup: 10,
            schedule: Schedule::Constant,
            beta1: 0.9,
            beta2: 0.99,
            weight_decay: 0.0,
            max_grad_norm: 1.0,
            ema: None,
        }
    }
}

/// A key that is out of range, and what it must be.
pub(super) type Fault = (&'static str, &'static str);

const POSITIVE: &str = "above 0";

impl RlSettings {
    /// What is subtracted from a reward.
    pub fn baseline(&self) -> Baseline {
        self.baseline.unwrap_or(match self.algorithm {
            Algorithm::Rloo => Baseline::LeaveOneOut,
            Algorithm::Grpo | Algorithm::DrGrpo => Baseline::Group,
            Algorithm::Ppo | Algorithm::Reinforce => Baseline::Batch,
        })
    }

    /// By what advantages are divided.
    pub fn scale(&self) -> Scale {
        self.scale.unwrap_or(match self.algorithm {
            Algorithm::Rloo | Algorithm::DrGrpo => Scale::None,
            Algorithm::Grpo => Scale::Group,
            Algorithm::Ppo | Algorithm::Reinforce => Scale::Batch,
        })
    }

    /// The loss.
    pub fn loss(&self) -> LossSettings {
        let (ratio, average) = match self.algorithm {
            Algorithm::Rloo | Algorithm::Reinforce => (Ratio::Sequence, Average::Sequences),
            Algorithm::Grpo | Algorithm::Ppo => (Ratio::Token, Average::Tokens),
            Algorithm::DrGrpo => (Ratio::Token, Average::Constant),
        };
        LossSettings {
            ratio: self.ratio.unwrap_or(ratio),
            clip_low: self.clip,
            clip_high: self.clip_high.unwrap_or(self.clip),
            average: self.average.unwrap_or(average),
        }
    }

    /// What a divergence costs where the recipe does not say.
    pub fn kl(&self) -> KlSettings {
        match self.algorithm {
            Algorithm::Grpo | Algorithm::DrGrpo => {
                KlSettings { estimator: Estimator::K3, place: Place::Loss, ..KlSettings::default() }
            }
            _ => KlSettings::default(),
        }
    }

    pub(super) fn first_fault(&self) -> Option<Fault> {
        let count = |n: usize| (1..=1 << 20).contains(&n);
        let least = if self.baseline() == Baseline::Batch { 1 } else { 2 };
        let rules = [
            ((1..=10_000_000).contains(&self.steps), "rl.steps", POSITIVE),
            (count(self.prompts), "rl.prompts", POSITIVE),
            (
                (least..=4096).contains(&self.group),
                "rl.group",
                "at least 2, since a completion is held against others of its prompt (at most 4096)",
            ),
            ((1..=64).contains(&self.iterations), "rl.iterations", "1 to 64"),
            (
                count(self.minibatches) && self.prompts.is_multiple_of(self.minibatches),
                "rl.minibatches",
                "a divisor of rl.prompts",
            ),
            (self.at_once.is_none_or(count), "rl.at_once", POSITIVE),
            (
                self.unfinished_penalty.is_finite() && self.unfinished_penalty >= 0.0,
                "rl.unfinished_penalty",
                "0 or more",
            ),
        ];
        first(rules).or_else(|| self.loss().first_fault())
    }
}

impl PpoSettings {
    /// γ and λ.
    pub fn gae(&self) -> Gae {
        Gae { gamma: self.gamma, lambda: self.lambda }
    }

    pub(super) fn first_fault(&self) -> Option<Fault> {
        let share = |x: f64| (0.0..=1.0).contains(&x);
        first([
            (share(self.gamma), "ppo.gamma", "between 0 and 1"),
            (share(self.lambda), "ppo.lambda", "between 0 and 1"),
            (self.value_clip > 0.0, "ppo.value_clip", POSITIVE),
            (self.value_cost.is_finite() && self.value_cost >= 0.0, "ppo.value_cost", "0 or more"),
        ])
    }
}

impl OptimiserSettings {
    /// The rate of a step of `steps`.
    pub fn rate(&self, step: u64, steps: u64) -> f64 {
        if step < self.warmup {
            return self.learning_rate * (step + 1) as f64 / self.warmup as f64;
        }
        let way = (step - self.warmup) as f64 / steps.saturating_sub(self.warmup).max(1) as f64;
        self.learning_rate
            * match self.schedule {
                Schedule::Constant => 1.0,
                Schedule::Linear => 1.0 - way,
                Schedule::Cosine => 0.55 + 0.45 * (std::f64::consts::PI * way).cos(),
            }
    }

    /// Both betas.
    pub fn betas(&self) -> Betas {
        Betas { first: self.beta1, second: self.beta2 }
    }

    pub(super) fn first_fault(&self) -> Option<Fault> {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let beta = |x: f64| (0.0..1.0).contains(&x);
        first([
            (positive(self.learning_rate), "optimiser.learning_rate", POSITIVE),
            (beta(self.beta1), "optimiser.beta1", "0 or more and below 1"),
            (beta(self.beta2), "optimiser.beta2", "0 or more and below 1"),
            (
                self.weight_decay.is_finite() && self.weight_decay >= 0.0,
                "optimiser.weight_decay",
                "0 or more",
            ),
            (positive(self.max_grad_norm), "optimiser.max_grad_norm", POSITIVE),
            (self.ema.is_none_or(beta), "optimiser.ema", "0 or more and below 1"),
        ])
    }
}

/// The first of some rules that does not hold.
pub(super) fn first(
    rules: impl IntoIterator<Item = (bool, &'static str, &'static str)>,
) -> Option<Fault> {
    rules.into_iter().find(|(sound, _, _)| !sound).map(|(_, key, must)| (key, must))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_rise_to_the_peak_and_fall_as_the_schedule_says() {
        let of = |schedule| OptimiserSettings {
            learning_rate: 2.0,
            warmup: 4,
            schedule,
            ..OptimiserSettings::default()
        };
        for schedule in [Schedule::Constant, Schedule::Linear, Schedule::Cosine] {
            assert_eq!(of(schedule).rate(0, 20), 0.5);
            assert_eq!(of(schedule).rate(4, 20), 2.0);
        }
        assert_eq!(of(Schedule::Constant).rate(19, 20), 2.0);
        assert_eq!(of(Schedule::Linear).rate(12, 20), 1.0);
        assert!((of(Schedule::Cosine).rate(20, 20) - 0.2).abs() < 1e-12);
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let good = RlSettings::default();
        assert_eq!(good.first_fault(), None);
        assert_eq!(RlSettings { group: 1, ..good.clone() }.first_fault().unwrap().0, "rl.group");
        let alone = RlSettings { group: 1, algorithm: Algorithm::Ppo, ..good.clone() };
        assert_eq!(alone.first_fault(), None, "a value head needs no others");
        let odd = RlSettings { minibatches: 3, ..good.clone() };
        assert_eq!(odd.first_fault().unwrap().0, "rl.minibatches");
        assert_eq!(RlSettings { clip: 0.0, ..good }.first_fault().unwrap().0, "rl.clip");
    }
}
