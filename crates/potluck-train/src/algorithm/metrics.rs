//! What a run measured: one JSON object a line, in the words that users of TRL know.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

/// A file of metrics that grows by a line a step.
#[derive(Debug)]
pub struct MetricsFile(File);

impl MetricsFile {
    /// Opens `path` and drops what a later step of a killed run wrote: only lines before `step` of
    /// `stage`, and those of the stages in `earlier`, stay.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn resume(path: &Path, earlier: &[String], stage: &str, step: u64) -> io::Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let stays = |line: &&str| {
            let Ok(value) = serde_json::from_str::<Value>(line) else { return false };
            let of = value["stage"].as_str().unwrap_or_default();
            earlier.iter().any(|stage| stage == of)
                || (of == stage && value["step"].as_u64().is_some_and(|n| n < step))
        };
        let kept: String = text.lines().filter(stays).flat_map(|line| [line, "\n"]).collect();
        crate::files::write_whole(path, kept.as_bytes())?;
        Ok(Self(OpenOptions::new().append(true).open(path)?))
    }

    /// Adds the line of a step.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn add(&mut self, stage: &str, step: u64, figures: &[(&str, f64)]) -> io::Result<()> {
        let mut line =
            Map::from_iter([("stage".to_owned(), json!(stage)), ("step".to_owned(), json!(step))]);
        line.extend(figures.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        writeln!(self.0, "{}", Value::Object(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_after_the_checkpoint_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut file = MetricsFile::resume(&path, &[], "sft", 0).unwrap();
        file.add("pretrain", 9, &[("loss", 2.5)]).unwrap();
        for step in 0..4 {
            file.add("sft", step, &[("loss", 1.5)]).unwrap();
        }
        fs::write(&path, fs::read_to_string(&path).unwrap() + "{\"stage\":\"sf").unwrap();
        MetricsFile::resume(&path, &["pretrain".to_owned()], "sft", 2).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 3);
        assert!(text.ends_with("{\"loss\":1.5,\"stage\":\"sft\",\"step\":1}\n"), "{text}");
    }
}
