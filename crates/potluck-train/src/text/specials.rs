//! A tokenizer's special tokens by their names, from the three files that may name them.
//!
//! As in `transformers`, `tokenizer_config.json` goes before `special_tokens_map.json` (which older
//! folders have beside it). Templates see each by its name (`bos_token`); absent ones are undefined.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The names under which a template can ask for a token, and files give one.
const NAMES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// The texts of the special tokens that a folder names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Specials {
    named: BTreeMap<&'static str, String>,
    /// Special tokens without a role, such as those of a chat.
    pub(super) others: Vec<String>,
}

impl Specials {
    /// Those that the two files name.
    pub(super) fn of(config: &Map<String, Value>, map: &Map<String, Value>) -> Self {
        let named = NAMES.iter().filter_map(|name| {
            let text = config.get(*name).and_then(text_of);
            // Where the newer file says null, the token was taken away on purpose.
            let older =
                || if config.contains_key(*name) { None } else { map.get(*name).and_then(text_of) };
            Some((*name, text.or_else(older)?))
        });
        let lists = ["extra_special_tokens", "additional_special_tokens"].iter();
        let others = lists.flat_map(|key| [config, map].into_iter().filter_map(|it| it.get(*key)));
        let others = others.filter_map(Value::as_array).flatten().filter_map(text_of);
        Self { named: named.collect(), others: others.collect() }
    }

    /// The text of `bos_token` or another of such a name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.named.get(name).map(String::as_str)
    }

    /// All that have a name, with it.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.named.iter().map(|(name, text)| (*name, text.as_str()))
    }
}

/// A token stands as its text, or as an object with its text and how it is found.
fn text_of(value: &Value) -> Option<String> {
    let text = value.get("content").unwrap_or(value).as_str()?;
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else { unreachable!("a literal object") };
        map
    }

    #[test]
    fn the_newer_file_goes_first() {
        let config = map(serde_json::json!({
            "bos_token": {"content": "<s>", "lstrip": false}, "pad_token": null,
            "additional_special_tokens": ["<a>"],
        }));
        let older = map(
            serde_json::json!({"bos_token": "<old>", "eos_token": "</s>", "pad_token": "<pad>"}),
        );
        let specials = Specials::of(&config, &older);
        let named: Vec<_> = specials.iter().collect();
        assert_eq!(named, [("bos_token", "<s>"), ("eos_token", "</s>")]);
        assert_eq!(specials.others, ["<a>"]);
    }
}
