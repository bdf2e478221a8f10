//! Generalised advantage estimation (Schulman et al. 2016), with episodes that end by a limit of time and by themselves.

/// The steps of one world in their order.
#[derive(Debug, Clone, Default)]
pub struct Steps {
    /// What each step was rewarded with.
    pub rewards: Vec<f64>,
    /// The value of the state before it.
    pub values: Vec<f64>,
    /// The value of the state after it: where a limit of time cut the episode, of the state that was cut off; where the
    /// episode was over, 0.
    pub next_values: Vec<f64>,
    /// Whether another episode begins after it.
    pub is_last: Vec<bool>,
}

/// The advantage of each step: Aₜ = δₜ + γλ·Aₜ₊₁ within an episode, δₜ = rₜ + γ·V(sₜ₊₁) − V(sₜ).
pub fn advantages(steps: &Steps, gamma: f64, lambda: f64) -> Vec<f64> {
    let mut advantages = vec![0.0; steps.rewards.len()];
    let mut later = 0.0;
    for t in (0..steps.rewards.len()).rev() {
        let surprise = steps.rewards[t] + gamma * steps.next_values[t] - steps.values[t];
        let carried = if steps.is_last[t] { 0.0 } else { gamma * lambda * later };
        later = surprise + carried;
        advantages[t] = later;
    }
    advantages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // γ = 0.5, λ = 0.5; the second step is the last of its episode, cut by time at a state worth 4.
        let steps = Steps {
            rewards: vec![1.0, 2.0, 3.0],
            values: vec![2.0, 1.0, 2.0],
            next_values: vec![1.0, 4.0, 0.0],
            is_last: vec![false, true, false],
        };
        // δ = 1 + 0.5 − 2, 2 + 2 − 1, 3 + 0 − 2 = −0.5, 3, 1; A₀ = −0.5 + 0.25·3.
        assert_eq!(advantages(&steps, 0.5, 0.5), [0.25, 3.0, 1.0]);
    }

    #[test]
    fn with_lambda_one_it_is_the_return_less_the_value() {
        let steps = Steps {
            rewards: vec![1.0, 1.0, 1.0],
            values: vec![5.0, 7.0, 9.0],
            next_values: vec![7.0, 9.0, 2.0],
            is_last: vec![false; 3],
        };
        assert_eq!(advantages(&steps, 1.0, 1.0), [0.0, -3.0, -6.0]);
    }
}
