//! Just enough reading of Rust to count: comments and literals blanked out, functions measured.
//!
//! No parser, since a miscounted line in odd code harms nobody and this builds in a moment.

/// The same text with every comment, string and character literal turned into spaces; line breaks
/// stay, so that positions and line numbers are those of the original.
pub(super) fn blank_out(text: &str) -> String {
    let mut rest = text;
    let mut code = String::with_capacity(text.len());
    while let Some(first) = rest.chars().next() {
        let after_word = code.chars().next_back().is_some_and(is_word);
        let length = if after_word { 0 } else { raw_string(rest) };
        let length = length.max(opaque(rest));
        let (taken, kept) = match length {
            0 => (first.len_utf8(), true),
            length => (length, false),
        };
        let (piece, tail) = rest.split_at(taken);
        let blank = |it: char| if kept || it == '\n' { it } else { ' ' };
        code.extend(piece.chars().map(blank));
        rest = tail;
    }
    code
}

/// A function with its place and size.
pub(super) struct Function {
    /// Counted from 0.
    pub(super) first_line: usize,
    /// From the line of `fn` to that of the closing brace.
    pub(super) lines: usize,
}

/// The functions with a body in blanked-out code.
pub(super) fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let after_word = code[..at].chars().next_back().is_some_and(is_word);
        // A name must follow: `fn (u8)` with a space is a type.
        let named = code[at + 3..].starts_with(is_word);
        if after_word || !named {
            continue;
        }
        if let Some(end) = body_end(&code[at..]) {
            let lines = code[at..at + end].matches('\n').count() + 1;
            found.push(Function { first_line: code[..at].matches('\n').count(), lines });
        }
    }
    found
}

/// The number of lines before a file's tests: before the first `#[cfg(test)]` on a `mod`.
pub(super) fn lines_before_tests(code: &str) -> usize {
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let begins = |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ");
    lines.windows(2).position(begins).unwrap_or(lines.len())
}

/// The position just after the brace that closes the body, if there is a body.
fn body_end(code: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut brackets = 0usize;
    for (at, it) in code.char_indices() {
        match it {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.checked_sub(1)?,
            ';' if depth == 0 && brackets == 0 => return None,
            '{' => depth += 1,
            '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The length of the comment or literal with which `rest` begins, or 0.
fn opaque(rest: &str) -> usize {
    if rest.starts_with("//") {
        rest.find('\n').unwrap_or(rest.len())
    } else if rest.starts_with("/*") {
        block_comment(rest)
    } else if rest.starts_with('"') {
        quoted(rest, '"')
    } else if rest.starts_with('\'') {
        character(rest)
    } else {
        0
    }
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        match (here.starts_with(b"/*"), here.starts_with(b"*/")) {
            (true, _) => (depth, at) = (depth + 1, at + 2),
            (_, true) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// A literal between two `quote`s, with backslashes that hide one.
fn quoted(rest: &str, quote: char) -> usize {
    let mut hidden = false;
    for (at, it) in rest.char_indices().skip(1) {
        match it {
            _ if hidden => hidden = false,
            '\\' => hidden = true,
            it if it == quote => return at + it.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// A character literal; 0 for a lifetime or a label.
fn character(rest: &str) -> usize {
    let mut chars = rest.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted(rest, '\''),
        _ => 0,
    }
}

/// A raw string with its prefix, such as `r"…"` and `br#"…"#`.
fn raw_string(rest: &str) -> usize {
    let Some(tail) = ["r", "br", "cr"].iter().find_map(|prefix| rest.strip_prefix(prefix)) else {
        return 0;
    };
    let hashes = tail.len() - tail.trim_start_matches('#').len();
    if !tail[hashes..].starts_with('"') {
        return 0;
    }
    let begin = rest.len() - tail.len() + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    rest[begin..].find(&close).map_or(rest.len(), |at| begin + at + close.len())
}

fn is_word(it: char) -> bool {
    it.is_alphanumeric() || it == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_in_place() {
        let cases = [
            ("a // b\nc", "a     \nc"),
            ("/* a /* b */ c */d", "                 d"),
            (r#"f("a\"b{", x)"#, "f(       , x)"),
            ("r#\"a\"b\"#;", "        ;"),
            ("let c = '{';", "let c =    ;"),
            (r"let c = '\'';", "let c =     ;"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("var\"x\"", "var   "),
        ];
        for (text, expected) in cases {
            assert_eq!(blank_out(text), expected, "{text}");
        }
    }

    #[test]
    fn functions_are_measured_to_their_closing_brace() {
        let code = "fn a() {\n  if x { y }\n}\ntrait T { fn b(x: [u8; 2]); fn c() {} }\n";
        let found: Vec<_> = functions(code).iter().map(|it| (it.first_line, it.lines)).collect();
        assert_eq!(found, [(0, 3), (3, 1)]);
    }

    #[test]
    fn tests_begin_at_their_module() {
        assert_eq!(lines_before_tests("a\n\n#[cfg(test)]\nmod tests {\n}\n"), 2);
        assert_eq!(lines_before_tests("a\n#[cfg(test)]\nfn b() {}\n"), 3);
    }
}
