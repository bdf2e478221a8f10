//! What may be the name of a tensor, and how text that was refused is shown.

use super::MAX_TENSOR_NAME;

/// Whether this is 1 to [`MAX_TENSOR_NAME`] of `[A-Za-z0-9._-]`, and neither `.` nor `..`.
///
/// So a name can be part of a path, a log line or a page without being escaped, and means nothing to a file
/// system.
pub(crate) fn is_tensor_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_TENSOR_NAME).contains(&name.len())
        && name.bytes().all(allowed)
        && !matches!(name, "." | "..")
}

/// What of a refused text is repeated: enough to find it, never a megabyte, and every character that a terminal
/// would obey or hide written out.
pub(crate) fn excerpt(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(120) {
        match character {
            '"' | '\'' | '\\' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_nothing_to_a_file_system() {
        for name in ["a", "model.layers.0.mlp.up_proj.weight", "...", "_", &"n".repeat(256)] {
            assert!(is_tensor_name(name), "{name}");
        }
        for name in ["", ".", "..", "../x", "a/b", "a\\b", "a\0", "a b", "é", &"n".repeat(257)] {
            assert!(!is_tensor_name(name), "{name}");
        }
    }

    #[test]
    fn excerpts_are_short_and_inert() {
        assert_eq!(excerpt("a\"b'\\ é"), "a\"b'\\ é");
        assert_eq!(excerpt("\u{202e}\u{1b}[2J\n"), "\\u{202e}\\u{1b}[2J\\n");
        assert_eq!(excerpt(&"x".repeat(1 << 20)).len(), 120);
    }
}
