//! `model`: a folder with a reward model, opened and run by whoever knows models.
//!
//! This file decides what the model is shown and in what portions; [`TextScorer`] is the seam behind
//! which it stands.

use std::path::Path;

use crate::bad_input::BadInput;

use super::error::Fault;
use super::inputs::Files;
use super::keys::Keys;
use super::program::Answer;
use super::sample::Sample;

/// A model that gives each text, or pair of texts, one score.
pub trait TextScorer: Send {
    /// Scores texts, in their order.
    ///
    /// # Errors
    /// In words for the user, where the model cannot be run on them.
    fn score(&mut self, texts: &[(&str, Option<&str>)]) -> Result<Vec<f64>, String>;
}

/// Opens the reward model in a folder.
pub type OpenScorer<'a> = dyn FnMut(&Path) -> Result<Box<dyn TextScorer>, BadInput> + 'a;

/// A reward model and what it is shown.
pub(super) struct Model {
    scorer: Box<dyn TextScorer>,
    input: Input,
    batch: usize,
}

#[derive(Debug, Clone, Copy)]
enum Input {
    /// The prompt and, right behind it, the completion: how decoders with a scoring head are trained.
    Joined,
    /// The two as a pair: how encoders are trained.
    Pair,
    /// The completion alone.
    Completion,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("input", &self.input).finish_non_exhaustive()
    }
}

impl Model {
    pub(super) fn parse(
        keys: &mut Keys,
        files: &mut Files,
        open: &mut OpenScorer,
    ) -> Result<Self, BadInput> {
        let name = keys.needed_text("folder")?;
        let inputs =
            [("joined", Input::Joined), ("pair", Input::Pair), ("completion", Input::Completion)];
        let input = keys.choice("input", &inputs)?;
        let batch = keys.count("batch", 16, 1..=65_536)?;
        files.bind_if_any(&format!("{name}/config.json"));
        let scorer = open(&files.folder().join(&name))
            .map_err(|error| keys.fault("folder", format!("names no reward model: {error}")))?;
        Ok(Self { scorer, input, batch })
    }

    /// Scores samples in portions of `batch`.
    pub(super) fn score(&mut self, samples: &[Sample]) -> Result<Answer, Fault> {
        let mut answer = Answer::default();
        for samples in samples.chunks(self.batch) {
            let joined: Vec<String> = match self.input {
                Input::Joined => {
                    samples.iter().map(|it| format!("{}{}", it.prompt, it.completion)).collect()
                }
                Input::Pair | Input::Completion => Vec::new(),
            };
            let texts: Vec<(&str, Option<&str>)> = match self.input {
                Input::Joined => joined.iter().map(|text| (text.as_str(), None)).collect(),
                Input::Pair => samples.iter().map(|it| (it.prompt, Some(it.completion))).collect(),
                Input::Completion => samples.iter().map(|it| (it.completion, None)).collect(),
            };
            let scores = self.scorer.score(&texts).map_err(Fault::Refused)?;
            if scores.len() != samples.len() {
                return Err(Fault::WrongCount { wanted: samples.len(), got: scores.len() });
            }
            answer.scores.extend(scores.into_iter().map(Some));
        }
        Ok(answer)
    }
}
