//! A party's own evaluator: a command that reads a model's folder and prints JSON.
//!
//! ```text
//! $POTLUCK_MODEL    the folder of the model: model.safetensors, and what the base has beside it
//! $POTLUCK_SEED     the seed of every draw: the same for all models of a batch
//! $POTLUCK_PROMPTS  on how many prompts, at least
//! ```
//!
//! The last line on standard output that is not empty is `{"scores": [0.25, …]}`, one a prompt in the same order for every
//! model, or `{"mean": 0.25, "error": 0.01, "prompts": 400}`; `"samples": ["…"]` may stand beside. Anything else is refused:
//! nothing is made up for a model that was not scored.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;

use super::notebook::Verdict;
use crate::failure::Failure;

/// The longest answer, in bytes.
const MAX_ANSWER: usize = 64 << 20;

/// What it asks of one model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    /// The command, as a shell reads it.
    pub(super) command: &'a str,
    /// The seed of every draw.
    pub(super) seed: u64,
    /// On how many prompts, at least.
    pub(super) prompts: u32,
    /// How long it may take.
    pub(super) patience: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    scores: Option<Vec<f64>>,
    mean: Option<f64>,
    error: Option<f64>,
    prompts: Option<u32>,
    #[serde(default)]
    samples: Vec<String>,
}

impl Question<'_> {
    /// Asks the evaluator of the model in `folder`, which `name` names in errors.
    pub(super) async fn ask(self, folder: &Path, name: &str) -> Result<Verdict, Failure> {
        let failed = |what: String| {
            Failure::input(format!("the evaluator {what} on {name}"))
                .hint("what it must print: potluck round score --help")
        };
        let running = Command::new("sh")
            .args(["-c", self.command])
            .env("POTLUCK_MODEL", folder)
            .env("POTLUCK_SEED", self.seed.to_string())
            .env("POTLUCK_PROMPTS", self.prompts.to_string())
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(self.patience, running)
            .await
            .map_err(|_| failed(format!("took more than {} seconds", self.patience.as_secs())))?
            .map_err(|error| Failure::system(format!("cannot run sh: {error}")))?;
        if !output.status.success() {
            return Err(failed(format!("failed ({})", output.status)));
        }
        if output.stdout.len() > MAX_ANSWER {
            return Err(failed(format!("printed more than {MAX_ANSWER} bytes")));
        }
        parse(&output.stdout, self.prompts)
            .map_err(|why| failed(format!("printed no scores ({why})")))
    }
}

/// Reads an answer.
fn parse(stdout: &[u8], least: u32) -> Result<Verdict, String> {
    let text = std::str::from_utf8(stdout).map_err(|error| error.to_string())?;
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).ok_or("nothing")?;
    let answer: Answer = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let verdict = verdict(answer)?;
    if verdict.prompts < least {
        return Err(format!("{} prompts where {least} were asked for", verdict.prompts));
    }
    Ok(verdict)
}

fn verdict(answer: Answer) -> Result<Verdict, String> {
    let Answer { scores, mean, error, prompts, samples } = answer;
    let (mean, error, prompts, scores) = match (scores, mean, error, prompts) {
        (Some(scores), None, None, None) if scores.len() > 1 => {
            let (mean, error) = mean_and_error(&scores);
            let prompts = u32::try_from(scores.len()).map_err(|_| "too many scores")?;
            (mean, error, prompts, scores)
        }
        (Some(_), None, None, None) => return Err("fewer than two scores".to_owned()),
        (None, Some(mean), Some(error), Some(prompts)) => (mean, error, prompts, Vec::new()),
        _ => return Err("either scores, or mean, error and prompts".to_owned()),
    };
    if !mean.is_finite() || !error.is_finite() || error < 0.0 {
        return Err("a number that is not finite, or an error below zero".to_owned());
    }
    Ok(Verdict { mean, error, prompts, scores, samples })
}

/// The mean, and its standard error from the sample's variance.
pub(super) fn mean_and_error(values: &[f64]) -> (f64, f64) {
    #[expect(clippy::cast_precision_loss, reason = "a count of prompts")]
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0) / count).sqrt())
}

/// Scores that were given by hand, in a file: `{"zero": VERDICT, "candidates": {"1": VERDICT, …}}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ByHand {
    zero: serde_json::Value,
    candidates: std::collections::BTreeMap<usize, serde_json::Value>,
}

/// Reads such a file: what no deal is worth, and what each candidate is, by its number from 1.
pub(super) fn by_hand(
    path: &Path,
    least: u32,
) -> Result<(Verdict, std::collections::BTreeMap<usize, Verdict>), Failure> {
    let wrong = |what: String| Failure::input(format!("{}: {what}", path.display()));
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    if text.len() > MAX_ANSWER {
        return Err(wrong(format!("more than {MAX_ANSWER} bytes")));
    }
    let file: ByHand = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    let read = |name: String, value: &serde_json::Value| {
        parse(value.to_string().as_bytes(), least).map_err(|why| wrong(format!("{name}: {why}")))
    };
    let zero = read("zero".to_owned(), &file.zero)?;
    let candidates = file.candidates.iter();
    let candidates = candidates
        .map(|(number, value)| Ok((*number, read(format!("candidate {number}"), value)?)))
        .collect::<Result<_, Failure>>()?;
    Ok((zero, candidates))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_answer() {
        let verdict = parse(b"loading\n{\"scores\": [1, 2, 3, 4], \"samples\": [\"a\"]}\n\n", 4);
        let verdict = verdict.unwrap();
        assert_eq!((verdict.mean, verdict.prompts, verdict.samples.len()), (2.5, 4, 1));
        assert!((verdict.error - (5.0f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
        let verdict = parse(br#"{"mean": -1.5, "error": 0, "prompts": 400}"#, 400).unwrap();
        assert_eq!((verdict.mean, verdict.scores.len()), (-1.5, 0));
    }

    #[test]
    fn nothing_is_made_up() {
        for (answer, why) in [
            ("", "nothing"),
            ("no json", "expected"),
            ("{}", "either"),
            (r#"{"scores": []}"#, "fewer than two"),
            (r#"{"scores": [1]}"#, "fewer than two"),
            (r#"{"scores": [1, null]}"#, "null"),
            (r#"{"scores": [1, 2], "mean": 1}"#, "either"),
            (r#"{"mean": 1, "error": -1, "prompts": 9}"#, "below zero"),
            (r#"{"mean": 1e999, "error": 1, "prompts": 9}"#, "number"),
            (r#"{"scores": [1, 2], "extra": 1}"#, "extra"),
            (r#"{"scores": [1, 2]}"#, "2 prompts where 3"),
        ] {
            let refused = parse(answer.as_bytes(), 3).unwrap_err();
            assert!(refused.contains(why), "{answer}: {refused}");
        }
    }
}
