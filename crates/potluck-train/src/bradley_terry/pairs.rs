//! Preference pairs from JSON lines, in the columns that TRL's reward trainer has.
//!
//! ```text
//! {"prompt": "Why?", "chosen": " Because …", "rejected": " No.", "margin": 0.5}
//! ```
//! `prompt` and `margin` may be absent; other columns are not looked at.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::bad_input::BadInput;
use crate::hf::{Reading, ScoreError, Scorer};
use crate::stream::Stream;

/// Two texts as a model reads them, the first of which is preferred.
#[derive(Debug, Clone)]
pub struct Pair {
    /// What was chosen.
    pub chosen: Reading,
    /// What was not.
    pub rejected: Reading,
    /// By how much the score of the one shall be above that of the other.
    pub margin: f64,
}

/// The pairs of a file, in two parts.
#[derive(Debug)]
pub struct Pairs {
    /// What is learned from.
    pub training: Vec<Pair>,
    /// What the figures come from.
    pub held_out: Vec<Pair>,
    /// Pairs that were left out: cut to what the model can read, both are the same.
    pub alike: usize,
    /// Of the bytes of the file.
    pub digest: blake3::Hash,
}

/// A line of the file.
#[derive(Debug, Deserialize)]
struct Line {
    #[serde(default)]
    prompt: Option<Value>,
    chosen: Value,
    rejected: Value,
    #[serde(default)]
    margin: Option<f64>,
}

impl Pairs {
    /// Reads the pairs of `path` as `scorer` reads them; `share` of them, drawn by `seed`, are held out.
    ///
    /// # Errors
    /// [`BadInput`], which names the line.
    pub fn read(path: &Path, scorer: &Scorer, share: f64, seed: u64) -> Result<Self, BadInput> {
        let text = std::fs::read_to_string(path).map_err(|error| BadInput::file(path, &error))?;
        let (mut pairs, mut alike) = (Vec::new(), 0);
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        for (number, line) in lines {
            let failed =
                |reason: String| BadInput::file(path, &format!("line {}: {reason}", number + 1));
            let pair = Line::parse(line).and_then(|line| line.read(scorer)).map_err(failed)?;
            match pair.chosen == pair.rejected {
                true => alike += 1,
                false => pairs.push(pair),
            }
        }
        Stream::of("reward model held out", &[seed]).shuffle(&mut pairs);
        let held_out = (share * pairs.len() as f64).round() as usize;
        let training = pairs.split_off(held_out.min(pairs.len()));
        if training.is_empty() {
            return Err(BadInput::file(path, &"no pair is left to learn from"));
        }
        let digest = blake3::hash(text.as_bytes());
        Ok(Self { training, held_out: pairs, alike, digest })
    }
}

impl Line {
    fn parse(line: &str) -> Result<Self, String> {
        serde_json::from_str(line).map_err(|error| error.to_string())
    }

    fn read(&self, scorer: &Scorer) -> Result<Pair, String> {
        let prompt = self.prompt.as_ref().map(|it| text("prompt", it)).transpose()?;
        let read = |key, completion| {
            let completion = text(key, completion)?;
            let (first, second) = match prompt {
                Some(prompt) => scorer.judged(prompt, completion),
                None => (completion.into(), None),
            };
            let readings = scorer.read(&[(&first, second)]);
            let named = |error: ScoreError| format!("{key}: {error}");
            readings.map_err(named)?.pop().ok_or_else(|| format!("{key}: it is not read"))
        };
        let margin = self.margin.unwrap_or_default();
        match margin.is_finite() {
            false => Err("margin: it must be a finite number".to_owned()),
            true => Ok(Pair {
                chosen: read("chosen", &self.chosen)?,
                rejected: read("rejected", &self.rejected)?,
                margin,
            }),
        }
    }
}

fn text<'a>(key: &str, value: &'a Value) -> Result<&'a str, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Array(_) => Err(format!(
            "{key}: it is a conversation; write it as the text that the chat template makes of it"
        )),
        _ => Err(format!("{key}: it must be a text")),
    }
}
