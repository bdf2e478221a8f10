//! An evaluation now and then, on prompts that are never learned from.

use crate::reward::Rewards;

use super::answers::answers;
use super::recipe::HeldOutTable;
use super::rollout::Prompt;
use super::run::{Run, RunError};
use super::settings::SamplingSettings;
use super::state::RunState;

/// What is measured, and by what.
pub(super) struct HeldOut<'a> {
    pub(super) table: &'a HeldOutTable,
    pub(super) prompts: &'a [Prompt],
    /// What is really wanted; without it, the rewards that are trained on.
    pub(super) rewards: Option<Rewards>,
}

impl HeldOut<'_> {
    /// Whether it is time.
    pub(super) fn is_due(&self, step: u64) -> bool {
        step.is_multiple_of(self.table.every)
    }

    /// The reward of each prompt's completion; nothing where one has no score, since evaluations are
    /// compared prompt by prompt.
    pub(super) fn measure(
        &mut self,
        run: &Run,
        sampling: &SamplingSettings,
        trained: &mut Rewards,
        state: &RunState,
    ) -> Result<Option<Vec<f64>>, RunError> {
        let prompts = &self.prompts[..self.prompts.len().min(self.table.prompts)];
        let rewards = self.rewards.as_mut().unwrap_or(trained);
        let seeds = [run.recipe.seed, state.counters.step];
        let (decoder, words) = (state.policy.decoder(), run.words);
        let writer = decoder.sampler(decoder.compute());
        let answers = answers(&writer, words, sampling, prompts, rewards, seeds)?;
        Ok(answers.scores.into_iter().collect())
    }
}
