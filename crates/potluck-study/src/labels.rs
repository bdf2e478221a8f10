//! Simulated labellers: pairs of answers, and which of the two a group prefers.
//!
//! A group prefers by Bradley and Terry's law: with probability σ(value of one − value of the other). Both
//! answers of a pair are references of the same prompt, which is what the base writes, too.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use potluck_train::stream::Stream;
use serde_json::{Map, Value, json};

use crate::task::{Answer, Task};

/// Pairs of a reward model, and of one of a quick study.
const PAIRS: [u64; 2] = [4000, 400];

/// Writes a file of pairs for each reward model; returns in how many of a thousand pairs two groups agree.
///
/// # Errors
/// When a file cannot be written, or the task's groups do not value its own references.
pub(crate) fn write(task: &dyn Task, seed: u64, folder: &Path, quick: bool) -> Result<Value> {
    let models = task.models();
    if models.is_empty() {
        return Ok(Value::Null);
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let count = PAIRS[usize::from(quick)];
    for (name, groups) in &models {
        let mut text = String::new();
        for index in 0..count {
            let mut stream = Stream::of("labels", &[seed, index]);
            let group = drawn(groups, &mut stream);
            let pair = pair(task, seed, index);
            let first_wins = prefers(task, group, &pair, &mut stream)?;
            let [chosen, rejected] = match first_wins {
                true => [&pair.answers[0], &pair.answers[1]],
                false => [&pair.answers[1], &pair.answers[0]],
            };
            let line = json!({"prompt": pair.prompt, "chosen": chosen, "rejected": rejected});
            text.push_str(&format!("{line}\n"));
        }
        let path = folder.join(format!("{name}.jsonl"));
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    agreement(task, seed, count)
}

/// How often each two groups that label alone prefer the same answer, asked about the same pairs.
///
/// # Errors
/// As [`write`].
pub fn agreement(task: &dyn Task, seed: u64, count: u64) -> Result<Value> {
    let models = task.models();
    let mut groups: Vec<&str> =
        models.iter().flat_map(|(_, groups)| groups.iter().map(|(name, _)| *name)).collect();
    groups.sort_unstable();
    groups.dedup();
    let mut table = Map::new();
    for (place, first) in groups.iter().enumerate() {
        for second in &groups[place + 1..] {
            let mut same = 0u64;
            for index in 0..count {
                let pair = pair(task, seed, index);
                let said = |group: &str, number| {
                    let mut stream = Stream::of("agreement", &[seed, index, number]);
                    prefers(task, group, &pair, &mut stream)
                };
                same += u64::from(said(first, 0)? == said(second, 1)?);
            }
            table.insert(format!("{first}, {second}"), json!(same as f64 / count as f64));
        }
    }
    Ok(Value::Object(table))
}

struct Pair {
    prompt: String,
    answers: [String; 2],
}

/// Two different answers to one prompt.
fn pair(task: &dyn Task, seed: u64, index: u64) -> Pair {
    // References of one index in different seeds share no prompt; those of tasks with labellers have prompts
    // of few kinds, so that one prompt fits every answer.
    let mut number = index * 1000;
    let (prompt, first) = task.reference(seed ^ 0x7061_6972, number);
    loop {
        number += 1;
        let (_, second) = task.reference(seed ^ 0x7061_6972, number);
        if second != first {
            return Pair { prompt, answers: [first, second] };
        }
    }
}

fn drawn<'a>(groups: &[(&'a str, u64)], stream: &mut Stream) -> &'a str {
    let all: u64 = groups.iter().map(|(_, share)| share).sum();
    let mut place = stream.below(usize::try_from(all.max(1)).unwrap_or(1)) as u64;
    for (name, share) in groups {
        if place < *share {
            return name;
        }
        place -= share;
    }
    groups.last().map_or("", |(name, _)| name)
}

fn prefers(task: &dyn Task, group: &str, pair: &Pair, stream: &mut Stream) -> Result<bool> {
    let columns = Map::new();
    let value = |completion: &str| {
        let answer = Answer { completion, is_finished: true, columns: &columns };
        let missing = || format!("the group {group} does not value {completion:?}");
        task.value(group, &answer).with_context(missing)
    };
    let difference = value(&pair.answers[0])? - value(&pair.answers[1])?;
    Ok(stream.chance(1.0 / (1.0 + (-difference).exp())))
}
