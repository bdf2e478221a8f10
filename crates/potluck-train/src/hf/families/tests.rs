//! Configurations of all families, as they are, as they contradict themselves, and as an enemy has them.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::plan::Plan;
use super::super::rope::Scaling;
use super::*;

/// The configuration of a folder that `transformers` saved.
fn saved(case: &str) -> Value {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/hf");
    let text = std::fs::read(vectors.join(case).join("config.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

const CASES: [&str; 10] = [
    "llama2",
    "llama3",
    "llama3-old-bf16",
    "mistral",
    "qwen2-old-window",
    "qwen3",
    "gemma2",
    "gpt2",
    "gpt-neox",
    "gpt-neox-old-serial",
];

fn parse(config: &Value) -> Result<Architecture, ConfigError> {
    Architecture::parse(config.to_string().as_bytes())
}

fn with(case: &str, key: &str, value: Value) -> Result<Architecture, ConfigError> {
    let mut config = saved(case);
    config[key] = value;
    parse(&config)
}

fn refused(case: &str, key: &str, value: Value) {
    let shown = value.to_string();
    let error = with(case, key, value).expect_err(&shown).to_string();
    assert!(error.contains(key), "{case}, {key}: {error}");
}

#[test]
fn what_would_change_the_arithmetic_is_refused_by_name() {
    let error = with("llama2", "model_type", json!("mixtral\u{1b}[2J")).unwrap_err().to_string();
    assert!(error.contains("mixtral\\u{1b}[2J is not supported"), "{error}");
    refused("llama2", "architectures", json!(["LlamaForSequenceClassification"]));
    refused("llama2", "quantization_config", json!({"bits": 4}));
    refused("llama2", "auto_map", json!({"AutoModel": "mine.Model"}));
    refused("llama2", "pretraining_tp", json!(2));
    refused("llama2", "hidden_act", json!("quick_gelu"));
    refused("llama2", "dtype", json!("float8_e4m3fn"));
    refused("llama2", "partial_rotary_factor", json!(0.5));
    refused("llama2", "num_key_value_heads", json!(3));
    refused("llama2", "rope_scaling", json!({"rope_type": "yarn", "factor": 4.0}));
    refused("gemma2", "use_bidirectional_attention", json!(true));
    refused("gpt2", "reorder_and_upcast_attn", json!(true));
    refused("gpt2", "add_cross_attention", json!(true));
    refused("gpt2", "n_head", json!(3));
    refused("gpt-neox-old-serial", "rotary_pct", json!(0.5));
    refused("gpt-neox-old-serial", "rope_theta", json!(5.0));
    refused("qwen2-old-window", "layer_types", json!(["full_attention"]));
    refused("qwen2-old-window", "layer_types", json!(["full_attention", "chunked_attention"]));
    refused("qwen3", "eos_token_id", json!([2, 40]));
}

#[test]
fn sizes_are_bounded_and_never_guessed() {
    for (case, key) in [
        ("llama2", "hidden_size"),
        ("llama2", "vocab_size"),
        ("mistral", "num_key_value_heads"),
        ("qwen3", "head_dim"),
        ("gpt2", "n_positions"),
        ("gpt-neox", "num_hidden_layers"),
    ] {
        for value in
            [json!(0), json!(-1), json!(1u64 << 40), json!(u64::MAX), json!(2.5), json!("8")]
        {
            refused(case, key, value);
        }
        assert_eq!(with(case, key, Value::Null), Err(ConfigError::Missing(key.to_owned())));
    }
}

#[test]
fn both_dialects_say_the_same() {
    let newer = saved("llama3");
    let mut older = newer.clone();
    let mut rope = older["rope_parameters"].take();
    older["rope_theta"] = rope["rope_theta"].take();
    older["rope_scaling"] = rope;
    older["torch_dtype"] = older["dtype"].take();
    assert_eq!(parse(&older), parse(&newer));
    let scaling = parse(&older).unwrap().attention.rope.unwrap().scaling;
    assert_eq!(scaling, Scaling::Llama3 { factor: 4.0, low: 1.0, high: 4.0, context: 16.0 });
    // And must not contradict each other in one file.
    let mut both = newer.clone();
    both["rope_theta"] = json!(7.0);
    assert!(parse(&both).unwrap_err().to_string().contains("rope_parameters.rope_theta"));
    both["rope_theta"] = newer["rope_parameters"]["rope_theta"].clone();
    assert_eq!(parse(&both), parse(&newer));
    both["rope_scaling"] = json!({"type": "linear", "factor": 2});
    assert!(parse(&both).unwrap_err().to_string().contains("rope_scaling"));
}

#[test]
fn windows_follow_the_layers() {
    let windows = |case: &str| parse(&saved(case)).unwrap().attention.windows;
    assert_eq!(windows("llama2"), [None, None]);
    assert_eq!(windows("mistral"), [Some(3), Some(3)]);
    assert_eq!(windows("mistral-old-f16"), [None, None]);
    assert_eq!(windows("qwen2-old-window"), [None, Some(4)]);
    assert_eq!(windows("gemma2-old-uncapped"), [Some(2), None, Some(2)]);
    let mut silent = saved("mistral");
    silent.as_object_mut().unwrap().remove("sliding_window");
    assert_eq!(parse(&silent).unwrap().attention.windows, [Some(4096), Some(4096)]);
}

#[test]
fn what_is_no_configuration_is_refused() {
    let error = |bytes: &[u8]| Architecture::parse(bytes).unwrap_err();
    assert!(matches!(error(b"[]"), ConfigError::Json(_)));
    assert!(matches!(error(&[b'['; 100_000]), ConfigError::Json(_)));
    assert!(matches!(error(&vec![b' '; 2 << 20]), ConfigError::TooLong(_)));
    assert_eq!(error(b"{}"), ConfigError::Missing("model_type".to_owned()));
    let long = with("llama2", "hidden_act", json!("x".repeat(100_000))).unwrap_err().to_string();
    assert!(long.len() < 250, "{long}");
}

fn hostile() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-3i64..70).prop_map(Value::from),
        (0u32..64).prop_map(|bits| json!(1u64 << bits)),
        any::<f64>().prop_map(Value::from),
        Just(json!(5e-324)),
        Just(json!("llama3")),
        Just(json!("linear")),
        Just(json!("sliding_attention")),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        let key = prop_oneof![
            Just("factor".to_owned()),
            Just("rope_type".to_owned()),
            Just("rope_theta".to_owned()),
            Just("partial_rotary_factor".to_owned()),
            ".{0,4}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..4)
                .prop_map(|object| Value::from(object.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Any key of any file may hold anything: it is refused, or the plan is made without a panic,
    /// and no larger than the number of layers allows.
    #[test]
    fn no_value_of_any_key_does_harm(
        case in prop::sample::select(&CASES[..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), hostile()), 1..4),
    ) {
        let mut config = saved(case);
        let keys: Vec<String> = config.as_object().unwrap().keys().cloned().collect();
        for (index, value) in changes {
            config[index.get(&keys)] = value;
        }
        if let Ok(model) = parse(&config) {
            let plan = Plan::of(&model);
            prop_assert!(plan.tensors().len() <= 5 + 24 * model.layers as usize);
            prop_assert!(plan.parameters() > 0);
            prop_assert!(model.attention.windows.len() == model.layers as usize);
            prop_assert!(model.attention.scale.is_finite());
            let rope = model.attention.rope.as_ref();
            let turned = rope.map(|rope| (rope.width, 2 * rope.frequencies().numel() as i64));
            prop_assert!(turned.is_none_or(|(width, made)| width == made));
        }
    }

    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Architecture::parse(&bytes).is_err());
    }
}
