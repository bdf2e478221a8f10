//! Every family says what `transformers` says, on folders that it saved (tests/vectors/hf/make.py).

#![allow(clippy::unwrap_used)]

mod sampling;
mod program;

use std::fs;
use std::path::{Path, PathBuf};

use potluck_train::hf::{Batch, Folder, OpenError, Sampler};
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
        let snapshot = decoder.snapshot(Kind::Float);
        let distance = expected.distance(&snapshot.logits(&batch));
        assert!(distance <= TOLERANCE, "{name}: a logit of the snapshot differs by {distance:e}");
        let greedy = snapshot.greedy(&expected.prompts(), longest.max(8), &[END]).unwrap();
        assert_eq!(greedy, expected.greedy, "{name}");
        let sampler = decoder.sampler(Kind::Float);
        assert!(matches!(sampler, Sampler::Native(_)), "{name}");
        let greedy = sampler.greedy(&expected.prompts(), longest.max(8), &[END]).unwrap();
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

#[test]
fn gradients_reach_every_weight() {
    for case in cases() {
        let expected = Expected::read(&case);
        let folder = Folder::open(&case).unwrap();
        let decoder = folder.load().unwrap();
        for weight in decoder.weights() {
            let _ = weight.set_requires_grad(true);
        }
        let batch = Batch::new(folder.architecture(), &expected.prompts(), 0).unwrap();
        decoder.logits(&batch).select(1, -1).log_softmax(-1, Kind::Float).std(true).backward();
        for (spec, weight) in decoder.plan().tensors().iter().zip(decoder.weights()) {
            let gradient = weight.grad();
            assert!(gradient.defined(), "{case:?}: {} has none", spec.name);
            let finite = gradient.isfinite().all().int64_value(&[]);
            assert_eq!(finite, 1, "{case:?}: {}", spec.name);
        }
    }
}
