//! The promises of the reader of `adapter_config.json`.

use potluck_soup::adapter::config::{AdapterConfig, MAX_RANK, Scaling};
use serde_json::Value;

/// Modules of usual names, and one that is none.
const MODULES: [&str; 4] =
    ["model.layers.0.self_attn.q_proj", "model.layers.11.mlp.up_proj", "q", ""];

/// Reads a configuration.
pub fn adapter_config(bytes: &[u8]) {
    let config = match AdapterConfig::parse(bytes) {
        Ok(config) => config,
        Err(error) => return super::is_presentable(&error),
    };
    let text = config.canonical();
    let again = AdapterConfig::parse(&text).unwrap();
    assert_eq!((&again, again.canonical()), (&config, text));
    numbers_are_in_range(&config);
    serde_agrees(bytes, &config);
}

fn numbers_are_in_range(config: &AdapterConfig) {
    for module in MODULES {
        assert!((1..=MAX_RANK).contains(&config.rank_of(module)), "{config:?}");
        assert!(config.alpha_of(module).is_finite(), "{config:?}");
    }
}

/// What a reader without suspicion finds under the keys that decide what the adapter means.
fn serde_agrees(bytes: &[u8], config: &AdapterConfig) {
    let theirs: Value = serde_json::from_slice(bytes).unwrap();
    assert_eq!(theirs["peft_type"], "LORA");
    if theirs["rank_pattern"].as_object().is_none_or(|patterns| patterns.is_empty()) {
        assert_eq!(theirs["r"].as_u64(), Some(u64::from(config.rank_of("q"))));
    }
    if theirs["alpha_pattern"].as_object().is_none_or(|patterns| patterns.is_empty()) {
        assert_eq!(theirs["lora_alpha"].as_f64(), Some(config.alpha_of("q")));
    }
    let root = theirs["use_rslora"].as_bool().unwrap_or(false);
    assert_eq!(config.scaling() == Scaling::RootOfRank, root);
    assert_eq!(theirs["fan_in_fan_out"].as_bool().unwrap_or(false), config.fan_in_fan_out());
    assert_eq!(theirs["base_model_name_or_path"].as_str(), config.base_model());
    let saved = theirs["modules_to_save"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert!(
        saved
            .iter()
            .map(Value::as_str)
            .eq(config.modules_to_save().iter().map(|it| Some(it.as_str())))
    );
    let silent = |key: &str| matches!(&theirs[key], Value::Null | Value::Bool(false));
    for key in ["use_dora", "lora_bias", "ensure_weight_tying", "use_qalora"] {
        let empty = theirs[key].as_str() == Some("")
            || theirs[key].as_array().is_some_and(Vec::is_empty)
            || theirs[key].as_object().is_some_and(|it| it.is_empty());
        assert!(silent(key) || empty, "{key} says something and was passed over");
    }
}
