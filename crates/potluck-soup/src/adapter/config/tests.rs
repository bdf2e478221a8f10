use super::*;
use crate::adapter::pattern::Pattern;

/// What PEFT 0.21.2 writes for a plain LoRA, word for word but for the version.
const PLAIN: &str = r#"{
  "alora_invocation_tokens": null, "alpha_pattern": {}, "arrow_config": null, "auto_mapping": null,
  "base_model_name_or_path": "org/base", "bias": "none", "corda_config": null, "ensure_weight_tying": false,
  "eva_config": null, "exclude_modules": null, "fan_in_fan_out": false, "inference_mode": true,
  "init_lora_weights": true, "kasa_config": null, "layer_replication": null, "layers_pattern": null,
  "layers_to_transform": null, "loftq_config": {}, "lora_alpha": 16, "lora_bias": false, "lora_dropout": 0.05,
  "lora_ga_config": null, "megatron_config": null, "megatron_core": "megatron.core", "modules_to_save": null,
  "monteclora_config": null, "peft_type": "LORA", "peft_version": "0.21.2", "qalora_group_size": 16, "r": 8,
  "rank_pattern": {}, "revision": null, "target_modules": ["q_proj", "v_proj"], "target_parameters": null,
  "task_type": "CAUSAL_LM", "trainable_token_indices": null, "use_bdlora": null, "use_dora": false,
  "use_qalora": false, "use_rslora": false, "velora_config": null
}"#;

fn parse(text: &str) -> Result<AdapterConfig, AdapterConfigError> {
    AdapterConfig::parse(text.as_bytes())
}

/// A plain configuration in which one key has another value, or stands there beside the others.
fn with(key: &str, value: &str) -> Result<AdapterConfig, AdapterConfigError> {
    let mut tree: serde_json::Map<_, _> = serde_json::from_str(PLAIN).unwrap();
    tree.insert(key.into(), serde_json::from_str(value).unwrap());
    parse(&serde_json::to_string(&tree).unwrap())
}

fn without(key: &str) -> Result<AdapterConfig, AdapterConfigError> {
    let mut tree: serde_json::Map<_, _> = serde_json::from_str(PLAIN).unwrap();
    tree.remove(key).unwrap();
    parse(&serde_json::to_string(&tree).unwrap())
}

#[test]
fn what_peft_writes_is_read() {
    let config = parse(PLAIN).unwrap();
    assert_eq!((config.rank, config.alpha, config.scaling), (8, 16.0, Scaling::Rank));
    assert_eq!(config.target_modules, Modules::Names(vec!["q_proj".into(), "v_proj".into()]));
    assert_eq!(config.task_type.as_deref(), Some("CAUSAL_LM"));
    assert_eq!(config.base_model(), Some("org/base"));
    assert!(config.modules_to_save().is_empty() && !config.fan_in_fan_out());
}

#[test]
fn the_least_configuration_is_read() {
    let config = parse(r#"{"peft_type":"LORA","r":4,"lora_alpha":0.5}"#).unwrap();
    assert_eq!((config.rank, config.alpha), (4, 0.5));
    assert_eq!(config.target_modules, Modules::Unsaid);
}

#[test]
fn the_canonical_text_says_the_same_and_is_stable() {
    let config = parse(PLAIN).unwrap();
    let text = String::from_utf8(config.canonical()).unwrap();
    assert_eq!(parse(&text).unwrap(), config);
    let expected = r#"{
  "alpha_pattern": {},
  "base_model_name_or_path": "org/base",
  "bias": "none",
  "fan_in_fan_out": false,
  "inference_mode": true,
  "init_lora_weights": true,
  "lora_alpha": 16,
  "lora_dropout": 0.05,
  "modules_to_save": null,
  "peft_type": "LORA",
  "r": 8,
  "rank_pattern": {},
  "target_modules": [
    "q_proj",
    "v_proj"
  ],
  "task_type": "CAUSAL_LM",
  "use_rslora": false
}
"#;
    assert_eq!(text, expected);
    let rich = r#"{"peft_type":"LORA","r":4,"lora_alpha":2.5,"use_rslora":true,"bias":"lora_only","revision":"v1",
        "rank_pattern":{"z":2,"a":1},"alpha_pattern":{"q_proj":1e300,"k_proj":-0.25},"target_modules":"all-linear",
        "exclude_modules":["x"],"layers_to_transform":3,"layers_pattern":"h","modules_to_save":["score"],
        "fan_in_fan_out":true}"#;
    let config = parse(rich).unwrap();
    assert_eq!(AdapterConfig::parse(&config.canonical()).unwrap(), config);
    assert_eq!(config.layers_to_transform, Some(vec![3]));
}

#[test]
fn decimal_fractions_are_rounded_to_the_nearest_number() {
    for text in
        ["0.2345678901234568e-290", "16.000000000000003552713678800501", "7.3177701707893839e+15"]
    {
        let config = with("lora_alpha", text).unwrap();
        assert_eq!(config.alpha.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
        assert_eq!(AdapterConfig::parse(&config.canonical()).unwrap(), config);
    }
}

#[test]
fn what_a_refused_text_would_do_to_a_terminal_is_written_out() {
    let error = with("peft_type", r#""\u202e\u001b[2J""#).unwrap_err();
    assert_eq!(error, AdapterConfigError::PeftType("\\u{202e}\\u{1b}[2J".into()));
}

#[test]
fn the_first_pattern_in_the_order_of_the_text_decides() {
    let config = with("rank_pattern", r#"{"layers.0.q": 2, "q": 3}"#).unwrap();
    assert_eq!((config.rank_of("layers.0.q"), config.rank_of("layers.1.q")), (2, 3));
    let turned =
        r#"{"peft_type":"LORA","r":8,"lora_alpha":16,"rank_pattern":{"q": 3, "layers.0.q": 2}}"#;
    let config = parse(turned).unwrap();
    assert_eq!((config.rank_of("layers.0.q"), config.rank_of("k")), (3, 8));
    let config = with("alpha_pattern", r#"{"^q": 2.5}"#).unwrap();
    assert_eq!((config.alpha_of("q"), config.alpha_of("x.q")), (2.5, 16.0));
}

#[test]
fn what_changes_the_mathematics_is_refused_by_name() {
    for (key, value) in [
        ("use_dora", "true"),
        ("lora_bias", "true"),
        ("layer_replication", "[[0, 4], [2, 5]]"),
        ("trainable_token_indices", "[1, 2]"),
        ("trainable_token_indices", r#"{"embed_tokens": [1]}"#),
        ("target_parameters", r#"["experts.down_proj"]"#),
        ("alora_invocation_tokens", "[5]"),
        ("use_qalora", "true"),
        ("arrow_config", r#"{"top_k": 3}"#),
        ("kasa_config", r#"{"beta": 0.1}"#),
        ("monteclora_config", r#"{"num_samples": 8}"#),
        ("use_bdlora", r#"{"nblocks": 2}"#),
        ("megatron_config", r#"{"x": 1}"#),
        ("ensure_weight_tying", "true"),
        ("init_lora_weights", r#""pissa""#),
        ("init_lora_weights", r#""pissa_niter_16""#),
        ("init_lora_weights", r#""olora""#),
        ("init_lora_weights", r#""loftq""#),
        ("init_lora_weights", r#""corda""#),
        ("init_lora_weights", r#""lora_ga""#),
        ("init_lora_weights", "7"),
    ] {
        match with(key, value) {
            Err(AdapterConfigError::Refused { key: refused, .. }) => assert_eq!(refused, key),
            other => panic!("{key}={value}: {other:?}"),
        }
    }
}

#[test]
fn what_only_concerns_training_is_passed_over() {
    let plain = parse(PLAIN).unwrap();
    for (key, value) in [
        ("eva_config", r#"{"rho": 2.0, "tau": 0.99}"#),
        ("loftq_config", r#"{"loftq_bits": 4}"#),
        ("velora_config", r#"{"scale": 1.0}"#),
        ("auto_mapping", r#"{"base_model_class": "M", "parent_library": "os"}"#),
        ("init_lora_weights", r#""gaussian""#),
        ("init_lora_weights", r#""eva""#),
        ("init_lora_weights", "false"),
        ("inference_mode", "false"),
        ("a_key_of_the_future", "null"),
        ("a_key_of_the_future", "{}"),
    ] {
        assert_eq!(with(key, value).as_ref(), Ok(&plain), "{key}={value}");
    }
    let error = with("a_key_of_the_future", "1").unwrap_err();
    assert_eq!(error, AdapterConfigError::Unknown("a_key_of_the_future".into()));
}

#[test]
fn values_of_the_wrong_kind_are_refused_by_name() {
    for (key, value) in [
        ("r", "0"),
        ("r", "-1"),
        ("r", "8.0"),
        ("r", "65537"),
        ("r", "true"),
        ("lora_alpha", r#""16""#),
        ("lora_dropout", "1.5"),
        ("use_rslora", "1"),
        ("fan_in_fan_out", r#""true""#),
        ("bias", r#""some""#),
        ("bias", "true"),
        ("target_modules", "1"),
        ("target_modules", "[1]"),
        ("target_modules", r#"["a\u0000"]"#),
        ("modules_to_save", r#""score""#),
        ("layers_to_transform", "[0.5]"),
        ("rank_pattern", r#"{"q": 0}"#),
        ("rank_pattern", "[]"),
        ("alpha_pattern", r#"{"q": "1"}"#),
        ("task_type", "1"),
        ("base_model_name_or_path", r#""a\u0007b""#),
        ("peft_type", "1"),
    ] {
        match with(key, value) {
            Err(AdapterConfigError::Value { key: refused, .. }) => assert_eq!(refused, key),
            other => panic!("{key}={value}: {other:?}"),
        }
    }
    for key in ["r", "lora_alpha", "peft_type"] {
        assert_eq!(without(key).unwrap_err(), AdapterConfigError::Missing(key));
    }
    let other = with("peft_type", r#""IA3""#).unwrap_err();
    assert_eq!(other, AdapterConfigError::PeftType("IA3".into()));
    let pattern = with("rank_pattern", r#"{"(?i)q": 4}"#).unwrap_err();
    assert!(matches!(pattern, AdapterConfigError::Pattern { key: "rank_pattern", .. }));
}

#[test]
fn texts_that_are_no_configuration_end_early() {
    assert_eq!(
        AdapterConfig::parse(&vec![b' '; MAX_ADAPTER_CONFIG + 1]).unwrap_err(),
        AdapterConfigError::TooLong(MAX_ADAPTER_CONFIG + 1)
    );
    let json = |text: &str| matches!(parse(text), Err(AdapterConfigError::Json(_)));
    assert!(
        json("") && json("[]") && json("null") && json("{") && json("{} {}") && json("\u{feff}{}")
    );
    assert!(json(r#"{"r":8,"r":8,"lora_alpha":8,"peft_type":"LORA"}"#));
    assert!(json(r#"{"loftq_config":{"a":1,"a":2},"r":8,"lora_alpha":8,"peft_type":"LORA"}"#));
    assert!(json(r#"{"lora_alpha":NaN,"r":8,"peft_type":"LORA"}"#));
    assert!(json(r#"{"lora_alpha":1e999,"r":8,"peft_type":"LORA"}"#));
    assert!(json(&"[".repeat(MAX_ADAPTER_CONFIG)));
    assert!(json(&format!(r#"{{"x":{}{}}}"#, "[".repeat(8), "]".repeat(8))));
    assert!(AdapterConfig::parse(b"{\"task_type\":\"\xff\"}").is_err());
}

#[test]
fn many_expressions_are_refused() {
    let patterns = |count: usize| {
        let keys: Vec<_> = (0..count).map(|n| format!(r#""q{n}.*": 4"#)).collect();
        with("rank_pattern", &format!("{{{}}}", keys.join(",")))
    };
    assert!(patterns(64).is_ok());
    assert!(matches!(patterns(65), Err(AdapterConfigError::Value { key: "rank_pattern", .. })));
    let names: Vec<_> = (0..4096).map(|n| format!(r#""q{n}": 4"#)).collect();
    assert!(with("rank_pattern", &format!("{{{}}}", names.join(","))).is_ok());
    assert_eq!(Pattern::parse("q1").unwrap().as_str(), "q1");
}
