//! `repetition`: the penalty on repeated runs of words, as in open-r1's `repetition_penalty`.

use super::super::error::Unscored;
use super::super::keys::Keys;
use super::super::sample::Sample;
use super::super::text::{ngrams, python_words};
use super::Rule;
use crate::bad_input::BadInput;

/// 0 where no run of `size` words comes twice, down towards `−most` where all are the same.
#[derive(Debug)]
pub(super) struct Repetition {
    size: usize,
    most: f64,
}

impl Repetition {
    pub(super) fn parse(keys: &mut Keys) -> Result<Self, BadInput> {
        let size = keys.count("size", 3, 1..=64)?;
        let most = keys.number("most", 1.0, 0.0..=f64::MAX)?;
        Ok(Self { size, most })
    }
}

impl Rule for Repetition {
    fn score(&self, sample: &Sample) -> Result<f64, Unscored> {
        let text = sample.completion.to_lowercase();
        let words: Vec<&str> = python_words(&text).collect();
        let runs = (words.len() + 1).saturating_sub(self.size);
        if runs == 0 {
            return Ok(0.0);
        }
        let distinct = ngrams(&words, self.size).len();
        Ok(-self.most * (1.0 - distinct as f64 / runs as f64))
    }
}

#[cfg(test)]
mod tests {
    use crate::reward::list::tests::{refusal, score};

    #[test]
    fn repeated_runs_cost() {
        let rule = "kind = 'repetition'\nsize = 2\nmost = 2";
        assert_eq!(score(rule, "a b c d"), 0.0);
        // a-b, b-a, a-b, b-a, a-b: two distinct of five
        assert_eq!(score(rule, "a b A b a b"), -2.0 * (1.0 - 2.0 / 5.0));
        assert_eq!(score(rule, "a"), 0.0);
        assert_eq!(score(rule, ""), 0.0);
        assert!(refusal("kind = 'repetition'\nsize = 0").contains("size must be"));
    }
}
