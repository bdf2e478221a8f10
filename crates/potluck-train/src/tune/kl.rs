//! How far a policy is from the base it started from: estimators, and what the distance costs.
//!
//! Of a token drawn from the policy with d = log π − log π₀ the divergence is estimated by k1 = d, k2 =
//! d²/2 or k3 = exp(−d) − 1 + d (Schulman, "Approximating KL divergence", 2020). k1 is unbiased and
//! may be negative, k3 is unbiased and never is, k2 is biased and varies least.

use serde::{Deserialize, Serialize};
use tch::Tensor;

/// An estimator of the divergence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Estimator {
    /// d.
    K1,
    /// d²/2.
    K2,
    /// exp(−d) − 1 + d.
    K3,
}

/// Where the divergence is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Taken from the reward, without gradient, as RLOO and PPO have it.
    Reward,
    /// Added to the loss, with gradient, as GRPO has it.
    Loss,
}

/// What the distance from the base costs; how far a run may go is the guards' word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KlSettings {
    /// Units of reward a nat; 0 or more.
    pub cost: f64,
    /// By what divergence is estimated.
    pub estimator: Estimator,
    /// Where it is charged.
    pub place: Place,
    /// The divergence in nats a completion towards which the cost is moved; without it, the cost
    /// stays (Ziegler et al. 2019, section 2.2).
    pub target: Option<f64>,
    /// Over so many completions an adaptive cost moves by its error.
    pub horizon: f64,
}

impl Default for KlSettings {
    fn default() -> Self {
        Self {
            cost: 0.05,
            estimator: Estimator::K1,
            place: Place::Reward,
            target: None,
            horizon: 10_000.0,
        }
    }
}

impl Estimator {
    /// Of one token's d.
    pub fn of(self, d: f64) -> f64 {
        match self {
            Self::K1 => d,
            Self::K2 => d * d / 2.0,
            Self::K3 => (-d).exp() - 1.0 + d,
        }
    }

    /// The same with gradients. The gradient of k1 is that of a constant in expectation, so that it
    /// is of use in a reward alone.
    pub fn of_tensor(self, d: &Tensor) -> Tensor {
        match self {
            Self::K1 => d.shallow_clone(),
            Self::K2 => d.square() / 2.0,
            Self::K3 => (-d).exp() - 1.0 + d,
        }
    }
}

impl KlSettings {
    /// The cost after a step of `completions` whose mean divergence was `kl`.
    pub fn next_cost(&self, cost: f64, kl: f64, completions: usize) -> f64 {
        match self.target {
            None => cost,
            Some(target) => {
                let error = (kl / target - 1.0).clamp(-0.2, 0.2);
                cost * (1.0 + error * completions as f64 / self.horizon)
            }
        }
    }

    /// The first key that is out of range, and what it must be.
    pub(super) fn first_fault(&self) -> Option<(&'static str, &'static str)> {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let loss_of_k1 = self.place == Place::Loss && self.estimator == Estimator::K1;
        [
            (self.cost.is_finite() && self.cost >= 0.0, "kl.cost", "0 or more"),
            (self.target.is_none_or(positive), "kl.target", "above 0"),
            (positive(self.horizon), "kl.horizon", "above 0"),
            (
                !loss_of_k1,
                "kl.estimator",
                "k2 or k3 where kl.place is \"loss\": the gradient of k1 is noise alone",
            ),
        ]
        .into_iter()
        .find(|(sound, _, _)| !sound)
        .map(|(_, key, must)| (key, must))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Stream;

    /// Two distributions of three tokens; the estimates' means against the sum that they estimate.
    #[test]
    fn k1_and_k3_estimate_the_divergence_and_k3_is_never_negative() {
        let (policy, base) = ([0.5f64, 0.3, 0.2], [0.3f64, 0.3, 0.4]);
        let exact: f64 = policy.iter().zip(&base).map(|(p, q)| p * (p / q).ln()).sum();
        let mean = |estimator: Estimator| {
            let terms = policy.iter().zip(&base).map(|(p, q)| p * estimator.of((p / q).ln()));
            terms.sum::<f64>()
        };
        assert!((mean(Estimator::K1) - exact).abs() < 1e-12);
        assert!((mean(Estimator::K3) - exact).abs() < 1e-12);
        let mut stream = Stream::of("kl test", &[]);
        for _ in 0..1000 {
            let d = 3.0 * stream.normal();
            assert!(Estimator::K3.of(d) >= 0.0);
            for estimator in [Estimator::K1, Estimator::K2, Estimator::K3] {
                let tensor = estimator.of_tensor(&Tensor::from(d)).double_value(&[]);
                assert!((tensor - estimator.of(d)).abs() < 1e-9 * (1.0 + estimator.of(d).abs()));
            }
        }
    }

    #[test]
    fn an_adaptive_cost_goes_up_where_the_divergence_is_too_large_and_by_a_fifth_at_most() {
        let settings = KlSettings { target: Some(4.0), horizon: 100.0, ..KlSettings::default() };
        assert_eq!(settings.next_cost(0.1, 4.0, 50), 0.1);
        assert!((settings.next_cost(0.1, 400.0, 50) - 0.11).abs() < 1e-12);
        assert!((settings.next_cost(0.1, 0.0, 50) - 0.09).abs() < 1e-12);
        assert_eq!(KlSettings::default().next_cost(0.1, 400.0, 50), 0.1);
    }
}
