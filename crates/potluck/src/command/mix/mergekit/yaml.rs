//! The part of YAML that configurations are written in: mappings, lists and scalars, kept as their text.
//!
//! Refused: keys twice, anchors and aliases (by which a small file can stand for a huge one), tags, keys that are no
//! scalars, several documents, nesting beyond [`MAX_DEPTH`].

use saphyr_parser::{Event, Parser, ScalarStyle};

/// How deep lists and mappings may nest.
const MAX_DEPTH: usize = 16;
/// The most keys of one mapping.
const MAX_KEYS: usize = 256;

/// A node of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Yaml {
    /// A scalar's text; and whether it was quoted, so that it is a string whatever it looks like.
    Scalar(String, bool),
    /// In order.
    List(Vec<Yaml>),
    /// In the order of the text; no key twice.
    Mapping(Vec<(String, Yaml)>),
}

impl Yaml {
    /// Reads a text that holds one document.
    ///
    /// # Errors
    /// What is refused, with its line where the parser knows it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut events = Events { parser: Parser::new_from_str(text), line: 1 };
        events.expect(&Event::StreamStart)?;
        match events.next()? {
            Event::DocumentStart(_) => {}
            _ => return Err("there is nothing in it".to_owned()),
        }
        let first = events.next()?;
        let root = events.node(first, 0)?;
        events.expect(&Event::DocumentEnd)?;
        match events.next()? {
            Event::StreamEnd => Ok(root),
            _ => Err(events.refuse("more than one document")),
        }
    }
}

struct Events<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    line: usize,
}

impl<'a> Events<'a> {
    fn next(&mut self) -> Result<Event<'a>, String> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.line = span.start.line();
                Ok(event)
            }
            Some(Err(error)) => Err(error.to_string()),
            None => Err("it ends too early".to_owned()),
        }
    }

    fn expect(&mut self, event: &Event<'_>) -> Result<(), String> {
        if self.next()? == *event { Ok(()) } else { Err(self.refuse("something unexpected")) }
    }

    fn refuse(&self, what: &str) -> String {
        format!("line {}: {what}", self.line)
    }

    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Yaml, String> {
        if depth > MAX_DEPTH {
            return Err(self.refuse("nested too deep"));
        }
        match event {
            Event::Scalar(text, style, 0, None) => {
                Ok(Yaml::Scalar(text.into_owned(), style != ScalarStyle::Plain))
            }
            Event::SequenceStart(0, None) => self.list(depth),
            Event::MappingStart(0, None) => self.mapping(depth),
            _ => Err(self.refuse("anchors, aliases and tags are not followed")),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Yaml, String> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Yaml::List(items)),
                event => items.push(self.node(event, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Yaml, String> {
        let mut members: Vec<(String, Yaml)> = Vec::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Ok(Yaml::Mapping(members)),
                event => match self.node(event, depth + 1)? {
                    Yaml::Scalar(key, _) => key,
                    _ => return Err(self.refuse("a key that is no word")),
                },
            };
            if members.len() == MAX_KEYS {
                return Err(self.refuse("too many keys"));
            }
            if members.iter().any(|(earlier, _)| *earlier == key) {
                return Err(self.refuse(&format!("the key '{key}' stands twice")));
            }
            let event = self.next()?;
            members.push((key, self.node(event, depth + 1)?));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_kept_as_text() {
        let plain = |text: &str| Yaml::Scalar(text.to_owned(), false);
        let found = Yaml::parse("a: 0.30\nb: [x, 'y']\nc:\n- d: ~\n").unwrap();
        let quoted = Yaml::Scalar("y".to_owned(), true);
        let inner = Yaml::Mapping(vec![("d".into(), plain("~"))]);
        let expected = Yaml::Mapping(vec![
            ("a".into(), plain("0.30")),
            ("b".into(), Yaml::List(vec![plain("x"), quoted])),
            ("c".into(), Yaml::List(vec![inner])),
        ]);
        assert_eq!(found, expected);
    }

    #[test]
    fn what_could_mean_something_else_is_refused() {
        let deep = "[".repeat(40) + &"]".repeat(40);
        for (text, said) in [
            ("a: 1\na: 2\n", "line 2: the key 'a' stands twice"),
            ("a: &x 1\nb: *x\n", "anchors"),
            ("a: !!int 1\n", "tags"),
            ("? [a]\n: 1\n", "no word"),
            ("a: 1\n---\nb: 2\n", "more than one document"),
            ("", "nothing in it"),
            (&deep, "too deep"),
            ("a: [1\n", ""),
        ] {
            let refused = Yaml::parse(text).unwrap_err();
            assert!(refused.contains(said), "{text}: {refused}");
        }
    }
}
