//! Greedy continuations: the likeliest token, again and again.

use tch::Tensor;

use super::batch::{Batch, PromptError};
use super::decoder::Decoder;

impl Decoder {
    /// Continues each prompt by at most `limit` tokens, and ends a row after one of `ends`.
    ///
    /// # Errors
    /// [`PromptError`].
    pub fn greedy(
        &self,
        prompts: &[&[i64]],
        limit: usize,
        ends: &[i64],
    ) -> Result<Vec<Vec<i64>>, PromptError> {
        let batch = Batch::new(self.architecture(), prompts, limit)?;
        let mut rows = vec![Vec::new(); prompts.len()];
        if limit == 0 {
            return Ok(rows);
        }
        let _guard = tch::no_grad_guard();
        let (mut logits, mut cache) = self.prefill(&batch, limit as i64);
        for written in 0..limit {
            let likeliest = logits.argmax(-1, false);
            let tokens: Vec<i64> =
                Vec::try_from(&likeliest).expect("argmax of logits is a row of whole numbers");
            let has_ended = |row: &Vec<i64>| row.last().is_some_and(|last| ends.contains(last));
            for (row, token) in rows.iter_mut().zip(tokens) {
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
            let positions = Tensor::from_slice(&positions).view([-1, 1]);
            logits = self.step(&batch, &likeliest.view([-1, 1]), &positions, &mut cache);
        }
        Ok(rows)
    }
}
