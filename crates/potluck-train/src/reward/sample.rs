//! What a reward sees of one completion, and how it reads the columns beside it.

use serde_json::{Map, Value};

use crate::text::Conversation;

use super::error::Unscored;

/// One completion to be scored.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// What the model was asked, as text.
    pub prompt: &'a str,
    /// The same as messages, where it was asked in some.
    pub conversation: Option<&'a Conversation>,
    /// What it answered, without the token that ended it.
    pub completion: &'a str,
    /// How many tokens it has, the one that ended it included.
    pub tokens: usize,
    /// Whether an end token or a stop string ended it, and not the limit of tokens.
    pub is_finished: bool,
    /// The other columns of the prompt's row in the data set.
    pub columns: &'a Map<String, Value>,
}

impl Sample<'_> {
    /// The value of a column; one that is absent or null leaves the sample unscored.
    pub(super) fn column(&self, name: &str) -> Result<&Value, Unscored> {
        self.columns
            .get(name)
            .filter(|value| !value.is_null())
            .ok_or_else(|| Unscored::Absent(format!("it has no column `{name}`")))
    }

    /// The texts of a column: one string, or a list of at least one.
    pub(super) fn references(&self, name: &str) -> Result<Vec<&str>, Unscored> {
        let value = self.column(name)?;
        let texts: Option<Vec<&str>> = match value {
            Value::String(text) => Some(vec![text]),
            Value::Array(texts) => texts.iter().map(Value::as_str).collect(),
            _ => None,
        };
        texts
            .filter(|texts| !texts.is_empty())
            .ok_or_else(|| unfit(name, "a text or a list of texts", value))
    }
}

/// The fault of a column that holds something else than `wanted`.
pub(super) fn unfit(name: &str, wanted: &str, value: &Value) -> Unscored {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    };
    Unscored::Unfit(format!("column `{name}` must be {wanted}, and is {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_texts_absent_or_unfit() {
        let columns =
            json!({"one": "a", "two": ["a", "b"], "none": null, "empty": [], "number": 3});
        let columns = columns.as_object().unwrap();
        let sample = Sample {
            prompt: "",
            conversation: None,
            completion: "",
            tokens: 0,
            is_finished: true,
            columns,
        };
        assert_eq!(sample.references("one").unwrap(), ["a"]);
        assert_eq!(sample.references("two").unwrap(), ["a", "b"]);
        for absent in ["none", "other"] {
            let error = sample.references(absent).unwrap_err();
            assert_eq!(error, Unscored::Absent(format!("it has no column `{absent}`")));
        }
        for unfit in ["empty", "number"] {
            assert!(matches!(sample.references(unfit).unwrap_err(), Unscored::Unfit(_)));
        }
    }
}
