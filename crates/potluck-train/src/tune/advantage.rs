//! From rewards to advantages: how much better a completion is than what was to be expected.
//!
//! Pure arithmetic in binary64. A completion without a score has no advantage and moves nothing.

use serde::{Deserialize, Serialize};

/// What is subtracted from a completion's reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Baseline {
    /// The mean of the other completions of its prompt (Kool et al. 2019; Ahmadian et al. 2024, eq. 8).
    LeaveOneOut,
    /// The mean of all completions of its prompt (DeepSeekMath 2024, section 4.1).
    Group,
    /// The mean of the batch (REINFORCE with baseline).
    Batch,
}

/// By what advantages are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// By nothing (Dr. GRPO: a division by the group's deviation favours prompts that are too easy or
    /// too hard; Liu et al. 2025, section 3.1).
    None,
    /// By the deviation of their group's rewards.
    Group,
    /// By their deviation in the batch, whose mean is subtracted, too.
    Batch,
}

/// Keeps a division finite; TRL's number.
const EPSILON: f64 = 1e-4;

/// The advantages of rewards in groups of `group`.
pub(super) fn advantages(
    rewards: &[Option<f64>],
    group: usize,
    baseline: Baseline,
    scale: Scale,
) -> Vec<f64> {
    let all = Scores::of(rewards);
    let mut advantages: Vec<f64> = rewards
        .chunks(group.max(1))
        .flat_map(|rewards| {
            let own = Scores::of(rewards);
            let divisor = if scale == Scale::Group { own.deviation + EPSILON } else { 1.0 };
            rewards.iter().map(move |reward| {
                let Some(reward) = *reward else { return 0.0 };
                let expected = match baseline {
                    Baseline::LeaveOneOut if own.count < 2 => reward,
                    Baseline::LeaveOneOut => (own.sum - reward) / (own.count - 1) as f64,
                    Baseline::Group => own.sum / own.count as f64,
                    Baseline::Batch => all.sum / all.count as f64,
                };
                (reward - expected) / divisor
            })
        })
        .collect();
    if scale == Scale::Batch {
        let scored: Vec<Option<f64>> =
            rewards.iter().zip(&advantages).map(|(reward, a)| reward.map(|_| *a)).collect();
        let of = Scores::of(&scored);
        let mean = of.sum / of.count.max(1) as f64;
        for (advantage, reward) in advantages.iter_mut().zip(rewards) {
            if reward.is_some() {
                *advantage = (*advantage - mean) / (of.deviation + EPSILON);
            }
        }
    }
    advantages
}

/// Of those that there are.
struct Scores {
    count: usize,
    sum: f64,
    /// With the count, not one less, below the line.
    deviation: f64,
}

impl Scores {
    fn of(values: &[Option<f64>]) -> Self {
        let scored = || values.iter().flatten();
        let (count, sum) = (scored().count(), scored().sum::<f64>());
        let mean = sum / count.max(1) as f64;
        let squares: f64 = scored().map(|value| (value - mean).powi(2)).sum();
        Self { count, sum, deviation: (squares / count.max(1) as f64).sqrt() }
    }
}

/// What γ and λ of generalised advantage estimation are (Schulman et al. 2016, eq. 16).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gae {
    /// Of a reward a token later, 0 to 1.
    pub gamma: f64,
    /// Between one step (0) and the whole return (1).
    pub lambda: f64,
}

impl Gae {
    /// Advantages and returns of one completion's tokens, from the reward at each and the value that
    /// was expected before each. It ends after its last token.
    pub fn of(self, rewards: &[f64], values: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let mut advantages = vec![0.0; rewards.len()];
        let (mut next_value, mut next) = (0.0, 0.0);
        for at in (0..rewards.len()).rev() {
            let surprise = rewards[at] + self.gamma * next_value - values[at];
            next = surprise + self.gamma * self.lambda * next;
            advantages[at] = next;
            next_value = values[at];
        }
        let returns = advantages.iter().zip(values).map(|(a, v)| a + v).collect();
        (advantages, returns)
    }
}

/// Subtracts the mean and divides by the deviation, over all tokens of a batch.
pub(super) fn whiten(values: &mut [f64]) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    values.iter_mut().for_each(|x| *x = (*x - mean) / (variance.sqrt() + EPSILON));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(rewards: &[f64]) -> Vec<Option<f64>> {
        rewards.iter().copied().map(Some).collect()
    }

    #[test]
    fn each_baseline_is_its_formula() {
        let rewards = some(&[1.0, 2.0, 6.0, 0.0, 0.0, 0.0]);
        let of = |baseline| advantages(&rewards, 3, baseline, Scale::None);
        assert_eq!(of(Baseline::LeaveOneOut), [-3.0, -1.5, 4.5, 0.0, 0.0, 0.0]);
        assert_eq!(of(Baseline::Group), [-2.0, -1.0, 3.0, 0.0, 0.0, 0.0]);
        assert_eq!(of(Baseline::Batch), [-0.5, 0.5, 4.5, -1.5, -1.5, -1.5]);
    }

    #[test]
    fn what_has_no_score_moves_nothing_and_is_no_part_of_a_baseline() {
        let rewards = [Some(1.0), None, Some(3.0), None, None, Some(5.0)];
        for scale in [Scale::None, Scale::Group, Scale::Batch] {
            let advantages = advantages(&rewards, 3, Baseline::LeaveOneOut, scale);
            assert!(advantages.iter().all(|a| a.is_finite()));
            assert_eq!([advantages[1], advantages[3], advantages[4]], [0.0; 3]);
        }
        let plain = advantages(&rewards, 3, Baseline::LeaveOneOut, Scale::None);
        assert_eq!(
            plain,
            [-2.0, 0.0, 2.0, 0.0, 0.0, 0.0],
            "of one alone there is nothing to learn"
        );
    }

    #[test]
    fn scaled_advantages_have_deviation_1() {
        let rewards = some(&[1.0, 2.0, 6.0, 3.0]);
        let scaled = advantages(&rewards, 2, Baseline::LeaveOneOut, Scale::Batch);
        let of = Scores::of(&some(&scaled));
        assert!(of.sum.abs() < 1e-9 && (of.deviation - 1.0).abs() < 1e-3);
        let scaled = advantages(&rewards, 2, Baseline::Group, Scale::Group);
        assert!((scaled[0] + 1.0).abs() < 1e-3 && (scaled[3] + 1.0).abs() < 1e-3, "{scaled:?}");
    }

    #[test]
    fn gae_goes_from_one_step_to_the_whole_return() {
        let (rewards, values) = ([0.5, 0.0, 2.0], [1.0, 0.5, 0.25]);
        let (one, _) = Gae { gamma: 0.9, lambda: 0.0 }.of(&rewards, &values);
        for (a, b) in one.iter().zip([0.5 + 0.45 - 1.0, 0.225 - 0.5, 2.0 - 0.25]) {
            assert!((a - b).abs() < 1e-12);
        }
        let (_, returns) = Gae { gamma: 1.0, lambda: 1.0 }.of(&rewards, &values);
        assert_eq!(returns, [2.5, 2.0, 2.0]);
    }
}
