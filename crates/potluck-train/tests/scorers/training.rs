//! Reward models: the same steps as PyTorch, what is saved, and a run that is killed.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use potluck_train::hf::Scorer;
use serde_json::{Value, json};
use tch::Tensor;

use super::vectors;

fn command(folder: &Path, base: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_potluck-train"));
    command.current_dir(folder).args(["reward-model", "--json", "--threads", "1"]);
    command.args(["--pairs", "pairs.jsonl", "--base"]).arg(base).args(arguments);
    command
}

fn answer(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn write_pairs(folder: &Path, pairs: &[Value]) {
    let lines: String = pairs.iter().map(|pair| format!("{pair}\n")).collect();
    fs::write(folder.join("pairs.jsonl"), lines).unwrap();
}

/// Texts in which one word is to be preferred, whatever stands around it; up to 36 have prompts of
/// their own.
fn taught(count: usize) -> Vec<Value> {
    let around = ["the summary", "the report", "a short text", "the bank", "the train", "it"];
    let pair = |number: usize| {
        let (prompt, end) = (around[number % 6], around[number / 6 % 6]);
        json!({"prompt": format!("{prompt} and {end} is "), "chosen": format!("true and {end}"),
            "rejected": format!("late and {end}"), "id": number})
    };
    (0..count).map(pair).collect()
}

/// Where trained folders are left with their scores for `make.py --check`, if that is asked for.
fn keep(out: &Path, name: &str, texts: &[(&str, Option<&str>)]) {
    let Some(place) = std::env::var_os("POTLUCK_KEEP_HF").map(PathBuf::from) else { return };
    let to = place.join(name);
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(out).unwrap().map(Result::unwrap).filter(|it| it.path().is_file()) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    let scores = Scorer::open(out).unwrap().score_labels(texts).unwrap();
    let scored = json!({"texts": texts, "scores": scores});
    fs::write(to.join("scored.json"), scored.to_string()).unwrap();
}

#[test]
fn steps_equal_those_of_pytorch() {
    let text = fs::read_to_string(vectors().join("trained.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let pairs = expected["pairs"].as_array().unwrap();
    for case in expected["cases"].as_array().unwrap() {
        let (folder, name) = (tempfile::tempdir().unwrap(), case["name"].as_str().unwrap());
        write_pairs(folder.path(), pairs);
        let arguments = [
            ["--out", "out"],
            ["--held-out", "0"],
            ["--batch", "5"],
            // Gradients of parts of a step add up.
            ["--at-once", "3"],
            ["--steps", "5"],
            ["--learning-rate", "2e-3"],
            ["--warmup", "1"],
            ["--schedule", "linear"],
            ["--center", "0.02"],
            ["--clip", "0.5"],
        ];
        let output =
            command(folder.path(), &vectors().join(name), &arguments.concat()).output().unwrap();
        let answer = answer(&output);
        assert_eq!((&answer["steps"], &answer["held_out"]), (&json!(5), &Value::Null));
        let metrics = fs::read_to_string(folder.path().join("out/.work/metrics.jsonl")).unwrap();
        for (line, loss) in metrics.lines().zip(case["losses"].as_array().unwrap()) {
            let line: Value = serde_json::from_str(line).unwrap();
            let distance = (line["loss"].as_f64().unwrap() - loss.as_f64().unwrap()).abs();
            assert!(distance < 1e-4, "{name}: {line} is no {loss}");
        }
        let scorer = Scorer::open(&folder.path().join("out")).unwrap();
        let score = |side: &str| {
            let score = |pair: &Value| {
                let text = pair[side].as_str().unwrap();
                let (first, second) = match pair["prompt"].as_str() {
                    Some(prompt) => scorer.judged(prompt, text),
                    None => (text.into(), None),
                };
                scorer.score(&[(&first, second)]).unwrap()[0]
            };
            pairs.iter().map(score).collect::<Vec<_>>()
        };
        let scores = [score("chosen"), score("rejected")].concat();
        let expected = case["scores"].as_array().unwrap().iter().map(|it| it.as_f64().unwrap());
        let distance = scores.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        println!("{name}: {distance:.2e}");
        assert!(distance < 1e-4, "{name}: a score differs by {distance:e}");
    }
}

const WORDS: [&str; 14] = [
    "unknown", "begin", "end", "the", "summary", "report", "a", "short", "text", "bank", "train",
    "it", "is", "and",
];

/// A decoder that writes, with a tokenizer of words that has no token for padding.
fn writer(case: &str) -> tempfile::TempDir {
    let (from, folder) = (vectors().join("../hf").join(case), tempfile::tempdir().unwrap());
    for name in ["config.json", "model.safetensors"] {
        fs::copy(from.join(name), folder.path().join(name)).unwrap();
    }
    let words = WORDS.iter().chain(&["true", "late"]);
    let words: serde_json::Map<_, _> =
        words.enumerate().map(|(token, word)| ((*word).to_owned(), json!(token))).collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "unknown"},
    });
    fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let habits = json!({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "end"});
    fs::write(folder.path().join("tokenizer_config.json"), habits.to_string()).unwrap();
    folder
}

/// An encoder that was trained to fill in words: without the maps of a classifier.
fn filler(case: &str, class: &str) -> tempfile::TempDir {
    let (from, folder) = (vectors().join(case), tempfile::tempdir().unwrap());
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        fs::copy(from.join(name), folder.path().join(name)).unwrap();
    }
    let config = fs::read(from.join("config.json")).unwrap();
    let mut config: Value = serde_json::from_slice(&config).unwrap();
    config["architectures"] = json!([class]);
    config.as_object_mut().unwrap().remove("id2label");
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let mut tensors = Tensor::read_safetensors(from.join("model.safetensors")).unwrap();
    tensors.retain(|(name, _)| !name.contains("classifier.") && !name.contains("pooler."));
    tensors.push(("cls.predictions.bias".to_owned(), tensors[0].1.shallow_clone()));
    Tensor::write_safetensors(&tensors, folder.path().join("model.safetensors")).unwrap();
    folder
}

#[test]
fn a_base_gets_a_head_and_learns() {
    let bases = [
        ("llama", writer("llama3-old-bf16")),
        ("gpt2", writer("gpt2-old-bare")),
        ("gpt-neox", writer("gpt-neox")),
        ("bert", filler("bert", "BertForMaskedLM")),
        ("roberta", filler("roberta", "RobertaForMaskedLM")),
        ("deberta", filler("deberta", "DebertaV2ForMaskedLM")),
    ];
    for (name, base) in &bases {
        let error = Scorer::open(base.path()).unwrap_err();
        assert!(error.to_string().contains("config.json"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        write_pairs(folder.path(), &taught(36));
        let arguments = [
            ["--out", "out"],
            ["--held-out", "0.25"],
            ["--batch", "9"],
            ["--steps", "40"],
            ["--learning-rate", "1e-2"],
            ["--center", "0.01"],
        ];
        let output = command(folder.path(), base.path(), &arguments.concat()).output().unwrap();
        let answer = answer(&output);
        let held_out = &answer["held_out"];
        assert_eq!((&answer["pairs"], &held_out["pairs"]), (&json!(27), &json!(9)), "{answer}");
        assert_eq!(held_out["accuracy"], json!(1.0), "{name}: {answer}");
        assert!(held_out["loss"].as_f64().unwrap() < 0.3, "{name}: {answer}");
        let bins = held_out["calibration"]["bins"].as_array().unwrap();
        assert_eq!(bins.iter().map(|bin| bin["pairs"].as_u64().unwrap()).sum::<u64>(), 9);

        let out = folder.path().join("out");
        let scorer = Scorer::open(&out).unwrap();
        assert_eq!(scorer.labels(), ["LABEL_0"]);
        let better = scorer.judged("the train is ", "true and it");
        let worse = scorer.judged("the train is ", "late and it");
        let texts = [(better.0.as_ref(), better.1), (worse.0.as_ref(), worse.1), ("a text", None)];
        let scores = scorer.score(&texts).unwrap();
        assert!(scores[0] > scores[1], "{name}: {scores:?}");
        keep(&out, &format!("trained-{name}"), &texts);
        // What was trained can be trained on.
        let again = ["--out", "again", "--steps", "1"];
        let output = command(folder.path(), &out, &again).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let repeated = command(folder.path(), base.path(), &arguments.concat()).output().unwrap();
        assert_eq!(repeated.stdout, output_line(&answer), "what is done is not done again");
    }
}

fn output_line(answer: &Value) -> Vec<u8> {
    format!("{answer}\n").into_bytes()
}

#[test]
fn a_run_that_is_killed_ends_with_the_same_bytes() {
    for base in ["deberta", "qwen3"] {
        let (folder, base) = (tempfile::tempdir().unwrap(), vectors().join(base));
        write_pairs(folder.path(), &taught(36));
        let arguments = |out| {
            let mut all = vec!["--out", out, "--epochs", "6", "--batch", "4", "--at-once", "2"];
            all.extend(["--learning-rate", "1e-3", "--checkpoint-every", "7"]);
            all
        };
        let whole = answer(&command(folder.path(), &base, &arguments("whole")).output().unwrap());
        assert_eq!(whole["steps"], 48, "{whole}");
        let mut child = command(folder.path(), &base, &arguments("killed"))
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().starts_with("reward-model: 20/48")));
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(folder.path().join("killed/.work/checkpoint.safetensors").exists());

        let refuse = |more: &[&str], word: &str| {
            let mut command = command(folder.path(), &base, &arguments("killed"));
            let output = command.args(more).output().unwrap();
            assert_eq!(output.status.code(), Some(3));
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.contains(word), "{said}");
        };
        refuse(&["--center", "0.5"], "other settings");
        refuse(&["--seed", "2"], "other settings");
        let path = folder.path().join("killed/.work/checkpoint.safetensors");
        let kept = fs::read(&path).unwrap();
        fs::write(&path, &kept[..kept.len() - 1]).unwrap();
        refuse(&[], "delete it to begin anew");
        fs::write(&path, &kept).unwrap();
        let resumed = command(folder.path(), &base, &arguments("killed")).output().unwrap();
        assert_eq!(answer(&resumed)["blake3"], whole["blake3"]);
        assert_eq!(answer(&resumed)["held_out"], whole["held_out"]);
        let metrics = |out: &str| {
            fs::read_to_string(folder.path().join(out).join(".work/metrics.jsonl")).unwrap()
        };
        assert_eq!(metrics("killed"), metrics("whole"));
        // A folder of somebody else's is left as it is.
        fs::remove_dir_all(folder.path().join("killed/.work")).unwrap();
        refuse(&[], "a model is there already");
    }
}

#[test]
fn the_program_scores_texts() {
    let run = |model: &str, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_potluck-train"));
        command.args(["score", "--json", "--threads", "1", "--model"]);
        command.arg(vectors().join(model)).args(arguments).output().unwrap()
    };
    let both = ["--text", "it is ", "--text", "no", "--completion", "late", "--completion", "one"];
    for (model, pairs) in [
        ("bert", [("it is ", Some("late")), ("no", Some("one"))]),
        ("gpt2", [("it is late", None), ("noone", None)]),
    ] {
        let scores = Scorer::open(&vectors().join(model)).unwrap().score(&pairs).unwrap();
        let answer = answer(&run(model, &both));
        for (row, score) in scores.iter().enumerate() {
            let found = answer["texts"][row]["scores"]["LABEL_0"].as_f64().unwrap();
            assert!((found - score).abs() < 1e-5, "{answer} {scores:?}");
        }
    }
    let moods = answer(&run("qwen2", &["--text", "the bank"]));
    assert_eq!(moods["texts"][0]["scores"].as_object().unwrap().len(), 3, "{moods}");
    let output = run("bert", &both[..6]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 completions for 2 texts"));
    assert_eq!(run("gpt2", &["--text", ""]).status.code(), Some(3));
}

/// A copy of a case with a chat template.
fn talker(case: &str, template: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(vectors().join(case)).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    fs::write(folder.path().join("chat_template.jinja"), template).unwrap();
    folder
}

#[test]
fn conversations_are_read_as_their_template_prints_them() {
    let template = "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }} is {% else %}{{ m.content }}{% endif %}{% endfor %}";
    let turn = |role: &str, text: &Value| json!({"role": role, "content": text});
    let arguments = [["--out", "out"], ["--held-out", "0.2"], ["--steps", "3"], ["--batch", "4"]];
    for case in ["bert", "qwen3"] {
        let base = talker(case, template);
        let plain = taught(36);
        let given = plain.iter().map(|pair| {
            let prompt = pair["prompt"].as_str().unwrap().trim_end_matches(" is ");
            let prompt = json!([turn("user", &json!(prompt))]);
            let answer = |side: &str| json!([turn("assistant", &pair[side])]);
            json!({"prompt": prompt, "chosen": answer("chosen"), "rejected": answer("rejected")})
        });
        let given: Vec<Value> = given.collect();
        let implied = given.iter().map(|pair| {
            let whole = |side: &str| json!([pair["prompt"][0], pair[side][0]]);
            json!({"chosen": whole("chosen"), "rejected": whole("rejected")})
        });
        let implied: Vec<Value> = implied.collect();
        let trained = [plain, given, implied].map(|pairs| {
            let folder = tempfile::tempdir().unwrap();
            write_pairs(folder.path(), &pairs);
            let output = command(folder.path(), base.path(), &arguments.concat()).output();
            let answer = answer(&output.unwrap());
            (answer["blake3"].clone(), answer["held_out"].clone())
        });
        // A decoder reads what a template printed without the special tokens that it puts around a plain text.
        assert_eq!(trained[0] == trained[1], case == "bert", "{case}: a given prompt");
        assert_eq!(trained[1], trained[2], "{case}: messages in common");
    }
}

#[test]
fn plain_pairs_do_not_need_what_conversations_need() {
    let base = talker("bert", "{% broken");
    let folder = tempfile::tempdir().unwrap();
    write_pairs(folder.path(), &taught(12));
    let output = command(folder.path(), base.path(), &["--out", "out", "--steps", "1"]).output();
    answer(&output.unwrap());
    let talk = |text: &str| json!([{"role": "user", "content": text}]);
    write_pairs(folder.path(), &[json!({"chosen": talk("it"), "rejected": talk("a")})]);
    let output = command(folder.path(), base.path(), &["--out", "other"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("line 1: ") && said.contains("chat_template.jinja"), "{said}");
}

#[test]
fn what_cannot_be_used_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refuse = |pairs: &[Value], base: &str, arguments: &[&str], code: i32, word: &str| {
        write_pairs(folder.path(), pairs);
        let all = [&["--out", "out"], arguments].concat();
        let output = command(folder.path(), &vectors().join(base), &all).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(word), "{said}");
        assert!(!folder.path().join("out/model.safetensors").exists());
    };
    let with = |key: &str, value: Value| {
        let mut pairs = taught(3);
        pairs[1][key] = value;
        pairs
    };
    let chat = json!([{"role": "user", "content": "hello"}]);
    refuse(
        &with("chosen", Value::Null),
        "bert",
        &[],
        3,
        "line 2: of chosen and rejected, one is missing",
    );
    refuse(
        &with("prompt", chat),
        "bert",
        &[],
        3,
        "line 2: some of it is text and some a list of messages",
    );
    refuse(&with("margin", json!("much")), "bert", &[], 3, "line 2: margin");
    refuse(
        &[json!({"chosen": "a"})],
        "bert",
        &[],
        3,
        "line 1: of chosen and rejected, one is missing",
    );
    refuse(&[json!({"chosen": "a", "rejected": "a"})], "bert", &[], 3, "no pair is left");
    let talk = json!([{"role": "user", "content": "hello"}]);
    let talk = json!({"chosen": talk, "rejected": [{"role": "user", "content": "no"}]});
    refuse(&[talk], "bert", &[], 3, "line 1: the folder has no chat template");
    refuse(&taught(3), "bert-odd", &[], 3, "id2label must be one label");
    refuse(&taught(3), "nowhere", &[], 3, "cannot be read");
    refuse(&taught(3), "bert", &["--held-out", "1"], 2, "from 0 to below 1");
    refuse(&taught(3), "bert", &["--epochs", "2", "--steps", "2"], 2, "cannot be used with");
    let far = ["--learning-rate", "1e38", "--steps", "9"];
    refuse(&taught(6), "bert", &far, 3, "a lower learning rate may help");
}
