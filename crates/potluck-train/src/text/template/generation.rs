//! The tag `{% generation %}`, which the engine does not know: rewritten to a filter block.
//!
//! The marks are two noncharacters of Unicode (U+FDD0, U+FDD1), which texts never exchange. A
//! conversation that has them nonetheless is refused rather than misread.

use super::{Rendered, TemplateError};

/// What the tag becomes: `{% filter FILTER %}` ... `{% endfilter %}`.
pub(super) const FILTER: &str = "_potluck_generation";

const BEGIN: char = '\u{FDD0}';
const END: char = '\u{FDD1}';

/// The template with its tags rewritten, and whether there was one.
///
/// Text in comments is left alone. A tag within `{% raw %}` would be rewritten too; nobody writes
/// templates that print templates.
pub(super) fn rewrite(source: &str) -> (String, bool) {
    let (mut out, mut rest, mut found) = (String::with_capacity(source.len()), source, false);
    while let Some(at) = rest.find("{%").into_iter().chain(rest.find("{#")).min() {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        if tag.starts_with("{#") {
            let end = tag.find("#}").map_or(tag.len(), |at| at + 2);
            out.push_str(&tag[..end]);
            rest = &tag[end..];
            continue;
        }
        let signed = if tag[2..].starts_with(['-', '+']) { 3 } else { 2 };
        let inner = tag[signed..].trim_start();
        let word =
            inner.find(|it: char| !it.is_ascii_alphabetic()).map_or(inner, |end| &inner[..end]);
        let closes =
            inner[word.len()..].trim_start().trim_start_matches(['-', '+']).starts_with("%}");
        let replaced = match word {
            "generation" if closes => format!(" filter {FILTER}"),
            "endgeneration" if closes => " endfilter".to_owned(),
            _ => String::new(),
        };
        out.push_str(&tag[..signed]);
        rest = &tag[signed..];
        if !replaced.is_empty() {
            found = true;
            out.push_str(&replaced);
            rest = &inner[word.len()..];
        }
    }
    out.push_str(rest);
    (out, found)
}

/// The filter.
pub(super) fn mark(text: String) -> String {
    format!("{BEGIN}{text}{END}")
}

/// Takes the marks out of a rendered text.
pub(super) fn take_marks(marked: &str) -> Result<Rendered, TemplateError> {
    let (mut text, mut spans, mut begun) = (String::with_capacity(marked.len()), Vec::new(), None);
    let stray = || {
        TemplateError::Conversation(
            "it has the noncharacters U+FDD0 or U+FDD1, or `generation` stands in `generation`"
                .into(),
        )
    };
    for letter in marked.chars() {
        match (letter, begun) {
            (BEGIN, None) => begun = Some(text.len()),
            (END, Some(from)) => {
                spans.push((from, text.len()));
                begun = None;
            }
            (BEGIN | END, _) => return Err(stray()),
            (other, _) => text.push(other),
        }
    }
    match begun {
        None => Ok(Rendered { text, spans }),
        Some(_) => Err(stray()),
    }
}
