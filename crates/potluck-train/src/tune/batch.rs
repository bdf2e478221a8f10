//! A batch that is learned from: completions in the order of their prompts, as rows and as flat tensors.

use crate::hf::{Decoder, Group, Packed, PromptError};

use super::rollout::{Prompt, Written};

/// Completions in the order of their prompts, and where each lies in a flat tensor.
pub(super) struct Batch<'a> {
    pub(super) prompts: &'a [Prompt],
    pub(super) written: &'a [Written],
    pub(super) group: usize,
    pub(super) lengths: Vec<usize>,
    pub(super) counted: Vec<bool>,
}

impl Batch<'_> {
    /// The prompts from `first` on as rows.
    pub(super) fn packed(
        &self,
        decoder: &Decoder,
        prompts: std::ops::Range<usize>,
    ) -> Result<Packed, PromptError> {
        let rows: Vec<Vec<Group>> = prompts.flat_map(|prompt| self.rows(prompt)).collect();
        Packed::new(decoder.architecture(), &rows, decoder.device())
    }

    /// A prompt and its completions in one row, or a row for each completion where the prompt is so
    /// short that reading it again costs less than attention over others' completions.
    fn rows(&self, prompt: usize) -> Vec<Vec<Group<'_>>> {
        let tokens = self.prompts[prompt].tokens.as_slice();
        let own = &self.written[prompt * self.group..(prompt + 1) * self.group];
        let longest = own.iter().map(|it| it.tokens.len()).max().unwrap_or_default();
        if 2 * tokens.len() >= longest {
            let completions = own.iter().map(|it| it.tokens.as_slice()).collect();
            return vec![vec![Group { prompt: tokens, learned: &[], completions }]];
        }
        let alone = |it| vec![Group { prompt: tokens, learned: &[], completions: vec![it] }];
        own.iter().map(|it| alone(it.tokens.as_slice())).collect()
    }

    /// The completions of `prompts`.
    pub(super) fn completions(&self, prompts: &std::ops::Range<usize>) -> std::ops::Range<usize> {
        prompts.start * self.group..prompts.end * self.group
    }

    /// Their part of a flat tensor: first token, and how many.
    pub(super) fn span(&self, prompts: &std::ops::Range<usize>) -> (i64, i64) {
        let own = self.completions(prompts);
        let before: usize = self.lengths[..own.start].iter().sum();
        (before as i64, self.lengths[own].iter().sum::<usize>() as i64)
    }
}
