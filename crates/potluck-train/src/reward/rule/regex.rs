//! `regex`: whether, or how often, a pattern stands in the completion.

use regex::Regex;

use super::super::error::Unscored;
use super::super::keys::{ANY, Keys};
use super::super::sample::Sample;
use super::Rule;
use crate::bad_input::BadInput;

/// A pattern and what finding it is worth.
#[derive(Debug)]
pub(super) struct Pattern {
    pattern: Regex,
    mode: Mode,
    score: f64,
    otherwise: f64,
    most: usize,
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    /// `score` where it is found, `otherwise` where not.
    Must,
    /// The other way round.
    MustNot,
    /// `score` for each of at most `most` matches that do not overlap.
    PerMatch,
}

impl Pattern {
    pub(super) fn parse(keys: &mut Keys) -> Result<Self, BadInput> {
        let pattern =
            pattern(keys, "pattern")?.ok_or_else(|| keys.fault("pattern", "is missing"))?;
        let modes =
            [("must", Mode::Must), ("must-not", Mode::MustNot), ("per-match", Mode::PerMatch)];
        let mode = keys.choice("mode", &modes)?;
        let score = keys.number("score", 1.0, ANY)?;
        // Keys of another mode are left over, and refused as such.
        let (otherwise, most) = match mode {
            Mode::PerMatch => (0.0, keys.count("most", 1_000_000, 1..=1_000_000)?),
            _ => (keys.number("otherwise", 0.0, ANY)?, 1),
        };
        Ok(Self { pattern, mode, score, otherwise, most })
    }
}

/// Takes a regular expression.
pub(super) fn pattern(keys: &mut Keys, key: &str) -> Result<Option<Regex>, BadInput> {
    let Some(text) = keys.text(key)? else { return Ok(None) };
    let compiled = Regex::new(&text);
    compiled.map(Some).map_err(|error| keys.fault(key, format!("is no pattern: {error}")))
}

impl Rule for Pattern {
    fn score(&self, sample: &Sample) -> Result<f64, Unscored> {
        let is_good = match self.mode {
            Mode::PerMatch => {
                let matches = self.pattern.find_iter(sample.completion).take(self.most).count();
                return Ok(self.score * matches as f64);
            }
            Mode::Must => self.pattern.is_match(sample.completion),
            Mode::MustNot => !self.pattern.is_match(sample.completion),
        };
        Ok(if is_good { self.score } else { self.otherwise })
    }
}

#[cfg(test)]
mod tests {
    use crate::reward::list::tests::{refusal, score};

    #[test]
    fn found_not_found_and_counted() {
        let rule = |keys: &str, text: &str| score(&format!("kind = 'regex'\n{keys}"), text);
        assert_eq!(rule(r"pattern = '^\p{Lu}'", "Étude"), 1.0);
        assert_eq!(rule(r"pattern = '^\p{Lu}'", "étude"), 0.0);
        assert_eq!(rule("pattern = 'sorry'\nmode = 'must-not'\notherwise = -1", "sorry"), -1.0);
        let counted = "pattern = '[0-9]+'\nmode = 'per-match'\nscore = 0.5";
        assert_eq!(rule(counted, "1 22 333"), 1.5);
        assert_eq!(rule(&format!("{counted}\nmost = 2"), "1 22 333"), 1.0);
    }

    #[test]
    fn bad_keys_are_refused() {
        assert!(refusal("kind = 'regex'").contains("pattern is missing"));
        assert!(refusal("kind = 'regex'\npattern = '('").contains("pattern is no pattern"));
        assert!(refusal("kind = 'regex'\npattern = 'a'\nmost = 2").contains("most is not a key"));
    }
}
