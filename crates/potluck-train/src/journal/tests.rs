//! The bytes are those of TensorBoard's writer, and a killed run leaves no step twice.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn part(stage: &'static str, earlier: &'static [&'static str], step: u64) -> Part<'static> {
    Part { stage, earlier, step, steps: 10 }
}

#[test]
fn events_are_those_of_tensorboards_own_writer() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/journal/known.tfevents");
    let scalars = [events::scalar("reward", 0.25), events::scalar("rewards/brevity/mean", -1.1)];
    let written = [
        events::version(1_764_403_200.0),
        events::event(1_764_403_201.5, 0, &scalars),
        events::event(1_764_403_202.0, 300, &[events::text("samples", "**Grüße**")]),
    ];
    let bytes: Vec<u8> = written.iter().flat_map(|event| events::record(event)).collect();
    assert_eq!(bytes, fs::read(path).unwrap());
}

fn settings() -> JournalSettings {
    JournalSettings { wandb: Some("potluck".into()), ..JournalSettings::default() }
}

/// Writes `steps` of a stage.
fn write(folder: &Path, part: Part, steps: std::ops::Range<u64>) {
    let mut journal = Journal::open(folder, &settings(), part).unwrap();
    for step in steps {
        let figures =
            [(REWARD, step as f64 / 8.0), (KL, 3.0 + step as f64), ("rewards/brevity/mean", -1.5)];
        journal.step(step, &figures, &LiveFigures::default()).unwrap();
        for number in 0..journal.wanted_samples(step).min(1) {
            let completion = format!("Text {number} of step {step} ≠ <b>");
            let texts =
                [SampleText { prompt: "Sum up:", completion: &completion, reward: Some(0.5) }];
            journal.sample(step, &texts).unwrap();
        }
    }
    journal.say(2, "the length drifts").unwrap();
    journal.end("for now").unwrap();
}

/// With `POTLUCK_KEEP_JOURNAL`, the journal stays there, for `make.py --check` to read.
fn folder(kept: &tempfile::TempDir) -> PathBuf {
    std::env::var_os("POTLUCK_KEEP_JOURNAL").map_or(kept.path().to_owned(), PathBuf::from)
}

#[test]
fn a_killed_run_leaves_no_step_twice() {
    let kept = tempfile::tempdir().unwrap();
    let folder = folder(&kept);
    write(&folder, part("sft", &[], 0), 0..4);
    write(&folder, part("rl", &["sft"], 0), 0..30);
    // Killed in the middle of a line and of a record, its last checkpoint being that of step 12.
    let events = folder.join("tensorboard/rl/events.out.tfevents.potluck");
    for path in [folder.join("metrics.jsonl"), events.clone()] {
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 7]).unwrap();
    }
    write(&folder, part("rl", &["sft"], 12), 12..16);
    let text = fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let steps: Vec<u64> = lines
        .iter()
        .filter(|line| line["stage"] == "rl" && line["reward"].is_number())
        .map(|line| line["step"].as_u64().unwrap())
        .collect();
    assert_eq!(steps, (0..16).collect::<Vec<_>>());
    assert_eq!(lines.iter().filter(|line| line["stage"] == "sft").count(), 5);
    assert!(text.contains("\"warning\":\"the length drifts\""));
    let samples = fs::read_to_string(folder.join("samples.jsonl")).unwrap();
    assert_eq!(samples.lines().count(), 2, "{samples}");

    // The event file is what a run without a kill would have written, but for the times.
    let other = tempfile::tempdir().unwrap();
    write(other.path(), part("rl", &[], 0), 0..16);
    let unkilled =
        fs::read(other.path().join("tensorboard/rl/events.out.tfevents.potluck")).unwrap();
    assert_eq!(fs::read(&events).unwrap().len(), unkilled.len());
}

#[test]
fn nothing_is_kept_where_nothing_was_done() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), part("rl", &[], 0), 0..5);
    let path = folder.path().join("tensorboard/rl/events.out.tfevents.potluck");
    let empty = {
        let fresh = tempfile::tempdir().unwrap();
        drop(EventFile::resume(&fresh.path().join("a"), 0).unwrap());
        fs::read(fresh.path().join("a")).unwrap().len()
    };
    drop(EventFile::resume(&path, 0).unwrap());
    assert_eq!(fs::read(&path).unwrap().len(), empty);
    let no_board = JournalSettings { tensorboard: false, ..JournalSettings::default() };
    let other = tempfile::tempdir().unwrap();
    drop(Journal::open(other.path(), &no_board, part("rl", &[], 0)).unwrap());
    assert!(!other.path().join("tensorboard").exists() && !other.path().join("wandb").exists());
}
