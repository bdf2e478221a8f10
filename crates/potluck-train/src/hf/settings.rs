//! A `config.json` as text from anybody: each value is asked for by key, type and range.
//!
//! Nothing here knows an architecture. A value that was never asked for is never looked at; which
//! of them would change the arithmetic is for [`super::architecture`] to know.

use serde_json::{Map, Value};

/// The longest `config.json` that is read, in bytes; usual ones have one or two thousand.
pub(super) const MAX_CONFIG: u64 = 1 << 20;

/// Why a `config.json` was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// More than is ever read.
    #[error("it has {0} bytes; at most {MAX_CONFIG} are read")]
    TooLong(u64),
    /// Not an object in JSON.
    #[error("it is no JSON object: {0}")]
    Json(String),
    /// An architecture that we do not compute.
    #[error(
        "model_type {0} is not supported: llama, mistral, qwen2, qwen3, gemma2, gpt2 and gpt_neox are"
    )]
    Family(String),
    /// A key without which the shapes are unknown.
    #[error("{0} is missing")]
    Missing(String),
    /// A value that is out of range, or that asks for what we do not compute.
    #[error("{key} must be {expected}, but is {found}")]
    Refused {
        /// Which key, with the keys it lies under.
        key: String,
        /// What can stand there.
        expected: String,
        /// What does, shortened.
        found: String,
    },
}

/// An object of the file, and the keys under which it lies.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    object: &'a Map<String, Value>,
    under: &'static str,
}

/// The object in the bytes of a `config.json`.
pub(super) fn parse(bytes: &[u8]) -> Result<Map<String, Value>, ConfigError> {
    if bytes.len() as u64 > MAX_CONFIG {
        return Err(ConfigError::TooLong(bytes.len() as u64));
    }
    serde_json::from_slice(bytes).map_err(|error| ConfigError::Json(error.to_string()))
}

impl<'a> Settings<'a> {
    /// The outermost object.
    pub(super) fn new(object: &'a Map<String, Value>) -> Self {
        Self { object, under: "" }
    }

    /// The value of `key`; null counts as absent, as it does for `transformers`.
    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// Whether `key` stands there, be it with null.
    pub(super) fn has(&self, key: &str) -> bool {
        self.object.contains_key(key)
    }

    /// The object under `key`.
    pub(super) fn object(&self, key: &'static str) -> Result<Option<Settings<'a>>, ConfigError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(Settings { object, under: key })),
            Some(_) => Err(self.refused(key, "an object")),
        }
    }

    /// A whole number from 1 to `most`, if there is one.
    pub(super) fn size(&self, key: &str, most: i64) -> Result<Option<i64>, ConfigError> {
        self.whole(key, 1, most)
    }

    /// A whole number from `least` to `most`, if there is one.
    pub(super) fn whole(
        &self,
        key: &str,
        least: i64,
        most: i64,
    ) -> Result<Option<i64>, ConfigError> {
        self.value(key).map_or(Ok(None), |value| {
            let fits = value.as_i64().filter(|number| (least..=most).contains(number));
            fits.map(Some)
                .ok_or_else(|| self.refused(key, &format!("a whole number from {least} to {most}")))
        })
    }

    /// As [`Self::size`], of a key that must be there.
    pub(super) fn needed_size(&self, key: &str, most: i64) -> Result<i64, ConfigError> {
        self.size(key, most)?.ok_or_else(|| self.missing(key))
    }

    /// A number above 0 and at most `most`, if there is one.
    pub(super) fn number(&self, key: &str, most: f64) -> Result<Option<f64>, ConfigError> {
        self.value(key).map_or(Ok(None), |value| {
            let fits = value.as_f64().filter(|number| *number > 0.0 && *number <= most);
            fits.map(Some)
                .ok_or_else(|| self.refused(key, &format!("a number above 0, at most {most:e}")))
        })
    }

    /// As [`Self::number`], of a key that must be there.
    pub(super) fn needed_number(&self, key: &str, most: f64) -> Result<f64, ConfigError> {
        self.number(key, most)?.ok_or_else(|| self.missing(key))
    }

    /// True or false, or what stands for an absent key.
    pub(super) fn flag(&self, key: &str, absent: bool) -> Result<bool, ConfigError> {
        self.value(key).map_or(Ok(absent), |value| {
            value.as_bool().ok_or_else(|| self.refused(key, "true or false"))
        })
    }

    /// A text, if there is one.
    pub(super) fn word(&self, key: &str) -> Result<Option<&'a str>, ConfigError> {
        self.value(key).map_or(Ok(None), |value| {
            value.as_str().map(Some).ok_or_else(|| self.refused(key, "a text"))
        })
    }

    /// Refuses any value of `key` but `neutral`, absence and null.
    pub(super) fn only(&self, key: &str, neutral: &Value) -> Result<(), ConfigError> {
        match self.value(key) {
            Some(value) if !is_same(value, neutral) => {
                Err(self.refused(key, &format!("{neutral} or absent")))
            }
            _ => Ok(()),
        }
    }

    /// `key` holds something else than `expected`.
    pub(super) fn refused(&self, key: &str, expected: &str) -> ConfigError {
        let found = self.object.get(key).unwrap_or(&Value::Null);
        ConfigError::Refused {
            key: self.path(key),
            expected: expected.to_owned(),
            found: excerpt(&found.to_string()),
        }
    }

    /// `key` is not there.
    pub(super) fn missing(&self, key: &str) -> ConfigError {
        ConfigError::Missing(self.path(key))
    }

    fn path(&self, key: &str) -> String {
        if self.under.is_empty() { key.to_owned() } else { format!("{}.{key}", self.under) }
    }
}

/// Whether two values mean the same; 1 and 1.0 do.
fn is_same(a: &Value, b: &Value) -> bool {
    a == b || a.as_f64().is_some_and(|a| b.as_f64() == Some(a))
}

/// The beginning of a text of unknown length, with nothing that a terminal would obey.
pub(super) fn excerpt(text: &str) -> String {
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    shown = shown.replace("\\\"", "\"");
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}
