//! An examination: prompts of a party, its rewards, and the same random numbers for every candidate.
//!
//! A candidate is a folder, a folder with an adapter, or a soup of experts mixed in memory. Prompts
//! are those that the recipe holds out; without a held-out share, all of them. One completion is drawn
//! for each, as the recipe samples, so that differences between candidates are those of the models.

use crate::bad_input::BadInput;
use crate::data::{Prompt, Prompts};
use crate::hf::{Decoder, Folder};
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
    /// What was written.
    pub texts: Vec<String>,
    /// Tokens a completion.
    pub length: f64,
    /// The share that did not end within its limit.
    pub unfinished: f64,
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
        let Self { own, words, prompts, rewards, seed, recipe } = self;
        let kind = recipe.precision.kind(recipe.device);
        let sampling = &own.sampling;
        let Answers { written, scores } =
            answers(candidate, kind, &*words, sampling, prompts, rewards, [*seed, 0])?;
        let tokens: usize = written.iter().map(|it| it.tokens.len()).sum();
        let unfinished = written.iter().filter(|it| !it.is_finished).count();
        let texts = written.into_iter().map(|it| it.text).collect();
        let count = self.prompts.len() as f64;
        let (length, unfinished) = (tokens as f64 / count, unfinished as f64 / count);
        Ok(Examined { scores, texts, length, unfinished })
    }
}

impl Examined {
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
            texts: Vec::new(),
            length: 0.0,
            unfinished: 0.0,
        };
        let base = of(&[Some(1.0), Some(5.0), None, Some(9.0)]);
        let other = of(&[Some(1.5), Some(5.5), Some(3.0), Some(9.5)]);
        assert_eq!(other.gain_over(&base), (0.5, 0.0));
        assert_eq!(base.mean().0, 5.0);
    }
}
