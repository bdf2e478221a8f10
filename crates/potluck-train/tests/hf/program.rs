//! `potluck-train generate`, as a user meets it.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Expected, vectors};

/// A folder with the weights of a case and a tokenizer of as many words, `w3` being token 3.
fn with_tokenizer(case: &str) -> tempfile::TempDir {
    let (from, folder) = (vectors().join(case), tempfile::tempdir().unwrap());
    for name in ["config.json", "model.safetensors"] {
        fs::copy(from.join(name), folder.path().join(name)).unwrap();
    }
    let words: serde_json::Map<_, _> =
        (0..40).map(|token| (format!("w{token}"), json!(token))).collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "w0"},
    });
    fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    folder
}

fn generate(folder: &Path, arguments: &[&str]) -> std::process::Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_potluck-train"));
    command.args(["generate", "--json", "--threads", "1", "--model"]).arg(folder);
    command.args(arguments).output().unwrap()
}

#[test]
fn the_program_continues_prompts() {
    let folder = with_tokenizer("llama3");
    let expected = Expected::read(&vectors().join("llama3"));
    let text = |row: &[i64]| row.iter().map(|it| format!("w{it}")).collect::<Vec<_>>().join(" ");
    let prompts: Vec<String> = expected.prompts.iter().map(|prompt| text(prompt)).collect();
    let mut arguments = vec!["--tokens", "8"];
    arguments.extend(prompts.iter().flat_map(|prompt| ["--prompt", prompt]));
    let answer = |arguments: &[&str]| -> Value {
        let output = generate(folder.path(), arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let greedy = answer(&arguments);
    for (row, expected) in expected.greedy.iter().enumerate() {
        assert_eq!(greedy["continuations"][row]["tokens"], json!(expected));
        assert_eq!(greedy["continuations"][row]["text"], json!(text(expected)));
    }
    let drawn = ["--prompt", "w5", "--temperature", "1.5", "--top-k", "30", "--seed", "7"];
    assert_eq!(answer(&drawn), answer(&drawn));

    let refuse = |arguments: &[&str], code, word: &str| {
        let output = generate(folder.path(), arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(word), "{said}");
    };
    refuse(&["--prompt", ""], 3, "prompt 0 is empty");
    refuse(&["--prompt", "w5", "--temperature", "0"], 3, "temperature must be");
    refuse(&["--prompt", "w5", "--top-k", "3"], 2, "--temperature");
    // What the generation's own file says of the end goes before the configuration.
    let last = expected.greedy[0][0];
    let generation = folder.path().join("generation_config.json");
    fs::write(&generation, json!({"eos_token_id": [last]}).to_string()).unwrap();
    assert_eq!(answer(&arguments)["continuations"][0]["tokens"], json!([last]));
    fs::write(&generation, json!({"eos_token_id": 40}).to_string()).unwrap();
    refuse(&["--prompt", "w5"], 3, "eos_token_id");
    fs::remove_file(&generation).unwrap();
    let config = fs::read_to_string(folder.path().join("config.json")).unwrap();
    let other = config.replace("\"llama\"", "\"mixtral\"");
    fs::write(folder.path().join("config.json"), other).unwrap();
    refuse(&["--prompt", "w5"], 3, "model_type mixtral is not supported");
}
