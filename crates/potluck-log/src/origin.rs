//! The name of a log, which is also the name of the key that signs for it.

use std::fmt;
use std::str::FromStr;

/// The longest origin, in bytes.
pub const MAX_ORIGIN_BYTES: usize = 255;

/// A log's origin: the first line of its checkpoints, and the key name of its signatures.
///
/// C2SP recommends a URL without a scheme, such as `example.org/potluck/kitchen`. Never empty, at
/// most [`MAX_ORIGIN_BYTES`] long, with no space (of any kind), no `+`, and no control character.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin(String);

/// Why a text cannot be an [`Origin`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// There is no text.
    #[error("an origin cannot be empty")]
    Empty,
    /// It is longer than [`MAX_ORIGIN_BYTES`].
    #[error("an origin has at most {MAX_ORIGIN_BYTES} bytes, and this one {bytes}")]
    TooLong {
        /// How many bytes there were.
        bytes: usize,
    },
    /// It has a space, a `+` or a control character.
    #[error("an origin cannot contain {found:?}")]
    Forbidden {
        /// The first character that may not stand there.
        found: char,
    },
}

impl Origin {
    /// The origin as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        if text.is_empty() {
            return Err(OriginError::Empty);
        }
        if text.len() > MAX_ORIGIN_BYTES {
            return Err(OriginError::TooLong { bytes: text.len() });
        }
        match forbidden_in_key_name(text) {
            Some(found) => Err(OriginError::Forbidden { found }),
            None => Ok(Self(text.to_owned())),
        }
    }
}

/// The first character of `text` that C2SP signed-note allows in no key name, if there is one.
pub(crate) fn forbidden_in_key_name(text: &str) -> Option<char> {
    text.chars().find(|&c| c.is_whitespace() || c == '+' || c.is_control())
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Origin {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_key_names() {
        assert_eq!("example.org/log-1".parse::<Origin>().unwrap().as_str(), "example.org/log-1");
        assert!("küche.example/größe".parse::<Origin>().is_ok());
        assert_eq!("".parse::<Origin>(), Err(OriginError::Empty));
        assert_eq!("x".repeat(256).parse::<Origin>(), Err(OriginError::TooLong { bytes: 256 }));
        for found in [' ', '+', '\n', '\t', '\u{a0}', '\u{2003}', '\u{0}', '\u{7f}'] {
            let name = format!("log{found}name");
            assert_eq!(name.parse::<Origin>(), Err(OriginError::Forbidden { found }));
        }
    }
}
