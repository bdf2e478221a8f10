//! What a step measured, in the words that users of TRL know.

use crate::journal::LiveFigures;

use super::rollout::Written;

/// The figures of one step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// The mean reward of what was scored.
    pub reward: f64,
    /// Its deviation.
    pub reward_std: f64,
    /// Completions without a score.
    pub unscored: usize,
    /// Nats a completion from the base, estimated by k1.
    pub kl: f64,
    /// What a nat costs.
    pub kl_cost: f64,
    /// Nats a token, estimated from what was drawn.
    pub entropy: f64,
    /// Tokens a completion.
    pub length: f64,
    /// Tokens of the shortest.
    pub shortest: f64,
    /// Tokens of the longest.
    pub longest: f64,
    /// Tokens of all completions.
    pub tokens: usize,
    /// Completions.
    pub completions: usize,
    /// The share that did not end within its limit.
    pub unfinished: f64,
    /// The share of prompts whose completions all had one reward.
    pub without_spread: f64,
    /// The loss.
    pub loss: f64,
    /// The share of ratios that were cut.
    pub cut: f64,
    /// The norm of the gradient before it was cut.
    pub grad_norm: f64,
    /// The learning rate.
    pub rate: f64,
    /// How long it took.
    pub seconds: Seconds,
}

/// How long the parts of a step took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Seconds {
    /// All of it.
    pub all: f64,
    /// Sampling.
    pub sample: f64,
    /// Scoring.
    pub score: f64,
    /// Log-probabilities, gradients, update.
    pub learn: f64,
}

impl Figures {
    /// What is known before anything is learned.
    pub(super) fn of(written: &[Written], scores: &[Option<f64>]) -> Self {
        let count = written.len().max(1) as f64;
        let scored: Vec<f64> = scores.iter().flatten().copied().collect();
        let reward = scored.iter().sum::<f64>() / scored.len().max(1) as f64;
        let squares: f64 = scored.iter().map(|score| (score - reward).powi(2)).sum();
        let tokens = written.iter().map(|it| it.tokens.len()).sum();
        Self {
            reward,
            reward_std: (squares / scored.len().max(1) as f64).sqrt(),
            unscored: scores.len() - scored.len(),
            length: tokens as f64 / count,
            shortest: written.iter().map(|it| it.tokens.len()).min().unwrap_or(0) as f64,
            longest: written.iter().map(|it| it.tokens.len()).max().unwrap_or(0) as f64,
            tokens,
            completions: written.len(),
            unfinished: written.iter().filter(|it| !it.is_finished).count() as f64 / count,
            ..Self::default()
        }
    }

    /// The standard error of the mean reward.
    pub fn reward_error(&self) -> f64 {
        self.reward_std / ((self.completions - self.unscored).max(1) as f64).sqrt()
    }

    /// What the line for who watches shows.
    pub fn live(&self) -> LiveFigures {
        LiveFigures {
            tokens: self.tokens as u64,
            seconds: self.seconds.all,
            reward: Some((self.reward, self.reward_error())),
            kl: Some(self.kl),
            length: Some(self.length),
            ..LiveFigures::default()
        }
    }

    /// Each with its name.
    pub fn named(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("reward", self.reward),
            ("reward_std", self.reward_std),
            ("kl", self.kl),
            ("kl_cost", self.kl_cost),
            ("entropy", self.entropy),
            ("loss", self.loss),
            ("grad_norm", self.grad_norm),
            ("learning_rate", self.rate),
            ("clip_ratio", self.cut),
            ("completions/mean_length", self.length),
            ("completions/min_length", self.shortest),
            ("completions/max_length", self.longest),
            ("completions/clipped_ratio", self.unfinished),
            ("frac_reward_zero_std", self.without_spread),
            ("reward/unscored", self.unscored as f64),
            ("num_tokens", self.tokens as f64),
            ("step_time", self.seconds.all),
            ("time/sample", self.seconds.sample),
            ("time/score", self.seconds.score),
            ("time/learn", self.seconds.learn),
        ]
    }
}
