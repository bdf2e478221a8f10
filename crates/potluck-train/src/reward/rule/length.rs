//! `length` and `overlong`: how close a completion comes to a length, and what too much costs.

use super::super::error::Unscored;
use super::super::keys::{ABOVE_ZERO, Keys};
use super::super::sample::Sample;
use super::super::text::python_words;
use super::Rule;
use crate::bad_input::BadInput;

/// In what a length is measured.
#[derive(Debug, Clone, Copy)]
enum Unit {
    /// What white space separates.
    Words,
    /// Unicode code points.
    Chars,
    /// What the policy wrote, one by one, the token that ended it included.
    Tokens,
}

impl Unit {
    fn parse(keys: &mut Keys) -> Result<Self, BadInput> {
        let units = [("words", Self::Words), ("chars", Self::Chars), ("tokens", Self::Tokens)];
        keys.choice("unit", &units)
    }

    fn measure(self, sample: &Sample) -> f64 {
        let length = match self {
            Self::Words => python_words(sample.completion).count(),
            Self::Chars => sample.completion.chars().count(),
            Self::Tokens => sample.tokens,
        };
        length as f64
    }
}

/// 1 within `tolerance` of `target`, from there down to 0 over `scale` more.
#[derive(Debug)]
pub(super) struct Length {
    unit: Unit,
    target: f64,
    tolerance: f64,
    scale: f64,
}

impl Length {
    pub(super) fn parse(keys: &mut Keys) -> Result<Self, BadInput> {
        let unit = Unit::parse(keys)?;
        let target = keys.needed_number("target", 0.0..=f64::MAX)?;
        let tolerance = keys.number("tolerance", 0.0, 0.0..=f64::MAX)?;
        let scale = keys.number("scale", target.max(1.0), ABOVE_ZERO)?;
        Ok(Self { unit, target, tolerance, scale })
    }
}

impl Rule for Length {
    fn score(&self, sample: &Sample) -> Result<f64, Unscored> {
        let off = (self.unit.measure(sample) - self.target).abs();
        Ok(1.0 - ((off - self.tolerance).max(0.0) / self.scale).min(1.0))
    }
}

/// The soft overlong punishment of DAPO (arXiv 2503.14476, equation 13), 0 to −1: with `unit = "tokens"` to the letter, where
/// `most` is its L_max and `margin` its L_cache, as in TRL's `get_soft_overlong_punishment`.
#[derive(Debug)]
pub(super) struct Overlong {
    unit: Unit,
    most: f64,
    margin: f64,
}

impl Overlong {
    pub(super) fn parse(keys: &mut Keys) -> Result<Self, BadInput> {
        let unit = Unit::parse(keys)?;
        let most = keys.needed_number("most", 1.0..=f64::MAX)?;
        let margin = keys.needed_number("margin", 0.0..=most)?;
        Ok(Self { unit, most, margin })
    }
}

impl Rule for Overlong {
    fn score(&self, sample: &Sample) -> Result<f64, Unscored> {
        let length = self.unit.measure(sample);
        let free = self.most - self.margin;
        Ok(match length {
            _ if length <= free => 0.0,
            _ if length <= self.most => (free - length) / self.margin,
            _ => -1.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::reward::list::tests::{refusal, score, score_of_tokens};

    #[test]
    fn the_score_falls_on_both_sides_of_the_target() {
        let rule = "kind = 'length'\ntarget = 4\ntolerance = 1\nscale = 2";
        for (text, expected) in
            [("a", 0.0), ("a b", 0.5), ("a b c", 1.0), ("a b c d e", 1.0), ("a b c d e f", 0.5)]
        {
            assert_eq!(score(rule, text), expected, "{text}");
        }
        assert_eq!(score("kind = 'length'\ntarget = 4\nunit = 'chars'", "äöü"), 0.75);
    }

    #[test]
    fn too_long_costs_as_equation_13_says() {
        let rule = "kind = 'overlong'\nunit = 'chars'\nmost = 10\nmargin = 4";
        for (length, expected) in [(6, 0.0), (7, -0.25), (10, -1.0), (11, -1.0), (0, 0.0)] {
            assert_eq!(score(rule, &"x".repeat(length)), expected, "{length}");
        }
        assert_eq!(score("kind = 'overlong'\nunit = 'chars'\nmost = 2\nmargin = 0", "xxx"), -1.0);
    }

    #[test]
    fn tokens_are_those_that_the_policy_wrote() {
        let rule = "kind = 'overlong'\nunit = 'tokens'\nmost = 100\nmargin = 20";
        // The values of TRL 1.16: get_soft_overlong_punishment(max_completion_len=100, soft_punish_cache=20).
        for (tokens, expected) in [(50, 0.0), (80, 0.0), (90, -0.5), (100, -1.0), (110, -1.0)] {
            assert_eq!(score_of_tokens(rule, tokens), expected, "{tokens}");
        }
        let rule = "kind = 'length'\nunit = 'tokens'\ntarget = 4";
        assert_eq!(score_of_tokens(rule, 3), 0.75);
    }

    #[test]
    fn bad_keys_are_refused() {
        assert!(refusal("kind = 'length'").contains("target is missing"));
        assert!(refusal("kind = 'length'\ntarget = 3\nscale = 0").contains("scale must be"));
        assert!(refusal("kind = 'length'\ntarget = 3\nunit = 'pages'").contains("pages"));
        assert!(refusal("kind = 'overlong'\nmost = 3\nmargin = 4").contains("margin must be"));
    }
}
