//! Of a folder's chat templates, the one that `transformers` takes is taken (tests/vectors/text/layouts.py).

use potluck_train::text::{Conversation, Opening, TextTokenizer, Tools};
use serde_json::Value;

use super::vectors;

const TOOLS: &str =
    r#"[{"type":"function","function":{"name":"f","description":"","parameters":{}}}]"#;

/// What the folder's template makes of one message, if one can be chosen.
fn rendered(layout: &str, name: Option<&str>, with_tools: bool) -> Option<String> {
    let folder = vectors().join("layouts").join(layout);
    let tokenizer = TextTokenizer::open_with(&folder, name, None).ok()?;
    let (chat, tools) = (Conversation::of_user("x"), Tools::parse(TOOLS).unwrap());
    let tools = Some(&tools).filter(|_| with_tools);
    let template = tokenizer.needed_template().ok()?;
    Some(template.render(&chat, tools, Opening::None).ok()?.text)
}

#[test]
fn the_template_is_that_of_transformers() {
    let text = std::fs::read(vectors().join("layouts/rendered.json")).unwrap();
    let expected: serde_json::Map<String, Value> = serde_json::from_slice(&text).unwrap();
    let mut rendered_some = 0;
    for (layout, cases) in &expected {
        for case in cases.as_array().unwrap() {
            let ours = rendered(layout, case["name"].as_str(), case["tools"] == true);
            assert_eq!(ours.as_deref(), case["text"].as_str(), "{layout}: {case}");
            rendered_some += usize::from(ours.is_some());
        }
    }
    assert!(expected.len() == 10 && rendered_some >= 40, "{rendered_some}");
}

#[test]
fn what_is_not_there_is_refused_with_what_is() {
    let open = |layout: &str, name| {
        TextTokenizer::open_with(&vectors().join("layouts").join(layout), name, None)
    };
    let error = open("files", Some("chat")).unwrap_err().to_string();
    assert!(error.contains("\"chat\"; there are default, rag, tool_use"), "{error}");
    let error = open("none", Some("chat")).unwrap_err().to_string();
    assert!(error.contains("has no chat template"), "{error}");
    // Whoever has no conversations needs none.
    let undecided = open("undecided", None).unwrap();
    let template = undecided.needed_template().unwrap();
    let error = template.render(&Conversation::of_user("x"), None, Opening::None).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("name one of rag as chat_template"), "{error}");
}
