//! YAML as its readers resolve it (core schema), without anchors' merge keys: those stand beside the keys that they bring.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value};

/// All documents of a text.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    let mut reader = Reader { parser: Parser::new_from_str(text), anchors: HashMap::new() };
    let mut documents = Vec::new();
    loop {
        match reader.next() {
            Event::StreamEnd => return documents,
            Event::DocumentStart(_) => {
                let root = reader.next();
                documents.push(reader.node(root));
            }
            _ => {}
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Value>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Event<'a> {
        let event = self.parser.next_event().expect("a document ends with an event");
        event.unwrap_or_else(|error| panic!("no YAML: {error}")).0
    }

    fn node(&mut self, event: Event<'a>) -> Value {
        let (value, anchor) = match event {
            Event::Alias(anchor) => return self.anchors[&anchor].clone(),
            Event::Scalar(text, style, anchor, _) => {
                let is_plain = style == ScalarStyle::Plain;
                (if is_plain { resolved(&text) } else { Value::String(text.into_owned()) }, anchor)
            }
            Event::SequenceStart(anchor, _) => (self.list(), anchor),
            Event::MappingStart(anchor, _) => (self.mapping(), anchor),
            other => panic!("{other:?} where a node was expected"),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        value
    }

    fn list(&mut self) -> Value {
        let mut items = Vec::new();
        loop {
            match self.next() {
                Event::SequenceEnd => return Value::Array(items),
                event => items.push(self.node(event)),
            }
        }
    }

    fn mapping(&mut self) -> Value {
        let mut members = Map::new();
        let mut merged = Map::new();
        loop {
            let event = self.next();
            if event == Event::MappingEnd {
                break;
            }
            let key = match self.node(event) {
                Value::String(key) => key,
                other => other.to_string(),
            };
            let event = self.next();
            let value = self.node(event);
            match value {
                Value::Object(more) if key == "<<" => merged.extend(more),
                value => {
                    assert!(members.insert(key.clone(), value).is_none(), "{key} stands twice");
                }
            }
        }
        for (key, value) in merged {
            members.entry(key).or_insert(value);
        }
        Value::Object(members)
    }
}

fn resolved(text: &str) -> Value {
    match text {
        "" | "~" | "null" => Value::Null,
        "true" => true.into(),
        "false" => false.into(),
        _ => text
            .parse::<i64>()
            .map(Value::from)
            .or_else(|_| text.parse::<f64>().map(Value::from))
            .unwrap_or_else(|_| text.into()),
    }
}
