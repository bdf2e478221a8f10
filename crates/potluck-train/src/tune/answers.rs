//! Answers to prompts that are never learned from: one each, scored, with the same random numbers each
//! time, so that differences are those of the model.

use crate::bad_input::BadInput;
use crate::hf::Sampler;
use crate::reward::Rewards;

use super::reinforce::samples;
use super::rollout::{Prompt, Words, Written, roll_out};
use super::run::RunError;
use super::settings::SamplingSettings;

/// Prompts that are completed at once.
const AT_ONCE: usize = 64;

/// What was written, and what that was worth; both in the order of the prompts.
pub(super) struct Answers {
    pub(super) written: Vec<Written>,
    pub(super) scores: Vec<Option<f64>>,
    /// Each reward's own scores, in the order of the list.
    pub(super) parts: Vec<Vec<Option<f64>>>,
}

/// Lets `writer` answer; what `rewards` remember is afterwards what it was before.
pub(super) fn answers(
    writer: &Sampler,
    words: &dyn Words,
    sampling: &SamplingSettings,
    prompts: &[Prompt],
    rewards: &mut Rewards,
    [seed, step]: [u64; 2],
) -> Result<Answers, RunError> {
    let sampler = sampling.sampling().map_err(BadInput::new)?;
    let memory = rewards.state();
    let parts = rewards.names().map(|_| Vec::new()).collect();
    let mut all = Answers { written: Vec::new(), scores: Vec::new(), parts };
    for (part, own) in (0u64..).zip(prompts.chunks(AT_ONCE)) {
        // Seeds that no step of training has.
        let seeds = [seed, u64::MAX - part];
        let settings = (sampling, &sampler);
        let written = roll_out(writer, words, settings, own, 1, seeds)
            .map_err(|error| RunError::Step(error.to_string()))?;
        let scored = rewards
            .score(step, &samples(own, &written, 1))
            .map_err(|error| RunError::Reward(Box::new(error)))?;
        all.scores.extend(scored.total);
        for (own, part) in all.parts.iter_mut().zip(scored.parts) {
            own.extend(part.scores);
        }
        all.written.extend(written);
    }
    rewards.restore(&memory)?;
    Ok(all)
}
