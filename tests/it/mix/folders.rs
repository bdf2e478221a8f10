//! Folders: shards, an index, and what stands beside the weights.

use std::fs;

use support::model::{bf16s, f32s, read_f32s, write_folder, write_shards};

use super::{AB, Home, names, refused, text};

const CONFIG: &[u8] = br#"{"hidden_size":8,"torch_dtype":"float32"}"#;

/// Two sharded models that agree on everything but weights and their training.
fn sharded() -> Home {
    let home = Home::new();
    for (name, scale) in [("a", 1.0), ("b", 3.0)] {
        let folder = home.path(name);
        let first = [f32s("x", &[scale; 300]), f32s("z", &[-scale; 10])];
        write_shards(&folder, &[&first, &[f32s("y", &[2.0 * scale; 200])]]).unwrap();
        let state = format!("{{\"best\":{scale}}}");
        let files: [(&str, &[u8]); 8] = [
            ("config.json", CONFIG),
            ("generation_config.json", b"{}"),
            ("tokenizer.json", b"{\"model\":{}}"),
            ("extra/chat_template.jinja", b"{{ messages }}"),
            ("README.md", b"mine"),
            ("trainer_state.json", state.as_bytes()),
            ("training_args.bin", state.as_bytes()),
            (".gitattributes", state.as_bytes()),
        ];
        write_folder(&folder, &files).unwrap();
    }
    home
}

#[test]
fn a_soup_has_the_shape_of_its_inputs() {
    let home = sharded();
    let made = home.mix(&format!("{AB} --lambda a=0.5,b=0.5 --out @/soup")).succeeded();
    let expected = [
        "README.md",
        "config.json",
        "extra",
        "generation_config.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "tokenizer.json",
    ];
    assert_eq!(names(&home.path("soup")), expected);
    assert_eq!(home.names(), ["a", "b", "soup"]);
    let second = home.path("soup/model-00002-of-00002.safetensors");
    assert_eq!(read_f32s(&second, "y"), [4.0; 200]);
    let index = text(&home.path("soup/model.safetensors.index.json"));
    let index: serde_json::Value = serde_json::from_str(&index).unwrap();
    assert_eq!(index["metadata"]["total_size"], 510 * 4);
    assert_eq!(index["weight_map"]["z"], "model-00001-of-00002.safetensors");
    assert_eq!(text(&home.path("soup/extra/chat_template.jinja")), "{{ messages }}");
    assert_eq!(fs::read(home.path("soup/config.json")).unwrap(), CONFIG);
    // The card names digests, and nothing of this machine.
    let card = text(&home.path("soup/README.md"));
    for file in made["files"].as_array().unwrap() {
        assert!(card.contains(file["blake3"].as_str().unwrap()), "{card}");
    }
    assert!(card.starts_with("---\nlibrary_name: transformers\ntags:\n- merge\n- potluck\n---\n"));
    assert!(!card.contains(&home.path("").display().to_string()), "{card}");
    assert!(
        card.contains(
            "potluck mix --expert a=PATH --expert b=PATH --lambda a=0.5,b=0.5 --out soup"
        )
    );
    // A soup goes into the next one, and two make the same card.
    home.mix(&format!("{AB} --lambda a=0.5,b=0.5 --out @/again")).succeeded();
    assert_eq!(text(&home.path("again/README.md")), card);
    home.mix("--lambda @/soup=0.5,@/again=0.5 --out @/third").succeeded();
    assert_eq!(
        fs::read(home.path("third/model-00002-of-00002.safetensors")).unwrap(),
        fs::read(second).unwrap()
    );
}

#[test]
fn shards_are_of_the_size_that_is_asked_for() {
    let home = sharded();
    let mix = |flags: &str| home.mix(&format!("{AB} --lambda a=0.5,b=0.5 {flags}")).succeeded();
    mix("--out @/small --shard-size 1KB");
    let first = home.path("small/model-00001-of-00002.safetensors");
    assert_eq!(read_f32s(&first, "x"), [2.0; 300]);
    mix("--out @/one --shard-size 5GB");
    assert_eq!(read_f32s(&home.path("one/model.safetensors"), "z"), [-2.0; 10]);
    assert!(!home.path("one/model.safetensors.index.json").exists());
    mix("--out @/one.safetensors");
    assert_eq!(
        fs::read(home.path("one.safetensors")).unwrap(),
        fs::read(home.path("one/model.safetensors")).unwrap()
    );
    refused(&home.mix(&format!("{AB} --lambda a=1,b=0 --out @/x.safetensors --shard-size 1KB")));
}

#[test]
fn what_differs_beside_the_weights_is_somebody_s_choice() {
    let home = sharded();
    fs::write(home.path("b/tokenizer.json"), "{\"model\":[]}").unwrap();
    let mix = format!("{AB} --lambda a=0.5,b=0.5 --out @/soup");
    let (_, message) = refused(&home.mix(&mix));
    assert_eq!(message, "tokenizer.json differs between a and b");
    assert_eq!(home.names(), ["a", "b"]);
    home.mix(&format!("{mix} --prefer b")).succeeded();
    assert_eq!(text(&home.path("soup/tokenizer.json")), "{\"model\":[]}");
    let (_, message) = refused(&home.mix(&format!("{mix} --force --prefer c")));
    assert!(message.contains("--prefer c"), "{message}");
}

#[test]
fn a_converted_soup_says_so_in_its_configuration() {
    let home = sharded();
    let mix = |flags: &str| home.mix(&format!("{AB} --lambda a=0.5,b=0.5 --out @/soup {flags}"));
    mix("--dtype bf16").succeeded();
    assert!(text(&home.path("soup/config.json")).contains("\"torch_dtype\": \"bfloat16\""));
    // Inputs of two formats are mixed only into one that is named.
    let weights = [bf16s("x", &[1.0; 300]), f32s("y", &[1.0; 200]), f32s("z", &[1.0; 10])];
    fs::remove_dir_all(home.path("b")).unwrap();
    home.model("b", &weights);
    let ended = mix("--force");
    let (code, message) = refused(&ended);
    assert_eq!(
        (&*code, &*message),
        ("tensors-differ", "tensor x is F32 in the expert of a and BF16 in that of b")
    );
    assert!(ended.json()["error"]["hint"].as_str().unwrap().contains("--dtype"));
    mix("--force --dtype F32").succeeded();
    assert_eq!(read_f32s(&home.path("soup/model-00001-of-00002.safetensors"), "x"), [1.0; 300]);
}

#[test]
fn an_older_soup_is_given_up_only_by_force() {
    let home = sharded();
    let mix = |lambda: &str, flags: &str| {
        home.mix(&format!("{AB} --lambda {lambda} --out @/soup {flags}"))
    };
    mix("a=1,b=0", "").succeeded();
    fs::write(home.path("soup/note.txt"), "old").unwrap();
    let (_, message) = refused(&mix("a=0,b=1", ""));
    assert!(message.contains("is not empty"), "{message}");
    assert_eq!(text(&home.path("soup/note.txt")), "old");
    mix("a=0,b=1", "--force").succeeded();
    assert!(!home.path("soup/note.txt").exists());
    assert_eq!(read_f32s(&home.path("soup/model-00002-of-00002.safetensors"), "y"), [6.0; 200]);
    assert_eq!(home.names(), ["a", "b", "soup"]);
    // Neither a folder of something else, nor one of the inputs.
    write_folder(&home.path("letters"), &[("to-a-friend.txt", b"x")]).unwrap();
    for out in ["letters", "a", "."] {
        refused(&home.mix(&format!("{AB} --lambda a=1,b=0 --force --out @/{out}")));
    }
    assert_eq!(home.names(), ["a", "b", "letters", "soup"]);
}
