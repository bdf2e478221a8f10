//! Continuations of prompts: the likeliest token again and again, or drawn ones.

use tch::Tensor;

use crate::stream::Stream;

use super::batch::{Batch, PromptError};
use super::decoder::Decoder;
use super::sampling::Sampling;

/// How the next token of every row is chosen.
#[derive(Debug)]
pub enum Choosing<'a> {
    /// The likeliest.
    Greedy,
    /// Drawn, with one stream of random numbers a row: what a row draws does not depend on the
    /// rows beside it.
    Drawn(&'a Sampling, Vec<Stream>),
}

impl Decoder {
    /// Continues each prompt by its likeliest tokens; see [`Self::generate`].
    ///
    /// # Errors
    /// [`PromptError`].
    pub fn greedy(
        &self,
        prompts: &[&[i64]],
        limit: usize,
        ends: &[i64],
    ) -> Result<Vec<Vec<i64>>, PromptError> {
        self.generate(prompts, limit, ends, Choosing::Greedy)
    }

    /// Continues each prompt by at most `limit` tokens, and ends a row after one of `ends`.
    ///
    /// # Errors
    /// [`PromptError`].
    pub fn generate(
        &self,
        prompts: &[&[i64]],
        limit: usize,
        ends: &[i64],
        mut choosing: Choosing,
    ) -> Result<Vec<Vec<i64>>, PromptError> {
        let batch = Batch::new(self.architecture(), prompts, limit)?;
        if let Choosing::Drawn(_, streams) = &choosing
            && streams.len() != prompts.len()
        {
            return Err(PromptError::Streams { prompts: prompts.len(), streams: streams.len() });
        }
        let mut rows: Vec<Vec<i64>> = vec![Vec::new(); prompts.len()];
        if limit == 0 {
            return Ok(rows);
        }
        let _guard = tch::no_grad_guard();
        let has_ended = |row: &Vec<i64>| row.last().is_some_and(|last| ends.contains(last));
        let (mut logits, mut cache) = self.prefill(&batch, limit as i64);
        for written in 0..limit {
            let chosen = choosing.choose(&logits, prompts, &rows);
            for (row, &token) in rows.iter_mut().zip(&chosen) {
                // An ended row is computed on until all have ended; nothing of it is kept.
                if !has_ended(row) {
                    row.push(token);
                }
            }
            if written + 1 == limit || rows.iter().all(has_ended) {
                break;
            }
            let positions: Vec<i64> =
                prompts.iter().map(|prompt| (prompt.len() + written) as i64).collect();
            let column = |numbers: &[i64]| Tensor::from_slice(numbers).view([-1, 1]);
            logits = self.step(&batch, &column(&chosen), &column(&positions), &mut cache);
        }
        Ok(rows)
    }
}

impl Choosing<'_> {
    /// A token for each row of the logits `[rows, vocabulary]`.
    fn choose(&mut self, logits: &Tensor, prompts: &[&[i64]], rows: &[Vec<i64>]) -> Vec<i64> {
        let Self::Drawn(sampling, streams) = self else {
            let likeliest = logits.argmax(-1, false);
            return Vec::try_from(&likeliest).expect("argmax of logits is a row of whole numbers");
        };
        let flat = logits.contiguous().view([-1]);
        let mut values = vec![0f32; flat.numel()];
        flat.copy_data(&mut values, flat.numel());
        let vocabulary = values.len() / prompts.len();
        let each = values.chunks_exact_mut(vocabulary).zip(streams).zip(prompts.iter().zip(rows));
        each.map(|((logits, stream), (prompt, row))| {
            sampling.draw(logits, &[prompt, row], stream.unit())
        })
        .collect()
    }
}
