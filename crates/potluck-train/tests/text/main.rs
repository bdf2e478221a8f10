//! Tokens, chat templates and masks are those of `transformers` (tests/vectors/text/make.py).

#![allow(clippy::unwrap_used)]

mod layouts;
mod stops;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use potluck_train::text::{Answers, Around, Conversation, Opening, Shown, TextTokenizer, Tools};
use serde_json::Value;
use serde_json::value::RawValue;

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/text")
}

/// The folders, in order of their names.
fn folders() -> Vec<PathBuf> {
    let entries = fs::read_dir(vectors()).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = entries.filter(|path| path.join("expected.json").exists()).collect();
    folders.sort();
    assert_eq!(folders.len(), 6, "a folder is missing");
    folders
}

fn open(name: &str) -> TextTokenizer {
    TextTokenizer::open_with(&vectors().join(name), None, Some("2026-11-29".parse().unwrap()))
        .unwrap()
}

fn expected(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap()
}

/// The conversations of the vectors, in the order of their keys.
fn chats() -> BTreeMap<String, (Conversation, Option<Tools>)> {
    let text = fs::read_to_string(vectors().join("conversations.json")).unwrap();
    let all: BTreeMap<String, BTreeMap<String, Box<RawValue>>> =
        serde_json::from_str(&text).unwrap();
    let chats = all.into_iter().map(|(name, chat)| {
        let tools = chat.get("tools").map(|tools| Tools::parse(tools.get()).unwrap());
        (name, (Conversation::parse(chat["messages"].get()).unwrap(), tools))
    });
    chats.collect()
}

fn numbers(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|it| it.as_i64().unwrap()).collect()
}

fn name_of(folder: &Path) -> String {
    folder.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn tokens_and_texts_equal_those_of_transformers() {
    for folder in folders() {
        let (name, expected) = (name_of(&folder), expected(&folder));
        let tokenizer = open(&name);
        assert_eq!(Some(tokenizer.vocabulary()), expected["vocabulary"].as_i64(), "{name}");
        for (key, special) in [("bos", "bos_token"), ("eos", "eos_token")] {
            assert_eq!(tokenizer.special(special), expected[key].as_i64(), "{name} {key}");
        }
        if let Some(pad) = expected["pad"].as_i64() {
            assert_eq!(tokenizer.pad(), pad, "{name}");
        }
        for entry in expected["texts"].as_array().unwrap() {
            let text = entry["text"].as_str().unwrap();
            let with = tokenizer.encode(text, Around::Specials).unwrap();
            assert_eq!(with, numbers(&entry["with"]), "{name}: {text:?}");
            let without = tokenizer.encode(text, Around::Nothing).unwrap();
            assert_eq!(without, numbers(&entry["without"]), "{name}: {text:?}");
            for (key, shown) in [("kept", Shown::Kept), ("skipped", Shown::Skipped)] {
                assert_eq!(tokenizer.decode(&with, shown).unwrap(), entry[key], "{name}: {text:?}");
            }
        }
        for (token, text) in (0..).zip(expected["each"].as_array().unwrap()) {
            assert_eq!(tokenizer.decode(&[token], Shown::Kept).unwrap(), *text, "{name}: {token}");
        }
    }
}

#[test]
fn rendered_conversations_equal_those_of_transformers() {
    let (chats, mut compared, mut refused) = (chats(), 0, 0);
    for folder in folders() {
        let (name, expected) = (name_of(&folder), expected(&folder));
        let tokenizer = open(&name);
        for (title, (chat, tools)) in &chats {
            // The folder with a list of templates has another one for tools there; ours takes the default.
            let tools = tools.as_ref().filter(|_| name != "brackets");
            for (key, opening) in [("open", Opening::Answer), ("whole", Opening::None)] {
                let expected = &expected["chats"][title][key];
                let template = tokenizer.needed_template().unwrap();
                let rendered = template.render(chat, tools, opening);
                if let Some(reason) = expected["error"].as_str() {
                    let error = rendered.map(|it| it.text).unwrap_err().to_string();
                    let is_own = !reason.contains("object") && !reason.contains("undefined");
                    assert!(
                        !is_own || error.contains(reason),
                        "{name}, {title}: {error} / {reason}"
                    );
                    refused += 1;
                    continue;
                }
                let rendered = rendered.unwrap_or_else(|error| panic!("{name}, {title}: {error}"));
                assert_eq!(rendered.text, expected["text"], "{name}, {title}, {key}");
                let tokens = tokenizer.encode_chat(chat, tools, opening).unwrap();
                assert_eq!(tokens, numbers(&expected["tokens"]), "{name}, {title}");
                compared += 1;
            }
        }
    }
    assert!(compared >= 120 && refused >= 10, "{compared} compared, {refused} refused");
}

#[test]
fn what_the_assistant_said_is_what_transformers_marks() {
    let (chats, tokenizer) = (chats(), open("marked"));
    let expected = expected(&vectors().join("marked"));
    let mut compared = 0;
    for (title, (chat, tools)) in &chats {
        let mask = &expected["chats"][title]["whole"]["mask"];
        if mask.is_null() || !numbers(mask).contains(&1) {
            continue;
        }
        let marked = tokenizer.encode_answers(chat, tools.as_ref(), Answers::All).unwrap();
        let ours: Vec<i64> = marked.is_answer.iter().map(|&it| i64::from(it)).collect();
        assert_eq!(ours, numbers(mask), "{title}");
        compared += 1;
    }
    assert!(compared >= 8, "{compared}");
}

/// The text of the tokens that are learned from.
fn said(tokenizer: &TextTokenizer, chat: &Conversation, which: Answers) -> String {
    let marked = tokenizer.encode_answers(chat, None, which).unwrap();
    let pairs = marked.tokens.iter().zip(&marked.is_answer);
    let kept: Vec<i64> = pairs.filter(|(_, is)| **is).map(|(token, _)| *token).collect();
    tokenizer.decode(&kept, Shown::Kept).unwrap()
}

#[test]
fn without_marks_the_answers_are_found_by_rendering_up_to_them() {
    let chats = chats();
    let four = &chats["four turns"].0;
    let headers = open("headers");
    assert_eq!(said(&headers, four, Answers::All), "b<|turn|>d<|turn|>");
    assert_eq!(said(&headers, four, Answers::Last), "d<|turn|>");
    // The line break after the token that ends a turn is not the model's to write.
    assert_eq!(said(&open("calls"), four, Answers::All), "b<|im_end|> d  <|im_end|>");
}

#[test]
fn a_template_that_forgets_is_refused_for_all_answers_and_works_for_the_last() {
    let (chats, thoughts) = (chats(), open("thoughts"));
    let chat = &chats["thoughts"].0;
    let error = thoughts.encode_answers(chat, None, Answers::All).unwrap_err().to_string();
    assert!(error.contains("message 2") && error.contains("last answer alone"), "{error}");
    assert_eq!(
        said(&thoughts, chat, Answers::Last),
        "<think>\nwell, 漢\n</think>\n\nsecond<|im_end|>"
    );
    let first = &chats["assistant first"].0;
    assert!(open("headers").encode_answers(first, None, Answers::All).is_err());
    let no_answer = open("headers").encode_answers(&chats["one question"].0, None, Answers::All);
    assert!(no_answer.unwrap_err().to_string().contains("says nothing"));
}

#[test]
fn ends_come_from_all_files_and_a_folder_without_a_tokenizer_is_refused_by_name() {
    let headers = open("headers");
    assert_eq!(headers.ends().len(), 2, "both are in generation_config.json");
    let calls = open("calls");
    let texts: Vec<String> =
        calls.ends().iter().map(|&end| calls.decode(&[end], Shown::Kept).unwrap()).collect();
    assert_eq!(texts, ["<|endoftext|>", "<|im_end|>"]);
    let error = TextTokenizer::open(&vectors().join("templates")).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json"), "{error}");
}

#[test]
fn a_token_beyond_the_models_vocabulary_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        fs::copy(vectors().join("calls").join(file), folder.path().join(file)).unwrap();
    }
    fs::write(folder.path().join("config.json"), r#"{"vocab_size": 300}"#).unwrap();
    let error = TextTokenizer::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("beyond the model's vocabulary of 300"), "{error}");
}
