//! `adapter_config.json` of a LoRA adapter: read with suspicion, written in one way.
//!
//! ```text
//! bytes ──length──▶ JSON tree ──keys known, refused or silent──▶ AdapterConfig ──▶ canonical text
//! ```
//!
//! The file comes from a stranger and decides what the tensors beside it *mean*: a scale α/r or α/√r, pattern by
//! pattern. So every key that PEFT 0.21.2 writes is either held here, known to be without influence, or refused
//! by name where it says something; a key from a later PEFT may stand only while it says nothing.
//! Called by [`super`]; `docs/formats.md` has the table.

mod tree;
mod keys;
mod read;
mod text;

use super::excerpt;
use super::pattern::{Pattern, PatternError};

/// The longest `adapter_config.json`, in bytes.
pub const MAX_ADAPTER_CONFIG: usize = 1 << 20;
/// The largest rank of a module.
pub const MAX_RANK: u32 = 1 << 16;

/// Why an `adapter_config.json` was refused. Each is the file's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdapterConfigError {
    /// More text than any adapter needs.
    #[error("it has {0} bytes; at most {MAX_ADAPTER_CONFIG} are read")]
    TooLong(usize),
    /// Not JSON, nested too deep, or a key twice.
    #[error("it is no JSON that an adapter's configuration can be: {0}")]
    Json(String),
    /// A key without which the adapter has no meaning.
    #[error("the key {0} is missing")]
    Missing(&'static str),
    /// A value of another kind than the key has.
    #[error("the key {key} must be {expected}")]
    Value {
        /// Which key.
        key: &'static str,
        /// What it may hold.
        expected: &'static str,
    },
    /// An adapter of another kind.
    #[error("peft_type is '{0}'; only LORA is mixed")]
    PeftType(String),
    /// A key that changes what is computed, for which a soup has no exact form.
    #[error("the key {key} cannot be mixed: {reason}")]
    Refused {
        /// Which key.
        key: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// A key that says something, and nobody here knows what.
    #[error("the key '{0}' is unknown here, and it is neither null, false nor empty")]
    Unknown(String),
    /// A pattern of `rank_pattern` or `alpha_pattern` whose meaning is not certain.
    #[error("a pattern of {key} cannot be followed")]
    Pattern {
        /// Which key.
        key: &'static str,
        /// What is wrong with it.
        source: PatternError,
    },
}

/// Which modules a configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Modules {
    /// None, or PEFT's choice for the architecture: `null`.
    Unsaid,
    /// Names, or their last parts.
    Names(Vec<String>),
    /// A Python regular expression over the whole name, or the word `all-linear`.
    Expression(String),
}

/// Which biases were trained with the adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bias {
    /// None.
    None,
    /// All of the model's.
    All,
    /// Those of the adapted modules.
    LoraOnly,
}

/// By what the product of an adapter's factors is multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scaling {
    /// α/r.
    Rank,
    /// α/√r, which is called rsLoRA.
    RootOfRank,
}

/// A checked configuration: what it says about the meaning of tensors, and what a reader of a soup needs.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterConfig {
    pub(super) rank: u32,
    pub(super) alpha: f64,
    pub(super) scaling: Scaling,
    pub(super) dropout: f64,
    pub(super) ranks: Vec<(Pattern, u32)>,
    pub(super) alphas: Vec<(Pattern, f64)>,
    pub(super) target_modules: Modules,
    pub(super) exclude_modules: Modules,
    pub(super) layers_to_transform: Option<Vec<i64>>,
    pub(super) layers_pattern: Modules,
    pub(super) modules_to_save: Vec<String>,
    pub(super) bias: Bias,
    pub(super) fan_in_fan_out: bool,
    pub(super) task_type: Option<String>,
    pub(super) base_model: Option<String>,
    pub(super) revision: Option<String>,
}

impl AdapterConfig {
    /// Reads and checks the bytes of an `adapter_config.json`.
    ///
    /// Memory: in proportion to the text, which [`MAX_ADAPTER_CONFIG`] bounds.
    ///
    /// # Errors
    /// [`AdapterConfigError`].
    pub fn parse(text: &[u8]) -> Result<Self, AdapterConfigError> {
        read::config(text)
    }

    /// The one text of this configuration: keys in ascending order, two spaces a level, a line feed at the end.
    ///
    /// Parsing it gives an equal configuration.
    pub fn canonical(&self) -> Vec<u8> {
        text::canonical(self)
    }

    /// The rank of a module, named as in the base model: that of the first pattern that fits it, else `r`.
    pub fn rank_of(&self, module: &str) -> u32 {
        first_fit(&self.ranks, module).unwrap_or(self.rank)
    }

    /// The α of a module, named as in the base model: that of the first pattern that fits it, else `lora_alpha`.
    pub fn alpha_of(&self, module: &str) -> f64 {
        first_fit(&self.alphas, module).unwrap_or(self.alpha)
    }

    /// How α and the rank make the scale.
    pub fn scaling(&self) -> Scaling {
        self.scaling
    }

    /// Whether the adapted weights lie transposed, (in, out), as those of GPT-2's `Conv1D` do.
    pub fn fan_in_fan_out(&self) -> bool {
        self.fan_in_fan_out
    }

    /// What the adapter calls its base; words of its writer, checked by nobody.
    pub fn base_model(&self) -> Option<&str> {
        self.base_model.as_deref()
    }

    /// The modules that were retrained whole and stand in the file beside the factors.
    pub fn modules_to_save(&self) -> &[String] {
        &self.modules_to_save
    }
}

fn first_fit<T: Copy>(patterns: &[(Pattern, T)], module: &str) -> Option<T> {
    patterns.iter().find(|(pattern, _)| pattern.fits(module)).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests;
