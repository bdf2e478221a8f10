//! The program behind an `exec` reward: a batch a line, in the words of `docs/rewards.md`.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::task::{Answer, Task};

/// What the trainer asks.
#[derive(Deserialize)]
struct Asked {
    id: u64,
    completions: Vec<String>,
    finished: Vec<bool>,
    columns: BTreeMap<String, Vec<Value>>,
}

/// Answers line by line until its input ends.
///
/// # Errors
/// Where a line is not as the trainer writes it; then the run that it serves ends, and says why.
pub fn serve(
    task: &dyn Task,
    reward: &str,
    input: impl BufRead,
    mut output: impl Write,
) -> Result<()> {
    for line in input.lines() {
        let asked: Asked = serde_json::from_str(&line?).context("a batch is malformed")?;
        let rewards = scores(task, reward, &asked)?;
        writeln!(output, "{}", json!({"id": asked.id, "rewards": rewards}))?;
        output.flush()?;
    }
    Ok(())
}

fn scores(task: &dyn Task, reward: &str, asked: &Asked) -> Result<Vec<f64>> {
    let count = asked.completions.len();
    ensure!(asked.finished.len() == count, "a batch has columns of different lengths");
    (0..count)
        .map(|row| {
            let column = |(name, values): (&String, &Vec<Value>)| {
                Some((name.clone(), values.get(row)?.clone()))
            };
            let columns: Map<String, Value> = asked.columns.iter().filter_map(column).collect();
            let answer = Answer {
                completion: &asked.completions[row],
                is_finished: asked.finished[row],
                columns: &columns,
            };
            let name = task.name();
            task.judge(reward, &answer).with_context(|| {
                format!("{name} has no reward {reward}, or row {row} is not of its prompts")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Split;
    use crate::tasks;

    #[test]
    fn a_batch_is_scored_line_by_line() {
        let task = tasks::named("news").unwrap();
        let item = task.item(Split::HeldOut, 1, 0);
        let (_, reference) = task.reference(1, 0);
        let facts = &item.columns["facts"];
        let line = json!({
            "v": 1, "id": 7, "step": 0, "prompts": ["", ""], "completions": [reference, "in in"],
            "finished": [true, true], "columns": {"facts": [facts, facts]},
        });
        let mut output = Vec::new();
        serve(task.as_ref(), "readable", format!("{line}\n").as_bytes(), &mut output).unwrap();
        assert_eq!(String::from_utf8(output).unwrap(), "{\"id\":7,\"rewards\":[1.0,0.0]}\n");
        let unknown = serve(task.as_ref(), "beauty", format!("{line}\n").as_bytes(), Vec::new());
        assert!(unknown.unwrap_err().to_string().contains("no reward beauty"));
        assert!(serve(task.as_ref(), "readable", "{}\n".as_bytes(), Vec::new()).is_err());
    }
}
