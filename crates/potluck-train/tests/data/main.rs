//! Data sets of every kind, read with a real tokenizer; what cannot be used is refused by line.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use potluck_train::bad_input::BadInput;
use potluck_train::data::{DataSettings, Example, Examples, Pairs, Prompts, TooLong};
use potluck_train::text::{Shown, TextTokenizer};
use serde_json::json;
use tempfile::TempDir;

fn tokenizer(name: &str) -> TextTokenizer {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/text");
    TextTokenizer::open_with(&vectors.join(name), None, Some("2026-11-29".parse().unwrap()))
        .unwrap()
}

/// A file of these lines, in a folder that goes with the first value.
fn file(lines: &[&str]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.jsonl");
    fs::write(&path, lines.join("\n")).unwrap();
    (folder, path)
}

fn prompts(lines: &[&str], settings: &DataSettings) -> Result<Prompts, BadInput> {
    let (_folder, path) = file(lines);
    Prompts::read(&path, &tokenizer("calls"), settings, 7)
}

fn refusal<T: std::fmt::Debug>(read: Result<T, BadInput>) -> String {
    read.unwrap_err().to_string()
}

/// What is learned of an example, as text.
fn learned(tokenizer: &TextTokenizer, example: &Example) -> String {
    let pairs = example.tokens.iter().zip(&example.is_learned);
    let kept: Vec<i64> = pairs.filter(|(_, is)| **is).map(|(token, _)| *token).collect();
    tokenizer.decode(&kept, Shown::Kept).unwrap()
}

fn examples(name: &str, lines: &[&str]) -> (Vec<String>, Vec<String>) {
    let (_folder, path) = file(lines);
    let tokenizer = tokenizer(name);
    let examples = Examples::read(&path, &tokenizer, &DataSettings::default(), 7).unwrap();
    let whole =
        examples.learned().iter().map(|it| tokenizer.decode(&it.tokens, Shown::Kept).unwrap());
    (whole.collect(), examples.learned().iter().map(|it| learned(&tokenizer, it)).collect())
}

#[test]
fn prompts_keep_their_other_columns() {
    let lines = [
        r#"{"prompt":"Sum up: a","topic":"news","n":[1,2]}"#,
        "",
        r#"  {"prompt":"b","completion":"c"}"#,
    ];
    assert!(refusal(prompts(&lines, &DataSettings::default())).contains("line 3"), "other keys");
    let set = prompts(&lines[..2], &DataSettings::default()).unwrap();
    let prompt = set.item(0);
    assert_eq!(prompt.text, "Sum up: a");
    assert_eq!(
        serde_json::Value::from(prompt.columns.clone()),
        json!({"topic": "news", "n": [1, 2]})
    );
    assert_eq!(tokenizer("calls").decode(&prompt.tokens, Shown::Kept).unwrap(), "Sum up: a");
}

#[test]
fn a_conversation_is_a_prompt_up_to_its_last_answer() {
    for key in ["messages", "prompt"] {
        let line = format!(
            r#"{{"{key}":[{{"role":"user","content":"q"}},{{"role":"assistant","content":"a"}}],"id":3}}"#
        );
        let set = prompts(&[&line], &DataSettings::default()).unwrap();
        let prompt = set.item(5);
        assert_eq!(
            prompt.text,
            "<|im_start|>system\nYou help.<|im_end|>\n<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n"
        );
        let columns =
            json!({"id": 3, "completion": "a", "messages": [{"role": "user", "content": "q"}]});
        assert_eq!(serde_json::Value::from(prompt.columns.clone()), columns);
    }
}

#[test]
fn long_prompts_are_refused_skipped_or_cut_from_the_left() {
    let lines = [r#"{"prompt":"a"}"#, r#"{"prompt":"the answer is four said the user"}"#];
    let settings = |too_long| DataSettings { longest: 4, too_long, ..DataSettings::default() };
    let error = refusal(prompts(&lines, &settings(TooLong::Refuse)));
    assert!(
        error.contains("line 2") && error.contains("tokens") && error.contains("skip"),
        "{error}"
    );
    let skipped = prompts(&lines, &settings(TooLong::Skip)).unwrap();
    assert_eq!((skipped.len(), skipped.skipped()), (1, 1));
    let (_folder, path) = file(&lines);
    let headers = tokenizer("headers");
    let cut = Prompts::read(&path, &headers, &settings(TooLong::Cut), 7).unwrap();
    let cut = &cut.learned()[1];
    assert_eq!(cut.tokens.len(), 4);
    let text = headers.decode(&cut.tokens, Shown::Kept).unwrap();
    assert!(text.starts_with("<|begin|>") && text.ends_with("user"), "{text}");
    assert!(refusal(prompts(&lines[1..], &settings(TooLong::Skip))).contains("1 were left out"));
}

#[test]
fn the_n_th_prompt_needs_no_state_and_held_out_ones_never_come() {
    let lines: Vec<String> =
        (0..40).map(|n| json!({"prompt": format!("p{}", n / 2), "n": n}).to_string()).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let settings = DataSettings { held_out: 0.25, ..DataSettings::default() };
    let set = prompts(&lines, &settings).unwrap();
    assert_eq!((set.len(), set.held_out().len()), (30, 10), "both copies of a prompt go together");
    for (number, again) in
        (0..90).zip((0..90).map(|n| prompts(&lines, &settings).unwrap().item(n).clone()))
    {
        let prompt = set.item(number);
        assert_eq!(*prompt, again);
        assert!(set.held_out().iter().all(|held| held.text != prompt.text));
    }
    let mut epoch: Vec<u64> =
        (30..60).map(|n| set.item(n).columns["n"].as_u64().unwrap()).collect();
    epoch.sort_unstable();
    epoch.dedup();
    assert_eq!(epoch.len(), 30, "an epoch has each once");
}

#[test]
fn only_answers_are_learned() {
    let (whole, answers) = examples("headers", &[r#"{"prompt":"Say it: ","completion":"four"}"#]);
    assert_eq!(whole, ["<|begin|>Say it: four<|turn|>"]);
    assert_eq!(answers, ["four<|turn|>"]);
    let (whole, answers) = examples("brackets", &[r#"{"prompt":"Say","completion":" so"}"#]);
    assert_eq!(
        (whole[0].as_str(), answers[0].trim_start()),
        ("<s> Say so</s>", "so</s>"),
        "no second space"
    );
    let chat = r#"{"prompt":[{"role":"user","content":"q"},{"role":"assistant","content":"a"},{"role":"user","content":"r"}],"completion":[{"role":"assistant","content":"b"}]}"#;
    for name in ["calls", "marked"] {
        let answers = examples(name, &[chat]).1;
        assert_eq!(answers[0].trim_end(), "b<|im_end|>", "{name}");
    }
    let chat = r#"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}"#;
    assert_eq!(examples("calls", &[chat]).1, ["a<|im_end|>"]);
    let (whole, all) = examples("headers", &[r#"{"text":"Grey."}"#]);
    assert_eq!((whole[0].as_str(), &all), ("<|begin|>Grey.<|turn|>", &whole));
}

#[test]
fn pairs_have_their_prompt_given_or_in_common() {
    let read = |line: &str| {
        let (_folder, path) = file(&[line]);
        let tokenizer = tokenizer("calls");
        let template = tokenizer.template().ok_or("there is none");
        Pairs::read(&path, template, 0.0, 1).map(|it| it.item(0).clone())
    };
    let given =
        read(r#"{"prompt":"The sky is","chosen":" blue","rejected":" green","margin":0.5}"#)
            .unwrap();
    let implied = read(r#"{"chosen":"The sky is blue","rejected":"The sky is green"}"#).unwrap();
    assert_eq!(
        (given.prompt.as_str(), given.chosen_text.as_str()),
        ("The sky is", "The sky is blue")
    );
    assert_eq!(given.columns["margin"], 0.5);
    assert_eq!(
        (&given.prompt, &given.chosen_text, &given.rejected_text),
        (&implied.prompt, &implied.chosen_text, &implied.rejected_text)
    );
    assert!(given.has_prompt && !implied.has_prompt, "letters in common may end anywhere");
    let turn = |role: &str, text: &str| json!({"role": role, "content": text});
    let given = json!({"prompt": [turn("user", "q")], "chosen": [turn("assistant", "a")], "rejected": [turn("assistant", "b")]});
    let implied = json!({"chosen": [turn("user", "q"), turn("assistant", "a")], "rejected": [turn("user", "q"), turn("assistant", "b")]});
    let (given, implied) = (read(&given.to_string()).unwrap(), read(&implied.to_string()).unwrap());
    assert_eq!(given, implied);
    assert!(given.prompt.ends_with("assistant\n") && given.chosen_text.ends_with("a<|im_end|>\n"));
    assert!(given.has_prompt && given.chosen_text.starts_with(&given.prompt));
    let same = read(r#"{"chosen":"a","rejected":"a"}"#).unwrap();
    assert_eq!(
        same.chosen_text, same.rejected_text,
        "whether that is of use is for its reader to say"
    );
}

#[test]
fn plain_pairs_need_no_template_and_equal_prompts_stay_together() {
    let lines: Vec<String> = (0..40)
        .map(|n| {
            let prompt = format!("p{}", n / 4);
            json!({"prompt": prompt, "chosen": "a", "rejected": "b"}).to_string()
        })
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let (_folder, path) = file(&lines);
    let pairs = Pairs::read(&path, Err("no template"), 0.2, 7).unwrap();
    assert_eq!((pairs.len(), pairs.held_out().len()), (32, 8));
    assert!(
        pairs.learned().iter().all(|it| pairs.held_out().iter().all(|b| b.prompt != it.prompt))
    );
    // Pairs without anything in common are not one prompt.
    let lines: Vec<String> =
        (0..10).map(|n| json!({"chosen": format!("a{n}"), "rejected": "b"}).to_string()).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let (_folder, path) = file(&lines);
    let pairs = Pairs::read(&path, Err("no template"), 0.2, 7).unwrap();
    assert_eq!((pairs.len(), pairs.held_out().len()), (8, 2));
    let (_folder, path) = file(&[
        r#"{"chosen":[{"role":"user","content":"a"}],"rejected":[{"role":"user","content":"b"}]}"#,
    ]);
    let error = refusal(Pairs::read(&path, Err("no template"), 0.0, 7));
    assert!(error.contains("line 1: no template"), "{error}");
}

#[test]
fn what_cannot_be_used_is_refused_by_file_and_line() {
    let good = r#"{"prompt":"a"}"#;
    for (bad, word) in [
        ("{", "no JSON object"),
        ("[1]", "no JSON object"),
        (r#"{"query":"a"}"#, "none of the keys"),
        (r#"{"prompt":7}"#, "text or a list"),
        (r#"{"prompt":null}"#, "none of the keys"),
        (r#"{"prompt":""}"#, "no token"),
        (r#"{"prompt":[{"role":"user","content":"a"}]}"#, "one form"),
        (r#"{"prompt":"a","messages":[]}"#, "both prompt and messages"),
        (r#"{"text":"a"}"#, "one kind"),
        (r#"{"chosen":"a"}"#, "one is missing"),
    ] {
        let error = refusal(prompts(&[good, "", bad], &DataSettings::default()));
        assert!(error.contains("set.jsonl line 3: ") && error.contains(word), "{bad}: {error}");
    }
    let error = refusal(prompts(&[r#"{"messages":[{"content":"a"}]}"#], &DataSettings::default()));
    assert!(error.contains("line 1") && error.contains("message 1 has no \"role\""), "{error}");
    assert!(refusal(prompts(&[""], &DataSettings::default())).contains("no item"));
    let bad = DataSettings { held_out: 1.0, ..DataSettings::default() };
    assert!(refusal(prompts(&[good], &bad)).contains("held_out"));
}

#[test]
fn settings_come_from_toml() {
    let settings: DataSettings =
        toml::from_str("held_out = 0.1\ntoo_long = \"skip\"\nlearned = \"last\"").unwrap();
    assert_eq!((settings.too_long, settings.longest), (TooLong::Skip, 1024));
    assert!(toml::from_str::<DataSettings>("shuffle = true").is_err());
}
