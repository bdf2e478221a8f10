//! Prompts of different lengths in one batch, padded on the left.

use tch::{Device, Kind, Tensor};

use super::architecture::Architecture;
use super::rows::Rows;

/// Prompts as rows of one length.
#[derive(Debug)]
pub struct Batch {
    pub(super) rows: Rows,
    /// For each row, how many tokens of padding stand before it.
    pub(super) padding: Vec<i64>,
}

/// Prompts that a model cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// No prompt, or one without a token.
    #[error("prompt {0} is empty")]
    Empty(usize),
    /// A number that is no token of this model.
    #[error("prompt {row} holds the token {token}; the model has {vocabulary}")]
    Token {
        /// Which prompt.
        row: usize,
        /// What stands there.
        token: i64,
        /// How many there are.
        vocabulary: i64,
    },
    /// Not one stream of random numbers for each prompt.
    #[error("there are {streams} streams of random numbers for {prompts} prompts")]
    Streams {
        /// How many prompts.
        prompts: usize,
        /// How many streams.
        streams: usize,
    },
    /// Longer than the model's learned positions.
    #[error(
        "a prompt and its continuation have {length} tokens; the model has {longest} positions"
    )]
    Long {
        /// Of the longest prompt, with what shall follow.
        length: usize,
        /// How many there can be.
        longest: i64,
    },
}

impl Batch {
    /// Pads `prompts`, to which up to `room` tokens shall be added.
    ///
    /// # Errors
    /// [`PromptError`].
    pub fn new(model: &Architecture, prompts: &[&[i64]], room: usize) -> Result<Self, PromptError> {
        Self::check(model, prompts, room)?;
        let length = prompts.iter().map(|prompt| prompt.len()).max().unwrap_or_default();
        let (mut tokens, mut positions, mut padding) = (Vec::new(), Vec::new(), Vec::new());
        for prompt in prompts {
            let pad = length - prompt.len();
            tokens.extend(std::iter::repeat_n(0, pad).chain(prompt.iter().copied()));
            positions.extend(std::iter::repeat_n(0, pad).chain(0..prompt.len() as i64));
            padding.push(pad as i64);
        }
        let size = [prompts.len() as i64, length as i64];
        let rows = Rows::causal(
            Tensor::from_slice(&tokens).view(size),
            Tensor::from_slice(&positions).view(size),
        );
        let marks = padding.iter().any(|&pad| pad > 0).then(|| marks(&padding, size[1]));
        Ok(Self { rows: Rows { marks, ..rows }, padding })
    }

    /// Whether `model` can read `prompts` and up to `room` tokens after each.
    pub(super) fn check(
        model: &Architecture,
        prompts: &[&[i64]],
        room: usize,
    ) -> Result<(), PromptError> {
        if prompts.is_empty() {
            return Err(PromptError::Empty(0));
        }
        let vocabulary = model.vocabulary;
        for (row, prompt) in prompts.iter().enumerate() {
            if prompt.is_empty() {
                return Err(PromptError::Empty(row));
            }
            if let Some(&token) = prompt.iter().find(|token| !(0..vocabulary).contains(token)) {
                return Err(PromptError::Token { row, token, vocabulary });
            }
        }
        let length = prompts.iter().map(|prompt| prompt.len()).max().unwrap_or_default();
        if let Some(longest) = model.longest()
            && length.saturating_add(room) as u64 > longest as u64
        {
            return Err(PromptError::Long { length: length.saturating_add(room), longest });
        }
        Ok(())
    }

    /// On another device.
    pub fn to(self, device: Device) -> Self {
        Self { rows: self.rows.to(device), padding: self.padding }
    }

    /// Which of `keys` keys are no padding, `[rows, 1, 1, keys]`; nothing where all are.
    pub(super) fn visible(&self, keys: i64) -> Option<Tensor> {
        let has_padding = self.padding.iter().any(|&pad| pad > 0);
        has_padding.then(|| no_padding(&self.padding, keys))
    }
}

fn no_padding(padding: &[i64], keys: i64) -> Tensor {
    let key = Tensor::arange(keys, (Kind::Int64, Device::Cpu));
    key.ge_tensor(&Tensor::from_slice(padding).view([-1, 1, 1, 1]))
}

/// Which keys each query sees: those up to itself, and no padding.
fn marks(padding: &[i64], length: i64) -> Tensor {
    let key = Tensor::arange(length, (Kind::Int64, Device::Cpu));
    let query = key.view([-1, 1]);
    // Padding sees itself, because a row of attention must see something.
    let (before, itself) = (key.le_tensor(&query), key.eq_tensor(&query));
    before.logical_and(&no_padding(padding, length)).logical_or(&itself)
}
