//! What works without an aggregator: founding, joining, mixing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use super::{potluck, text};

/// The last line on standard output, of a command that succeeds.
#[track_caller]
fn succeeds(dir: &Path, args: &[&str]) -> Value {
    let said = potluck(dir, &[args, &["--json"]].concat());
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    serde_json::from_str(text(&said.stdout).lines().last().unwrap()).unwrap()
}

/// A checkpoint of one tensor.
fn write_weights(folder: &Path, weights: &[f32]) {
    let end = 4 * weights.len();
    let header = format!(
        r#"{{"w":{{"dtype":"F32","shape":[{}],"data_offsets":[0,{end}]}}}}"#,
        weights.len()
    );
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend(weights.iter().flat_map(|weight| weight.to_le_bytes()));
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("model.safetensors"), bytes).unwrap();
}

#[test]
fn a_federation_is_founded_and_joined() {
    let home = tempfile::tempdir().unwrap();
    write_weights(&home.path().join("base"), &[1.0, 2.0]);
    fs::write(home.path().join("base/config.json"), "{}").unwrap();
    let charter = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/charter.toml");
    let args =
        ["new", "kitchen", "--charter", charter, "--base", "base", "--listen", "127.0.0.1:7"];
    let founded = succeeds(home.path(), &args);
    assert_eq!(founded["federation"]["name"], "news");
    let log_key = founded["log_key"].as_str().unwrap();
    assert!(log_key.starts_with("potluck/news+"));

    let kitchen = home.path().join("kitchen");
    for key in ["keys/operator.pem", "keys/log.pem"] {
        let mode = fs::metadata(kitchen.join(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    for file in ["genesis.json", "operator.toml", "base/model.safetensors", "base/config.json"] {
        assert!(kitchen.join(file).exists(), "{file}");
    }
    let settings = fs::read_to_string(kitchen.join("aggregator.toml")).unwrap();
    assert!(settings.contains("listen = \"127.0.0.1:7\""), "{settings}");
    // The draft was renamed; nothing of it is left.
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2);

    let join = ["join", "mine", "--party", "readers", "--address", "127.0.0.1:7"];
    let join = [&join[..], &["--log-key", log_key]].concat();
    let joined = succeeds(home.path(), &join);
    assert_eq!((&joined["party"], &joined["already"]), (&"readers".into(), &false.into()));
    let again = succeeds(home.path(), &join);
    assert_eq!((&again["key"], &again["already"]), (&joined["key"], &true.into()));
}

#[test]
fn a_mix_is_a_function_of_files_and_lambda() {
    let home = tempfile::tempdir().unwrap();
    write_weights(&home.path().join("a"), &[1.0, -2.0, 0.5]);
    write_weights(&home.path().join("b"), &[3.0, 2.0, 0.25]);
    write_weights(&home.path().join("base"), &[0.0, 0.0, 0.0]);
    fs::write(home.path().join("base/config.json"), "{}").unwrap();
    let mix = |experts: [&str; 2], lambda: &str, rest: &[&str]| {
        let args = ["mix", "--expert", experts[0], "--expert", experts[1], "--lambda", lambda];
        succeeds(home.path(), &[&args[..], rest].concat())
    };
    let one = mix(["a=a", "b=b/model.safetensors"], "a=0.25,b=0.75", &["--out", "x.safetensors"]);
    let two = mix(["b=b", "a=a"], "b=750000,a=250000", &["--out", "deep/y.safetensors"]);
    assert_eq!(one["blake3"], two["blake3"]);
    assert_eq!(one["lambda_ppm"]["a"], 250_000);
    let bytes = fs::read(home.path().join("x.safetensors")).unwrap();
    let tail: Vec<f32> = bytes[bytes.len() - 12..]
        .chunks(4)
        .map(|chunk| f32::from_le_bytes(chunk.try_into().unwrap()))
        .collect();
    assert_eq!(tail, [2.5, 1.0, 0.3125]);

    let based = mix(["a=a", "b=b"], "a=0.25,b=0.75", &["--out", "soup", "--base", "base"]);
    assert_ne!(based["recipe"], one["recipe"]);
    assert!(home.path().join("soup/model.safetensors").exists());
    assert!(home.path().join("soup/config.json").exists());
}

#[test]
fn completions_are_printed() {
    let home = tempfile::tempdir().unwrap();
    let said = potluck(home.path(), &["completions", "bash"]);
    assert!(said.status.success() && text(&said.stdout).contains("_potluck"));
}
