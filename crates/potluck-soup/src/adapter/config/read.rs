//! From a JSON tree to a checked configuration, key by key.

use super::tree::Tree;
use super::{
    AdapterConfig, AdapterConfigError, Bias, MAX_ADAPTER_CONFIG, MAX_RANK, Modules, Scaling,
    excerpt, keys,
};
use crate::adapter::pattern::{MAX_EXPRESSIONS, MAX_PATTERNS, Pattern};

/// The most names in a list.
const MAX_NAMES: usize = 1 << 16;
/// The longest name or expression, in bytes.
const MAX_TEXT: usize = 1 << 16;

/// Reads the text of an `adapter_config.json`.
pub(super) fn config(text: &[u8]) -> Result<AdapterConfig, AdapterConfigError> {
    if text.len() > MAX_ADAPTER_CONFIG {
        return Err(AdapterConfigError::TooLong(text.len()));
    }
    let tree = Tree::parse(text).map_err(|error| AdapterConfigError::Json(error.to_string()))?;
    let Tree::Object(entries) = tree else {
        return Err(AdapterConfigError::Json("it is no object".into()));
    };
    let mut entries = Entries(entries);
    entries.peft_type()?;
    let config = AdapterConfig {
        rank: entries.rank()?,
        alpha: entries.alpha()?,
        scaling: match entries.truth("use_rslora")? {
            true => Scaling::RootOfRank,
            false => Scaling::Rank,
        },
        dropout: entries.dropout()?,
        ranks: entries.patterns("rank_pattern", "an object of positive integers", rank)?,
        alphas: entries.patterns("alpha_pattern", "an object of finite numbers", number)?,
        target_modules: entries.modules("target_modules")?,
        exclude_modules: entries.modules("exclude_modules")?,
        layers_to_transform: entries.layers()?,
        layers_pattern: entries.modules("layers_pattern")?,
        modules_to_save: entries.saved()?,
        bias: entries.bias()?,
        fan_in_fan_out: entries.truth("fan_in_fan_out")?,
        task_type: entries.text("task_type")?,
        base_model: entries.text("base_model_name_or_path")?,
        revision: entries.text("revision")?,
    };
    keys::judge_initialisation(&entries.take("init_lora_weights"))?;
    entries.0.iter().try_for_each(|(key, value)| keys::judge(key, value))?;
    Ok(config)
}

/// The keys that nobody has asked for yet.
struct Entries(Vec<(String, Tree)>);

impl Entries {
    /// The value of a key, which is then gone; null where it does not stand there.
    fn take(&mut self, key: &str) -> Tree {
        let found = self.0.iter().position(|(there, _)| there == key);
        found.map_or(Tree::Null, |position| self.0.swap_remove(position).1)
    }

    fn peft_type(&mut self) -> Result<(), AdapterConfigError> {
        match self.take("peft_type") {
            Tree::Text(kind) if kind == "LORA" => Ok(()),
            Tree::Text(kind) => Err(AdapterConfigError::PeftType(excerpt(&kind))),
            Tree::Null => Err(AdapterConfigError::Missing("peft_type")),
            _ => Err(AdapterConfigError::Value { key: "peft_type", expected: "a string" }),
        }
    }

    fn rank(&mut self) -> Result<u32, AdapterConfigError> {
        let expected = "an integer from 1 to 65536";
        match self.take("r") {
            Tree::Null => Err(AdapterConfigError::Missing("r")),
            value => rank(&value).ok_or(AdapterConfigError::Value { key: "r", expected }),
        }
    }

    fn alpha(&mut self) -> Result<f64, AdapterConfigError> {
        let (key, expected) = ("lora_alpha", "a finite number");
        match self.take(key) {
            Tree::Null => Err(AdapterConfigError::Missing(key)),
            value => number(&value).ok_or(AdapterConfigError::Value { key, expected }),
        }
    }

    fn dropout(&mut self) -> Result<f64, AdapterConfigError> {
        let (key, expected) = ("lora_dropout", "a number from 0 to 1");
        match self.take(key) {
            Tree::Null => Ok(0.0),
            value => number(&value)
                .filter(|share| (0.0..=1.0).contains(share))
                .ok_or(AdapterConfigError::Value { key, expected }),
        }
    }

    fn truth(&mut self, key: &'static str) -> Result<bool, AdapterConfigError> {
        match self.take(key) {
            Tree::Null => Ok(false),
            Tree::Bool(value) => Ok(value),
            _ => Err(AdapterConfigError::Value { key, expected: "true or false" }),
        }
    }

    fn text(&mut self, key: &'static str) -> Result<Option<String>, AdapterConfigError> {
        match self.take(key) {
            Tree::Null => Ok(None),
            Tree::Text(text) if is_plain(&text) => Ok(Some(text)),
            _ => Err(AdapterConfigError::Value { key, expected: "a string or null" }),
        }
    }

    fn bias(&mut self) -> Result<Bias, AdapterConfigError> {
        let (key, expected) = ("bias", "'none', 'all' or 'lora_only'");
        match self.take(key) {
            Tree::Null => Ok(Bias::None),
            Tree::Text(word) => match word.as_str() {
                "none" => Ok(Bias::None),
                "all" => Ok(Bias::All),
                "lora_only" => Ok(Bias::LoraOnly),
                _ => Err(AdapterConfigError::Value { key, expected }),
            },
            _ => Err(AdapterConfigError::Value { key, expected }),
        }
    }

    fn modules(&mut self, key: &'static str) -> Result<Modules, AdapterConfigError> {
        match self.take(key) {
            Tree::Null => Ok(Modules::Unsaid),
            Tree::Text(text) if is_plain(&text) => Ok(Modules::Expression(text)),
            Tree::List(items) => {
                names(items).map(Modules::Names).ok_or(AdapterConfigError::Value {
                    key,
                    expected: "a list of names, a string or null",
                })
            }
            _ => Err(AdapterConfigError::Value {
                key,
                expected: "a list of names, a string or null",
            }),
        }
    }

    fn saved(&mut self) -> Result<Vec<String>, AdapterConfigError> {
        let (key, expected) = ("modules_to_save", "a list of names or null");
        match self.take(key) {
            Tree::Null => Ok(Vec::new()),
            Tree::List(items) => names(items).ok_or(AdapterConfigError::Value { key, expected }),
            _ => Err(AdapterConfigError::Value { key, expected }),
        }
    }

    fn layers(&mut self) -> Result<Option<Vec<i64>>, AdapterConfigError> {
        let (key, expected) = ("layers_to_transform", "an integer, a list of integers or null");
        let integer = |value: &Tree| match value {
            Tree::Integer(layer) => Some(*layer),
            _ => None,
        };
        match self.take(key) {
            Tree::Null => Ok(None),
            Tree::Integer(layer) => Ok(Some(vec![layer])),
            Tree::List(items) if items.len() <= MAX_NAMES => items
                .iter()
                .map(integer)
                .collect::<Option<_>>()
                .map(Some)
                .ok_or(AdapterConfigError::Value { key, expected }),
            _ => Err(AdapterConfigError::Value { key, expected }),
        }
    }

    fn patterns<T>(
        &mut self,
        key: &'static str,
        expected: &'static str,
        value: impl Fn(&Tree) -> Option<T>,
    ) -> Result<Vec<(Pattern, T)>, AdapterConfigError> {
        let entries = match self.take(key) {
            Tree::Null => Vec::new(),
            Tree::Object(entries) if entries.len() <= MAX_PATTERNS => entries,
            _ => return Err(AdapterConfigError::Value { key, expected }),
        };
        let patterns: Vec<_> = entries
            .into_iter()
            .map(|(text, number)| {
                let pattern = Pattern::parse(&text)
                    .map_err(|source| AdapterConfigError::Pattern { key, source })?;
                let number = value(&number).ok_or(AdapterConfigError::Value { key, expected })?;
                Ok((pattern, number))
            })
            .collect::<Result<_, _>>()?;
        if patterns.iter().filter(|(pattern, _)| pattern.is_expression()).count() > MAX_EXPRESSIONS
        {
            let expected = "an object with at most 64 keys that are more than a name";
            return Err(AdapterConfigError::Value { key, expected });
        }
        Ok(patterns)
    }
}

fn rank(value: &Tree) -> Option<u32> {
    match value {
        Tree::Integer(rank) => u32::try_from(*rank).ok().filter(|r| (1..=MAX_RANK).contains(r)),
        _ => None,
    }
}

fn number(value: &Tree) -> Option<f64> {
    match value {
        Tree::Integer(integer) => Some(*integer as f64),
        Tree::Real(real) if real.is_finite() => Some(*real),
        _ => None,
    }
}

fn names(items: Vec<Tree>) -> Option<Vec<String>> {
    if items.len() > MAX_NAMES {
        return None;
    }
    items
        .into_iter()
        .map(|item| match item {
            Tree::Text(name) if is_plain(&name) => Some(name),
            _ => None,
        })
        .collect()
}

fn is_plain(text: &str) -> bool {
    text.len() <= MAX_TEXT && !text.chars().any(char::is_control)
}
