//! Adapters: in as PEFT writes them, out as PEFT reads them.

use std::fs;

use support::model::{Tensor, f32s, matrices, read_f32s, write_folder};

use super::{AB, Home, names, refused, text};

const A: &str = "base_model.model.layers.0.q.lora_A.weight";
const B: &str = "base_model.model.layers.0.q.lora_B.weight";

fn matrix(name: &str, shape: [u64; 2], value: f32) -> (Tensor, [u64; 2]) {
    (f32s(name, &vec![value; (shape[0] * shape[1]) as usize]), shape)
}

/// An adapter of rank 1 on one module of 2 by 2, whose change is α times `a` times `b` everywhere.
fn write_adapter(home: &Home, name: &str, alpha: u32, a: f32, b: f32) {
    let weights = matrices(&[matrix(A, [1, 2], a), matrix(B, [2, 1], b)]);
    let config = format!(
        r#"{{"peft_type":"LORA","r":1,"lora_alpha":{alpha},"target_modules":["q"],"bias":"none","task_type":"CAUSAL_LM","base_model_name_or_path":"org/base"}}"#
    );
    let files: [(&str, &[u8]); 3] = [
        ("adapter_model.safetensors", &weights),
        ("adapter_config.json", config.as_bytes()),
        ("tokenizer.json", b"{}"),
    ];
    write_folder(&home.path(name), &files).unwrap();
}

fn adapters() -> Home {
    let home = Home::new();
    write_adapter(&home, "a", 2, 1.0, 3.0);
    write_adapter(&home, "b", 4, -0.5, 2.0);
    let base = matrices(&[matrix("layers.0.q.weight", [2, 2], 1.0)]);
    write_folder(
        &home.path("base"),
        &[("model.safetensors", &base), ("config.json", b"{\"tie_word_embeddings\":false}")],
    )
    .unwrap();
    home
}

#[test]
fn adapters_make_an_adapter_and_with_their_base_a_model() {
    let home = adapters();
    let mix = format!("{AB} --lambda a=0.5,b=0.5");
    let made = home.mix(&format!("{mix} --out @/soup --lineage")).succeeded();
    assert_eq!(made["method"], "adapter_linear/1");
    let expected =
        ["README.md", "adapter_config.json", "adapter_model.safetensors", "tokenizer.json"];
    assert_eq!(names(&home.path("soup")), expected);
    let config: serde_json::Value =
        serde_json::from_str(&text(&home.path("soup/adapter_config.json"))).unwrap();
    assert_eq!((&config["r"], &config["peft_type"]), (&2.into(), &"LORA".into()));
    let card = text(&home.path("soup/README.md"));
    assert!(card.starts_with("---\nlibrary_name: peft\nbase_model: org/base\n"), "{card}");

    let merged =
        home.mix(&format!("{mix} --merge-into-base --base @/base --out @/dense")).succeeded();
    assert_eq!(merged["method"], "adapter_merge/1");
    assert_eq!(
        names(&home.path("dense")),
        ["README.md", "config.json", "model.safetensors", "tokenizer.json"]
    );
    // 1 + ½·2·3·1 + ½·4·2·(−½).
    assert_eq!(read_f32s(&home.path("dense/model.safetensors"), "layers.0.q.weight"), [2.0; 4]);
}

#[test]
fn one_adapter_alone_comes_back() {
    let home = adapters();
    home.mix(&format!("{AB} --lambda a=1,b=0 --out @/soup")).succeeded();
    let read = |folder: &str, name: &str| {
        read_f32s(&home.path(folder).join("adapter_model.safetensors"), name)
    };
    assert_eq!((read("soup", A), read("soup", B)), (read("a", A), read("a", B)));
}

#[test]
fn what_is_no_adapter_soup_is_refused() {
    let home = adapters();
    // Factors without their configuration have no scale; files have no room for one.
    let (_, message) = refused(&home.mix("--lambda @/a/adapter_model.safetensors=1 --no-output"));
    assert!(message.contains("an adapter's factor"), "{message}");
    refused(&home.mix(&format!("{AB} --lambda a=0.5,b=0.5 --out @/soup.safetensors")));
    let (_, message) = refused(&home.mix("--lambda @/a=0.5,@/base=0.5 --no-output"));
    assert!(message.contains("is an adapter and"), "{message}");
    let (_, message) =
        refused(&home.mix(&format!("{AB} --method slerp --lambda a=0.5,b=0.5 --no-output")));
    assert!(message.contains("these are adapters"), "{message}");
    fs::remove_file(home.path("a/adapter_config.json")).unwrap();
    refused(&home.mix(&format!("{AB} --lambda a=0.5,b=0.5 --no-output")));
}
