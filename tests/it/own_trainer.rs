//! Bring your own trainer: what PEFT, transformers and TRL leave is pushed, and admitted as what they would make of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::Value;
use support::checkpoint::SMALL;
use support::federation::Federation;
use support::potluck;

/// Every element of a file, by tensor.
fn tensors(path: &Path) -> BTreeMap<String, Vec<f64>> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let values = |tensor: &TensorView<'_>| -> Vec<f64> {
        let data = tensor.data();
        match tensor.dtype() {
            Dtype::F64 => data.as_chunks().0.iter().map(|it| f64::from_le_bytes(*it)).collect(),
            Dtype::F32 => {
                data.as_chunks().0.iter().map(|it| f32::from_le_bytes(*it).into()).collect()
            }
            Dtype::BF16 => {
                let wide = |it: &[u8; 2]| f32::from_bits(u32::from(u16::from_le_bytes(*it)) << 16);
                data.as_chunks().0.iter().map(|it| wide(it).into()).collect()
            }
            other => panic!("{other:?}"),
        }
    };
    file.tensors().iter().map(|(name, tensor)| (name.clone(), values(tensor))).collect()
}

/// What the aggregator admitted by a push.
fn admitted(federation: &Federation, pushed: &Value) -> BTreeMap<String, Vec<f64>> {
    tensors(&federation.blob(pushed["blake3"].as_str().unwrap()))
}

fn vectors(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name)
}

#[test]
fn adapters_of_peft_are_admitted_as_the_change_that_peft_computes() {
    // The vectors change much more than training does.
    let limits = "[limits]\nexpert_bytes = 1000000\nchange_permille = 1000000\n";
    let federation = Federation::over(&vectors("adapter/base"), limits).unwrap();
    let adapter = |name: &str| vectors("adapter/ranks").join(name);
    let a = federation.push_foreign("agency", &adapter("a")).succeeded();
    let b = federation.push_foreign("readers", &adapter("b")).succeeded();
    assert_eq!(
        (&a["prepared"]["kind"], &a["prepared"]["before"]),
        (&"adapter".into(), &false.into())
    );

    let base = tensors(&vectors("adapter/base/model.safetensors"));
    let expected = tensors(&vectors("adapter/ranks/expected.safetensors"));
    let (a_full, b_full) = (admitted(&federation, &a), admitted(&federation, &b));
    assert_eq!(a_full.keys().collect::<Vec<_>>(), base.keys().collect::<Vec<_>>());
    let mut changed = 0;
    for (name, base) in &base {
        for (at, w) in base.iter().enumerate() {
            // The shares of `ranks/lambda.json`.
            let change = 0.6 * (a_full[name][at] - w) + 0.4 * (b_full[name][at] - w);
            let wanted = expected.get(name).map_or(0.0, |it| it[at]);
            assert!((change - wanted).abs() < 1e-5, "{name}[{at}]: {change}, PEFT has {wanted}");
            changed += usize::from(wanted != 0.0);
        }
    }
    assert!(changed > 50, "{changed}");

    // Told twice it is recorded once, and not merged again.
    let again = federation.push_foreign("agency", &adapter("a")).succeeded();
    assert_eq!((&again["index"], &again["already"]), (&a["index"], &true.into()));
    assert_eq!(again["prepared"]["before"], true);
    // Of another adapter another file is made, in the place of the first and of what a kill left beside it.
    let first = Path::new(a["prepared"]["path"].as_str().unwrap()).parent().unwrap();
    fs::write(first.join(".model.safetensors.1-0.part"), "half").unwrap();
    let other = federation.push_foreign("agency", &adapter("b")).succeeded();
    assert_eq!((&other["blake3"], &other["prepared"]["before"]), (&b["blake3"], &false.into()));
    assert!(!first.exists());
}

/// The tensors of an expert in two shards, as a model under a wrapper saves them.
fn write_shards(expert: &Path, to: &Path) {
    let bytes = fs::read(expert.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    fs::create_dir_all(to).unwrap();
    let mut map = serde_json::Map::new();
    for (number, name) in (1..).zip(["layers.0.weight", "layers.1.weight"]) {
        let (shard, wrapped) =
            (format!("model-0000{number}-of-00002.safetensors"), format!("module.{name}"));
        let tensor = [(&wrapped, file.tensor(name).unwrap())];
        fs::write(to.join(&shard), safetensors::serialize(tensor, None).unwrap()).unwrap();
        map.insert(wrapped, shard.into());
    }
    let index = serde_json::json!({ "metadata": {}, "weight_map": map });
    fs::write(to.join("model.safetensors.index.json"), index.to_string()).unwrap();
}

#[test]
fn shards_are_pushed_as_the_one_file_that_the_base_is() {
    let federation = Federation::with_parties(SMALL).unwrap();
    let expert = federation.expert("agency").unwrap();
    let shards = federation.path("shards");
    write_shards(&expert, &shards);
    // Where `potluck pull` leaves the base, it is found without being named.
    let (dir, base) = (federation.path("agency"), federation.path("agency/base"));
    let push = ["push".as_ref(), "--dir".as_ref(), dir.as_os_str(), shards.as_os_str()];
    let refused = potluck(&push);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.error().contains("needs the base"), "{refused:?}");
    let pull = ["pull".as_ref(), "--dir".as_ref(), dir.as_os_str(), "base".as_ref()];
    potluck(&[&pull[..], &["--out".as_ref(), base.as_os_str()]].concat()).succeeded();
    let pushed = potluck(&push).succeeded();
    assert_eq!(
        (&pushed["prepared"]["kind"], &pushed["prepared"]["renamed"]),
        (&"weights".into(), &2.into())
    );
    assert_eq!(admitted(&federation, &pushed), tensors(&expert.join("model.safetensors")));

    // Of what was pushed nothing half lies about.
    let prepared = Path::new(pushed["prepared"]["path"].as_str().unwrap()).parent().unwrap();
    let files: Vec<_> = fs::read_dir(prepared).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(files, ["model.safetensors"]);

    // Another model of the same length is not the base, whatever it is called.
    fs::write(base.join("model.safetensors"), fs::read(expert.join("model.safetensors")).unwrap())
        .unwrap();
    let refused = potluck(&push);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.error().contains("is not the federation's base"), "{refused:?}");
}

/// Runs a step of `interchange/own_trainer.py`.
fn python(python: &Path, args: &[&Path], step: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("interchange/own_trainer.py");
    let mut run = Command::new(python);
    // What it needs lies on the disk, and a model's name must not be looked up anywhere.
    run.arg(script).arg(step).args(args).env("HF_HUB_OFFLINE", "1").env("CUDA_VISIBLE_DEVICES", "");
    let ended = run.output().unwrap();
    assert!(ended.status.success(), "{step}: {}", String::from_utf8_lossy(&ended.stderr));
}

/// The largest difference, in units in the last place of BF16 at the larger of the two numbers.
fn units_apart(ours: &BTreeMap<String, Vec<f64>>, theirs: &BTreeMap<String, Vec<f64>>) -> f64 {
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    let pairs = ours.iter().flat_map(|(name, it)| it.iter().zip(&theirs[name]));
    let unit = |size: f64| (size.log2().floor() - 7.0).exp2();
    pairs.map(|(a, b)| (a - b).abs() / unit(a.abs().max(b.abs()).max(1e-30))).fold(0.0, f64::max)
}

#[test]
fn an_adapter_that_trl_trained_is_admitted_as_what_peft_merges() {
    let Some(trl) = std::env::var_os("POTLUCK_TRL_PYTHON").map(PathBuf::from) else {
        eprintln!("SKIPPED: no Python with TRL; `cargo xtask test-trl` installs it");
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let (base, adapter, whole) = (path("base"), path("trained"), path("whole"));
    python(&trl, &[&vectors("hf/llama3"), &base], "base");
    python(&trl, &[&base, &adapter], "train");
    python(&trl, &[&base, &adapter, &whole], "merge");

    let federation = Federation::over(&base, "").unwrap();
    let pushed = federation.push_foreign("agency", &adapter).succeeded();
    let expert = admitted(&federation, &pushed);
    let mut merged = BTreeMap::new();
    for shard in fs::read_dir(&whole).unwrap().map(|it| it.unwrap().path()) {
        if shard.extension().is_some_and(|it| it == "safetensors") {
            merged.extend(tensors(&shard));
        }
    }
    // Half a unit is what rounding costs; the rest is PEFT's own, which adds in binary32.
    let apart = units_apart(&expert, &merged);
    assert!(apart <= 0.51, "{apart} units in the last place");
    assert_ne!(expert, tensors(&base.join("model.safetensors")), "training changed nothing");

    // The same as a whole model, in shards of F32: rounded to the base's BF16.
    let pushed = federation.push_foreign("readers", &whole).succeeded();
    assert_eq!(pushed["prepared"]["converted"][0]["from"], "F32", "{pushed}");
    let apart = units_apart(&admitted(&federation, &pushed), &expert);
    assert!(apart <= 1.0, "{apart} units in the last place");
}
