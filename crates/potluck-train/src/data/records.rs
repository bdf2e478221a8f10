//! The lines of a file, one at a time, each an object whose values are kept as they were written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde_json::value::RawValue;

use crate::bad_input::BadInput;

/// The longest line that is read, in bytes: a long document, or a conversation of many turns.
const MAX_LINE: u64 = 16 << 20;

/// One line.
#[derive(Debug)]
pub(super) struct Record {
    /// From 1.
    pub(super) line: u64,
    fields: BTreeMap<String, Box<RawValue>>,
}

/// The lines of a file; blank ones are passed over.
pub(super) struct Records {
    path: PathBuf,
    file: BufReader<File>,
    line: u64,
}

impl Records {
    pub(super) fn open(path: &Path) -> Result<Self, BadInput> {
        let file = File::open(path).map_err(|error| BadInput::file(path, &error))?;
        Ok(Self { path: path.to_owned(), file: BufReader::new(file), line: 0 })
    }

    /// The next line that is not blank.
    fn read(&mut self) -> Result<Option<Record>, BadInput> {
        loop {
            self.line += 1;
            let mut bytes = Vec::new();
            let read = (&mut self.file)
                .take(MAX_LINE + 1)
                .read_until(b'\n', &mut bytes)
                .map_err(|error| BadInput::file(&self.path, &error))?;
            if read == 0 {
                return Ok(None);
            }
            if bytes.len() as u64 > MAX_LINE {
                return Err(self.refusal(&format!("it has more than {MAX_LINE} bytes")));
            }
            // Some editors begin a file with the mark of UTF-8.
            let bytes =
                bytes.strip_prefix(b"\xEF\xBB\xBF").filter(|_| self.line == 1).unwrap_or(&bytes);
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            let fields = serde_json::from_slice(bytes).map_err(|error| {
                self.refusal(&format!("it is no JSON object, one a line: {error}"))
            })?;
            return Ok(Some(Record { line: self.line, fields }));
        }
    }

    fn refusal(&self, reason: &str) -> BadInput {
        refusal(&self.path, self.line, &reason)
    }
}

impl Iterator for Records {
    type Item = Result<Record, BadInput>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// `line` of `path` cannot be used.
pub(super) fn refusal(path: &Path, line: u64, reason: &dyn std::fmt::Display) -> BadInput {
    BadInput::new(format!("{} line {line}: {reason}", path.display()))
}

impl Record {
    /// Whether `key` is there with something else than null.
    pub(super) fn has(&self, key: &str) -> bool {
        self.json(key).is_some()
    }

    /// The value of `key` as it was written; null counts as absent.
    pub(super) fn json(&self, key: &str) -> Option<&str> {
        self.fields.get(key).map(|value| value.get()).filter(|json| *json != "null")
    }

    /// The text under `key`.
    pub(super) fn text(&self, key: &str) -> Result<String, String> {
        let json = self.json(key).ok_or_else(|| format!("{key} is missing"))?;
        serde_json::from_str(json).map_err(|_| format!("{key} must be a text"))
    }

    /// All values but those of `keys`.
    pub(super) fn others(&self, keys: &[&str]) -> serde_json::Map<String, serde_json::Value> {
        let others = self.fields.iter().filter(|(key, _)| !keys.contains(&key.as_str()));
        let parsed = others.map(|(key, value)| {
            let value = serde_json::from_str(value.get()).expect("it was read as JSON before");
            (key.clone(), value)
        });
        parsed.collect()
    }
}
