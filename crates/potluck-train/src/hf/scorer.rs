//! A model with a head for scores: a reward model, or any classifier of texts.
//!
//! ```text
//! config.json -> Setup (which body, which labels) -> names and shapes of all tensors
//! *.safetensors headers -------------------------------^ must fit, then weights are read -> Scorer
//! texts -> Reader (tokenizer.json) -> rows of tokens -> body -> head -> a score a text and label
//! ```
//!
//! The body is one of the decoders, whose last token's state the head reads, or an encoder, whose
//! first token's it reads. Scores follow `transformers`' `*ForSequenceClassification` in F32.

mod setup;
mod tensors;
mod reader;
mod rows;
mod begin;
mod save;

use std::path::{Path, PathBuf};

use tch::Tensor;

use crate::model::TensorSpec;
use crate::text::Around;

use super::batch::{Batch, PromptError};
use super::decoder::Decoder;
use super::encoder::{Encoder, Rows};
use super::folder::OpenError;

use rows::groups;
use setup::Setup;

pub use reader::Reading;

use reader::Reader;

/// The name of a decoder's head.
const SCORE: &str = "score.weight";

/// A model that gives texts scores.
#[derive(Debug)]
pub struct Scorer {
    path: PathBuf,
    /// What `config.json` says, or shall say where the head is new.
    config: Vec<u8>,
    body: Body,
    labels: Vec<String>,
    /// Which label's score [`Scorer::score`] gives.
    chosen: Option<usize>,
    reader: Reader,
    specs: Vec<TensorSpec>,
    /// In the order of `specs`; the body computes with the same storage.
    weights: Vec<Tensor>,
}

#[derive(Debug)]
enum Body {
    Decoder {
        decoder: Box<Decoder>,
        head: Tensor,
        /// The score is read at the last token that is not this one.
        pad: Option<i64>,
    },
    Encoder(Box<Encoder>),
}

impl Body {
    /// What it computes with, in the order of the specs; not copied.
    fn weights(&self) -> Vec<Tensor> {
        let shared = |it: &[Tensor]| it.iter().map(Tensor::shallow_clone).collect::<Vec<_>>();
        match self {
            Self::Decoder { decoder, head, .. } => {
                let mut weights = shared(decoder.weights());
                weights.push(head.shallow_clone());
                weights
            }
            Self::Encoder(encoder) => shared(encoder.weights()),
        }
    }
}

/// Why texts could not be scored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScoreError {
    /// The tokenizer failed.
    #[error("text {row} cannot be split into tokens: {reason}")]
    Tokenizer {
        /// Which text.
        row: usize,
        /// In the tokenizer's words.
        reason: String,
    },
    /// A text of which no token is left.
    #[error("text {0} is empty")]
    Empty(usize),
    /// A token that the model does not have: the tokenizer is another model's.
    #[error("text {row} holds the token {token}; the model has {vocabulary}")]
    Token {
        /// Which text.
        row: usize,
        /// What stands there.
        token: i64,
        /// How many there are.
        vocabulary: i64,
    },
    /// A second text, of which the model was never told that there is such a thing.
    #[error("text {row} has segment {segment}; the model has {segments}")]
    Segment {
        /// Which text.
        row: usize,
        /// Counted from 0.
        segment: i64,
        /// How many there are.
        segments: i64,
    },
    /// Several labels, of which none was chosen.
    #[error("the model has several labels ({0}): choose one")]
    Labels(String),
    /// An infinity, or what is no number.
    #[error("the score of text {0} is not finite")]
    NotFinite(usize),
    /// The decoder cannot read it.
    #[error(transparent)]
    Prompt(#[from] PromptError),
}

impl Scorer {
    /// Opens the folder at `path`, checks it as a whole, and only then reads its weights.
    ///
    /// # Errors
    /// [`OpenError`], which names the key, the tensor or the file.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let config = super::folder::read_text(&path.join(super::folder::CONFIG))?;
        Self::assemble(path, config, None)
    }

    /// Of a checked `config`; the head, or what is missing of it, is drawn from `seed` if given.
    fn assemble(path: &Path, config: Vec<u8>, seed: Option<u64>) -> Result<Self, OpenError> {
        let refused = super::folder::refusal(path, super::folder::CONFIG);
        let setup = Setup::parse(&config).map_err(refused)?;
        let specs = setup.specs();
        let reader = Reader::open(path, &setup)?;
        let found = tensors::find(path, &setup, &specs, seed.is_some())?;
        let weights = tensors::read(&found, &specs, &setup, seed)?;
        let body = setup.body(weights);
        let weights = body.weights();
        let labels = setup.labels;
        let chosen = (labels.len() == 1).then_some(0);
        let path = path.to_owned();
        Ok(Self { path, config, body, labels, chosen, reader, specs, weights })
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of its labels; a reward model has one.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Lets [`Self::score`] give the score of `label`; false if there is none of that name.
    pub fn choose(&mut self, label: &str) -> bool {
        let found = self.labels.iter().position(|name| name == label);
        self.chosen = found.or(self.chosen);
        found.is_some()
    }

    /// A digest of everything that it computes with.
    pub fn digest(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_derive_key("potluck-train 1 scorer");
        hasher.update(&(self.config.len() as u64).to_le_bytes());
        hasher.update(&self.config);
        hasher.update(self.reader.digest().as_bytes());
        for (spec, weight) in self.specs.iter().zip(&self.weights) {
            hasher.update(spec.name.as_bytes());
            let flat = weight.detach().contiguous().view([-1]);
            let mut values = vec![0f32; flat.numel()];
            flat.copy_data(&mut values, flat.numel());
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            hasher.update(&bytes);
        }
        hasher.finalize()
    }

    /// How a prompt and its completion are given to it: as a pair to an encoder, which sees a
    /// separator between them, and as one text to a decoder, as TRL does.
    pub fn judged<'a>(
        &self,
        prompt: &'a str,
        completion: &'a str,
    ) -> (std::borrow::Cow<'a, str>, Option<&'a str>) {
        match self.body {
            Body::Encoder(_) => (prompt.into(), Some(completion)),
            Body::Decoder { .. } => (format!("{prompt}{completion}").into(), None),
        }
    }

    /// The names and shapes of its weights.
    pub fn tensors(&self) -> &[TensorSpec] {
        &self.specs
    }

    /// Its weights, in the order of [`Self::tensors`].
    pub fn weights(&self) -> &[Tensor] {
        &self.weights
    }

    /// The score of each text, or pair of texts, for the one label or the chosen one.
    ///
    /// # Errors
    /// [`ScoreError`], which names the text.
    pub fn score(&self, texts: &[(&str, Option<&str>)]) -> Result<Vec<f64>, ScoreError> {
        self.chosen_scores(&self.read(texts)?)
    }

    /// The same for texts that were read before.
    ///
    /// # Errors
    /// [`ScoreError`], which names the text.
    pub fn chosen_scores(&self, readings: &[Reading]) -> Result<Vec<f64>, ScoreError> {
        let Some(chosen) = self.chosen else {
            return Err(ScoreError::Labels(self.labels.join(", ")));
        };
        let all = self.score_readings(readings)?;
        Ok(all.into_iter().map(|row| row[chosen]).collect())
    }

    /// The score of each text for each label.
    ///
    /// Texts of similar length are computed together. How they are grouped follows from all of
    /// them, so equal calls give equal bits; other company may change a last one.
    ///
    /// # Errors
    /// [`ScoreError`], which names the text.
    pub fn score_labels(
        &self,
        texts: &[(&str, Option<&str>)],
    ) -> Result<Vec<Vec<f64>>, ScoreError> {
        self.score_readings(&self.read(texts)?)
    }

    /// The same for texts that were read before.
    ///
    /// # Errors
    /// [`ScoreError`], which names the text.
    pub fn score_readings(&self, readings: &[Reading]) -> Result<Vec<Vec<f64>>, ScoreError> {
        let _guard = tch::no_grad_guard();
        let mut scores = vec![Vec::new(); readings.len()];
        for group in groups(readings) {
            let rows: Vec<&Reading> = group.iter().map(|&row| &readings[row]).collect();
            let values = Vec::<Vec<f32>>::try_from(self.compute(&rows)?)
                .expect("scores are a matrix of F32");
            for (&row, values) in group.iter().zip(values) {
                if values.iter().any(|value| !value.is_finite()) {
                    return Err(ScoreError::NotFinite(row));
                }
                scores[row] = values.into_iter().map(f64::from).collect();
            }
        }
        Ok(scores)
    }

    /// The tokens of each text, cut to what the model can read.
    ///
    /// # Errors
    /// [`ScoreError`], which names the text.
    pub fn read(&self, texts: &[(&str, Option<&str>)]) -> Result<Vec<Reading>, ScoreError> {
        let texts = texts.iter().enumerate();
        texts
            .map(|(row, (first, second))| self.read_one(row, first, *second, Around::Specials))
            .collect()
    }

    /// The tokens of one text, or pair of texts, which is number `row` in errors. `around` is nothing where a chat template
    /// printed it: a decoder then reads no other special tokens than those in it.
    ///
    /// # Errors
    /// [`ScoreError`], which names the text.
    pub fn read_one(
        &self,
        row: usize,
        first: &str,
        second: Option<&str>,
        around: Around,
    ) -> Result<Reading, ScoreError> {
        self.reader.read(row, first, second, around)
    }

    /// The scores `[texts, labels]` of texts in one batch; gradients flow through them.
    ///
    /// # Errors
    /// [`ScoreError`] where there is no text.
    pub fn compute(&self, readings: &[&Reading]) -> Result<Tensor, ScoreError> {
        match &self.body {
            Body::Decoder { decoder, head, pad } => {
                let rows: Vec<&[i64]> = readings.iter().map(|it| it.before_padding(*pad)).collect();
                let batch = Batch::new(decoder.architecture(), &rows, 0)?;
                // Rows are padded on the left: all of them end in the last column.
                let last = decoder.hidden(&batch.rows).select(1, batch.rows.length - 1);
                Ok(last.linear(head, None::<&Tensor>))
            }
            Body::Encoder(encoder) => {
                let rows: Vec<_> = readings.iter().map(|it| (it.tokens(), it.segments())).collect();
                match rows.is_empty() {
                    true => Err(ScoreError::Empty(0)),
                    false => Ok(encoder.scores(&Rows::new(encoder.shape(), &rows))),
                }
            }
        }
    }
}
