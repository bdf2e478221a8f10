//! Which modules a key of `rank_pattern` or `alpha_pattern` means.
//!
//! PEFT asks Python: `re.match(rf"(.*\.)?({key})$", name)`, so a key is an expression that must cover the name's
//! last parts, and a `.` in it is any character. Most keys are names; those are compared here, byte by byte.
//! The others are taken only from the part of the language in which Python and the `regex` crate mean the same,
//! and limited in number and size, because the file that holds them may be hostile.

use regex::bytes::{Regex, RegexBuilder};

/// The most patterns of one key.
pub(crate) const MAX_PATTERNS: usize = 4096;
/// The most of them that are more than a name.
pub(crate) const MAX_EXPRESSIONS: usize = 64;
/// The longest pattern, in bytes.
pub(crate) const MAX_PATTERN: usize = 512;
/// The largest program of an expression, in bytes.
const MAX_PROGRAM: usize = 64 << 10;

/// Why a pattern was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Empty or too long.
    #[error("it has {0} bytes; 1 to {MAX_PATTERN} are allowed")]
    Length(usize),
    /// Outside the part of the language that both sides agree on.
    #[error(
        "'{0}' is more than names, '.', '*', '+', '?', '|', groups, plain classes, counts, \\d and \\w"
    )]
    Language(String),
    /// Within it, but no expression, or one that unfolds into too much.
    #[error("'{0}' is no expression, or too large a one")]
    Expression(String),
}

/// A key of `rank_pattern` or `alpha_pattern`.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    text: String,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    /// A name's last parts; `None` stands for any one character. `from_start`: it began with `^`.
    Name {
        bytes: Vec<Option<u8>>,
        from_start: bool,
    },
    Expression(Regex),
}

impl PartialEq for Pattern {
    /// The text decides everything.
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Pattern {
    /// Reads a pattern.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        if !(1..=MAX_PATTERN).contains(&text.len()) {
            return Err(PatternError::Length(text.len()));
        }
        let form = match name(text) {
            Some(form) => form,
            None => Form::Expression(expression(text)?),
        };
        Ok(Self { text: text.to_owned(), form })
    }

    /// The pattern that fits this module and no other.
    pub(crate) fn exactly(module: &str) -> Self {
        let bytes = module.bytes().map(Some).collect();
        let text = format!("^{}", module.replace('.', r"\."));
        Self { text, form: Form::Name { bytes, from_start: true } }
    }

    /// As written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is more than a name.
    pub(crate) fn is_expression(&self) -> bool {
        matches!(self.form, Form::Expression(_))
    }

    /// Whether PEFT would find that this key means that module.
    pub(crate) fn fits(&self, module: &str) -> bool {
        match &self.form {
            Form::Expression(expression) => expression.is_match(module.as_bytes()),
            Form::Name { bytes, from_start } => {
                let Some(before) = module.len().checked_sub(bytes.len()) else { return false };
                let (before, last) = module.as_bytes().split_at(before);
                let starts = before.is_empty() || (!from_start && before.ends_with(b"."));
                starts
                    && bytes.iter().zip(last).all(|(byte, there)| byte.is_none_or(|b| b == *there))
            }
        }
    }
}

/// Reads what consists of names, dots and escaped dots, with `^` before and `$` after it, if anything.
fn name(text: &str) -> Option<Form> {
    let stripped = text.strip_prefix('^');
    let from_start = stripped.is_some();
    let text = stripped.unwrap_or(text);
    let mut text = text.strip_suffix('$').unwrap_or(text).bytes();
    let mut bytes = Vec::with_capacity(text.len());
    while let Some(byte) = text.next() {
        bytes.push(match byte {
            b'.' => None,
            b'\\' => Some(text.next().filter(|escaped| b".-".contains(escaped))?),
            _ if is_name(byte) => Some(byte),
            _ => return None,
        });
    }
    Some(Form::Name { bytes, from_start })
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-".contains(&byte)
}

fn expression(text: &str) -> Result<Regex, PatternError> {
    if !is_common(text.as_bytes()) {
        return Err(PatternError::Language(super::excerpt(text)));
    }
    RegexBuilder::new(&format!(r"^(?:.*\.)?(?:{text})$"))
        .unicode(false)
        .nest_limit(32)
        .size_limit(MAX_PROGRAM)
        .dfa_size_limit(4 * MAX_PROGRAM)
        .build()
        .map_err(|_| PatternError::Expression(super::excerpt(text)))
}

/// Whether Python and the `regex` crate read this in the same way.
///
/// Left out on purpose: possessive and doubled quantifiers (one side reads `a*+` as `(a*)+`), look-around, flags,
/// references, and classes with anything in them but names, dots and ranges.
fn is_common(mut rest: &[u8]) -> bool {
    let mut may_repeat = false;
    while let [byte, after @ ..] = rest {
        let length = match byte {
            b'.' | b'|' | b')' | b'^' | b'$' => 1,
            _ if is_name(*byte) => 1,
            b'(' if after.starts_with(b"?:") => 3,
            b'(' if !after.starts_with(b"?") => 1,
            b'\\' => match after.first() {
                Some(b'd' | b'w' | b'.' | b'-' | b'$' | b'^') => 2,
                _ => return false,
            },
            b'[' => match class(after) {
                Some(length) => 1 + length,
                None => return false,
            },
            b'*' | b'+' | b'?' if may_repeat => 1,
            b'{' if may_repeat => match count(after) {
                Some(length) => 1 + length,
                None => return false,
            },
            _ => return false,
        };
        let repeats = b"*+?{".contains(byte);
        may_repeat = !repeats && !b"(|^$".contains(byte);
        rest = &rest[length..];
        if repeats && rest.first() == Some(&b'?') {
            // Reluctant: it changes what a group holds, not whether the whole fits.
            rest = &rest[1..];
        }
    }
    true
}

/// The length of a class's inside and its `]`.
fn class(inside: &[u8]) -> Option<usize> {
    let end = inside.iter().position(|byte| *byte == b']')?;
    let content = inside[..end].strip_prefix(b"^").unwrap_or(&inside[..end]);
    let plain = content.iter().all(|byte| is_name(*byte) || *byte == b'.');
    (!content.is_empty() && plain && !content.windows(2).any(|pair| pair == b"--"))
        .then_some(end + 1)
}

/// The length of `3}`, `3,}` or `3,5}`.
fn count(inside: &[u8]) -> Option<usize> {
    let end = inside.iter().position(|byte| *byte == b'}')?;
    let text = std::str::from_utf8(&inside[..end]).ok()?;
    let (least, most) = text.split_once(',').unwrap_or((text, text));
    let digits =
        |text: &str| (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    (digits(least) && (most.is_empty() || digits(most))).then_some(end + 1)
}

#[cfg(test)]
mod tests;
