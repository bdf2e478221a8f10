//! `[log]`: what of the log is written. How each line is written is an argument, as it does not change while the program runs.

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// What of the log is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// A level, or directives as of RUST_LOG, which stands above it.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned() }
    }
}

impl Log {
    /// The first value that cannot be: its key, and what is wrong with it.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        let error = EnvFilter::try_new(&self.level).err()?;
        let level = &self.level;
        Some(("level", format!("is {level:?}, which is no level such as \"info\": {error}")))
    }
}
