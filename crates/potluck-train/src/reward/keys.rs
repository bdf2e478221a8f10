//! The keys of one table of a recipe: each is taken once, checked, and what is left over is refused.
//!
//! Errors name the table and the key; whoever read the file puts its name before them.

use toml::{Table, Value};

use crate::bad_input::BadInput;

/// A table whose keys are taken one after another.
#[derive(Debug)]
pub(super) struct Keys {
    place: String,
    table: Table,
}

impl Keys {
    /// The keys of `value`, which stands at `place` (`reward[2]`, say).
    pub(super) fn of(place: impl Into<String>, value: &Value) -> Result<Self, BadInput> {
        let place = place.into();
        match value {
            Value::Table(table) => Ok(Self { place, table: table.clone() }),
            other => {
                Err(BadInput::new(format!("{place} must be a table, and is {}", other.type_str())))
            }
        }
    }

    /// From now on errors name the table by this.
    pub(super) fn call_it(&mut self, place: String) {
        self.place = place;
    }

    /// An error about `key`.
    pub(super) fn fault(&self, key: &str, what: impl std::fmt::Display) -> BadInput {
        BadInput::new(format!("{}: {key} {what}", self.place))
    }

    /// Takes a key as it is.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.table.remove(key)
    }

    /// Whether the key is there, and not taken yet.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Takes a text.
    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, BadInput> {
        match self.table.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.fault(key, format!("must be a text, and is {}", of(&other)))),
        }
    }

    /// Takes a text that must be there and not be empty.
    pub(super) fn needed_text(&mut self, key: &str) -> Result<String, BadInput> {
        let text = self.text(key)?.ok_or_else(|| self.fault(key, "is missing"))?;
        if text.is_empty() { Err(self.fault(key, "is empty")) } else { Ok(text) }
    }

    /// Takes a list of texts.
    pub(super) fn texts(&mut self, key: &str) -> Result<Option<Vec<String>>, BadInput> {
        let Some(value) = self.table.remove(key) else { return Ok(None) };
        let texts = match value {
            Value::Array(values) => values
                .into_iter()
                .map(|value| match value {
                    Value::String(text) => Some(text),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        texts.map(Some).ok_or_else(|| self.fault(key, "must be a list of texts"))
    }

    /// Takes a finite number within `range`, or the default.
    pub(super) fn number(
        &mut self,
        key: &str,
        default: f64,
        range: std::ops::RangeInclusive<f64>,
    ) -> Result<f64, BadInput> {
        Ok(self.number_if_any(key, range)?.unwrap_or(default))
    }

    /// Takes a finite number within `range`, if there is one.
    pub(super) fn number_if_any(
        &mut self,
        key: &str,
        range: std::ops::RangeInclusive<f64>,
    ) -> Result<Option<f64>, BadInput> {
        let number = match self.table.remove(key) {
            None => return Ok(None),
            Some(Value::Integer(number)) => number as f64,
            Some(Value::Float(number)) => number,
            Some(other) => {
                return Err(self.fault(key, format!("must be a number, and is {}", of(&other))));
            }
        };
        if number.is_finite() && range.contains(&number) {
            return Ok(Some(number));
        }
        Err(self.fault(key, format!("must be {}, and is {number}", within(&range))))
    }

    /// Takes a finite number within `range` that must be there.
    pub(super) fn needed_number(
        &mut self,
        key: &str,
        range: std::ops::RangeInclusive<f64>,
    ) -> Result<f64, BadInput> {
        self.number_if_any(key, range)?.ok_or_else(|| self.fault(key, "is missing"))
    }

    /// Takes a whole number within `range`, or the default.
    pub(super) fn count(
        &mut self,
        key: &str,
        default: usize,
        range: std::ops::RangeInclusive<usize>,
    ) -> Result<usize, BadInput> {
        let (least, most) = (*range.start(), *range.end());
        match self.table.remove(key) {
            None => Ok(default),
            Some(Value::Integer(number)) => usize::try_from(number)
                .ok()
                .filter(|number| range.contains(number))
                .ok_or_else(|| {
                    self.fault(
                        key,
                        format!("must be a whole number from {least} to {most}, and is {number}"),
                    )
                }),
            Some(other) => {
                Err(self.fault(key, format!("must be a whole number, and is {}", of(&other))))
            }
        }
    }

    /// Takes true or false, or the default.
    pub(super) fn flag(&mut self, key: &str, default: bool) -> Result<bool, BadInput> {
        match self.table.remove(key) {
            None => Ok(default),
            Some(Value::Boolean(is_set)) => Ok(is_set),
            Some(other) => {
                Err(self.fault(key, format!("must be true or false, and is {}", of(&other))))
            }
        }
    }

    /// Takes one of a few words, or the first of them; each stands beside what it means.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &str,
        choices: &[(&str, T)],
    ) -> Result<T, BadInput> {
        let words = || choices.iter().map(|(word, _)| *word).collect::<Vec<_>>().join("`, `");
        let said = self.text(key)?;
        let found = match &said {
            None => choices.first(),
            Some(said) => choices.iter().find(|(word, _)| word == said),
        };
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            self.fault(
                key,
                format!("must be one of `{}`, not `{}`", words(), said.unwrap_or_default()),
            )
        })
    }

    /// Refuses whatever was not taken.
    pub(super) fn finish(self) -> Result<(), BadInput> {
        match self.table.keys().next() {
            None => Ok(()),
            Some(key) => Err(self.fault(key, "is not a key of this table")),
        }
    }
}

/// A TOML type with its article.
fn of(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Boolean(_) => "a boolean",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

fn within(range: &std::ops::RangeInclusive<f64>) -> String {
    match (*range.start(), *range.end()) {
        (f64::MIN, f64::MAX) => "a finite number".to_owned(),
        (least, f64::MAX) => format!("a finite number of at least {least}"),
        (least, most) => format!("a number from {least} to {most}"),
    }
}

/// Any finite number.
pub(super) const ANY: std::ops::RangeInclusive<f64> = f64::MIN..=f64::MAX;

/// The least number above 0 that a key may have.
pub(super) const ABOVE_ZERO: std::ops::RangeInclusive<f64> = f64::MIN_POSITIVE..=f64::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Keys {
        Keys::of("reward[1]", &Value::Table(text.parse().unwrap())).unwrap()
    }

    #[test]
    fn each_fault_names_table_and_key() {
        let fault = |error: BadInput| error.to_string();
        assert_eq!(
            fault(keys("a = nan").number("a", 0.0, ANY).unwrap_err()),
            "reward[1]: a must be a finite number, and is NaN"
        );
        assert_eq!(
            fault(keys("a = -1").number("a", 0.0, 0.0..=f64::MAX).unwrap_err()),
            "reward[1]: a must be a finite number of at least 0, and is -1"
        );
        assert_eq!(
            fault(keys("a = 0").count("a", 1, 1..=9).unwrap_err()),
            "reward[1]: a must be a whole number from 1 to 9, and is 0"
        );
        assert_eq!(
            fault(keys("a = \"c\"").choice("a", &[("b", 1), ("d", 2)]).unwrap_err()),
            "reward[1]: a must be one of `b`, `d`, not `c`"
        );
        assert_eq!(
            fault(keys("b = 1").finish().unwrap_err()),
            "reward[1]: b is not a key of this table"
        );
        assert!(fault(keys("a = [1]").texts("a").unwrap_err()).contains("list of texts"));
        assert!(fault(keys("").needed_text("a").unwrap_err()).contains("is missing"));
        assert!(fault(keys("a = 3").flag("a", true).unwrap_err()).contains("true or false"));
    }

    #[test]
    fn what_is_absent_has_its_default() {
        let mut keys = keys("word = \"d\"");
        assert_eq!(keys.number("a", 0.5, ANY).unwrap(), 0.5);
        assert_eq!(keys.count("b", 7, 1..=9).unwrap(), 7);
        assert_eq!(keys.choice("word", &[("b", 1), ("d", 2)]).unwrap(), 2);
        assert_eq!(keys.choice("word", &[("b", 1), ("d", 2)]).unwrap(), 1);
        keys.finish().unwrap();
    }
}
