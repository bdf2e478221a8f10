//! A file of JSON lines, each of a stage and a step, that forgets what a killed run wrote too much.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::Part;

/// The file, open at its end.
#[derive(Debug)]
pub struct LinesFile(File);

impl LinesFile {
    /// Opens `path` and keeps of it only the lines of earlier stages and of earlier steps of this one.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn resume(path: &Path, part: Part) -> io::Result<Self> {
        let text = match fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let stays = |line: &&str| {
            let Ok(value) = serde_json::from_str::<Value>(line) else { return false };
            let stage = value["stage"].as_str().unwrap_or_default();
            let is_before = value["step"].as_u64().is_some_and(|step| step < part.step);
            part.earlier.contains(&stage) || (stage == part.stage && is_before)
        };
        let kept: String = text.lines().filter(stays).flat_map(|line| [line, "\n"]).collect();
        crate::files::write_whole(path, kept.as_bytes())?;
        Ok(Self(OpenOptions::new().append(true).open(path)?))
    }

    /// Adds a line, by one write. A number that is not finite is null, as JSON has no other word.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn add(&mut self, stage: &str, step: u64, fields: Map<String, Value>) -> io::Result<()> {
        let mut line =
            Map::from_iter([("stage".to_owned(), json!(stage)), ("step".to_owned(), json!(step))]);
        line.extend(fields);
        self.0.write_all(format!("{}\n", Value::Object(line)).as_bytes())
    }
}
