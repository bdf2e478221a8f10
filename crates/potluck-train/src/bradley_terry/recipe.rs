//! How a reward model is trained: what its figures depend on besides base, pairs and seed.

use serde::Serialize;

/// The settings of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recipe {
    /// How long it lasts.
    pub length: Length,
    /// Pairs of a step.
    pub batch: usize,
    /// Pairs that are computed at once; more need more memory.
    pub at_once: usize,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Steps in which the rate grows to its highest; a tenth of all if it is not given.
    pub warmup: Option<u64>,
    /// How the rate falls then.
    pub schedule: Schedule,
    /// By how much matrices shrink in a step, as a multiple of the rate.
    pub weight_decay: f64,
    /// The norm to which gradients are cut.
    pub clip: f64,
    /// What the squared sum of a pair's scores costs (TRL's `center_rewards_coefficient`).
    pub centering: f64,
}

/// How long a run lasts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum Length {
    /// So many times through all pairs.
    Epochs(f64),
    /// So many steps.
    Steps(u64),
}

/// How the learning rate falls after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Along half a cosine to nothing.
    Cosine,
    /// Along a line to nothing.
    Linear,
    /// Not at all.
    Constant,
}

impl Recipe {
    /// The steps of a run on so many pairs; one at least.
    pub fn steps(&self, pairs: usize) -> u64 {
        match self.length {
            Length::Steps(steps) => steps.max(1),
            Length::Epochs(epochs) => {
                ((epochs * pairs as f64 / self.batch as f64).ceil() as u64).max(1)
            }
        }
    }

    /// The learning rate of a step, counted from 0, of `steps`.
    pub fn rate(&self, step: u64, steps: u64) -> f64 {
        let warmup = self.warmup.unwrap_or(steps / 10);
        if step < warmup {
            return self.learning_rate * (step + 1) as f64 / (warmup + 1) as f64;
        }
        let way = (step - warmup) as f64 / (steps - warmup.min(steps)).max(1) as f64;
        self.learning_rate
            * match self.schedule {
                Schedule::Cosine => 0.5 + 0.5 * (std::f64::consts::PI * way).cos(),
                Schedule::Linear => 1.0 - way,
                Schedule::Constant => 1.0,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(schedule: Schedule, warmup: Option<u64>) -> Recipe {
        Recipe {
            length: Length::Epochs(2.0),
            batch: 8,
            at_once: 8,
            learning_rate: 1.0,
            warmup,
            schedule,
            weight_decay: 0.0,
            clip: 1.0,
            centering: 0.0,
        }
    }

    #[test]
    fn epochs_become_steps() {
        let mut recipe = recipe(Schedule::Linear, None);
        assert_eq!((recipe.steps(12), recipe.steps(13), recipe.steps(1)), (3, 4, 1));
        recipe.length = Length::Epochs(0.01);
        assert_eq!(recipe.steps(12), 1);
        recipe.length = Length::Steps(7);
        assert_eq!(recipe.steps(12), 7);
    }

    #[test]
    fn the_rate_grows_and_falls() {
        let rates = |schedule, warmup| {
            let recipe = recipe(schedule, warmup);
            (0..4).map(|step| recipe.rate(step, 4)).collect::<Vec<_>>()
        };
        assert_eq!(rates(Schedule::Linear, Some(0)), [1.0, 0.75, 0.5, 0.25]);
        assert_eq!(rates(Schedule::Linear, Some(1)), [0.5, 1.0, 1.0 - 1.0 / 3.0, 1.0 - 2.0 / 3.0]);
        assert_eq!(rates(Schedule::Constant, Some(3)), [0.25, 0.5, 0.75, 1.0]);
        assert!((rates(Schedule::Cosine, None)[2] - 0.5).abs() < 1e-12);
        assert!(rates(Schedule::Cosine, Some(9)).iter().all(|rate| *rate < 0.5));
    }
}
