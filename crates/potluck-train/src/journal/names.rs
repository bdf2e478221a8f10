//! The names of figures, as TRL has them (`RLOOTrainer`, `GRPOTrainer`, `SFTTrainer`).

/// The total reward, averaged over the batch.
pub const REWARD: &str = "reward";
/// Its standard deviation.
pub const REWARD_STD: &str = "reward_std";
/// The share of groups whose completions all have one reward.
pub const FRAC_ZERO_STD: &str = "frac_reward_zero_std";
/// Nats from the reference, a completion.
pub const KL: &str = "kl";
/// Nats a token.
pub const ENTROPY: &str = "entropy";
/// Tokens a completion.
pub const MEAN_LENGTH: &str = "completions/mean_length";
/// The fewest tokens.
pub const MIN_LENGTH: &str = "completions/min_length";
/// The most tokens.
pub const MAX_LENGTH: &str = "completions/max_length";
/// Tokens of a completion that was ended.
pub const MEAN_TERMINATED_LENGTH: &str = "completions/mean_terminated_length";
/// The share of completions that were not.
pub const CLIPPED_RATIO: &str = "completions/clipped_ratio";
/// The norm of the gradient before it is cut.
pub const GRAD_NORM: &str = "grad_norm";
/// What is minimised.
pub const LOSS: &str = "loss";
/// Of this step.
pub const LEARNING_RATE: &str = "learning_rate";
/// Seconds a step.
pub const STEP_TIME: &str = "step_time";
/// Tokens seen since the run began.
pub const NUM_TOKENS: &str = "num_tokens";

/// `rewards/NAME/mean` and `rewards/NAME/std`, for each of several rewards.
pub fn reward_part(name: &str) -> [String; 2] {
    ["mean", "std"].map(|figure| format!("rewards/{name}/{figure}"))
}
