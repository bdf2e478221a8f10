//! `potluck-train run` as a party meets it: a recipe, a model of another's making, rewards of its own.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// A word that only the party's data and reward hold.
const SECRET: &str = "w17";

/// A folder with a tiny model (tests/vectors/hf/llama3), a tokenizer of forty words, prompts and examples.
fn party() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base");
    fs::create_dir(&base).unwrap();
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/hf/llama3");
    for name in ["config.json", "model.safetensors"] {
        fs::copy(case.join(name), base.join(name)).unwrap();
    }
    let special = ["<pad>", "<bos>", "<eos>", "<unk>"];
    let words = special.iter().map(|it| (*it).to_owned()).chain((4..40).map(|n| format!("w{n}")));
    let vocabulary: serde_json::Map<String, Value> =
        words.enumerate().map(|(id, word)| (word, json!(id))).collect();
    let added: Vec<Value> = special
        .iter()
        .enumerate()
        .map(|(id, content)| {
            json!({"id": id, "content": content, "single_word": false, "lstrip": false,
                   "rstrip": false, "normalized": false, "special": true})
        })
        .collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null,
        "decoder": null, "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
    });
    fs::write(base.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let named = json!({"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"});
    fs::write(base.join("tokenizer_config.json"), named.to_string()).unwrap();
    let prompts = (0..30).map(|n| {
        format!(
            "{}\n",
            json!({"prompt": format!("{SECRET} w{} w{}", 5 + n, 34 - n), "answer": "w9"})
        )
    });
    fs::write(folder.path().join("prompts.jsonl"), prompts.collect::<String>()).unwrap();
    let examples = (0..30).map(|n| {
        format!("{}\n", json!({"prompt": format!("w{}", 5 + n), "completion": " w8 w9 w10"}))
    });
    fs::write(folder.path().join("examples.jsonl"), examples.collect::<String>()).unwrap();
    folder
}

const RL: &str = r#"
model = "base"
checkpoint_every = 1
[data]
file = "prompts.jsonl"
held_out = 0.2
[sampling]
max_tokens = 8
[rl]
steps = 12
prompts = 4
[optimiser]
learning_rate = 1e-2
warmup = 2
[held_out]
every = 4
prompts = 4
[[reward]]
name = "seventeen"
kind = "regex"
pattern = "w17"
mode = "per-match"
"#;

fn recipe(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

fn command(recipe: &Path, out: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_potluck-train"));
    let out = recipe.with_file_name(out);
    command.arg("run").arg(recipe).arg("--out").arg(out).args(["--threads", "1", "--json"]);
    command
}

fn run(recipe: &Path, out: &str) -> Output {
    command(recipe, out).output().unwrap()
}

fn object(output: &Output) -> Value {
    serde_json::from_slice(output.stdout.split(|byte| *byte == b'\n').next().unwrap()).unwrap()
}

fn answer(recipe: &Path, out: &str) -> Value {
    let output = run(recipe, out);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    object(&output)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

fn metrics(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("work/metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_is_handed_on_tells_neither_reward_nor_data() {
    let party = party();
    let recipe = recipe(party.path(), "mine.toml", RL);
    let result = answer(&recipe, "out");
    let outbox = party.path().join("out/outbox");
    assert_eq!(result["steps"], 12);
    let all = files(&outbox);
    assert!(all.len() > 3 && all.iter().any(|path| path.ends_with("card.json")));
    for path in &all {
        // The tokenizer is the base's, which everyone has.
        let bytes = fs::read(path).unwrap();
        let is_the_bases = party.path().join("base").join(path.file_name().unwrap());
        if fs::read(is_the_bases).is_ok_and(|it| it == bytes) {
            continue;
        }
        for told in [SECRET, "seventeen", "per-match", "prompts.jsonl", "regex"] {
            let found = bytes.windows(told.len()).any(|window| window == told.as_bytes());
            assert!(!found, "{} tells `{told}`", path.display());
        }
    }
    let card: Value = serde_json::from_slice(&fs::read(outbox.join("card.json")).unwrap()).unwrap();
    assert_eq!(
        (&card["algorithm"], &card["v"], &card["steps"]),
        (&json!("rloo"), &json!(2), &json!(12))
    );
    assert_eq!(card["reward_commitment"].as_str().unwrap().len(), 64);
    // Once more is no work, and the same answer.
    assert_eq!(answer(&recipe, "out"), result);
    let lines = metrics(&party.path().join("out"));
    assert_eq!(lines.iter().filter(|line| line["reward"].is_number()).count(), 12);
    assert_eq!(lines.iter().filter(|line| line["eval_reward"].is_number()).count(), 3);
    let rewards: Vec<f64> = lines.iter().filter_map(|line| line["reward"].as_f64()).collect();
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    assert!(mean(&rewards[8..]) > mean(&rewards[..4]), "{rewards:?}");
}

#[test]
fn a_run_that_is_killed_ends_with_the_same_bytes() {
    let party = party();
    let lora = RL.replace("[rl]\n", "[lora]\nrank = 2\ntarget_modules = [\"all-linear\"]\n[rl]\n");
    for (name, text) in [("whole", RL), ("lora", &lora)] {
        let recipe = recipe(party.path(), &format!("{name}.toml"), text);
        let whole = answer(&recipe, &format!("{name}-1"));
        let out = format!("{name}-2");
        let mut child =
            command(&recipe, &out).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().starts_with("rl: 3/12")));
        child.kill().unwrap();
        child.wait().unwrap();
        let resumed = answer(&recipe, &out);
        assert_eq!(whole["blake3"], resumed["blake3"], "{name}");
        let of = |out: &str| -> Vec<u64> {
            let lines = metrics(&party.path().join(out));
            lines.iter().filter_map(|line| line["step"].as_u64()).collect()
        };
        assert_eq!(of(&format!("{name}-1")), of(&out), "each step stands there once");
    }
    assert!(party.path().join("lora-2/adapter/adapter_config.json").exists());
}

#[test]
fn asked_to_stop_it_keeps_what_it_has_and_goes_on() {
    let party = party();
    let recipe = recipe(party.path(), "long.toml", &RL.replace("steps = 12", "steps = 4000"));
    let mut child =
        command(&recipe, "out").stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let metrics = party.path().join("out/work/metrics.jsonl");
    while fs::read_to_string(&metrics).map_or(0, |text| text.lines().count()) < 3 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(object(&output)["error"]["code"], "interrupted");
    assert!(party.path().join("out/work/checkpoint.safetensors").exists());
    assert!(!party.path().join("out/outbox").exists());
}

#[test]
fn examples_are_learned() {
    let party = party();
    let text = "model = \"base\"\n[data]\nfile = \"examples.jsonl\"\nheld_out = 0.2\n[sft]\nsteps = 40\nexamples = 8\n\
                [optimiser]\nlearning_rate = 1e-2\nema = 0.5\n";
    let result = answer(&recipe(party.path(), "sft.toml", text), "sft");
    assert_eq!((&result["algorithm"], &result["steps"]), (&json!("sft"), &json!(40)));
    let losses: Vec<f64> = metrics(&party.path().join("sft"))
        .iter()
        .filter_map(|line| line["eval_loss"].as_f64())
        .collect();
    assert!(losses.len() == 2 && losses[1] < 0.5, "{losses:?}");
}

/// A model of its own, an adapter, and a soup, on one examination.
#[test]
fn candidates_of_every_kind_are_examined() {
    let party = party();
    let text = RL.replace("[rl]\n", "[lora]\nrank = 2\n[rl]\n");
    let recipe = recipe(party.path(), "lora.toml", &text);
    answer(&recipe, "lora");
    let lora = party.path().join("lora");
    let mut command = Command::new(env!("CARGO_BIN_EXE_potluck-train"));
    command.args(["examine", "--json", "--samples", "1", "--threads", "1"]).arg(&recipe);
    command.arg("--model").arg(lora.join("outbox")).arg("--adapter").arg(lora.join("adapter"));
    let expert = |name: &str, folder: &Path| format!("{name}={}", folder.display());
    command.args(["--expert", &expert("a", &lora.join("outbox"))]);
    command.args(["--expert", &expert("b", &party.path().join("base"))]);
    command.args(["--lambda", "a=1", "--lambda", "a=0.5,b=0.5"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let result = object(&output);
    let rows = result["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &result["prompts"]), (4, &json!(6)));
    let samples: Vec<&Value> = rows.iter().map(|row| &row["samples"][0]).collect();
    assert_eq!(samples[0], samples[1], "a folder and its adapter are one model");
    assert_eq!(samples[0], samples[2], "and so is a soup of it alone");
    assert_eq!(rows[0]["gain"], rows[2]["gain"]);
}

#[test]
fn what_cannot_be_followed_is_refused_by_name() {
    let party = party();
    let folder = party.path();
    let refuse = |change: &dyn Fn(String) -> String, told: &[&str], code: i32| {
        let path = recipe(folder, "bad.toml", &change(RL.to_owned()));
        let output = run(&path, "bad");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{error}");
        let last = error.lines().last().unwrap();
        assert!(told.iter().all(|it| last.contains(it)), "{last} should tell {told:?}");
        assert!(!folder.join("bad/outbox").exists());
    };
    let swap = |from: &'static str, to: &'static str| {
        move |text: String| {
            assert!(text.contains(from));
            text.replace(from, to)
        }
    };
    refuse(&swap("steps = 12", "step = 12"), &["bad.toml", "step"], 3);
    refuse(&swap("prompts = 4\n[opt", "group = 1\n[opt"), &["bad.toml", "rl.group"], 3);
    refuse(&swap("[rl]\n", "[sft]\n[rl]\n"), &["bad.toml", "one of the tables"], 3);
    refuse(&swap("model = \"base\"", "model = \"elsewhere\""), &["elsewhere"], 3);
    refuse(&swap("prompts.jsonl", "examples.json"), &["examples.json"], 3);
    refuse(&swap("kind = \"regex\"", "kind = \"beauty\""), &["bad.toml", "beauty"], 3);
    refuse(&swap("max_tokens = 8", "top_p = 1.5"), &["bad.toml", "top_p"], 3);
    refuse(&swap("held_out = 0.2", "held_out = 0.0"), &["bad.toml", "data.held_out"], 3);
    refuse(&swap("[rl]\n", "[lora]\ntarget_modules = [\"nose\"]\n[rl]\n"), &["nose", "q_proj"], 3);
    refuse(&swap("checkpoint_every = 1", "device = \"cuda\""), &["cuda", "no GPU"], 3);
    let program = "kind = \"exec\"\ncommand = [\"sh\", \"-c\", \"while read line; do echo '{\\\"id\\\":1,\\\"rewards\\\":[NaN]}'; done\"]";
    refuse(
        &|text| text.replace("kind = \"regex\"\npattern = \"w17\"\nmode = \"per-match\"", program),
        &["seventeen", "step 0"],
        1,
    );
}

/// The commented example is a recipe that is read, but for the folder that it names.
#[test]
fn the_example_is_sound() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/training/rloo.toml");
    potluck_train::tune::Recipe::read(&example).unwrap();
}
