//! Values as Python prints them, and as its `json.dumps` writes them.
//!
//! Jinja2 prints through `str`: true is `True`, nothing is `None`, a list is `['a', 1]`. Templates
//! that print such values print what the model was tuned on, so it must be the same here.

use std::fmt::Write as _;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// How deep a printed value may be: data come from anybody, and printing calls itself.
const DEPTH: usize = 100;

/// How `json` writes.
#[derive(Debug, Clone, Default)]
pub(super) struct Style {
    /// Spaces a level; one line where there is none.
    pub(super) indent: Option<usize>,
    /// Whether letters beyond ASCII are escaped.
    pub(super) ascii: bool,
    /// Whether keys are put into order.
    pub(super) sorted: bool,
    /// Between items, and after keys; Python's if not given.
    pub(super) separators: Option<(String, String)>,
}

/// `str(value)`; nothing for what is undefined.
pub(super) fn display(value: &Value) -> String {
    match value.kind() {
        ValueKind::Undefined => String::new(),
        ValueKind::String => value.as_str().unwrap_or_default().to_owned(),
        _ => {
            let mut out = String::new();
            repr(value, 0, &mut out);
            out
        }
    }
}

/// `repr(value)`.
fn repr(value: &Value, depth: usize, out: &mut String) {
    if depth > DEPTH {
        out.push_str("...");
        return;
    }
    match value.kind() {
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => out.push_str(&number(value)),
        ValueKind::String => quoted(value.as_str().unwrap_or_default(), out),
        ValueKind::Map => {
            out.push('{');
            for (index, (key, item)) in pairs(value).enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                repr(&key, depth + 1, out);
                out.push_str(": ");
                repr(&item, depth + 1, out);
            }
            out.push('}');
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let (open, close) = if value.is_tuple() { ('(', ')') } else { ('[', ']') };
            out.push(open);
            for (index, item) in value.try_iter().into_iter().flatten().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                repr(&item, depth + 1, out);
            }
            out.push_str(if value.is_tuple() && value.len() == Some(1) { "," } else { "" });
            out.push(close);
        }
        _ => out.push_str(&value.to_string()),
    }
}

fn pairs(value: &Value) -> impl Iterator<Item = (Value, Value)> {
    let keys = value.try_iter().into_iter().flatten();
    keys.map(|key| (key.clone(), value.get_item(&key).unwrap_or_default()))
}

/// Python takes double quotes where a text has single ones and no double ones.
fn quoted(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for letter in text.chars() {
        match letter {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            it if it == quote => out.extend(['\\', it]),
            it if u32::from(it) < 32 || u32::from(it) == 127 => {
                let _ = write!(out, "\\x{:02x}", u32::from(it));
            }
            it => out.push(it),
        }
    }
    out.push(quote);
}

/// A number with the digits and the exponent that Python gives it.
fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    let Ok(float) = f64::try_from(value.clone()) else { return value.to_string() };
    if !float.is_finite() {
        return if float.is_nan() {
            "nan"
        } else if float > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .to_owned();
    }
    let text = format!("{float:e}");
    let (digits, exponent) = text.split_once('e').expect("`{:e}` writes an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a small whole number");
    if (-4..16).contains(&exponent) {
        return format!("{float:?}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// `json.dumps(value)`.
pub(super) fn json(value: &Value, style: &Style) -> Result<String, Error> {
    let mut out = String::new();
    write_json(value, style, 0, &mut out)?;
    Ok(out)
}

fn write_json(value: &Value, style: &Style, depth: usize, out: &mut String) -> Result<(), Error> {
    let refused = |reason: String| Error::new(ErrorKind::BadSerialization, reason);
    if depth > DEPTH {
        return Err(refused(format!("a value is nested more than {DEPTH} deep")));
    }
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => match number(value).as_str() {
            "nan" => out.push_str("NaN"),
            "inf" => out.push_str("Infinity"),
            "-inf" => out.push_str("-Infinity"),
            finite => out.push_str(finite),
        },
        ValueKind::String => escaped(value.as_str().unwrap_or_default(), style.ascii, out),
        ValueKind::Map => {
            let mut pairs: Vec<(String, Value)> =
                pairs(value).map(|(key, item)| (key_text(&key), item)).collect();
            if style.sorted {
                pairs.sort_by(|a, b| a.0.cmp(&b.0));
            }
            let last = pairs.len();
            out.push('{');
            for (index, (key, item)) in pairs.into_iter().enumerate() {
                begin_item(style, depth, index, out);
                escaped(&key, style.ascii, out);
                out.push_str(style.separators.as_ref().map_or(": ", |it| &it.1));
                write_json(&item, style, depth + 1, out)?;
            }
            end_list(style, depth, last, '}', out);
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let mut length = 0;
            out.push('[');
            for (index, item) in value.try_iter()?.enumerate() {
                begin_item(style, depth, index, out);
                write_json(&item, style, depth + 1, out)?;
                length = index + 1;
            }
            end_list(style, depth, length, ']', out);
        }
        other => return Err(refused(format!("a value that is {other} has no JSON"))),
    }
    Ok(())
}

fn begin_item(style: &Style, depth: usize, index: usize, out: &mut String) {
    if index > 0 {
        let usual = if style.indent.is_some() { "," } else { ", " };
        out.push_str(style.separators.as_ref().map_or(usual, |it| &it.0));
    }
    new_line(style, depth + 1, out);
}

fn end_list(style: &Style, depth: usize, length: usize, close: char, out: &mut String) {
    if length > 0 {
        new_line(style, depth, out);
    }
    out.push(close);
}

fn new_line(style: &Style, depth: usize, out: &mut String) {
    if let Some(indent) = style.indent {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent * depth));
    }
}

fn key_text(key: &Value) -> String {
    match key.kind() {
        ValueKind::Bool => key.to_string(),
        ValueKind::None => "null".to_owned(),
        _ => display(key),
    }
}

fn escaped(text: &str, ascii: bool, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            it if u32::from(it) < 32 || (ascii && !it.is_ascii()) => {
                for unit in it.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            it => out.push(it),
        }
    }
    out.push('"');
}
