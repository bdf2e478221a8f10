//! An evaluation now and then, on prompts that are never learned from.
//!
//! Each time the same prompts and the same random numbers, so that differences are those of the model.

use tch::Kind;

use crate::reward::Rewards;

use super::recipe::HeldOutTable;
use super::reinforce::samples;
use super::rollout::{Prompt, roll_out};
use super::run::{Run, RunError};
use super::settings::SamplingSettings;
use super::state::RunState;

/// Prompts that are completed at once.
const AT_ONCE: usize = 64;

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
        let sampler = sampling.sampling().map_err(crate::bad_input::BadInput::new)?;
        let kind: Kind = state.policy.decoder().compute();
        let rewards = self.rewards.as_mut().unwrap_or(trained);
        // An evaluation must not move what rewards remember of training.
        let memory = rewards.state();
        let mut all = Some(Vec::new());
        for (part, own) in (0u64..).zip(prompts.chunks(AT_ONCE)) {
            // Seeds that no step of training has.
            let seeds = [run.recipe.seed, u64::MAX - part];
            let settings = (sampling, &sampler);
            let written =
                roll_out(state.policy.decoder(), kind, run.words, settings, own, 1, seeds)
                    .map_err(|error| RunError::Step(error.to_string()))?;
            let scored = rewards
                .score(state.counters.step, &samples(own, &written, 1))
                .map_err(|error| RunError::Reward(Box::new(error)))?;
            for score in scored.total {
                all = all.zip(score).map(|(mut all, score)| {
                    all.push(score);
                    all
                });
            }
        }
        rewards.restore(&memory)?;
        Ok(all)
    }
}
