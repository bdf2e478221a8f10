//! Inspect and diff: what is in a checkpoint and between two, and that no file gets its way with the terminal.

use std::fs;
use std::path::{Path, PathBuf};

use potluck_core::Blake3;
use support::checkpoint::{SMALL, write_base, write_expert};
use support::programs::{Ended, end, potluck, program};

/// `potluck` as people run it, without `--json`.
fn plain(args: &[&str]) -> Ended {
    let mut command = program("potluck");
    command.args(args);
    end(command)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A base and two experts of it.
fn checkpoints(home: &Path) -> [PathBuf; 3] {
    let [base, a, b] = ["base", "a", "b"].map(|name| home.join(name));
    write_base(&base, SMALL).unwrap();
    write_expert(&a, SMALL, 10).unwrap();
    write_expert(&b, SMALL, 11).unwrap();
    [base, a, b]
}

/// A file with this header and this data.
fn raw(path: &Path, header: &str, data: &[u8]) {
    let length = (header.len() as u64).to_le_bytes();
    fs::write(path, [&length, header.as_bytes(), data].concat()).unwrap();
}

fn spoil_last_weight(folder: &Path, weight: f32) {
    let path = folder.join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&weight.to_le_bytes());
    fs::write(path, bytes).unwrap();
}

/// Nothing but text, and nothing that hides or moves text.
fn is_inert(ended: &Ended) -> bool {
    let is_plain =
        |c: char| c == '\n' || !(c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
    ended.stdout.chars().chain(ended.stderr.chars()).all(is_plain)
}

#[test]
fn a_checkpoint_is_described() {
    let home = tempfile::tempdir().unwrap();
    let [base, ..] = checkpoints(home.path());
    let brief = potluck(&["inspect", text(&base)]).succeeded();
    let elements = (SMALL.rows * 256 * SMALL.tensors) as u64;
    assert_eq!(brief["kind"], "folder");
    assert_eq!(
        (brief["tensor_count"].as_u64(), brief["elements"].as_u64()),
        (Some(2), Some(elements))
    );
    assert!(brief.get("tensors").is_none() && brief.get("is_finite").is_none());

    let full = potluck(&["inspect", text(&base), "--statistics", "--digest"]).succeeded();
    let weights = base.join("model.safetensors");
    assert_eq!(full["files"][0]["blake3"], Blake3::of(&fs::read(&weights).unwrap()).to_string());
    let tensor = &full["tensors"][0];
    assert_eq!((&tensor["name"], &tensor["dtype"]), (&"layers.0.weight".into(), &"F32".into()));
    let statistics = &tensor["statistics"];
    let (low, high) = (statistics["minimum"].as_f64(), statistics["maximum"].as_f64());
    assert!(low.unwrap() >= -1.0 && high.unwrap() <= 1.0, "{statistics}");
    // The mean square of what is evenly spread from -1 to 1 is a third.
    let mean_square = statistics["norm"].as_f64().unwrap().powi(2) / (elements / 2) as f64;
    assert!((mean_square - 1.0 / 3.0).abs() < 0.05, "{statistics}");
    assert_eq!(full["is_finite"], true);
    // The file alone says the same.
    let alone = potluck(&["inspect", text(&weights), "--statistics"]).succeeded();
    assert_eq!((&alone["kind"], &alone["tensors"]), (&"file".into(), &full["tensors"]));
}

#[test]
fn what_is_not_finite_is_told_and_is_no_failure() {
    let home = tempfile::tempdir().unwrap();
    let [base, a, _] = checkpoints(home.path());
    for (weight, told) in
        [(f32::NAN, "1 NaN and 0 infinite"), (f32::INFINITY, "0 NaN and 1 infinite")]
    {
        spoil_last_weight(&a, weight);
        let found = potluck(&["inspect", text(&a), "--statistics"]).succeeded();
        assert_eq!(found["is_finite"], false);
        let shown = plain(&["inspect", text(&a), "--statistics"]);
        assert_eq!(shown.code, Some(0), "{shown:?}");
        let wanted = format!("NOT FINITE: layers.1.weight holds {told} of 1024 elements");
        assert!(shown.stdout.contains(&wanted), "{shown:?}");
        let compared = potluck(&["diff", text(&a), text(&base)]).succeeded();
        assert_eq!(compared["total"]["not_finite"], 1);
    }
}

#[test]
fn experts_are_compared_with_their_base() {
    let home = tempfile::tempdir().unwrap();
    let [base, a, b] = checkpoints(home.path()).map(|path| text(&path).to_owned());
    let found = potluck(&["diff", &a, &b, "--base", &base]).succeeded();
    assert_eq!(found["tensors"].as_array().unwrap().len(), 2);
    // Drifts of at most 0.05 that are independent of each other, on weights of root mean square 0.58.
    let total = &found["total"];
    let (relative, cosine) =
        (total["a_relative"].as_f64().unwrap(), total["cosine"].as_f64().unwrap());
    assert!((0.04..0.06).contains(&relative) && cosine.abs() < 0.1, "{total}");
    assert!(total["max_change"].as_f64().unwrap() <= 0.0501, "{total}");
    let same = potluck(&["diff", &a, &a, "--base", &base]).succeeded();
    assert_eq!(same["total"]["apart"], 0.0);
    // A root that is squared again may be off by the last bit.
    assert!(same["total"]["cosine"].as_f64().unwrap() > 1.0 - 1e-12, "{same}");
    let shown = plain(&["diff", &a, &b, "--top", "1", "--sort", "cosine"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.stdout.contains("1 more are not listed"), "{shown:?}");
}

#[test]
fn what_is_no_checkpoint_is_named() {
    let home = tempfile::tempdir().unwrap();
    let [base, a, _] = checkpoints(home.path());
    let weights = a.join("model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    let nowhere = home.path().join("nowhere");
    let empty = home.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let refused = |path: &Path, code: &str| {
        for args in [&["inspect", text(path)][..], &["diff", text(&base), text(path)]] {
            let ended = potluck(args);
            assert_eq!((ended.code, ended.error_code().as_str()), (Some(3), code), "{ended:?}");
            assert!(ended.stderr.contains(text(path)), "{ended:?}");
        }
    };
    refused(&nowhere, "bad-input");
    refused(&empty, "bad-input");
    for length in [0, 7, 100, bytes.len() - 1] {
        fs::write(&weights, &bytes[..length]).unwrap();
        refused(&weights, "header-invalid");
    }
    let unsorted = potluck(&["inspect", text(&base), "--sort", "norm"]);
    assert_eq!((unsorted.code, unsorted.error_code().as_str()), (Some(2), "usage"));
}

#[test]
fn no_file_moves_the_terminal() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("w.safetensors");
    let tensor = r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
    for name in [r"\u001b[2J", "../../etc/passwd", r"\u202egpj", "a b"] {
        raw(&path, &format!(r#"{{"{name}":{tensor}}}"#), &[0; 4]);
        let ended = plain(&["inspect", text(&path), "--statistics"]);
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert!(is_inert(&ended), "{ended:?}");
    }
    let metadata = r#"{"\u001b[31m":"\u202e\u0007\n\u009b2J"}"#;
    raw(&path, &format!(r#"{{"__metadata__":{metadata},"w":{tensor}}}"#), &[0; 4]);
    let ended = plain(&["inspect", text(&path), "--tensors"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(is_inert(&ended) && ended.stdout.contains("metadata"), "{ended:?}");
}
