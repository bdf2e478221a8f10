//! Soups of adapters that PEFT wrote, against the changes that PEFT computes: `tests/vectors/adapter`.

// A test binary: clippy knows tests by their attribute only, and not the functions that they call.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use potluck_core::Blake3;
use potluck_soup::adapter::{Adapter, AdapterConfig, Share, Wanted, linear, merge};
use potluck_soup::blend::{Shape, Soup};
use potluck_soup::checkpoint::Checkpoint;
use potluck_soup::layout::Dtype;
use safetensors::SafeTensors;

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f64>)>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/adapter")
}

fn load(bytes: &[u8]) -> Tensors {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let mut tensors = Tensors::new();
    for (name, view) in file.tensors() {
        let values = match view.dtype() {
            safetensors::Dtype::F32 => {
                let elements = view.data().as_chunks::<4>().0;
                elements.iter().map(|it| f64::from(f32::from_le_bytes(*it))).collect()
            }
            safetensors::Dtype::F64 => {
                view.data().as_chunks::<8>().0.iter().map(|it| f64::from_le_bytes(*it)).collect()
            }
            other => panic!("{name} is {other:?}"),
        };
        tensors.insert(name, (view.shape().to_vec(), values));
    }
    tensors
}

fn made(soup: &Soup) -> Tensors {
    let mut bytes = Vec::new();
    soup.files()[0].reader().read_to_end(&mut bytes).unwrap();
    load(&bytes)
}

/// The adapters of a case with their shares.
fn adapters(case: &Path) -> Vec<(i64, Adapter)> {
    let text = std::fs::read(case.join("lambda.json")).unwrap();
    let lambda: BTreeMap<String, i64> = serde_json::from_slice(&text).unwrap();
    let open = |(party, ppm): (String, i64)| {
        let checkpoint = Checkpoint::open(&case.join(&party)).unwrap();
        (ppm, Adapter::open(&party.parse().unwrap(), &checkpoint).unwrap())
    };
    lambda.into_iter().map(open).collect()
}

fn cases() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let cases: Vec<_> = entries.filter(|path| path.join("lambda.json").exists()).collect();
    assert!(cases.len() >= 4, "{cases:?}");
    cases
}

fn plain(dtype: Option<Dtype>) -> Wanted<'static> {
    Wanted { dtype, recipe: Some(Blake3::of(b"recipe")), prefer: None }
}

/// s·B·A as the output's configuration and tensors say it, in the layout of the base's weight.
fn change(config: &AdapterConfig, soup: &Tensors, weight: &str) -> Option<Vec<f64>> {
    let module = weight.strip_suffix(".weight").unwrap();
    let key = |end: &str| format!("base_model.model.{module}.{end}");
    let (is_embedding, a, b) = match soup.get(&key("lora_A.weight")) {
        Some(a) => (false, a, &soup[&key("lora_B.weight")]),
        None => (true, soup.get(&key("lora_embedding_A"))?, &soup[&key("lora_embedding_B")]),
    };
    let rank = a.0[0];
    let (tall, wide) = (b.1.len() / rank, a.1.len() / rank);
    assert_eq!(config.rank_of(module) as usize, rank);
    let scale = config.alpha_of(module) / rank as f64;
    let element = |o: usize, i: usize| {
        scale * (0..rank).map(|k| b.1[o * rank + k] * a.1[k * wide + i]).sum::<f64>()
    };
    let is_transposed = is_embedding || config.fan_in_fan_out() && a.0.len() == 2;
    Some(if is_transposed {
        (0..wide).flat_map(|i| (0..tall).map(move |o| (o, i))).map(|(o, i)| element(o, i)).collect()
    } else {
        (0..tall).flat_map(|o| (0..wide).map(move |i| (o, i))).map(|(o, i)| element(o, i)).collect()
    })
}

fn assert_near(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance * largest, "{what}: {found} {expected}");
    }
}

#[test]
fn the_lossless_soup_changes_what_peft_says_in_sum() {
    for case in cases() {
        let adapters = adapters(&case);
        let shares: Vec<Share<'_>> = adapters.iter().map(|(ppm, it)| (*ppm, it)).collect();
        let soup = linear(&shares, &plain(None)).unwrap();
        let tensors = made(&soup.soup);
        let expected = load(&std::fs::read(case.join("expected.safetensors")).unwrap());
        let mut factors = tensors.keys().filter(|name| name.contains("lora_")).count();
        for (weight, (_, expected)) in &expected {
            let what = format!("{} {weight}", case.display());
            match change(&soup.config, &tensors, weight) {
                Some(found) => {
                    factors -= 2;
                    assert_near(&found, expected, 2f64.powi(-23), &what);
                }
                None => {
                    let whole = &tensors[&format!("base_model.model.{weight}")].1;
                    assert_near(whole, expected, 2f64.powi(-24), &what);
                }
            }
        }
        assert_eq!(factors, 0, "{}: factors that PEFT does not know of", case.display());
    }
}

#[test]
fn a_merge_is_the_base_and_what_peft_says_in_sum() {
    let base = Checkpoint::open(&folder().join("base")).unwrap();
    let before = load(&std::fs::read(folder().join("base/model.safetensors")).unwrap());
    for case in cases() {
        let adapters = adapters(&case);
        let shares: Vec<Share<'_>> = adapters.iter().map(|(ppm, it)| (*ppm, it)).collect();
        let wide = made(&merge(&base, &shares, Shape::One, &plain(Some(Dtype::F64))).unwrap());
        let own = made(&merge(&base, &shares, Shape::One, &plain(None)).unwrap());
        let expected = load(&std::fs::read(case.join("expected.safetensors")).unwrap());
        for (weight, (shape, values)) in &before {
            let change = expected.get(weight).map(|(_, change)| change.as_slice());
            let is_whole = weight == "score.weight" && change.is_some();
            let sum: Vec<_> = match change {
                Some(change) if is_whole => change.to_vec(),
                Some(change) => values.iter().zip(change).map(|(w, change)| w + change).collect(),
                None => values.clone(),
            };
            let what = format!("{} {weight}", case.display());
            assert_eq!((&wide[weight].0, &own[weight].0), (shape, shape), "{what}");
            assert_near(&wide[weight].1, &sum, 2f64.powi(-50), &what);
            assert_near(&own[weight].1, &sum, 2f64.powi(-24), &what);
        }
    }
}
