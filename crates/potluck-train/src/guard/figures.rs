//! What the guards look at, and how two of the figures come from tokens.

use std::collections::HashSet;

/// The figures of one step, over its batch.
#[derive(Debug, Clone, PartialEq)]
pub struct StepFigures {
    /// The step, from 0.
    pub step: u64,
    /// The trained reward, averaged.
    pub reward: f64,
    /// What a nat of divergence costs; it is taken off `reward` where the best step is looked for.
    pub kl_cost: f64,
    /// Nats from the base, a completion.
    pub kl: f64,
    /// Nats a token, if it is measured.
    pub entropy: Option<f64>,
    /// Tokens a completion.
    pub mean_length: f64,
    /// [`distinct`] over the batch; none where nothing is long enough.
    pub distinct: Option<f64>,
    /// [`copy_rate`], averaged.
    pub copy_rate: Option<f64>,
    /// The share of completions without text.
    pub empty: f64,
    /// The share of completions that neither a token nor a stop string ended.
    pub unfinished: f64,
    /// The norm of the gradient before it is cut.
    pub gradient_norm: f64,
    /// Whether any advantage is not zero.
    pub has_spread: bool,
    /// The held-out reward of each held-out prompt, always in one order, where it was measured.
    pub held_out: Option<Vec<f64>>,
}

/// The share of all `n`-grams in `rows` that are different from one another; 1 if no two are equal.
pub fn distinct(rows: &[&[i64]], n: usize) -> Option<f64> {
    let grams = || rows.iter().flat_map(|row| row.windows(n.max(1)));
    let all = grams().count();
    let different: HashSet<&[i64]> = grams().collect();
    (all > 0).then(|| different.len() as f64 / all as f64)
}

/// The share of `completion`'s `n`-grams that stand in `prompt`.
pub fn copy_rate(prompt: &[i64], completion: &[i64], n: usize) -> Option<f64> {
    let there: HashSet<&[i64]> = prompt.windows(n.max(1)).collect();
    let grams = completion.windows(n.max(1));
    let all = grams.len();
    let copied = grams.filter(|gram| there.contains(gram)).count();
    (all > 0).then(|| copied as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ngrams_are_counted() {
        assert_eq!(distinct(&[&[1, 2, 3], &[1, 2, 4]], 2), Some(0.75));
        assert_eq!(distinct(&[&[1], &[]], 2), None);
        assert_eq!(copy_rate(&[1, 2, 3, 4], &[2, 3, 4, 5], 2), Some(2.0 / 3.0));
        assert_eq!(copy_rate(&[], &[2, 3], 2), Some(0.0));
        assert_eq!(copy_rate(&[1, 2], &[2], 2), None);
    }
}
