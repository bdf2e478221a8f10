//! The part of Go's templates that the chart is written in.
//!
//! ```text
//! {{ .a.b }}  {{ .a | f | g 8 }}  {{ f .a | g 8 }}      values, through functions
//! {{ if .a }} … {{ end }}  {{ with .a }} … {{ end }}    where a value is neither null, false, "" nor empty
//! {{- and -}}                                           take the white space beside them away
//! ```
//!
//! Everything else is an error, so that the chart cannot come to use what is not rendered here.

use serde_json::Value;

/// The text with its actions carried out over the root of values.
pub(super) fn render(text: &str, root: &Value) -> String {
    let mut out = String::new();
    let mut pieces = pieces(text).into_iter().peekable();
    block(&mut pieces, root, Some(&mut out));
    assert!(pieces.next().is_none(), "an end too many");
    out
}

enum Piece<'a> {
    Text(&'a str),
    Action(&'a str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (action, after) = after.split_once("}}").expect("an action ends");
        let left = action.strip_prefix('-');
        pieces.push(Piece::Text(if left.is_some() { before.trim_end() } else { before }));
        let action = left.unwrap_or(action);
        let right = action.strip_suffix('-');
        pieces.push(Piece::Action(right.unwrap_or(action).trim()));
        rest = if right.is_some() { after.trim_start() } else { after };
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// Renders up to the end of the block, or of the text; nothing is written where there is no `out`.
fn block<'a>(
    pieces: &mut impl Iterator<Item = Piece<'a>>,
    dot: &Value,
    mut out: Option<&mut String>,
) {
    while let Some(piece) = pieces.next() {
        let action = match piece {
            Piece::Text(text) => {
                out.iter_mut().for_each(|out| out.push_str(text));
                continue;
            }
            Piece::Action("end") => return,
            Piece::Action(action) => action,
        };
        let (word, rest) = action.split_once(' ').unwrap_or((action, ""));
        match word {
            "if" | "with" => {
                let value = out.as_ref().map_or(Value::Null, |_| evaluate(rest, dot));
                let inner = if word == "with" { &value } else { dot };
                block(pieces, inner, out.as_deref_mut().filter(|_| is_true(&value)));
            }
            _ => {
                let Some(out) = out.as_mut() else { continue };
                out.push_str(&printed(&evaluate(action, dot)));
            }
        }
    }
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

fn printed(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A pipeline: the value of each stage is the last argument of the next.
fn evaluate(pipeline: &str, dot: &Value) -> Value {
    let mut value = None;
    for stage in pipeline.split('|') {
        let words: Vec<_> = stage.split_whitespace().collect();
        let operand = |word: &str| operand(word, dot);
        value = Some(match words.as_slice() {
            [path] if path.starts_with('.') && value.is_none() => operand(path),
            [function, arguments @ ..] => {
                let given = arguments.iter().map(|word| operand(word));
                call(function, &given.chain(value).collect::<Vec<_>>())
            }
            [] => panic!("nothing stands in {pipeline:?}"),
        });
    }
    value.expect("a pipeline has a stage")
}

fn operand(word: &str, dot: &Value) -> Value {
    let Some(path) = word.strip_prefix('.') else {
        return word
            .parse::<u64>()
            .map(Value::from)
            .unwrap_or_else(|_| panic!("{word} is no operand"));
    };
    path.split('.').filter(|key| !key.is_empty()).fold(dot.clone(), |value, key| {
        value.get(key).unwrap_or_else(|| panic!("{word}: there is no {key}")).clone()
    })
}

fn call(function: &str, arguments: &[Value]) -> Value {
    match (function, arguments) {
        ("quote", [value]) => Value::from(printed(value)).to_string().into(),
        ("default", [other, value]) => if is_true(value) { value } else { other }.clone(),
        ("toYaml", [value]) => to_yaml(value).into(),
        ("nindent", [by, value]) => {
            let indent = " ".repeat(usize::try_from(by.as_u64().unwrap()).unwrap());
            let lines =
                printed(value).lines().map(|line| format!("\n{indent}{line}")).collect::<String>();
            lines.into()
        }
        // Any digest shows what the annotation is for.
        ("sha256sum", [value]) => {
            potluck_core::Blake3::of(printed(value).as_bytes()).to_string().into()
        }
        _ => panic!("{function} of {} is not rendered here", arguments.len()),
    }
}

/// One line for each member or item, which is JSON and so YAML.
fn to_yaml(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let line = |(key, value): (&String, &Value)| format!("{key}: {value}\n");
            members.iter().map(line).collect()
        }
        Value::Array(items) => items.iter().map(|item| format!("- {item}\n")).collect(),
        value => value.to_string(),
    }
}

#[test]
fn it_renders_as_go_does() {
    let root = serde_json::json!({"a": {"b": "x", "n": 3}, "e": "", "l": [1, {"k": true}]});
    let is = |text: &str, expected: &str| assert_eq!(render(text, &root), expected, "{text}");
    is("a {{ .a.b }} {{- .a.n -}}  c", "a x3c");
    is("{{ if .e }}no{{ if .a }}no{{ end }}{{ end }}yes", "yes");
    is(
        "l:\n  {{- with .l }}\n  {{- toYaml . | nindent 2 }}\n  {{- end }}\n",
        "l:\n  - 1\n  - {\"k\":true}\n",
    );
    is("{{ .e | default .a.b | quote }}", "\"x\"");
}
