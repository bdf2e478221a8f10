//! `[hub]`: how soups are served over HTTP. What holds without a line, and why, stands in `configs/aggregator.toml`.

use serde::Deserialize;

/// How soups are served as on the Hugging Face Hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hub {
    /// The most bytes of soups that are kept since more than one asked for them; 0 keeps none.
    pub cache_bytes: u64,
}

impl Default for Hub {
    fn default() -> Self {
        Self { cache_bytes: 10_000_000_000 }
    }
}
