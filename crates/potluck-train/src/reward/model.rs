//! `model`: a folder with a reward model, opened and run by whoever knows models.
//!
//! This file decides what the model is shown and in what portions; [`TextScorer`] is the seam behind
//! which it stands. A conversation is printed by the model's own chat template, as TRL's trainers do it: the policy's special
//! words may be none of its own.

use std::borrow::Cow;
use std::path::Path;

use crate::bad_input::BadInput;
use crate::text::{Around, ChatTemplate, Conversation, Opening, TemplateError};

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
    fn score(&mut self, texts: &[Shown]) -> Result<Vec<f64>, String>;

    /// The chat template of its folder, if it has one.
    ///
    /// # Errors
    /// In words for the user, where it cannot be read.
    fn template(&self) -> Result<Option<&ChatTemplate>, String> {
        Ok(None)
    }
}

/// What a reward model reads of one sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown<'a> {
    /// A text, or the first of two.
    pub first: Cow<'a, str>,
    /// The second.
    pub second: Option<Cow<'a, str>>,
    /// Nothing where a chat template printed it, with its special tokens.
    pub around: Around,
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
            let shown =
                samples.iter().map(|sample| self.shown(sample)).collect::<Result<Vec<_>, _>>();
            let texts = shown.map_err(Fault::Refused)?;
            let scores = self.scorer.score(&texts).map_err(Fault::Refused)?;
            if scores.len() != samples.len() {
                return Err(Fault::WrongCount { wanted: samples.len(), got: scores.len() });
            }
            answer.scores.extend(scores.into_iter().map(Some));
        }
        Ok(answer)
    }

    fn shown<'a>(&self, sample: &Sample<'a>) -> Result<Shown<'a>, String> {
        let printed = match sample.conversation {
            Some(prompt) => self.scorer.template()?.map(|template| (prompt, template)),
            None => None,
        };
        let around = Around::Specials;
        Ok(match (self.input, printed) {
            (Input::Completion, _) => {
                Shown { first: sample.completion.into(), second: None, around }
            }
            (input, Some((prompt, template))) => {
                printed_by(template, prompt, sample.completion, input)
                    .map_err(|error| error.to_string())?
            }
            (Input::Joined, None) => {
                let first = format!("{}{}", sample.prompt, sample.completion).into();
                Shown { first, second: None, around }
            }
            (Input::Pair, None) => Shown {
                first: sample.prompt.into(),
                second: Some(sample.completion.into()),
                around,
            },
        })
    }
}

/// A conversation with its answer, printed as a whole; for a pair, divided behind the words that open the answer, as pairs are
/// when such a model is trained.
fn printed_by(
    template: &ChatTemplate,
    prompt: &Conversation,
    answer: &str,
    input: Input,
) -> Result<Shown<'static>, TemplateError> {
    let whole = template.render(&prompt.with_answer(answer), None, Opening::None)?.text;
    let opening = match input {
        Input::Pair => template.render(prompt, None, Opening::Answer)?.text,
        Input::Joined | Input::Completion => String::new(),
    };
    let around = Around::Nothing;
    Ok(match whole.strip_prefix(&opening).filter(|_| !opening.is_empty()) {
        Some(second) => {
            let second = Some(second.to_owned().into());
            Shown { first: opening.into(), second, around }
        }
        None => Shown { first: whole.into(), second: None, around },
    })
}
