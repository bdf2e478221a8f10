//! `json` and `json-schema`: whether a completion is JSON, and of the wanted shape.
//!
//! A schema refers to nothing outside itself: this crate cannot fetch, and does not open files that a
//! schema names.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::super::error::Unscored;
use super::super::inputs::Files;
use super::super::keys::{ANY, Keys};
use super::super::sample::Sample;
use super::Rule;
use crate::bad_input::BadInput;

/// Where the JSON stands in a completion.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// The whole completion.
    Whole,
    /// The first fenced block of Markdown, or the whole where there is none.
    Fenced,
}

/// A fence of three backticks, with or without `json` behind it.
static FENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?s)```(?:json|JSON)?[ \t]*\r?\n(.*?)```").expect("the pattern is a constant")
});

impl Place {
    fn parse(keys: &mut Keys) -> Result<Self, BadInput> {
        keys.choice("place", &[("whole", Self::Whole), ("fenced", Self::Fenced)])
    }

    fn value(self, completion: &str) -> Option<Value> {
        let text = match self {
            Self::Whole => completion,
            Self::Fenced => FENCE
                .captures(completion)
                .and_then(|found| found.get(1))
                .map_or(completion, |block| block.as_str()),
        };
        serde_json::from_str(text).ok()
    }
}

/// 1 for JSON, 0 for anything else.
#[derive(Debug)]
pub(super) struct Json {
    place: Place,
}

impl Json {
    pub(super) fn parse(keys: &mut Keys) -> Result<Self, BadInput> {
        Ok(Self { place: Place::parse(keys)? })
    }
}

impl Rule for Json {
    fn score(&self, sample: &Sample) -> Result<f64, Unscored> {
        Ok(f64::from(u8::from(self.place.value(sample.completion).is_some())))
    }
}

/// 1 for JSON that fits the schema, `parseable` for other JSON, 0 for anything else.
#[derive(Debug)]
pub(super) struct Schema {
    place: Place,
    validator: jsonschema::Validator,
    parseable: f64,
}

impl Schema {
    pub(super) fn parse(keys: &mut Keys, files: &mut Files) -> Result<Self, BadInput> {
        let place = Place::parse(keys)?;
        let parseable = keys.number("parseable", 0.0, ANY)?;
        let schema = match keys.take("schema") {
            Some(table @ toml::Value::Table(_)) => serde_json::to_value(table)
                .map_err(|error| keys.fault("schema", format!("is no schema: {error}")))?,
            Some(_) => return Err(keys.fault("schema", "must be a table; `file` names a file")),
            None => {
                let text = files.read(keys, "file")?;
                serde_json::from_str(&text)
                    .map_err(|error| keys.fault("file", format!("holds no JSON: {error}")))?
            }
        };
        let validator = jsonschema::validator_for(&schema)
            .map_err(|error| keys.fault("schema", format!("is no schema: {error}")))?;
        Ok(Self { place, validator, parseable })
    }
}

impl Rule for Schema {
    fn score(&self, sample: &Sample) -> Result<f64, Unscored> {
        Ok(match self.place.value(sample.completion) {
            Some(value) if self.validator.is_valid(&value) => 1.0,
            Some(_) => self.parseable,
            None => 0.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::reward::list::tests::{refusal, refusal_in, score, score_in};

    #[test]
    fn json_is_told_from_what_looks_like_it() {
        let rule = "kind = 'json'";
        assert_eq!(score(rule, " {\"a\": [1, 2]}\n"), 1.0);
        for broken in ["", "{'a': 1}", "{\"a\": 1} and more", "[1,]", "NaN"] {
            assert_eq!(score(rule, broken), 0.0, "{broken}");
        }
        assert_eq!(score(rule, &"[".repeat(100_000)), 0.0, "depth is bounded");
        let fenced = "kind = 'json'\nplace = 'fenced'";
        assert_eq!(score(fenced, "Here:\n```json\n[1]\n```\nbye"), 1.0);
        assert_eq!(score(fenced, "[1]"), 1.0);
        assert_eq!(score(fenced, "Here: [1]"), 0.0);
    }

    #[test]
    fn a_schema_is_kept_to() {
        let rule = "kind = 'json-schema'\nparseable = 0.25\n\
            schema = {type = 'object', required = ['name'], properties = {name = {type = 'string'}}}";
        assert_eq!(score(rule, "{\"name\": \"Ada\"}"), 1.0);
        assert_eq!(score(rule, "{\"name\": 3}"), 0.25);
        assert_eq!(score(rule, "name: Ada"), 0.0);
    }

    #[test]
    fn a_schema_stands_in_a_file_and_refers_to_no_other_place() {
        let folder = tempfile::tempdir().unwrap();
        let rule = "kind = 'json-schema'\nfile = 's.json'";
        let path = folder.path().join("s.json");
        std::fs::write(&path, "{\"type\": \"array\", \"maxItems\": 1}").unwrap();
        assert_eq!(score_in(folder.path(), rule, "[1]"), 1.0);
        assert_eq!(score_in(folder.path(), rule, "[1, 2]"), 0.0);
        for foreign in ["http://example.org/s.json", "file:///etc/hostname"] {
            std::fs::write(&path, format!("{{\"$ref\": \"{foreign}\"}}")).unwrap();
            let error = refusal_in(folder.path(), rule);
            assert!(error.contains("schema is no schema"), "{error}");
        }
        std::fs::write(&path, "{\"type\": 3}").unwrap();
        assert!(refusal_in(folder.path(), rule).contains("schema is no schema"));
        std::fs::write(&path, "{").unwrap();
        assert!(refusal_in(folder.path(), rule).contains("holds no JSON"));
        assert!(refusal("kind = 'json-schema'").contains("file is missing"));
    }
}
