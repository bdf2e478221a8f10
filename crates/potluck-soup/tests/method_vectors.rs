//! The known answers in `tests/vectors/methods/`: our bytes, and numbers that mergekit made.

// A test binary: clippy knows tests by their attribute only, and not the functions that they call.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use potluck_core::manifest::WEIGHTS;
use potluck_core::{Blake3, Manifest, PartyId};
use potluck_soup::blend::{Making, Shape, Soup, Wanted};
use potluck_soup::method::{Consensus, Density, Extrapolation, Group, Strength};
use potluck_soup::{Checkpoint, Formula, Method, Weights, file_entry};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/methods")
}

fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let cases: Vec<_> = entries.filter(|path| path.join("formula.json").is_file()).collect();
    assert_eq!(cases.len(), 9);
    cases
}

/// A method as its formula's text has it.
fn method(formula: &Value) -> Method {
    let parameters = &formula["parameters"];
    let whole = |name: &str| parameters[name].as_i64().unwrap();
    let consensus = || match parameters["consensus"].as_str().unwrap() {
        "mean" => Consensus::Mean,
        _ => Consensus::Sum,
    };
    let density = || Density::new(whole("density")).unwrap();
    let strength = || Strength::new(whole("strength")).unwrap();
    let group = |group: &Value| Group {
        tensors: group["tensors"].as_str().unwrap().parse().unwrap(),
        lambda: serde_json::from_value(group["ppm"].clone()).unwrap(),
    };
    match formula["arithmetic"].as_str().unwrap() {
        "task_arithmetic/1" => Method::TaskArithmetic,
        "slerp/1" => Method::Slerp,
        "ties/1" => {
            let (density, consensus, strength) = (density(), consensus(), strength());
            Method::Ties { density, consensus, strength }
        }
        "dare_ties/1" => {
            let (density, consensus, strength) = (density(), consensus(), strength());
            let seed = u32::try_from(whole("seed")).unwrap();
            Method::DareTies { density, seed, consensus, strength }
        }
        "model_stock/1" => Method::ModelStock,
        "layerwise/1" => {
            let groups = parameters["groups"].as_array().unwrap();
            Method::Layerwise { groups: groups.iter().map(group).collect() }
        }
        other => panic!("{other}"),
    }
}

fn soup_of(text: &[u8]) -> (Formula, Soup) {
    let value: Value = serde_json::from_slice(text).unwrap();
    let method = method(&value);
    let ppm: BTreeMap<PartyId, i64> = (value["experts"].as_array().unwrap().iter())
        .map(|it| (it["party"].as_str().unwrap().parse().unwrap(), it["ppm"].as_i64().unwrap()))
        .collect();
    let weights = Weights::new(ppm, Extrapolation::Allowed).unwrap();

    let path = |name: &str| folder().join("inputs").join(format!("{name}.safetensors"));
    let manifest = |name: &str| -> Blake3 {
        let entry = file_entry(&path(name), WEIGHTS, &mut |_, _| {}).unwrap();
        Manifest::new(vec![entry]).unwrap().digest()
    };
    let of = |party: &PartyId| Some(manifest(party.as_str()));
    let formula = method.formula(manifest("base"), of, &weights, None).unwrap();

    let open = |name: &str| Checkpoint::open(&path(name)).unwrap();
    let opened: Vec<_> =
        weights.ppm().keys().map(|party| (party.clone(), open(party.as_str()))).collect();
    let experts: Vec<_> = opened.iter().map(|(party, it)| (party.clone(), it)).collect();
    let recipe = Some(formula.digest());
    let wanted = Wanted { shape: Shape::One, dtype: None, recipe };
    let soup = method.plan(&experts, Some(&open("base")), &weights, &wanted).unwrap();
    (formula, soup)
}

#[test]
fn every_case_gives_its_known_answer() {
    for case in cases() {
        let text = fs::read(case.join("formula.json")).unwrap();
        let (formula, soup) = soup_of(&text);
        assert_eq!(formula.canonical(), text, "{}", case.display());
        let threads = NonZeroUsize::new(2).unwrap();
        let making = Making { threads, blake3: true, sha256: true };
        let made = soup.files()[0].digest(making, &mut |_| {}).unwrap();
        let expected: Value =
            serde_json::from_slice(&fs::read(case.join("expected.json")).unwrap()).unwrap();
        let actual = serde_json::json!({
            "formula": formula.digest(),
            "size": made.size,
            "blake3": made.blake3,
            "sha256": made.sha256,
        });
        assert_eq!(actual, expected, "{}", case.display());
    }
}

#[test]
fn no_element_is_further_from_mergekit_s_than_its_one_rounding() {
    for case in cases() {
        let (_, soup) = soup_of(&fs::read(case.join("formula.json")).unwrap());
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut soup.files()[0].reader(), &mut bytes).unwrap();
        let soup = SafeTensors::deserialize(&bytes).unwrap();
        let oracle = fs::read(case.join("oracle.safetensors")).unwrap();
        for (name, theirs) in SafeTensors::deserialize(&oracle).unwrap().tensors() {
            let ours = soup.tensor(&name).unwrap();
            let unit = match ours.dtype() {
                Dtype::F64 => f64::EPSILON,
                Dtype::F32 => f32::EPSILON.into(),
                Dtype::F16 => f16::EPSILON.to_f64(),
                _ => bf16::EPSILON.to_f64(),
            };
            let (ours, theirs) = (values(&ours), values(&theirs));
            assert_eq!(ours.len(), theirs.len());
            for (ours, theirs) in ours.iter().zip(&theirs) {
                let allowed = unit / 2.0 * theirs.abs() + 1e-12 * theirs.abs().max(1.0);
                assert!(
                    (ours - theirs).abs() <= allowed,
                    "{} {name} {ours} {theirs}",
                    case.display()
                );
            }
        }
    }
}

fn values(tensor: &TensorView<'_>) -> Vec<f64> {
    let bytes = tensor.data();
    let halves = bytes.as_chunks().0.iter();
    match tensor.dtype() {
        Dtype::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        Dtype::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b).into()).collect(),
        Dtype::F16 => halves.map(|b| f16::from_le_bytes(*b).to_f64()).collect(),
        _ => halves.map(|b| bf16::from_le_bytes(*b).to_f64()).collect(),
    }
}
