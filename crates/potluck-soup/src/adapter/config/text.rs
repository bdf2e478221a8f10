//! The text of a configuration, in the one way in which it is written.

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::{AdapterConfig, Bias, Modules, Pattern, Scaling};

/// The largest integer up to which every integer is a binary64.
const EXACT_INTEGERS: f64 = 9_007_199_254_740_992.0;

/// Two spaces a level, keys in ascending order, a line feed at the end.
pub(super) fn canonical(config: &AdapterConfig) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(&Text(config))
        .expect("names, numbers and lists always have a JSON form");
    text.push(b'\n');
    text
}

struct Text<'a>(&'a AdapterConfig);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let config = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("alpha_pattern", &Patterns(&config.alphas, Decimal))?;
        map.serialize_entry("base_model_name_or_path", &config.base_model)?;
        map.serialize_entry("bias", bias(config.bias))?;
        // What says nothing is left out: an older PEFT stumbles over keys that it does not know.
        if config.exclude_modules != Modules::Unsaid {
            map.serialize_entry("exclude_modules", &config.exclude_modules)?;
        }
        map.serialize_entry("fan_in_fan_out", &config.fan_in_fan_out)?;
        map.serialize_entry("inference_mode", &true)?;
        // The file sets all weights that the soup has; true makes a module that is not in it change nothing.
        map.serialize_entry("init_lora_weights", &true)?;
        if config.layers_pattern != Modules::Unsaid {
            map.serialize_entry("layers_pattern", &config.layers_pattern)?;
        }
        if let Some(layers) = &config.layers_to_transform {
            map.serialize_entry("layers_to_transform", layers)?;
        }
        map.serialize_entry("lora_alpha", &Decimal(config.alpha))?;
        map.serialize_entry("lora_dropout", &config.dropout)?;
        map.serialize_entry("modules_to_save", &saved(&config.modules_to_save))?;
        map.serialize_entry("peft_type", "LORA")?;
        map.serialize_entry("r", &config.rank)?;
        map.serialize_entry("rank_pattern", &Patterns(&config.ranks, |rank| rank))?;
        if let Some(revision) = &config.revision {
            map.serialize_entry("revision", revision)?;
        }
        map.serialize_entry("target_modules", &config.target_modules)?;
        map.serialize_entry("task_type", &config.task_type)?;
        map.serialize_entry("use_rslora", &(config.scaling == Scaling::RootOfRank))?;
        map.end()
    }
}

/// Patterns in their order, which decides between two that fit, with each value as `F` shows it.
struct Patterns<'a, T, F>(&'a [(Pattern, T)], F);

impl<T: Copy, V: Serialize, F: Fn(T) -> V> Serialize for Patterns<'_, T, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key.as_str(), self.1(*value))))
    }
}

/// A number without a fraction where it has none, as PEFT's users write α.
struct Decimal(f64);

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 && self.0.abs() < EXACT_INTEGERS {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

impl Serialize for Modules {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unsaid => serializer.serialize_none(),
            Self::Names(names) => names.serialize(serializer),
            Self::Expression(text) => text.serialize(serializer),
        }
    }
}

fn bias(bias: Bias) -> &'static str {
    match bias {
        Bias::None => "none",
        Bias::All => "all",
        Bias::LoraOnly => "lora_only",
    }
}

fn saved(names: &[String]) -> Option<&[String]> {
    (!names.is_empty()).then_some(names)
}
