//! Runs of multi-objective training, told by the operator: one model trained for all rewards at once, to be seen beside mixtures.
//!
//! Nobody signs them and nobody here can check them. So they are figures for a picture, marked as the operator's wherever
//! they stand, and no decision rests on them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

/// The largest file that is read.
const MOST_BYTES: usize = 1 << 20;

/// More than these no picture shows.
const MOST_RUNS: usize = 1000;

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runs {
    /// Where the figures come from, in a sentence for readers.
    pub source: String,
    /// One a trained model.
    pub runs: Vec<Run>,
}

/// What one model gives the parties.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// What it is called.
    pub label: String,
    /// By party, on the scale of a round's scores: 0 is no deal, 1000000 the best that the party found at first.
    pub gains_ppm: BTreeMap<String, i64>,
    /// One standard error of each, where it is known.
    #[serde(default)]
    pub errors_ppm: BTreeMap<String, u32>,
}

/// Reads the file, or says what is wrong with it.
pub(super) fn read(path: &Path) -> Result<Runs, String> {
    let wrong = |what: &dyn std::fmt::Display| format!("names {}, {what}", path.display());
    let bytes = fs::read(path).map_err(|error| wrong(&format!("which cannot be read: {error}")))?;
    if bytes.len() > MOST_BYTES {
        return Err(wrong(&format!("which has {} bytes; at most {MOST_BYTES}", bytes.len())));
    }
    let runs: Runs = serde_json::from_slice(&bytes)
        .map_err(|error| wrong(&format!("which does not fit: {error}")))?;
    if runs.runs.len() > MOST_RUNS {
        return Err(wrong(&format!("which has {} runs; at most {MOST_RUNS}", runs.runs.len())));
    }
    let is_line = |text: &str| (1..=200).contains(&text.chars().count()) && !text.contains('\n');
    if !is_line(&runs.source) || !runs.runs.iter().all(|run| is_line(&run.label)) {
        return Err(wrong(&"in which `source` or a `label` is not a line of 1 to 200 characters"));
    }
    Ok(runs)
}
