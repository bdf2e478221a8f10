//! Every family says what `transformers` says, on folders that it saved (tests/vectors/hf/make.py).

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use potluck_train::hf::{Batch, Choosing, Folder, OpenError, Sampling};
use potluck_train::stream::Stream;
use safetensors::SafeTensors;
use serde_json::{Value, json};
use tch::{Kind, Tensor};

/// The largest difference of a logit from that of `transformers`.
const TOLERANCE: f64 = 1e-5;

/// The one token that ends a continuation there.
const END: i64 = 2;

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/hf")
}

/// The folders, in order of their names.
fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(vectors()).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    cases.sort();
    assert_eq!(cases.len(), 18, "a case is missing");
    cases
}

/// What `transformers` computed from a folder.
struct Expected {
    /// Without padding.
    prompts: Vec<Vec<i64>>,
    logits: Tensor,
    greedy: Vec<Vec<i64>>,
}

impl Expected {
    fn read(case: &Path) -> Self {
        let bytes = fs::read(case.join("expected.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = |name: &str, kind| {
            let view = file.tensor(name).unwrap();
            let shape: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
            Tensor::from_data_size(view.data(), &shape, kind)
        };
        let rows = |name| Vec::<Vec<i64>>::try_from(tensor(name, Kind::Int64)).unwrap();
        let kept = |(row, mask): (Vec<i64>, Vec<i64>)| {
            row.into_iter().zip(mask).filter(|(_, mask)| *mask == 1).map(|(token, _)| token)
        };
        let prompts = rows("tokens").into_iter().zip(rows("mask"));
        let until_end = |row: Vec<i64>| {
            let length = row.iter().position(|token| *token == END).map_or(row.len(), |at| at + 1);
            row[..length].to_vec()
        };
        Self {
            prompts: prompts.map(|it| kept(it).collect()).collect(),
            logits: tensor("logits", Kind::Float),
            greedy: rows("greedy").into_iter().map(until_end).collect(),
        }
    }

    fn prompts(&self) -> Vec<&[i64]> {
        self.prompts.iter().map(Vec::as_slice).collect()
    }

    /// The largest difference of a logit that is none of padding.
    fn distance(&self, logits: &Tensor) -> f64 {
        let length = logits.size()[1];
        let rows = (0..).zip(&self.prompts).map(|(row, prompt)| {
            let real = prompt.len() as i64;
            let part = |x: &Tensor| x.get(row).narrow(0, length - real, real);
            assert_eq!(part(logits).isfinite().all().int64_value(&[]), 1);
            (part(logits) - part(&self.logits)).abs().max().double_value(&[])
        });
        rows.fold(0.0, f64::max)
    }
}

#[test]
fn logits_and_greedy_tokens_equal_those_of_transformers() {
    let _guard = tch::no_grad_guard();
    for case in cases() {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let expected = Expected::read(&case);
        let folder = Folder::open(&case).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let decoder = folder.load().unwrap();
        let batch = Batch::new(folder.architecture(), &expected.prompts(), 0).unwrap();
        let distance = expected.distance(&decoder.logits(&batch));
        println!("{name}: {distance:.2e}");
        assert!(distance <= TOLERANCE, "{name}: a logit differs by {distance:e}");
        let longest = expected.greedy.iter().map(Vec::len).max().unwrap();
        assert_eq!(folder.architecture().ends, [END], "{name}");
        let greedy = decoder.greedy(&expected.prompts(), longest.max(8), &[END]).unwrap();
        assert_eq!(greedy, expected.greedy, "{name}");
    }
}

#[test]
fn a_row_is_what_it_is_alone() {
    let _guard = tch::no_grad_guard();
    for case in cases() {
        let expected = Expected::read(&case);
        let folder = Folder::open(&case).unwrap();
        let decoder = folder.load().unwrap();
        for (prompt, whole) in expected.prompts().into_iter().zip(&expected.greedy) {
            assert_eq!(&decoder.greedy(&[prompt], 8, &[END]).unwrap()[0], whole, "{case:?}");
        }
    }
}

/// With `POTLUCK_KEEP_HF`, what is saved stays there, for `make.py --check` to open.
#[test]
fn what_is_saved_is_what_was_opened() {
    let _guard = tch::no_grad_guard();
    let scratch = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("POTLUCK_KEEP_HF").map(PathBuf::from);
    let place = kept.as_deref().unwrap_or(scratch.path());
    for case in cases() {
        let to = place.join(case.file_name().unwrap());
        let folder = Folder::open(&case).unwrap();
        let decoder = folder.load().unwrap();
        folder.save(&decoder, &to).unwrap();
        assert_eq!(
            fs::read(case.join("config.json")).unwrap(),
            fs::read(to.join("config.json")).unwrap()
        );
        let again = Folder::open(&to).unwrap().load().unwrap();
        assert!(decoder.weights().iter().zip(again.weights()).all(|(a, b)| a == b), "{case:?}");
        assert!(folder.save(&decoder, &to).is_err(), "nothing is written over");
    }
}

/// Tensors with their names.
type Named = Vec<(String, Tensor)>;

/// A copy of a case whose weights are replaced.
fn altered(case: &str, alter: impl Fn(&mut Named)) -> Result<(), OpenError> {
    let from = vectors().join(case);
    let copy = tempfile::tempdir().unwrap();
    fs::copy(from.join("config.json"), copy.path().join("config.json")).unwrap();
    let mut tensors = Tensor::read_safetensors(from.join("model.safetensors")).unwrap();
    alter(&mut tensors);
    Tensor::write_safetensors(&tensors, copy.path().join("model.safetensors")).unwrap();
    Folder::open(copy.path())?.load().map(drop)
}

#[test]
fn weights_that_do_not_fit_are_refused_by_name() {
    let refuse = |alter: &dyn Fn(&mut Named)| altered("qwen3", alter).unwrap_err().to_string();
    assert!(altered("qwen3", |_| {}).is_ok());
    let at = |tensors: &[(String, Tensor)], name: &str| {
        tensors.iter().position(|(it, _)| it == name).unwrap()
    };
    let name = "model.layers.1.self_attn.q_norm.weight";
    let missing = refuse(&|tensors| drop(tensors.remove(at(tensors, name))));
    assert_eq!(missing, format!("the tensor {name} is missing"));
    // libtorch would broadcast this one.
    let small = refuse(&|tensors| {
        let at = at(tensors, name);
        tensors[at].1 = tensors[at].1.narrow(0, 0, 1).copy();
    });
    assert!(small.contains(name) && small.contains("[1]") && small.contains("[8]"), "{small}");
    let whole = refuse(&|tensors| {
        let at = at(tensors, name);
        tensors[at].1 = tensors[at].1.to_kind(Kind::Int64);
    });
    assert!(whole.contains(name) && whole.contains("I64"), "{whole}");
    let infinite = refuse(&|tensors| {
        let at = at(tensors, name);
        tensors[at].1 = &tensors[at].1 / 0.0;
    });
    assert!(infinite.contains(name) && infinite.contains("not finite"), "{infinite}");
    let unknown = refuse(&|tensors| {
        let tensor = tensors[0].1.shallow_clone();
        tensors.push(("model.layers.2.mlp.gate_proj.weight".to_owned(), tensor));
    });
    assert!(unknown.contains("model.layers.2.mlp.gate_proj.weight is none"), "{unknown}");
    let two = altered("gpt2", |tensors| {
        let tensor = tensors[at(tensors, "transformer.ln_f.bias")].1.shallow_clone();
        tensors.push(("ln_f.bias".to_owned(), tensor));
    });
    assert!(matches!(two, Err(OpenError::Twice(..))), "{two:?}");
}

/// The logits of a case after its configuration was changed.
fn reconfigured(case: &str, key: &str, value: Value) -> (Expected, Tensor) {
    let from = vectors().join(case);
    let copy = tempfile::tempdir().unwrap();
    let mut config: Value =
        serde_json::from_slice(&fs::read(from.join("config.json")).unwrap()).unwrap();
    *config.pointer_mut(key).unwrap() = value;
    fs::write(copy.path().join("config.json"), config.to_string()).unwrap();
    fs::copy(from.join("model.safetensors"), copy.path().join("model.safetensors")).unwrap();
    let (expected, folder) = (Expected::read(&from), Folder::open(copy.path()).unwrap());
    let batch = Batch::new(folder.architecture(), &expected.prompts(), 0).unwrap();
    (expected, folder.load().unwrap().logits(&batch))
}

/// Each of these settings moves some logit, so that the vectors would show if it were not heeded.
#[test]
fn the_vectors_show_whether_a_setting_is_heeded() {
    let _guard = tch::no_grad_guard();
    for (case, key, value) in [
        ("llama2", "/rms_norm_eps", json!(0.1)),
        ("llama2", "/rope_parameters/rope_theta", json!(50.0)),
        ("llama2-old-odd", "/rope_scaling/factor", json!(1.0)),
        ("llama2-old-odd", "/hidden_act", json!("gelu")),
        ("llama3", "/rope_parameters/factor", json!(2.0)),
        ("llama3", "/rope_parameters/low_freq_factor", json!(2.0)),
        ("llama3", "/rope_parameters/high_freq_factor", json!(8.0)),
        ("mistral", "/sliding_window", Value::Null),
        ("mistral", "/sliding_window", json!(4)),
        ("qwen2-old-window", "/use_sliding_window", json!(false)),
        ("qwen2-old-window", "/max_window_layers", json!(0)),
        ("gemma2", "/attn_logit_softcapping", Value::Null),
        ("gemma2", "/final_logit_softcapping", Value::Null),
        ("gemma2", "/query_pre_attn_scalar", json!(8)),
        ("gemma2", "/sliding_window", json!(4)),
        ("gemma2", "/layer_types", json!(["full_attention", "sliding_attention"])),
        ("gpt2-odd", "/scale_attn_by_inverse_layer_idx", json!(false)),
        ("gpt2-odd", "/activation_function", json!("gelu_new")),
        ("gpt2-old-bare", "/scale_attn_weights", json!(true)),
        ("gpt-neox", "/use_parallel_residual", json!(false)),
        ("gpt-neox", "/rope_parameters/partial_rotary_factor", json!(1.0)),
        ("gpt-neox-old-serial", "/rotary_emb_base", json!(10_000.0)),
    ] {
        let (expected, logits) = reconfigured(case, key, value);
        let distance = expected.distance(&logits);
        assert!(distance > 100.0 * TOLERANCE, "{case} hardly heeds {key}: {distance:e}");
    }
}

#[test]
fn prompts_that_cannot_be_read_are_refused() {
    let folder = Folder::open(&vectors().join("gpt2")).unwrap();
    let refuse = |prompts: &[&[i64]], room| {
        Batch::new(folder.architecture(), prompts, room).unwrap_err().to_string()
    };
    assert!(refuse(&[], 0).contains("empty"));
    assert!(refuse(&[&[3], &[]], 0).contains("prompt 1 is empty"));
    assert!(refuse(&[&[3, 40]], 0).contains("token 40"));
    assert!(refuse(&[&[-1]], 0).contains("token -1"));
    assert!(refuse(&[&[3; 30]], 3).contains("33 tokens; the model has 32"));
    assert!(Batch::new(folder.architecture(), &[&[3; 30]], 2).is_ok());
}

/// The options of one case of sampling.json.
fn sampling(options: &Value) -> Sampling {
    let mut sampling = Sampling::default();
    for (name, value) in options.as_object().unwrap() {
        let number = value.as_f64().unwrap();
        sampling = match name.as_str() {
            "temperature" => sampling.with_temperature(number),
            "top_k" => sampling.with_top_k(number as usize),
            "top_p" => sampling.with_top_p(number),
            "min_p" => sampling.with_min_p(number),
            "repetition_penalty" => sampling.with_repetition_penalty(number),
            other => panic!("{other} is no option"),
        }
        .unwrap();
    }
    sampling
}

#[test]
fn options_of_sampling_do_what_they_do_in_transformers() {
    let vectors: Value =
        serde_json::from_slice(&fs::read(vectors().join("sampling.json")).unwrap()).unwrap();
    let rows = |value: &Value| serde_json::from_value::<Vec<Vec<f32>>>(value.clone()).unwrap();
    let seen: Vec<Vec<i64>> = serde_json::from_value(vectors["seen"].clone()).unwrap();
    let logits = rows(&vectors["logits"]);
    let cases = vectors["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let sampling = sampling(&case["options"]);
        for ((logits, seen), expected) in logits.iter().zip(&seen).zip(rows(&case["distributions"]))
        {
            let found = sampling.distribution(&mut logits.clone(), &[seen]);
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{}", case["options"]);
                assert_eq!(*found == 0.0, expected == 0.0, "{}", case["options"]);
            }
        }
    }
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    let plain = Sampling::default;
    for (refused, name) in [
        (plain().with_temperature(0.0), "temperature"),
        (plain().with_temperature(f64::NAN), "temperature"),
        (plain().with_top_k(0), "top_k"),
        (plain().with_top_p(0.0), "top_p"),
        (plain().with_min_p(1.1), "min_p"),
        (plain().with_repetition_penalty(-1.0), "repetition_penalty"),
    ] {
        assert!(refused.unwrap_err().to_string().starts_with(name));
    }
}

#[test]
fn what_a_row_draws_follows_from_its_prompt_and_its_stream() {
    let folder = Folder::open(&vectors().join("llama3")).unwrap();
    let decoder = folder.load().unwrap();
    let sampling = Sampling::default().with_temperature(1.5).unwrap();
    let draw = |prompts: &[&[i64]], seeds: &[u64]| {
        let streams = seeds.iter().map(|&seed| Stream::of("generate test", &[seed])).collect();
        decoder.generate(prompts, 12, &[END], Choosing::Drawn(&sampling, streams))
    };
    let together = draw(&[&[3, 4, 5, 6], &[7], &[7]], &[1, 2, 3]).unwrap();
    assert_ne!(together[1], together[2]);
    assert_eq!(draw(&[&[7], &[9, 8]], &[3, 1]).unwrap()[0], together[2]);
    // Of one token there is nothing to draw but the likeliest.
    let narrow = Sampling::default().with_top_k(1).unwrap();
    let stream = vec![Stream::of("generate test", &[1])];
    let drawn = decoder.generate(&[&[3, 4]], 8, &[END], Choosing::Drawn(&narrow, stream)).unwrap();
    assert_eq!(drawn, decoder.greedy(&[&[3, 4]], 8, &[END]).unwrap());
    assert!(draw(&[&[3]], &[]).unwrap_err().to_string().contains("0 streams"));
}

/// A folder with the weights of a case and a tokenizer of as many words, `w3` being token 3.
fn with_tokenizer(case: &str) -> tempfile::TempDir {
    let (from, folder) = (vectors().join(case), tempfile::tempdir().unwrap());
    for name in ["config.json", "model.safetensors"] {
        fs::copy(from.join(name), folder.path().join(name)).unwrap();
    }
    let words: serde_json::Map<_, _> =
        (0..40).map(|token| (format!("w{token}"), json!(token))).collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "w0"},
    });
    fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    folder
}

fn generate(folder: &Path, arguments: &[&str]) -> std::process::Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_potluck-train"));
    command.args(["generate", "--json", "--threads", "1", "--model"]).arg(folder);
    command.args(arguments).output().unwrap()
}

#[test]
fn the_program_continues_prompts() {
    let folder = with_tokenizer("llama3");
    let expected = Expected::read(&vectors().join("llama3"));
    let text = |row: &[i64]| row.iter().map(|it| format!("w{it}")).collect::<Vec<_>>().join(" ");
    let prompts: Vec<String> = expected.prompts.iter().map(|prompt| text(prompt)).collect();
    let mut arguments = vec!["--tokens", "8"];
    arguments.extend(prompts.iter().flat_map(|prompt| ["--prompt", prompt]));
    let answer = |arguments: &[&str]| -> Value {
        let output = generate(folder.path(), arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let greedy = answer(&arguments);
    for (row, expected) in expected.greedy.iter().enumerate() {
        assert_eq!(greedy["continuations"][row]["tokens"], json!(expected));
        assert_eq!(greedy["continuations"][row]["text"], json!(text(expected)));
    }
    let drawn = ["--prompt", "w5", "--temperature", "1.5", "--top-k", "30", "--seed", "7"];
    assert_eq!(answer(&drawn), answer(&drawn));

    let refuse = |arguments: &[&str], code, word: &str| {
        let output = generate(folder.path(), arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(word), "{said}");
    };
    refuse(&["--prompt", ""], 3, "prompt 0 is empty");
    refuse(&["--prompt", "w5", "--temperature", "0"], 3, "temperature must be");
    refuse(&["--prompt", "w5", "--top-k", "3"], 2, "--temperature");
    // What the generation's own file says of the end goes before the configuration.
    let last = expected.greedy[0][0];
    let generation = folder.path().join("generation_config.json");
    fs::write(&generation, json!({"eos_token_id": [last]}).to_string()).unwrap();
    assert_eq!(answer(&arguments)["continuations"][0]["tokens"], json!([last]));
    fs::write(&generation, json!({"eos_token_id": 40}).to_string()).unwrap();
    refuse(&["--prompt", "w5"], 3, "eos_token_id");
    fs::remove_file(&generation).unwrap();
    let config = fs::read_to_string(folder.path().join("config.json")).unwrap();
    let other = config.replace("\"llama\"", "\"mixtral\"");
    fs::write(folder.path().join("config.json"), other).unwrap();
    refuse(&["--prompt", "w5"], 3, "model_type mixtral is not supported");
}
