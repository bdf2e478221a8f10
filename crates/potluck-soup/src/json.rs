//! A strict reader of JSON that may be hostile: headers and indexes, which others wrote.
//!
//! It walks over the text once, in the order in which the text stands, and builds no tree: the caller says what
//! it expects next, and keeps what it wants to. Names are borrowed from the text unless they are escaped. Nothing
//! is allocated before it is read, a fault holds no part of the text, and nothing nests deeper than the caller's
//! own calls (or [`DEPTH`], where a value is passed over), so time and memory are linear in a text whose length
//! the caller has measured.
//!
//! It refuses what RFC 8259 does, and numbers that are no plain integers where integers are expected. That keys
//! are not repeated is the caller's question. Called by [`mod@crate::layout`] and [`mod@crate::index`].

use std::borrow::Cow;

/// How deep a value may nest that is passed over.
const DEPTH: usize = 32;

/// Why a text was refused, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what}, at byte {at}")]
pub(crate) struct Fault {
    what: &'static str,
    at: usize,
}

/// A text, and how far it has been read.
pub(crate) struct Json<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Json<'a> {
    /// Stands before the first byte of `text`.
    ///
    /// # Errors
    /// A text that is not UTF-8.
    pub(crate) fn new(text: &'a [u8]) -> Result<Self, Fault> {
        let text = std::str::from_utf8(text)
            .map_err(|error| Fault { what: "it is not UTF-8", at: error.valid_up_to() })?;
        Ok(Self { text, at: 0 })
    }

    /// Reads an object; `each` gets every key, and has to read its value.
    pub(crate) fn members<E: From<Fault>>(
        &mut self,
        mut each: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.token(b'{', "'{' expected")?;
        self.listed(b'}', "',' or '}' expected", |json| {
            let key = json.string()?;
            json.token(b':', "':' expected")?;
            each(json, key)
        })
    }

    /// Reads a list; `each` has to read every value.
    pub(crate) fn items<E: From<Fault>>(
        &mut self,
        each: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.token(b'[', "'[' expected")?;
        self.listed(b']', "',' or ']' expected", each)
    }

    /// Reads a string.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.token(b'"', "a string expected")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.at += 1;
                }
                Some(..b' ') => return Err(self.fault("a control character in a string")),
                Some(_) => {}
                None => return Err(self.fault("the text ends within a string")),
            }
            // Past an escaped character too; if it is longer than a byte, its other bytes mean nothing here.
            self.at += 1;
        }
        self.at += 1;
        if !escaped {
            return Ok(Cow::Borrowed(&self.text[start..self.at - 1]));
        }
        let quoted = &self.text[start - 1..self.at];
        serde_json::from_str(quoted)
            .map(Cow::Owned)
            .map_err(|_| Fault { what: "an escape that is none in a string", at: start })
    }

    /// Reads an integer from 0 to 2^64 - 1: decimal digits alone.
    pub(crate) fn integer(&mut self) -> Result<u64, Fault> {
        const WHAT: &str = "an integer from 0 to 2^64 - 1 expected";
        self.pass_white();
        let start = self.at;
        let number = self.number().map_err(|_| Fault { what: WHAT, at: start })?;
        number.parse().map_err(|_| Fault { what: WHAT, at: start })
    }

    /// Reads a number of any kind, and gives it as it is written.
    pub(crate) fn number(&mut self) -> Result<&'a str, Fault> {
        self.pass_white();
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    /// Passes over a value of any kind.
    pub(crate) fn skip(&mut self) -> Result<(), Fault> {
        self.skip_within(DEPTH)
    }

    /// What follows, unread.
    pub(crate) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The next byte but for white space, which is passed over; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<u8> {
        self.pass_white();
        self.peek()
    }

    /// A fault at this place.
    pub(crate) fn fault(&self, what: &'static str) -> Fault {
        Fault { what, at: self.at }
    }

    fn skip_within(&mut self, depth: usize) -> Result<(), Fault> {
        let Some(deeper) = depth.checked_sub(1) else {
            return Err(self.fault("a value nests too deep"));
        };
        match self.next() {
            Some(b'{') => self.members(|json, _| json.skip_within(deeper)),
            Some(b'[') => self.items(|json| json.skip_within(deeper)),
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number().map(drop),
            _ => {
                let word =
                    ["true", "false", "null"].into_iter().find(|it| self.rest().starts_with(it));
                self.at += word.ok_or_else(|| self.fault("a value expected"))?.len();
                Ok(())
            }
        }
    }

    /// What stands between brackets, the first of which has been read: entries between commas.
    fn listed<E: From<Fault>>(
        &mut self,
        close: u8,
        what: &'static str,
        mut each: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.next() == Some(close) {
            self.at += 1;
            return Ok(());
        }
        loop {
            each(self)?;
            match self.next() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == close => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.fault(what).into()),
            }
        }
    }

    fn token(&mut self, token: u8, what: &'static str) -> Result<(), Fault> {
        if self.next() != Some(token) {
            return Err(self.fault(what));
        }
        self.at += 1;
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.fault("a digit expected")) } else { Ok(()) }
    }

    fn pass_white(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn passes(text: &str) -> bool {
        let mut json = Json::new(text.as_bytes()).unwrap();
        json.skip().is_ok() && json.next().is_none()
    }

    #[test]
    fn values_are_passed_over_as_the_grammar_has_them() {
        for good in [
            "0",
            "-0",
            "10.50e+7",
            "1E-2",
            "true",
            "null",
            r#""é\n\u0041\ud83d\ude00\\""#,
            " [ ] ",
            r#"{"a":[1,{"b":"c"},false],"a":{}}"#,
            r#""\é""#.replace("\\é", "é").as_str(),
        ] {
            assert!(passes(good), "{good}");
        }
        for bad in [
            "",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "nul",
            "truex",
            "'a'",
            r#""a"#,
            r#""\x""#,
            r#""\"#,
            r#""\é""#,
            r#""\ud800""#,
            "\"\t\"",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{\"a\":1,}",
            "1 1",
            "NaN",
            "\u{feff}1",
        ] {
            assert!(!passes(bad), "{bad}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(passes(&nested(DEPTH - 1)));
        assert!(!passes(&nested(DEPTH)));
        assert!(!passes(&"{\"a\":".repeat(1_000_000)));
    }

    #[test]
    fn integers_are_plain_and_fit_64_bits() {
        let integer = |text: &str| Json::new(text.as_bytes()).unwrap().integer();
        assert_eq!(integer(" 18446744073709551615"), Ok(u64::MAX));
        for bad in ["18446744073709551616", "-1", "-0", "1.0", "1e3", "\"1\"", "", "x"] {
            assert!(integer(bad).is_err(), "{bad}");
        }
        assert!(integer(&"9".repeat(1_000_000)).is_err());
    }

    #[test]
    fn a_fault_says_where() {
        let mut json = Json::new(b"{\"a\" 1}").unwrap();
        let fault = json.members(|json, _| json.skip()).unwrap_err();
        assert_eq!(fault.to_string(), "':' expected, at byte 5");
        let fault = Json::new(b"ab\xff").err().unwrap();
        assert_eq!(fault.to_string(), "it is not UTF-8, at byte 2");
    }

    /// Texts of the characters on which JSON turns.
    fn scraps() -> impl Strategy<Value = String> {
        let scrap = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            "\"a\"",
            "\"b\\u0041\"",
            "0",
            "1",
            "-",
            ".",
            "e",
            "E+",
            "true",
            "null",
            " ",
            "\n",
            "u00e9",
            "é",
            "\\ud83d",
            "\\ude00",
            "\u{1}",
        ]);
        prop::collection::vec(scrap, 0..12).prop_map(|scraps| scraps.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// It is as strict as a tree of values, and no stricter than the bare grammar.
        #[test]
        fn it_agrees_with_serde_json(text in scraps()) {
            let (tree, grammar) = (
                serde_json::from_str::<serde_json::Value>(&text).is_ok(),
                serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(),
            );
            // A tree asks more of numbers (binary64 holds them), the grammar less of escapes.
            prop_assert!(passes(&text) || !tree, "{text}");
            prop_assert!(grammar || !passes(&text), "{text}");
        }

        #[test]
        fn strings_mean_what_serde_json_says(text: String) {
            let quoted = serde_json::to_string(&text).unwrap();
            let mut json = Json::new(quoted.as_bytes()).unwrap();
            prop_assert_eq!(json.string().unwrap(), text);
            prop_assert_eq!(json.rest(), "");
        }
    }
}
