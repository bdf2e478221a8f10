//! Whether every crate that we build on comes under a licence that we accept.
//!
//! The accepted ones stand in `.deny.toml`, for `cargo deny` and for us; this check needs neither
//! that tool nor a network.

use anyhow::{Context, Result, ensure};

use super::metadata::Graph;
use crate::toolchain::root;

/// One line for each crate without an accepted licence.
///
/// # Errors
/// When `.deny.toml` cannot be read, or lists no licence.
pub(super) fn breaches(graph: &Graph) -> Result<Vec<String>> {
    let path = root().join(".deny.toml");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let allowed = allowed(&text);
    ensure!(!allowed.is_empty(), "{} lists no licence", path.display());
    let strays = graph.licences.iter().filter(|(_, licence)| !is_accepted(licence, &allowed));
    Ok(strays.map(|(name, licence)| format!("{name} has the licence {licence:?}")).collect())
}

/// The strings of the `allow` list under `[licenses]`, one a line.
fn allowed(deny_toml: &str) -> Vec<&str> {
    let section = deny_toml.lines().skip_while(|line| *line != "[licenses]");
    let list = section.skip_while(|line| *line != "allow = [").skip(1);
    let quoted = list.take_while(|line| *line != "]").map(|line| line.trim().trim_end_matches(','));
    quoted.map(|name| name.trim_matches('"')).collect()
}

/// Reads an SPDX expression (and the older slash): `OR` binds less than `AND`.
fn is_accepted(expression: &str, allowed: &[&str]) -> bool {
    let expression = expression.trim();
    let any = split_outside(&expression.replace('/', " OR "), " OR ");
    if any.len() > 1 {
        return any.iter().any(|it| is_accepted(it, allowed));
    }
    let all = split_outside(expression, " AND ");
    if all.len() > 1 {
        return all.iter().all(|it| is_accepted(it, allowed));
    }
    match expression.strip_prefix('(').and_then(|it| it.strip_suffix(')')) {
        Some(inner) => is_accepted(inner, allowed),
        None => allowed.contains(&expression),
    }
}

/// Splits at each `word` that stands outside parentheses.
fn split_outside(expression: &str, word: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for piece in expression.split(word) {
        let last = pieces.last_mut().expect("there is a first piece, and none is removed");
        let is_open = last.matches('(').count() > last.matches(')').count();
        match (last.is_empty(), is_open) {
            (true, _) => *last = piece.into(),
            (_, true) => *last = format!("{last}{word}{piece}"),
            _ => pieces.push(piece.into()),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_from_its_section() {
        let text = "[bans]\nallow = [\n    \"x\",\n]\n\n[licenses]\nallow = [\n    \"MIT\",\n    \
                    \"ISC\",\n]\n";
        assert_eq!(allowed(text), ["MIT", "ISC"]);
    }

    #[test]
    fn expressions_mean_what_they_say() {
        let cases = [
            ("MIT", true),
            ("GPL-3.0", false),
            ("", false),
            ("GPL-3.0 OR MIT", true),
            ("Apache-2.0/GPL-3.0", false),
            ("MIT AND GPL-3.0", false),
            ("MIT AND ISC", true),
            ("(GPL-3.0 OR MIT) AND ISC", true),
            ("(GPL-3.0 OR MIT) AND Unicode-3.0", false),
            ("GPL-3.0 OR MIT AND ISC", true),
            ("Apache-2.0 WITH LLVM-exception", false),
        ];
        for (expression, expected) in cases {
            assert_eq!(is_accepted(expression, &["MIT", "ISC"]), expected, "{expression}");
        }
    }
}
