//! `adapter_shared_a/1`: files without A, whose mean is that of the changes.

use std::fs;
use std::num::NonZeroUsize;

use potluck_core::recipe::Arithmetic;
use potluck_core::{Blake3, Lambda, PartyId, Recipe};

use super::support::{Kitchen, Sketch, Tensor, bytes, load, plain, product, quarters, sum};
use crate::adapter::{
    Adapter, AdapterConfig, AdapterError, agree, config_of, draw, expert_sharing, linear, restored,
    shared,
};
use crate::blend::blend;
use crate::checkpoint::Checkpoint;
use crate::layout::Dtype;

const SEED: u64 = 7;

fn party(name: &str) -> PartyId {
    name.parse().unwrap()
}

/// A layer with the drawn A.
fn layer(
    sketch: Sketch,
    module: &str,
    (out, rank, input): (usize, usize, usize),
    seed: u64,
) -> Sketch {
    let mut a = vec![0f32; rank * input];
    draw(SEED, module, input as u64, 0, &mut a);
    let values = a.into_iter().map(f64::from).collect();
    let a = Tensor { dtype: Dtype::F32, shape: vec![rank, input], values };
    sketch
        .tensor(&format!("{module}.lora_A.weight"), a)
        .tensor(&format!("{module}.lora_B.weight"), quarters(&[out, rank], seed))
}

fn sketch(rank: usize, seed: u64) -> Sketch {
    let sketch = layer(Sketch::new(rank, 8.0), "m.q", (5, rank, 7), seed);
    layer(sketch, "m.v", (3, rank, 9), seed + 1)
}

/// The expert of a party as a federation has it, and opened again.
fn reopened(kitchen: &Kitchen, name: &str, sketch: &Sketch) -> Adapter {
    let soup = expert_sharing(&kitchen.adapter(name, sketch), SEED).unwrap();
    let file = kitchen.write(name, &soup);
    Adapter::open(&party(name), &Checkpoint::open(&file).unwrap()).unwrap()
}

#[test]
fn an_expert_is_its_factors_b_and_is_read_as_if_a_stood_there() {
    let kitchen = Kitchen::new();
    let sketch = sketch(4, 1);
    let again = reopened(&kitchen, "a", &sketch);
    assert_eq!(again.shared_a(), Some(SEED));
    let tensors = load(&fs::read(kitchen.path("a.safetensors")).unwrap());
    assert_eq!(tensors.len(), 2);
    for (name, tensor) in &tensors {
        assert!(name.ends_with("lora_B.weight"), "{name}");
        assert_eq!(*tensor, sketch.tensors[name]);
    }
    // As PEFT reads it: the tensors that were given, to the bit.
    let whole = restored(&kitchen.path("a.safetensors"), &party("a")).unwrap().unwrap();
    assert_eq!(load(&bytes(&whole)), sketch.tensors);
    // Any other soup of it is that of the adapter that was given.
    let given = kitchen.adapter("a", &sketch);
    let of = |adapter| bytes(&linear(&[(250_000, adapter)], &plain()).unwrap().soup);
    assert_eq!(of(&again), of(&given));
    // What was made of one is made of what was made.
    let once_more = expert_sharing(&again, SEED).unwrap();
    assert_eq!(bytes(&once_more), fs::read(kitchen.path("a.safetensors")).unwrap());
    // A file that holds its A needs nothing put back.
    let packed = kitchen.packed("b", &sketch);
    assert!(restored(&packed, &party("b")).unwrap().is_none());
}

#[test]
fn the_soup_is_the_mean_of_the_changes_at_their_rank() {
    let kitchen = Kitchen::new();
    let (one, other) = (sketch(4, 1), sketch(4, 30));
    reopened(&kitchen, "a", &one);
    reopened(&kitchen, "b", &other);
    let experts = ["b", "a"].map(|it| (party(it), kitchen.path(&format!("{it}.safetensors"))));
    let lambda: Lambda = "a=0.25,b=0.75".parse().unwrap();
    let manifest = |it: &PartyId| Some(Blake3::of(it.as_str().as_bytes()));
    let arithmetic = Arithmetic::AdapterSharedA1;
    let recipe = Recipe::new(arithmetic, Blake3::of(b"base"), &lambda, manifest).unwrap();
    let output = kitchen.path("soup.safetensors");
    blend(&recipe, &experts, &output, NonZeroUsize::MIN, &mut |_, _| {}).unwrap();

    let config = config_of(&output).unwrap().unwrap();
    assert_eq!(AdapterConfig::parse(config.as_bytes()).unwrap().rank_of("m.q"), 4);
    let stored = load(&fs::read(&output).unwrap());
    assert!(stored.keys().all(|name| name.ends_with("lora_B.weight")));
    let whole = restored(&output, &party("soup")).unwrap().unwrap();
    let tensors = load(&bytes(&whole));
    for module in ["m.q", "m.v"] {
        let name = |half| format!("base_model.model.{module}.lora_{half}.weight");
        assert_eq!(tensors[&name("A")], one.tensors[&name("A")]);
        let found = product(&tensors[&name("A")], &tensors[&name("B")], 2.0);
        let changes = [(0.25, one.change(module, 2.0)), (0.75, other.change(module, 2.0))];
        // B's are multiples of a quarter, so that their mean is exact; the sums of products are not.
        for (found, wanted) in found.iter().zip(sum(&changes)) {
            assert!((found - wanted).abs() < 1e-12, "{found} {wanted}");
        }
    }
}

#[test]
fn one_expert_alone_keeps_the_bytes_of_its_b() {
    let kitchen = Kitchen::new();
    let sketch = sketch(2, 5);
    let adapter = reopened(&kitchen, "a", &sketch);
    let soup = load(&bytes(&shared(&[(1_000_000, &adapter)], None).unwrap()));
    assert!(soup.iter().all(|(name, tensor)| *tensor == sketch.tensors[name]));
    assert_eq!(soup.len(), 2);
}

#[test]
fn what_does_not_share_a_is_refused_by_name() {
    let kitchen = Kitchen::new();
    let refused = |sketch: &Sketch, seed| {
        let refused = expert_sharing(&kitchen.adapter("x", sketch), seed).unwrap_err();
        assert!(matches!(refused, AdapterError::Tensor { .. }), "{refused}");
        refused.to_string()
    };
    let good = sketch(4, 1);
    let own = good.clone().without("m.v.lora_A.weight");
    let own = own.tensor("m.v.lora_A.weight", quarters(&[4, 9], 3));
    assert!(refused(&own, SEED).contains("m.v.lora_A.weight"));
    assert!(refused(&good, SEED + 1).contains("m.q.lora_A.weight"));
    let half = good.tensors["base_model.model.m.q.lora_A.weight"].clone().of(Dtype::Bf16);
    let half = good.clone().without("m.q.lora_A.weight").tensor("m.q.lora_A.weight", half);
    assert!(refused(&half, SEED).contains("m.q.lora_A.weight"));
    let whole = good.clone().with("modules_to_save", r#"["score"]"#);
    let whole = whole.tensor("score.weight", quarters(&[2, 2], 1));
    assert!(refused(&whole, SEED).contains("score"));

    let a = reopened(&kitchen, "a", &good);
    let b = reopened(&kitchen, "b", &sketch(2, 1));
    assert!(matches!(agree(&[a.clone(), b]), Err(AdapterError::Factors { .. })));
    let stored = kitchen.packed("c", &good);
    let c = Adapter::open(&party("c"), &Checkpoint::open(&stored).unwrap()).unwrap();
    assert!(matches!(agree(&[a, c]), Err(AdapterError::Disagree { .. })));
}

/// A file whose header says something else than what is in it.
#[test]
fn headers_that_do_not_fit_their_files_are_refused() {
    let kitchen = Kitchen::new();
    let soup = expert_sharing(&kitchen.adapter("a", &sketch(4, 1)), SEED).unwrap();
    let file = fs::read(kitchen.write("a", &soup)).unwrap();
    let open = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = file.windows(from.len()).position(|it| it == from.as_bytes()).unwrap();
        let mut changed = file.clone();
        changed[at..at + to.len()].copy_from_slice(to.as_bytes());
        let path = kitchen.path("changed.safetensors");
        fs::write(&path, changed).unwrap();
        Adapter::open(&party("a"), &Checkpoint::open(&path).unwrap()).map(|it| it.shared_a())
    };
    assert_eq!(open("seed", "seed").unwrap(), Some(SEED));
    let inputs = r#"\"m.q\":7"#;
    for (from, to) in [("seed", "sead"), (inputs, r#"\"m.q\":0"#), (inputs, r#"\"m.z\":7"#)] {
        let refused = open(from, to).unwrap_err();
        assert!(matches!(refused, AdapterError::Tensor { .. }), "{refused}");
    }
    // A width that is not the base's is for admission to find.
    open(inputs, r#"\"m.q\":9"#).unwrap();
}
