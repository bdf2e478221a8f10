//! `lexicon`: the weighted share of listed words among all words.

use std::collections::HashMap;

use toml::Value;

use super::super::error::Unscored;
use super::super::inputs::Files;
use super::super::keys::Keys;
use super::super::sample::Sample;
use super::super::text::{Case, plain_words};
use super::Rule;
use crate::bad_input::BadInput;

/// Words, each with its weight.
#[derive(Debug)]
pub(super) struct Lexicon {
    words: HashMap<String, f64>,
    case: Case,
}

impl Lexicon {
    pub(super) fn parse(keys: &mut Keys, files: &mut Files) -> Result<Self, BadInput> {
        let case = if keys.flag("ignore_case", true)? { Case::Ignored } else { Case::Kept };
        let listed = match keys.take("words") {
            Some(Value::Table(words)) => of_table(keys, words)?,
            Some(Value::Array(words)) => of_list(keys, words)?,
            Some(_) => {
                return Err(keys.fault("words", "must be a list of words or a table of weights"));
            }
            None if keys.has("file") => of_file(keys, files)?,
            None => return Err(keys.fault("words", "is missing, and so is file")),
        };
        let mut words = HashMap::new();
        for (word, weight) in listed {
            // What is no word by our own cut would never be found.
            if plain_words(&word, Case::Kept) != [word.as_str()] {
                return Err(keys.fault("words", format!("has `{word}`, which is not one word")));
            }
            let word = if case == Case::Ignored { word.to_lowercase() } else { word };
            if words.insert(word.clone(), weight).is_some() {
                return Err(keys.fault("words", format!("has `{word}` twice")));
            }
        }
        if words.is_empty() {
            return Err(keys.fault("words", "is empty"));
        }
        Ok(Self { words, case })
    }
}

type Listed = Vec<(String, f64)>;

fn of_table(keys: &Keys, words: toml::Table) -> Result<Listed, BadInput> {
    let weight = |(word, value): (String, Value)| {
        let weight = value.as_float().or(value.as_integer().map(|number| number as f64));
        match weight.filter(|weight| weight.is_finite()) {
            Some(weight) => Ok((word, weight)),
            None => Err(keys.fault("words", format!("gives `{word}` no finite number"))),
        }
    };
    words.into_iter().map(weight).collect()
}

fn of_list(keys: &Keys, words: Vec<Value>) -> Result<Listed, BadInput> {
    let word = |value: Value| match value {
        Value::String(word) => Ok((word, 1.0)),
        other => Err(keys.fault("words", format!("has {other}, which is no text"))),
    };
    words.into_iter().map(word).collect()
}

/// One word a line, then its weight if it is not 1; `#` begins a comment.
fn of_file(keys: &mut Keys, files: &mut Files) -> Result<Listed, BadInput> {
    let text = files.read(keys, "file")?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let mut listed = Listed::new();
    for (number, line) in lines.enumerate() {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let weight = match parts[..] {
            [] => continue,
            [_] => Some(1.0),
            [_, weight] => weight.parse().ok().filter(|weight: &f64| weight.is_finite()),
            _ => None,
        };
        let weight = weight.ok_or_else(|| {
            let line = number + 1;
            keys.fault(
                "file",
                format!("must hold a word and a weight a line; line {line} does not"),
            )
        })?;
        listed.push((parts[0].to_owned(), weight));
    }
    Ok(listed)
}

impl Rule for Lexicon {
    fn score(&self, sample: &Sample) -> Result<f64, Unscored> {
        let words = plain_words(sample.completion, self.case);
        let sum: f64 = words.iter().filter_map(|word| self.words.get(word)).sum();
        Ok(sum / words.len().max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use crate::reward::list::tests::{refusal, score, score_in};

    #[test]
    fn the_share_is_weighted() {
        let rule = "kind = 'lexicon'\nwords = {good = 1, bad = -2.0}";
        assert_eq!(score(rule, "Good, good; BAD day!"), 0.0);
        assert_eq!(score(rule, "good day"), 0.5);
        assert_eq!(score(rule, ""), 0.0);
        let rule = "kind = 'lexicon'\nwords = ['Good']\nignore_case = false";
        assert_eq!(score(rule, "Good good"), 0.5);
    }

    #[test]
    fn words_stand_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("words"), "# mood\ngood\nbad -1.5 # worse\n\n").unwrap();
        let rule = "kind = 'lexicon'\nfile = 'words'";
        assert_eq!(score_in(folder.path(), rule, "bad good"), -0.25);
    }

    #[test]
    fn bad_words_are_refused() {
        for (keys, fault) in [
            ("", "words is missing"),
            ("words = []", "words is empty"),
            ("words = ['two words']", "`two words`, which is not one word"),
            ("words = ['a', 'A']", "`a` twice"),
            ("words = {a = nan}", "no finite number"),
            ("file = 'absent'", "absent"),
            ("words = ['a']\nfile = 'b'", "file is not a key"),
        ] {
            let error = refusal(&format!("kind = 'lexicon'\n{keys}"));
            assert!(error.contains(fault), "{error}");
        }
    }
}
