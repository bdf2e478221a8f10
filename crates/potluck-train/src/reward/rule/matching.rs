//! `exact` and `numeric`: whether the answer is that of a column.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::super::error::Unscored;
use super::super::keys::{ANY, Keys};
use super::super::sample::{Sample, unfit};
use super::super::text::{Case, plain_words};
use super::Rule;
use super::regex::pattern;
use crate::bad_input::BadInput;

/// Finds the answer in a completion: the last match of a pattern, or its group where it has one.
#[derive(Debug)]
struct Extract(Option<Regex>);

impl Extract {
    fn parse(keys: &mut Keys) -> Result<Self, BadInput> {
        let pattern = pattern(keys, "extract")?;
        if pattern.as_ref().is_some_and(|pattern| pattern.captures_len() > 2) {
            return Err(keys.fault("extract", "must have at most one group"));
        }
        Ok(Self(pattern))
    }

    fn answer<'a>(&self, completion: &'a str) -> Option<&'a str> {
        let Some(pattern) = &self.0 else { return Some(completion) };
        let last = pattern.captures_iter(completion).last()?;
        last.get(1).or(last.get(0)).map(|found| found.as_str())
    }
}

/// 1 where the answer is the column's text or one of its texts, else 0.
#[derive(Debug)]
pub(super) struct Exact {
    column: String,
    extract: Extract,
    compare: Compare,
    mode: Mode,
}

#[derive(Debug, Clone, Copy)]
enum Compare {
    /// All but white space at the ends counts.
    Exact,
    /// Words count, in lower case and without punctuation.
    Words,
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    /// The whole answer is it.
    Whole,
    /// It stands within the answer.
    Contains,
}

impl Exact {
    pub(super) fn parse(keys: &mut Keys) -> Result<Self, BadInput> {
        Ok(Self {
            column: keys.needed_text("column")?,
            extract: Extract::parse(keys)?,
            compare: keys
                .choice("compare", &[("exact", Compare::Exact), ("words", Compare::Words)])?,
            mode: keys.choice("mode", &[("whole", Mode::Whole), ("contains", Mode::Contains)])?,
        })
    }

    fn is_it(&self, answer: &str, reference: &str) -> bool {
        match (self.compare, self.mode) {
            (Compare::Exact, Mode::Whole) => answer.trim() == reference.trim(),
            (Compare::Exact, Mode::Contains) => answer.contains(reference.trim()),
            (Compare::Words, mode) => {
                let words = plain_words(answer, Case::Ignored);
                let wanted = plain_words(reference, Case::Ignored);
                match mode {
                    Mode::Whole => words == wanted,
                    Mode::Contains if wanted.is_empty() => true,
                    Mode::Contains => words.windows(wanted.len()).any(|window| window == wanted),
                }
            }
        }
    }
}

impl Rule for Exact {
    fn score(&self, sample: &Sample) -> Result<f64, Unscored> {
        let references = sample.references(&self.column)?;
        let answer = self.extract.answer(sample.completion);
        let is_it = answer.is_some_and(|answer| references.iter().any(|it| self.is_it(answer, it)));
        Ok(f64::from(u8::from(is_it)))
    }
}

/// 1 where the last number of the answer is the column's, within a tolerance, else 0.
#[derive(Debug)]
pub(super) struct Numeric {
    column: String,
    extract: Extract,
    absolute: f64,
    relative: f64,
}

/// A decimal number, with commas between its digits or without.
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[-+]?(?:[0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
        .expect("the pattern is a constant")
});

impl Numeric {
    pub(super) fn parse(keys: &mut Keys) -> Result<Self, BadInput> {
        let any_positive = 0.0..=*ANY.end();
        Ok(Self {
            column: keys.needed_text("column")?,
            extract: Extract::parse(keys)?,
            absolute: keys.number("absolute", 1e-6, any_positive.clone())?,
            relative: keys.number("relative", 0.0, any_positive)?,
        })
    }
}

/// The last number in a text; a minus that stands right behind a letter or digit is a hyphen.
fn last_number(text: &str) -> Option<f64> {
    let found = NUMBER.find_iter(text).last()?;
    let before = text[..found.start()].chars().next_back();
    let digits = found.as_str().replace(',', "");
    let is_hyphen = before.is_some_and(char::is_alphanumeric);
    let digits = if is_hyphen { digits.trim_start_matches(['-', '+']) } else { &digits };
    digits.parse().ok().filter(|number: &f64| number.is_finite())
}

impl Rule for Numeric {
    fn score(&self, sample: &Sample) -> Result<f64, Unscored> {
        let value = sample.column(&self.column)?;
        let wanted = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => last_number(text),
            _ => None,
        };
        let wanted = wanted.ok_or_else(|| unfit(&self.column, "a number", value))?;
        let answer = self.extract.answer(sample.completion).and_then(last_number);
        let allowed = self.absolute.max(self.relative * wanted.abs());
        let is_it = answer.is_some_and(|answer| (answer - wanted).abs() <= allowed);
        Ok(f64::from(u8::from(is_it)))
    }
}

#[cfg(test)]
mod tests {
    use crate::reward::list::tests::{fault, refusal, score_with};
    use serde_json::json;

    #[test]
    fn answers_are_compared_as_asked() {
        let score = |keys: &str, text: &str| {
            let rule = format!("kind = 'exact'\ncolumn = 'answer'\n{keys}");
            score_with(&rule, text, json!({"answer": ["New York", "NYC"]}))
        };
        assert_eq!(score("", " NYC\n"), 1.0);
        assert_eq!(score("", "nyc"), 0.0);
        assert_eq!(score("compare = 'words'", "new york!"), 1.0);
        assert_eq!(score("compare = 'words'\nmode = 'contains'", "In New York."), 1.0);
        assert_eq!(score("compare = 'words'\nmode = 'contains'", "In new Yorkshire."), 0.0);
        assert_eq!(score("mode = 'contains'", "In NYC."), 1.0);
        let extract = r"extract = '<answer>(.*?)</answer>'";
        assert_eq!(score(extract, "<answer>no</answer> <answer>NYC</answer>"), 1.0);
        assert_eq!(score(extract, "NYC"), 0.0);
    }

    #[test]
    fn numbers_are_found_and_compared() {
        let score = |keys: &str, text: &str, answer: serde_json::Value| {
            let rule = format!("kind = 'numeric'\ncolumn = 'answer'\n{keys}");
            score_with(&rule, text, json!({"answer": answer}))
        };
        assert_eq!(score("", "3 apples, 1,234.50 in all.", json!(1234.5)), 1.0);
        assert_eq!(score("", "It is -7", json!("so\n#### -7")), 1.0);
        assert_eq!(score("", "COVID-19", json!(19)), 1.0);
        assert_eq!(score("", "none", json!(0)), 0.0);
        assert_eq!(score("relative = 0.01", "99.5", json!(100)), 1.0);
        assert_eq!(score("", "1e3", json!(1000)), 1.0);
        assert_eq!(score(r"extract = 'boxed\{(.*?)\}'", r"\boxed{12} or 13", json!(12)), 1.0);
    }

    #[test]
    fn an_unfit_column_is_an_error() {
        let rule = "kind = 'numeric'\ncolumn = 'answer'\nunscored = 'skip'";
        let error = fault(rule, "3", json!({"answer": [3]}));
        assert!(error.contains("column `answer` must be a number, and is a list"), "{error}");
        let error = fault("kind = 'exact'\ncolumn = 'answer'", "3", json!({"answer": null}));
        assert!(error.contains("sample 0 got no score: it has no column `answer`"), "{error}");
        assert!(refusal("kind = 'exact'").contains("column is missing"));
        let two = "kind = 'exact'\ncolumn = 'a'\nextract = '(a)(b)'";
        assert!(refusal(two).contains("at most one group"));
    }
}
