//! An examination: prompts of a party, its rewards, and the same random numbers for every candidate.
//!
//! A candidate is a folder, a folder with an adapter, or a soup of experts mixed in memory. Prompts
//! are those that the recipe holds out; without a held-out share, all of them. One completion is drawn
//! for each, as the recipe samples, so that differences between candidates are those of the models.

use std::time::Instant;

use crate::bad_input::BadInput;
use crate::data::{Prompt, Prompts};
use crate::hf::{Decoder, Folder, Sampler};
use crate::reward::Rewards;

use super::answers::{Answers, answers};
use super::recipe::{Kind, Recipe, Reinforced};
use super::run::{RunError, read_rewards};
use super::words::FolderWords;

/// What every candidate is asked, and by what its answers are scored.
pub struct Examination<'a> {
    recipe: &'a Recipe,
    own: &'a Reinforced,
    words: FolderWords,
    prompts: Vec<Prompt>,
    rewards: Rewards,
    seed: u64,
}

/// A candidate's scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Examined {
    /// The score of each prompt, in the examination's order; nothing where it has none.
    pub scores: Vec<Option<f64>>,
    /// Each reward's own scores, before clipping, whitening and weighting, in the order of the list.
    pub parts: Vec<Vec<Option<f64>>>,
    /// What was written.
    pub texts: Vec<String>,
    /// Tokens of each completion.
    pub tokens: Vec<usize>,
    /// Which of them ended within their limit.
    pub finished: Vec<bool>,
    /// How long writing and scoring took.
    pub seconds: f64,
}

impl<'a> Examination<'a> {
    /// The first `count` prompts of `recipe`, which must be one of reinforcement; words are those of
    /// its model's folder.
    ///
    /// # Errors
    /// [`BadInput`].
    pub fn new(recipe: &'a Recipe, count: usize, seed: u64) -> Result<Self, BadInput> {
        let Kind::Rl(own) = &recipe.kind else {
            let fault = "candidates are examined by a recipe with [rl] and [[reward]]";
            return Err(BadInput::file(&recipe.path, &fault));
        };
        let folder =
            Folder::open(&recipe.model).map_err(|error| BadInput::because(&recipe.model, error))?;
        let tokenizer = recipe.tokenizer()?;
        let prompts = Prompts::read(&recipe.file, &tokenizer, &recipe.data, recipe.seed)?;
        let from = match prompts.held_out() {
            [] => prompts.learned(),
            held_out => held_out,
        };
        let prompts: Vec<Prompt> = from.iter().take(count).cloned().collect();
        if prompts.len() < 2 {
            return Err(BadInput::file(
                &recipe.file,
                &"it has fewer than two prompts to examine by",
            ));
        }
        let held_out = own.held_out.as_ref().and_then(|table| table.reward.as_ref());
        let rewards = read_rewards(recipe, held_out.unwrap_or(&own.rewards))?;
        let words = FolderWords::new(tokenizer, &folder, &own.sampling.stop);
        Ok(Self { recipe, own, words, prompts, rewards, seed })
    }

    /// How many prompts there are.
    pub fn count(&self) -> usize {
        self.prompts.len()
    }

    /// The prompts' texts.
    pub fn prompts(&self) -> impl Iterator<Item = &str> {
        self.prompts.iter().map(|prompt| prompt.text.as_str())
    }

    /// The names of the rewards.
    pub fn rewards(&self) -> impl Iterator<Item = &str> {
        self.rewards.names().map(|(name, _)| name)
    }

    /// Lets a candidate write, and scores it.
    ///
    /// # Errors
    /// [`RunError`] where a reward fails or the candidate's vocabulary is another.
    pub fn examine(&mut self, candidate: &Decoder) -> Result<Examined, RunError> {
        self.hear(&candidate.sampler(self.recipe.precision.kind(self.recipe.device)))
    }

    /// The same for several models that write together, each token drawn from the mean of their
    /// distributions by these weights.
    ///
    /// # Errors
    /// As [`Self::examine`], and where the models are not on the processor.
    pub fn examine_together<'d>(
        &mut self,
        members: impl IntoIterator<Item = (&'d Decoder, f64)>,
    ) -> Result<Examined, RunError> {
        let kind = self.recipe.precision.kind(self.recipe.device);
        let together = Sampler::together(members, kind)
            .ok_or_else(|| BadInput::new("--ensemble needs models on the processor"))?;
        self.hear(&together)
    }

    fn hear(&mut self, writer: &Sampler) -> Result<Examined, RunError> {
        let start = Instant::now();
        let Self { own, words, prompts, rewards, seed, .. } = self;
        let Answers { written, scores, parts } =
            answers(writer, &*words, &own.sampling, prompts, rewards, [*seed, 0])?;
        Ok(Examined {
            scores,
            parts,
            tokens: written.iter().map(|it| it.tokens.len()).collect(),
            finished: written.iter().map(|it| it.is_finished).collect(),
            texts: written.into_iter().map(|it| it.text).collect(),
            seconds: start.elapsed().as_secs_f64(),
        })
    }
}

impl Examined {
    /// Tokens a completion.
    pub fn length(&self) -> f64 {
        self.tokens.iter().sum::<usize>() as f64 / self.tokens.len().max(1) as f64
    }

    /// The share that did not end within its limit.
    pub fn unfinished(&self) -> f64 {
        let count = self.finished.iter().filter(|finished| !**finished).count();
        count as f64 / self.finished.len().max(1) as f64
    }

    /// The mean over what was scored, and its standard error.
    pub fn mean(&self) -> (f64, f64) {
        mean_and_error(self.scores.iter().flatten().copied())
    }

    /// The mean difference to another candidate on the same examination, and its standard error, over
    /// the prompts on which both have a score.
    pub fn gain_over(&self, other: &Self) -> (f64, f64) {
        let pairs = self.scores.iter().zip(&other.scores);
        mean_and_error(pairs.filter_map(|(own, other)| Some((*own)? - (*other)?)))
    }
}

fn mean_and_error(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let values: Vec<f64> = values.collect();
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0).max(1.0) / count).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gains_are_paired_by_prompt() {
        let of = |scores: &[Option<f64>]| Examined {
            scores: scores.to_vec(),
            parts: Vec::new(),
            texts: Vec::new(),
            tokens: Vec::new(),
            finished: Vec::new(),
            seconds: 0.0,
        };
        let base = of(&[Some(1.0), Some(5.0), None, Some(9.0)]);
        let other = of(&[Some(1.5), Some(5.5), Some(3.0), Some(9.5)]);
        assert_eq!(other.gain_over(&base), (0.5, 0.0));
        assert_eq!(base.mean().0, 5.0);
    }
}
