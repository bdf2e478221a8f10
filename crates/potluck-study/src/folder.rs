//! A task's folder: everything that `potluck train` and `potluck eval` need, and `study.json`, which says how.
//!
//! ```text
//! fresh/           a Hugging Face folder: a learned tokenizer, random weights
//! pretrain.jsonl   sft.jsonl   prompts.jsonl   held-out.jsonl
//! pairs/MODEL.jsonl   labelled pairs, where the task has labellers
//! study.json       parties, measures, gate, and the tables of recipes
//! ```

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use potluck_train::hf::{Architecture, Decoder};
use potluck_train::model::{ModelFolder, llama_config};
use potluck_train::recipe::ModelRecipe;
use potluck_train::tokenizer::Tokenizer;
use serde_json::{Value, json};

use crate::labels;
use crate::task::{Answer, Split, Task, Training};

/// The texts that the tokenizer is learned from have a seed of their own, so that bases of different seeds
/// have one vocabulary.
const TOKENIZER_SEED: u64 = 0x0073_7475_6479;

/// How many texts the tokenizer is learned from.
const TOKENIZER_TEXTS: u64 = 2000;

/// Held-out prompts that are written; how many are used, an evaluation says.
const HELD_OUT: u64 = 2048;

/// References whose scores stand for how a task judges.
const SAMPLED: u64 = 200;

/// Writes the folder, and returns what `study.json` says.
///
/// # Errors
/// When the file system or the tokenizer fails.
pub fn make(task: &dyn Task, seed: u64, out: &Path, quick: bool) -> Result<Value> {
    let training = task.training(quick);
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let parameters = write_fresh(task, &training, seed, &out.join("fresh"))?;
    let [pretrain, sft, prompts] = training.lines;
    lines(&out.join("pretrain.jsonl"), pretrain, |index| json!({"text": task.text(seed, index)}))?;
    lines(&out.join("sft.jsonl"), sft, |index| {
        let (prompt, completion) = task.reference(seed, index);
        json!({"prompt": prompt, "completion": completion})
    })?;
    for (name, split, count) in
        [("prompts", Split::Train, prompts), ("held-out", Split::HeldOut, HELD_OUT)]
    {
        lines(&out.join(format!("{name}.jsonl")), count, |index| {
            let mut item = task.item(split, seed, index);
            item.columns.insert("prompt".to_owned(), json!(item.prompt));
            Value::Object(item.columns)
        })?;
    }
    let agreement = labels::write(task, seed, &out.join("pairs"), quick)?;
    let mut study = describe(task, &training, (seed, parameters), &agreement);
    study["digest"] = json!(digest(out)?);
    study["judged"] = json!(judged(task, seed));
    fs::write(out.join("study.json"), format!("{study:#}\n"))?;
    Ok(study)
}

/// A digest of the data sets and of what the model begins with.
fn digest(out: &Path) -> Result<String> {
    let mut paths = Vec::new();
    for folder in [out.to_owned(), out.join("fresh"), out.join("pairs")] {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry?.path();
            if path.is_file() && path.file_name().is_some_and(|name| name != "study.json") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let mut hasher = blake3::Hasher::new();
    for path in paths {
        hasher.update(blake3::hash(&fs::read(path)?).as_bytes());
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// A digest of how the task judges, which no file of the folder tells: of the scores of some references. They answer
/// other prompts than those whose columns they are held against, so that right and wrong ones are among them.
fn judged(task: &dyn Task, seed: u64) -> String {
    let parties = task.parties();
    let names = parties.iter().map(|(name, _)| *name).chain(task.measures().iter().copied());
    let mut hasher = blake3::Hasher::new();
    for name in names {
        hasher.update(name.as_bytes());
        for index in 0..SAMPLED {
            let (_, completion) = task.reference(seed, index);
            let columns = task.item(Split::HeldOut, seed, index).columns;
            let answer = Answer { completion: &completion, is_finished: true, columns: &columns };
            let score = task.judge(name, &answer).unwrap_or(f64::NAN);
            hasher.update(&score.to_bits().to_le_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}

fn describe(
    task: &dyn Task,
    training: &Training,
    (seed, parameters): (u64, i64),
    agreement: &Value,
) -> Value {
    let (gate, least) = task.gate();
    let parties: Vec<Value> = task
        .parties()
        .into_iter()
        .map(|(name, reward)| json!({"name": name, "reward": reward}))
        .collect();
    let models: Vec<&str> = task.models().into_iter().map(|(name, _)| name).collect();
    json!({
        "task": task.name(), "seed": seed, "parameters": parameters,
        "parties": parties, "measures": task.measures(), "models": models,
        "gate": {"measure": gate, "least": least},
        "pretrain": training.pretrain, "sft": training.sft, "rl": training.rl,
        "agreement": agreement,
    })
}

fn write_fresh(task: &dyn Task, training: &Training, seed: u64, out: &Path) -> Result<i64> {
    let texts = (0..TOKENIZER_TEXTS).map(|index| task.text(TOKENIZER_SEED, index));
    // The special tokens are the tokenizer's own; what is learned is what stands between them.
    let texts: Vec<String> =
        texts.flat_map(|text| text.split("<|").map(after_special).collect::<Vec<_>>()).collect();
    let tokenizer = Tokenizer::learn_from(training.vocabulary, texts.into_iter())?;
    let [hidden, layers, heads, feed_forward] = training.shape;
    let shape = ModelRecipe { hidden, layers, heads, kv_heads: heads / 2, feed_forward };
    let config = llama_config(&shape, tokenizer.vocabulary(), tokenizer.special());
    let architecture = Architecture::parse(config.to_string().as_bytes())?;
    let decoder = Decoder::random(architecture, seed);
    ModelFolder::write(out, &config, &decoder, &tokenizer)?;
    Ok(decoder.plan().parameters())
}

/// What stands behind `<|name|>`.
fn after_special(text: &str) -> String {
    text.split_once("|>").map_or(text, |(_, rest)| rest).to_owned()
}

fn lines(path: &Path, count: u64, line: impl Fn(u64) -> Value) -> Result<()> {
    let text: String = (0..count).map(|index| format!("{}\n", line(index))).collect();
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks;

    #[test]
    fn a_folder_is_a_function_of_its_seed() {
        let folder = tempfile::tempdir().unwrap();
        let task = tasks::named("news").unwrap();
        let made = |name: &str, seed| {
            let out = folder.path().join(name);
            make(task.as_ref(), seed, &out, true).unwrap();
            let read = |file: &str| fs::read(out.join(file)).unwrap();
            [read("prompts.jsonl"), read("fresh/model.safetensors"), read("fresh/tokenizer.json")]
        };
        let (first, again, other) = (made("a", 1), made("b", 1), made("c", 2));
        assert_eq!(first, again);
        assert!(first[0] != other[0] && first[1] != other[1]);
        assert_eq!(first[2], other[2], "bases of different seeds have one vocabulary");
    }
}
