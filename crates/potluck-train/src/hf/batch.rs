//! Prompts of different lengths in one batch, padded on the left.

use tch::{Device, Kind, Tensor};

use super::architecture::Architecture;

/// Rows of tokens of one length, and which of them are padding.
#[derive(Debug)]
pub struct Batch {
    /// `[rows, length]`.
    pub(super) tokens: Tensor,
    /// Counted from the first token of a row that is no padding.
    pub(super) positions: Tensor,
    /// For each row, how many tokens of padding stand before it.
    pub(super) padding: Vec<i64>,
    pub(super) length: i64,
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
        let (mut tokens, mut positions, mut padding) = (Vec::new(), Vec::new(), Vec::new());
        for prompt in prompts {
            let pad = length - prompt.len();
            tokens.extend(std::iter::repeat_n(0, pad).chain(prompt.iter().copied()));
            positions.extend(std::iter::repeat_n(0, pad).chain(0..prompt.len() as i64));
            padding.push(pad as i64);
        }
        let size = [prompts.len() as i64, length as i64];
        Ok(Self {
            tokens: Tensor::from_slice(&tokens).view(size),
            positions: Tensor::from_slice(&positions).view(size),
            padding,
            length: size[1],
        })
    }

    /// Which keys the queries from `first` on see, `[rows, 1, queries, keys]`, for `keys` keys:
    /// those up to themselves, no padding, and with a window only the last ones.
    pub(super) fn marks(&self, first: i64, keys: i64, window: Option<i64>) -> Tensor {
        let options = (Kind::Int64, Device::Cpu);
        let query = Tensor::arange_start(first, keys, options).view([-1, 1]);
        let key = Tensor::arange(keys, options);
        let padding = Tensor::from_slice(&self.padding).view([-1, 1, 1, 1]);
        let mut seen = key.le_tensor(&query);
        if let Some(window) = window {
            seen = seen.logical_and(&key.gt_tensor(&(&query - window)));
        }
        // Padding sees itself, because a row of attention must see something.
        let itself = key.eq_tensor(&query);
        seen.logical_and(&key.ge_tensor(&padding)).logical_or(&itself)
    }
}
