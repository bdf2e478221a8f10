//! The program as a user meets it: killed and started again, scored, and given wrong input.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A folder of the repository's, from this package.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn recipe() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tiny.toml")
}

/// The verb with the tiny recipe, in `folder`.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_potluck-train"));
    command
        .current_dir(folder)
        .args(arguments)
        .args(["--threads", "1", "--json", "--recipe"])
        .arg(recipe());
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// The JSON object that a run which went well ends with.
fn answer(folder: &Path, arguments: &[&str]) -> Value {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(output.stdout.split(|byte| *byte == b'\n').next().unwrap()).unwrap()
}

/// Runs until a line of progress begins with `until`, then kills without warning.
fn kill_at(folder: &Path, arguments: &[&str], until: &str) {
    let mut child =
        command(folder, arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let reached = lines.any(|line| line.unwrap().starts_with(until));
    child.kill().unwrap();
    assert!(reached, "no line of progress begins with '{until}'");
    assert!(!child.wait().unwrap().success());
}

fn in_order(line: &str) -> (String, u64) {
    let value: Value = serde_json::from_str(line).unwrap();
    (value["stage"].as_str().unwrap().to_owned(), value["step"].as_u64().unwrap())
}

/// A base, made without interruption, and the reward files.
fn base_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["agency", "readers", "checkers"] {
        let file = format!("{name}.toml");
        fs::copy(repository("configs/training").join(&file), folder.path().join(&file)).unwrap();
    }
    answer(folder.path(), &["base", "--out", "base", "--seed", "1"]);
    folder
}

const RL: [&str; 9] =
    ["rl", "--base", "base", "--reward", "readers.toml", "--out", "a", "--seed", "5"];

#[test]
fn killed_runs_end_with_the_same_bytes() {
    let folder = base_folder();
    let at = folder.path();
    let read = |path: &str| fs::read(at.join(path)).unwrap();

    let again = ["base", "--out", "again", "--seed", "1"];
    kill_at(at, &again, "pretrain: 90/300");
    kill_at(at, &again, "sft: 60/200");
    let first = answer(at, &again);
    assert!(read("base/model.safetensors") == read("again/model.safetensors"));
    assert_eq!(answer(at, &again), first, "a finished run answers at once, with the same words");

    let whole = answer(at, &RL);
    let resumed = RL.map(|argument| if argument == "a" { "b" } else { argument });
    kill_at(at, &resumed, "rl: 40/200");
    kill_at(at, &resumed, "rl: 100/200");
    assert!(!at.join("b/outbox").exists(), "an outbox is whole or absent");
    assert_eq!(answer(at, &resumed)["blake3"], whole["blake3"]);
    assert!(read("a/outbox/model.safetensors") == read("b/outbox/model.safetensors"));

    let metrics = fs::read_to_string(at.join("b").join("work").join("metrics.jsonl")).unwrap();
    let steps: Vec<_> = metrics.lines().map(in_order).collect();
    assert_eq!(steps, (0..200).map(|step| ("rl".to_owned(), step)).collect::<Vec<_>>());
}

#[test]
fn a_base_folder_shows_the_model_and_nothing_of_the_run() {
    let folder = base_folder();
    let entries = fs::read_dir(folder.path().join("base")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut shown: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
    shown.sort();
    let weights = ["config.json", "generation_config.json", "model.safetensors"];
    assert_eq!(shown, [&weights[..], &["tokenizer.json", "tokenizer_config.json"]].concat());
}

#[test]
fn the_outbox_says_what_it_must_and_no_more() {
    let folder = base_folder();
    let answer = answer(folder.path(), &RL);
    let outbox = folder.path().join("a/outbox");
    assert_eq!(fs::read_dir(&outbox).unwrap().count(), 2);
    let model = fs::read(outbox.join("model.safetensors")).unwrap();
    assert_eq!(answer["blake3"], blake3::hash(&model).to_hex().as_str());
    let card: Value = serde_json::from_slice(&fs::read(outbox.join("card.json")).unwrap()).unwrap();
    let base = blake3::hash(&fs::read(folder.path().join("base/model.safetensors")).unwrap());
    assert_eq!(card["base_blake3"], base.to_hex().as_str());
    assert_eq!(
        (&card["v"], &card["algorithm"], &card["steps"]),
        (&1.into(), &"rloo".into(), &200.into())
    );
    assert!(!card.to_string().contains("brevity"), "the reward stays private");
    assert_eq!(fs::read(folder.path().join("a/private/nonce")).unwrap().len(), 32);
}

#[test]
fn soups_are_scored_on_common_prompts_and_numbers() {
    let folder = base_folder();
    let at = folder.path();
    answer(at, &RL);
    fs::write(at.join("soups"), "# corners and middle\nx=1\n\nx=0.5,y=0.5\ny=1000000\n").unwrap();
    let eval = [
        "eval",
        "--base",
        "base",
        "--reward",
        "agency.toml",
        "--expert",
        "x=base/model.safetensors",
        "--expert",
        "y=a/outbox",
        "--lambdas",
        "soups",
        "--seed",
        "9",
    ];
    let scores = answer(at, &eval);
    let rows = scores["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!((&scores["prompts"], &scores["reward"]), (&16.into(), &"completeness".into()));
    assert_eq!(rows[0]["mean"], scores["base"]["mean"], "the base, mixed from itself alone");
    assert_eq!((rows[0]["gain"].as_f64(), rows[0]["gain_se"].as_f64()), (Some(0.0), Some(0.0)));
    assert_eq!(rows[1]["lambda_ppm"], serde_json::json!({"x": 500_000, "y": 500_000}));
    assert_eq!(answer(at, &eval)["rows"], scores["rows"]);

    let sample =
        ["sample", "--base", "base", "--expert", "y=a/outbox", "--lambda", "y=1", "--item", "3"];
    let shown = answer(at, &sample);
    assert_eq!(shown["samples"].as_array().unwrap().len(), 2);
    assert!(
        shown["samples"][0]["lambda_ppm"].is_null()
            && shown["article"].as_str().unwrap().len() > 20
    );
}

#[test]
fn wrong_input_ends_in_one_line_and_a_fixed_code() {
    let folder = base_folder();
    let at = folder.path();
    let strict =
        fs::read_to_string(recipe()).unwrap().replace("copy_accuracy = 0.0", "copy_accuracy = 1.0");
    fs::write(at.join("strict.toml"), strict).unwrap();
    fs::write(
        at.join("colour.toml"),
        "kind = \"brevity\"\nbroken = -1.0\nscale = 9.0\ncolour = 1\n",
    )
    .unwrap();
    let mut damaged = fs::read(at.join("base/model.safetensors")).unwrap();
    damaged.pop();
    fs::write(at.join("short.safetensors"), &damaged).unwrap();

    let rl = |base: &'static str, reward: &'static str| {
        vec!["rl", "--base", base, "--reward", reward, "--out", "p", "--seed", "1"]
    };
    let eval = |more: &[&'static str]| {
        [&["eval", "--base", "base", "--reward", "agency.toml"], more].concat()
    };
    let cases = [
        (rl("nowhere", "agency.toml"), 3, "nowhere/config.json"),
        (rl("base", "nowhere.toml"), 3, "nowhere.toml"),
        (rl("base", "colour.toml"), 3, "unknown field `colour`"),
        (vec!["base", "--out", "base", "--seed", "2"], 3, "other settings"),
        (eval(&["--expert", "a=short.safetensors"]), 3, "short.safetensors"),
        (eval(&["--lambda", "a=1"]), 3, "no expert a"),
        (eval(&["--lambda", "a=0.4"]), 2, "must sum to exactly 1000000"),
        (eval(&["--lambda", "a=x"]), 2, "a"),
        (eval(&["--expert", "a"]), 2, "NAME=PATH"),
        (vec!["base", "--out", "c"], 2, "--seed"),
    ];
    for (arguments, code, words) in cases {
        let output = run(at, &arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(words), "{arguments:?}: {text}");
        assert!(code == 2 || text.lines().count() == 1, "{arguments:?}: {text}");
        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let told = if code == 3 { "bad-input".into() } else { Value::Null };
        assert_eq!(said["error"]["code"], told, "{arguments:?}");
    }
    let mut gated = Command::new(env!("CARGO_BIN_EXE_potluck-train"));
    gated.current_dir(at).args(rl("base", "agency.toml")).args(["--recipe", "strict.toml"]);
    let output = gated.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(text.contains("copies") && text.lines().count() == 1, "{text}");
}
