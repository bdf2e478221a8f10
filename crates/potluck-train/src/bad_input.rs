//! The one error for what a caller gave us and we cannot use: a file, a key, an argument.
//!
//! Its text is one line: where, what, and what to do. The program ends with exit code 3 on it.

use std::fmt::Display;
use std::path::Path;

/// Something given to us is missing, malformed or does not fit the rest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadInput(String);

impl BadInput {
    /// An error whose text names place, fault and cure.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().replace(['\n', '\r'], " "))
    }

    /// `path` cannot be used for the reason given.
    pub fn file(path: &Path, reason: &dyn Display) -> Self {
        Self::new(format!("{}: {reason}", path.display()))
    }

    /// `path` cannot be used because of `error` and what lies behind it.
    pub fn because(path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::file(path, &chain(error))
    }

    /// `text`, read from `path`, is not what we expect; names the line.
    pub fn toml(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let line =
            error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        let place = line.map_or(String::new(), |line| {
            let content = text.lines().nth(line - 1).unwrap_or_default().trim();
            format!(" line {line} (`{content}`)")
        });
        Self::new(format!("{}{place}: {}", path.display(), error.message()))
    }
}

/// An error with what lies behind it, in one line.
pub(crate) fn chain(error: impl std::error::Error + Send + Sync + 'static) -> String {
    format!("{:#}", anyhow::Error::new(error))
}
