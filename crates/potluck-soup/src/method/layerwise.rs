//! `layerwise/1`: `linear/1` with another λ for each group of tensors.
//!
//! Tensors are grouped by patterns of their names; the first pattern that fits counts. So a soup may take its early
//! layers from one expert and its late ones from another, as the "gradients" of model merging do by hand.

use std::str::FromStr;

use potluck_core::Lambda;

/// The longest pattern, in bytes: that of the longest name of a tensor.
const MAX_PATTERN: usize = 256;

/// The most groups: as many layers as a model can have, and some.
pub const MAX_GROUPS: usize = 4096;

/// Why a pattern was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no pattern for tensors: use their names, in which * stands for any characters, at most {MAX_PATTERN} bytes"
)]
pub struct PatternError(String);

/// A pattern of tensors' names: `*` stands for any run of characters, `.` and none included; all else for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for this name, all of it.
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else {
            return false;
        };
        // Without a star the first part is the last: then nothing may be left.
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        // The first place for each part leaves the most room for the others.
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

impl FromStr for Pattern {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        let is_named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'*');
        if (1..=MAX_PATTERN).contains(&text.len()) && text.bytes().all(is_named) {
            Ok(Self(text.to_owned()))
        } else {
            Err(PatternError(text.chars().take(80).filter(|c| !c.is_control()).collect()))
        }
    }
}

/// Tensors and how they are mixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Which tensors.
    pub tensors: Pattern,
    /// The experts' weights in them.
    pub lambda: Lambda,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_names() {
        let fits = |pattern: &str, name: &str| pattern.parse::<Pattern>().unwrap().matches(name);
        for (pattern, name) in [
            ("w", "w"),
            ("*", "anything.at-all"),
            ("model.layers.*", "model.layers.0.mlp"),
            ("*.weight", "a.b.weight"),
            ("a*b*c", "abbc"),
            ("a*b*c", "abc"),
            ("a**c", "ac"),
            ("*layers.1.*", "model.layers.1.q"),
            ("ab*ab", "abab"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("w", "w2"),
            ("w", "v"),
            ("layers.*", "model.layers.0"),
            ("*layers.1.*", "model.layers.11.q"),
            ("ab*ab", "ab"),
            ("a*b*c", "acb"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
        for text in ["", "a b", "a\"", "ä", &"x".repeat(257)] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }
}
