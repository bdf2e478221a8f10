//! Every scorer says what `transformers` says, on folders that it saved
//! (tests/vectors/hf-scorers/make.py).

#![allow(clippy::unwrap_used)]

mod training;

use std::fs;
use std::path::{Path, PathBuf};

use potluck_train::hf::{OpenError, Reading, ScoreError, Scorer};
use potluck_train::text::{Around, ChatTemplate, Conversation, Opening, Specials};
use serde_json::{Value, json};
use tch::{Kind, Tensor};

/// The largest difference of a score from that of `transformers`.
const TOLERANCE: f64 = 1e-5;

pub(crate) fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/hf-scorers")
}

/// The folders, in order of their names.
fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(vectors()).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    cases.sort();
    assert_eq!(cases.len(), 19, "a case is missing");
    cases
}

/// What `transformers` made of a folder.
struct Expected {
    texts: Vec<(String, Option<String>)>,
    tokens: Vec<Vec<i64>>,
    scores: Vec<Vec<f64>>,
}

impl Expected {
    fn read(case: &Path) -> Self {
        let mut value: Value =
            serde_json::from_slice(&fs::read(case.join("expected.json")).unwrap()).unwrap();
        let mut take = |key: &str| value[key].take();
        Self {
            texts: serde_json::from_value(take("texts")).unwrap(),
            tokens: serde_json::from_value(take("tokens")).unwrap(),
            scores: serde_json::from_value(take("scores")).unwrap(),
        }
    }

    fn texts(&self) -> Vec<(&str, Option<&str>)> {
        self.texts.iter().map(|(first, second)| (first.as_str(), second.as_deref())).collect()
    }

    /// The largest difference of a score.
    fn distance(&self, scores: &[Vec<f64>]) -> f64 {
        assert_eq!(scores.len(), self.scores.len());
        let rows = scores.iter().zip(&self.scores);
        let distance = |(a, b): (&Vec<f64>, &Vec<f64>)| {
            assert_eq!(a.len(), b.len());
            a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        };
        rows.map(distance).fold(0.0, f64::max)
    }
}

#[test]
fn tokens_and_scores_equal_those_of_transformers() {
    for case in cases() {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let expected = Expected::read(&case);
        let scorer = Scorer::open(&case).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let readings = scorer.read(&expected.texts()).unwrap();
        for (reading, tokens) in readings.iter().zip(&expected.tokens) {
            assert_eq!(reading.tokens(), tokens, "{name}");
        }
        let scores = scorer.score_labels(&expected.texts()).unwrap();
        assert_eq!(scores, scorer.score_labels(&expected.texts()).unwrap(), "{name}");
        let distance = expected.distance(&scores);
        println!("{name}: {distance:.2e}");
        assert!(distance <= TOLERANCE, "{name}: a score differs by {distance:e}");
        for (text, scores) in expected.texts().iter().zip(&scores) {
            let alone = scorer.score_labels(&[*text]).unwrap();
            let distance = alone[0].iter().zip(scores).map(|(a, b)| (a - b).abs());
            assert!(distance.fold(0.0, f64::max) <= TOLERANCE, "{name}: {text:?}");
        }
    }
}

/// What TRL 1.16's RLOO and GRPO trainers compute of conversations with this reward model: its own chat template prints prompt and
/// answer, and nothing is put around the text, although the tokenizer begins plain texts with a token.
#[test]
fn conversations_are_scored_as_trl_scores_them() {
    let template = "{% for it in messages %}{% if it.role == 'user' %}w {% else %}x {% endif %}{{ it.content }}!{% endfor %}\
                    {% if add_generation_prompt %}x {% endif %}";
    let template = ChatTemplate::new(template, &Specials::default(), None).unwrap();
    let scorer = Scorer::open(&vectors().join("llama")).unwrap();
    let system = r#"[{"role":"system","content":"is"},{"role":"user","content":"the"}]"#;
    let cases: [(Conversation, &str, &[i64], f64); 2] = [
        (
            Conversation::of_user("the short"),
            "an, the",
            &[39, 29, 41, 4, 24, 36, 5, 29, 4],
            1.097_687_363_624_572_8,
        ),
        (
            Conversation::parse(system).unwrap(),
            "short",
            &[26, 24, 54, 4, 23, 29, 4, 24, 41, 4],
            -1.525_710_225_105_285_6,
        ),
    ];
    for (prompt, answer, tokens, score) in cases {
        let text = template.render(&prompt.with_answer(answer), None, Opening::None).unwrap().text;
        let reading = scorer.read_one(0, &text, None, Around::Nothing).unwrap();
        assert_eq!(reading.tokens(), tokens, "{text}");
        let found = scorer.chosen_scores(&[reading]).unwrap()[0];
        assert!((found - score).abs() <= TOLERANCE, "{text}: {found}");
    }
}

#[test]
fn a_text_that_a_template_printed_has_its_special_tokens_already() {
    // As `tokenizer(text, add_special_tokens=False)` of transformers 5.24 has them, and TRL with it.
    for (case, expected) in [
        ("llama", vec![1, 29, 49, 32, 13]),
        // Nor does it get the token that would end a plain text.
        ("llama-ended", vec![1, 29, 49, 32, 13]),
        ("mistral", vec![1, 29, 49, 32, 13]),
        ("gemma2", vec![1, 29, 49, 32, 13]),
        ("qwen3", vec![1, 29, 49, 32, 13]),
    ] {
        let scorer = Scorer::open(&vectors().join(case)).unwrap();
        let tokens = |text| scorer.read(&[(text, None)]).unwrap()[0].tokens().to_vec();
        assert_eq!(tokens("<s>the bank"), expected, "{case}");
        assert_eq!(tokens("the bank")[..expected.len()], expected, "{case}");
    }
    // What an encoder is given comes from no template.
    let scorer = Scorer::open(&vectors().join("roberta")).unwrap();
    let reading = &scorer.read(&[("<s>the bank", None)]).unwrap()[0];
    assert_eq!(reading.tokens(), [0, 0, 29, 53, 33, 14, 2]);
}

#[test]
fn one_label_is_scored() {
    let texts = [("the bank", None)];
    let mut moods = Scorer::open(&vectors().join("bert-odd")).unwrap();
    assert_eq!(moods.labels(), ["bad", "so so", "good"]);
    let all = moods.score_labels(&texts).unwrap();
    let error = moods.score(&texts).unwrap_err();
    assert_eq!(error, ScoreError::Labels("bad, so so, good".to_owned()));
    assert!(!moods.choose("better") && moods.choose("good"));
    assert_eq!(moods.score(&texts).unwrap(), [all[0][2]]);
    let two = Scorer::open(&vectors().join("gpt-neox")).unwrap();
    assert_eq!(two.labels(), ["LABEL_0", "LABEL_1"]);
    let one = Scorer::open(&vectors().join("llama")).unwrap();
    assert_eq!(one.score(&texts).unwrap().len(), 1);
    assert!(one.score(&[]).unwrap().is_empty());
    assert_eq!(two.score_labels(&[("a", None), ("", None)]), Err(ScoreError::Empty(1)));
}

/// Tensors with their names.
type Named = Vec<(String, Tensor)>;

/// A copy of a case whose configuration and weights are changed.
fn altered(
    case: &str,
    configure: impl Fn(&mut Value),
    alter: impl Fn(&mut Named),
) -> (tempfile::TempDir, Result<Scorer, OpenError>) {
    let (from, copy) = (vectors().join(case), tempfile::tempdir().unwrap());
    let read = |name: &str| fs::read(from.join(name)).unwrap();
    let mut config: Value = serde_json::from_slice(&read("config.json")).unwrap();
    configure(&mut config);
    fs::write(copy.path().join("config.json"), config.to_string()).unwrap();
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        fs::write(copy.path().join(name), read(name)).unwrap();
    }
    let mut tensors = Tensor::read_safetensors(from.join("model.safetensors")).unwrap();
    alter(&mut tensors);
    Tensor::write_safetensors(&tensors, copy.path().join("model.safetensors")).unwrap();
    let opened = Scorer::open(copy.path());
    (copy, opened)
}

#[test]
fn weights_that_do_not_fit_are_refused_by_name() {
    for (case, name) in [
        ("llama", "score.weight"),
        ("gpt2", "score.weight"),
        ("bert", "bert.pooler.dense.bias"),
        ("bert", "bert.encoder.layer.1.output.dense.weight"),
        ("roberta", "classifier.out_proj.bias"),
        ("deberta", "deberta.encoder.rel_embeddings.weight"),
        ("deberta-apart", "deberta.encoder.layer.0.attention.self.pos_key_proj.bias"),
    ] {
        let refuse = |alter: &dyn Fn(&mut Named)| {
            let (_copy, opened) = altered(case, |_| {}, alter);
            format!("{:#}", anyhow::Error::from(opened.unwrap_err()))
        };
        let at = |tensors: &Named| tensors.iter().position(|(it, _)| it == name).unwrap();
        let missing = refuse(&|tensors| drop(tensors.remove(at(tensors))));
        assert_eq!(missing, format!("the tensor {name} is missing"));
        let longer = refuse(&|tensors| {
            let at = at(tensors);
            tensors[at].1 = Tensor::cat(&[&tensors[at].1, &tensors[at].1], 0);
        });
        assert!(longer.contains(name) && longer.contains("has shape"), "{longer}");
        let infinite = refuse(&|tensors| {
            let at = at(tensors);
            tensors[at].1 = &tensors[at].1 / 0.0;
        });
        assert!(infinite.contains(name) && infinite.contains("not finite"), "{infinite}");
        let unknown = refuse(&|tensors| {
            let tensor = tensors[0].1.shallow_clone();
            tensors.push(("classifier.more.weight".to_owned(), tensor));
        });
        assert!(unknown.contains("classifier.more.weight is none"), "{unknown}");
    }
    let (_copy, twice) = altered(
        "bert",
        |_| {},
        |tensors| {
            let gamma = "bert.embeddings.LayerNorm.gamma".to_owned();
            tensors.push((gamma, Tensor::ones([16], (Kind::Float, tch::Device::Cpu))));
        },
    );
    assert!(matches!(twice, Err(OpenError::Twice(..))), "{twice:?}");
}

#[test]
fn settings_that_are_not_computed_are_refused_by_key() {
    for (case, key, value) in [
        ("llama", "architectures", json!(["LlamaForCausalLM"])),
        ("llama", "model_type", json!("mixtral")),
        ("llama", "rope_parameters", json!({"rope_type": "yarn", "rope_theta": 1e4})),
        ("llama", "pad_token_id", json!(70_000)),
        ("llama", "id2label", json!({"1": "one"})),
        ("llama", "num_labels", json!(2)),
        ("bert", "position_embedding_type", json!("relative_key")),
        ("bert", "is_decoder", json!(true)),
        ("bert", "hidden_act", json!("quick_gelu")),
        ("bert", "num_attention_heads", json!(3)),
        ("bert", "quantization_config", json!({})),
        ("roberta", "pad_token_id", json!(60)),
        ("roberta", "max_position_embeddings", json!(2)),
        ("deberta", "conv_kernel_size", json!(3)),
        ("deberta", "embedding_size", json!(8)),
        ("deberta", "pos_att_type", json!("c2p|p2p")),
        ("deberta", "norm_rel_ebd", json!("batch_norm")),
        ("deberta", "position_buckets", json!(1)),
        ("deberta", "position_buckets", json!(46)),
        ("deberta", "attention_head_size", json!(5)),
    ] {
        let (_copy, opened) = altered(case, |config| config[key] = value.clone(), |_| {});
        let error = format!("{:#}", anyhow::Error::from(opened.unwrap_err()));
        assert!(error.contains(key), "{case} {key}: {error}");
    }
}

/// Each of these settings moves some score, so that the vectors would show if it were not heeded.
#[test]
fn the_vectors_show_whether_a_setting_is_heeded() {
    for (case, key, value) in [
        ("llama-ended", "pad_token_id", json!(3)),
        ("gemma2", "attn_logit_softcapping", Value::Null),
        ("mistral", "sliding_window", Value::Null),
        ("bert", "layer_norm_eps", json!(0.1)),
        ("bert-odd", "hidden_act", json!("relu")),
        ("roberta", "hidden_act", json!("silu")),
        ("deberta", "pooler_hidden_act", json!("tanh")),
        ("deberta-apart", "pooler_hidden_act", json!("gelu")),
        ("deberta", "pos_att_type", json!("c2p")),
        ("deberta", "max_relative_positions", json!(100)),
    ] {
        let expected = Expected::read(&vectors().join(case));
        let (_copy, opened) = altered(case, |config| config[key] = value.clone(), |_| {});
        let distance = expected.distance(&opened.unwrap().score_labels(&expected.texts()).unwrap());
        assert!(distance > 100.0 * TOLERANCE, "{case} hardly heeds {key}: {distance:e}");
    }
}

#[test]
fn a_tokenizer_of_another_model_is_told_from_ours() {
    let (copy, _) = altered("bert", |_| {}, |_| {});
    let other = |name: &str| fs::read_to_string(vectors().join(name)).unwrap();
    let path = copy.path().join("tokenizer.json");
    let texts = [("the summary", Some("is true"))];
    let more = other("bert/tokenizer.json").replace("\"[SEP]\": 3", "\"[SEP]\": 300");
    fs::write(&path, more.replace("\"ids\": [\n          3\n", "\"ids\": [\n          300\n"))
        .unwrap();
    let error = Scorer::open(copy.path()).unwrap().score(&texts).unwrap_err();
    assert!(matches!(error, ScoreError::Token { row: 0, token: 300, .. }), "{error:?}");
    fs::write(&path, other("bert/tokenizer.json").replace("\"type_id\": 1", "\"type_id\": 2"))
        .unwrap();
    let error = Scorer::open(copy.path()).unwrap().score(&texts).unwrap_err();
    assert!(matches!(error, ScoreError::Segment { row: 0, segment: 2, segments: 2 }), "{error:?}");
    fs::write(&path, "{}").unwrap();
    assert!(matches!(Scorer::open(copy.path()), Err(OpenError::Tokenizer { .. })));
    fs::remove_file(&path).unwrap();
    assert!(matches!(Scorer::open(copy.path()), Err(OpenError::Read { .. })));
}

#[test]
fn gradients_reach_every_weight() {
    for case in cases() {
        let expected = Expected::read(&case);
        let scorer = Scorer::open(&case).unwrap();
        for weight in scorer.weights() {
            let _ = weight.set_requires_grad(true);
        }
        let readings = scorer.read(&expected.texts()).unwrap();
        let readings: Vec<&Reading> = readings.iter().collect();
        scorer.compute(&readings).unwrap().square().sum(Kind::Float).backward();
        for (spec, weight) in scorer.tensors().iter().zip(scorer.weights()) {
            let gradient = weight.grad();
            assert!(gradient.defined(), "{case:?}: {} has none", spec.name);
            let finite = gradient.isfinite().all().int64_value(&[]);
            assert_eq!(finite, 1, "{case:?}: {}", spec.name);
        }
    }
}

/// With `POTLUCK_KEEP_HF`, what is saved stays there, for `make.py --check` to open.
#[test]
fn what_is_saved_scores_alike() {
    let scratch = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("POTLUCK_KEEP_HF").map(PathBuf::from);
    let place = kept.as_deref().unwrap_or(scratch.path());
    for case in cases() {
        let to = place.join(case.file_name().unwrap());
        let (expected, scorer) = (Expected::read(&case), Scorer::open(&case).unwrap());
        scorer.save(&to).unwrap();
        let again = Scorer::open(&to).unwrap();
        let scores = again.score_labels(&expected.texts()).unwrap();
        assert_eq!(scores, scorer.score_labels(&expected.texts()).unwrap(), "{case:?}");
        let scored = json!({"texts": expected.texts(), "scores": scores});
        fs::write(to.join("scored.json"), scored.to_string()).unwrap();
        assert!(scorer.save(&to).is_err(), "nothing is written over");
    }
}
