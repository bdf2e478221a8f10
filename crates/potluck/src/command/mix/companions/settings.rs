//! Settings in JSON, of which some keys say nothing about the weights: those may differ between inputs.
//!
//! | file | may differ |
//! |---|---|
//! | `config.json` | `_name_or_path`, `transformers_version`, `use_cache`; `torch_dtype` and `dtype`, which then say the soup's |
//! | `generation_config.json` | `_from_model_config`, `transformers_version` |
//! | `tokenizer_config.json` | `name_or_path`, `_name_or_path`, `tokenizer_file`, `special_tokens_map_file` |
//!
//! The other keys must have equal values. The soup gets one input's text, without the names of folders in which the
//! inputs differ; every value stays as it was written.

use std::collections::BTreeMap;

use potluck_soup::Dtype;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Wish;

/// Keys for the format of weights, as older and newer transformers call it.
const DTYPES: [&str; 2] = ["torch_dtype", "dtype"];
/// Keys for where the input once lay.
const ORIGINS: [&str; 2] = ["_name_or_path", "name_or_path"];

/// Whether the file is one of those that are understood here.
pub(super) fn is_settings(name: &str) -> bool {
    !volatile(name).is_empty()
}

fn volatile(name: &str) -> &'static [&'static str] {
    match name {
        "config.json" => {
            &["_name_or_path", "transformers_version", "use_cache", "torch_dtype", "dtype"]
        }
        "generation_config.json" => &["_from_model_config", "transformers_version"],
        "tokenizer_config.json" => {
            &["name_or_path", "_name_or_path", "tokenizer_file", "special_tokens_map_file"]
        }
        _ => &[],
    }
}

/// The text of these owners' settings that a soup gets: that of `chosen`, with what is said in the module's header.
///
/// # Errors
/// In what the settings differ, to be read after "config.json differs"; not where `chosen` is preferred.
pub(super) fn merged(
    name: &str,
    chosen: &str,
    texts: &[(&str, Vec<u8>)],
    wish: Wish<'_>,
) -> Result<Vec<u8>, String> {
    let parsed = texts.iter().map(|(owner, text)| {
        let settings = serde_json::from_slice::<BTreeMap<String, Value>>(text);
        settings.map_err(|error| format!("and that of {owner} is no JSON object: {error}"))
    });
    let parsed = parsed.collect::<Result<Vec<_>, _>>()?;
    let first = texts.iter().position(|(owner, _)| *owner == chosen).unwrap_or(0);
    if wish.prefer != Some(chosen) {
        compare(name, texts, &parsed, first)?;
    }
    let mut text: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(&texts[first].1)
        .map_err(|error| format!("and cannot be read again: {error}"))?;
    let is_disputed = |key: &str| parsed.iter().any(|it| it.get(key) != parsed[first].get(key));
    text.retain(|key, _| !(ORIGINS.contains(&key.as_str()) && is_disputed(key)));
    let is_mended =
        name == "config.json" && (wish.is_converted || DTYPES.iter().any(|key| is_disputed(key)));
    if let (true, Some(dtype)) = (is_mended, wish.dtype) {
        say_dtype(&mut text, dtype);
    }
    Ok(pretty(&text))
}

/// All keys but the volatile ones are equal.
fn compare(
    name: &str,
    texts: &[(&str, Vec<u8>)],
    parsed: &[BTreeMap<String, Value>],
    first: usize,
) -> Result<(), String> {
    let ours = &parsed[first];
    for ((owner, _), theirs) in texts.iter().zip(parsed) {
        let mut keys: Vec<_> = ours.keys().chain(theirs.keys()).collect();
        keys.sort();
        keys.dedup();
        let is_different = |key: &&String| {
            !volatile(name).contains(&key.as_str()) && ours.get(*key) != theirs.get(*key)
        };
        let different: Vec<_> = keys.into_iter().filter(is_different).map(String::as_str).collect();
        if !different.is_empty() {
            let (some, more) = different.split_at(different.len().min(5));
            let more = if more.is_empty() { "" } else { ", …" };
            return Err(format!(
                "between {} and {owner} in {}{more}",
                texts[first].0,
                some.join(", ")
            ));
        }
    }
    Ok(())
}

/// Writes the format under the keys that are there, and adds none: without one, readers look at the weights.
fn say_dtype(text: &mut BTreeMap<String, Box<RawValue>>, dtype: Dtype) {
    for key in DTYPES {
        if let Some(value) = text.get_mut(key) {
            let name = RawValue::from_string(format!("\"{}\"", torch_name(dtype)));
            *value = name.expect("a word in quotes is JSON");
        }
    }
}

/// Two spaces a level at the top, keys in order, values as they were written: what transformers writes.
fn pretty(text: &BTreeMap<String, Box<RawValue>>) -> Vec<u8> {
    let member =
        |(key, value): (&str, &RawValue)| format!("  {}: {}", Value::from(key), value.get());
    let members: Vec<_> = text.iter().map(|(key, value)| member((key, value))).collect();
    format!("{{\n{}\n}}\n", members.join(",\n")).into_bytes()
}

/// What torch calls a format.
fn torch_name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F64 => "float64",
        Dtype::F32 => "float32",
        Dtype::Bf16 => "bfloat16",
        Dtype::F16 => "float16",
        Dtype::F8E4M3 => "float8_e4m3fn",
        Dtype::F8E5M2 => "float8_e5m2",
        other => other.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Wish<'static> =
        Wish { prefer: None, dtype: Some(Dtype::Bf16), is_converted: false };

    fn mixed(texts: &[&str], wish: Wish<'_>) -> Result<String, String> {
        let owners = ["a", "b", "c"];
        let texts: Vec<_> = owners
            .into_iter()
            .zip(texts)
            .map(|(owner, text)| (owner, text.as_bytes().to_vec()))
            .collect();
        let chosen = wish.prefer.unwrap_or("a");
        merged("config.json", chosen, &texts, wish).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn what_says_nothing_about_weights_may_differ() {
        let a = r#"{"_name_or_path":"/home/a","rms_norm_eps":1e-05,"torch_dtype":"float32","transformers_version":"4.50.0"}"#;
        let b = r#"{"torch_dtype":"bfloat16","_name_or_path":"/home/b","rms_norm_eps":0.00001,"use_cache":false}"#;
        let text = mixed(&[a, b], PLAIN).unwrap();
        assert_eq!(
            text,
            "{\n  \"rms_norm_eps\": 1e-05,\n  \"torch_dtype\": \"bfloat16\",\n  \"transformers_version\": \"4.50.0\"\n}\n"
        );
    }

    #[test]
    fn what_says_something_must_not_differ() {
        let (a, b) = (r#"{"hidden_size":8,"vocab_size":1}"#, r#"{"hidden_size":9,"rope_theta":2}"#);
        let said = mixed(&[a, b], PLAIN).unwrap_err();
        assert_eq!(said, "between a and b in hidden_size, rope_theta, vocab_size");
        let preferred = mixed(&[a, b], Wish { prefer: Some("b"), ..PLAIN }).unwrap();
        assert!(preferred.contains("\"hidden_size\": 9"));
        assert!(mixed(&[a, "[]"], PLAIN).unwrap_err().contains("that of b is no JSON object"));
    }

    #[test]
    fn a_converted_soup_says_its_format() {
        let wish = Wish { prefer: None, dtype: Some(Dtype::F16), is_converted: true };
        assert_eq!(
            mixed(&[r#"{"dtype":"bfloat16"}"#], wish).unwrap(),
            "{\n  \"dtype\": \"float16\"\n}\n"
        );
        assert_eq!(mixed(&[r#"{"a":1}"#], wish).unwrap(), "{\n  \"a\": 1\n}\n");
    }
}
