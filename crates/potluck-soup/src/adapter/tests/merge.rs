//! `adapter_merge/1`: dense models against plain loops.

use super::support::{
    Kitchen, Sketch, Tensor, Tensors, bytes, load, plain, product, quarters, sum,
};
use crate::adapter::{Adapter, AdapterError, Wanted, merge};
use crate::blend::Shape;
use crate::checkpoint::Checkpoint;
use crate::layout::Dtype;

fn base() -> Tensors {
    let mut base = Tensors::new();
    base.insert("m.q.weight".into(), quarters(&[5, 7], 90));
    base.insert("m.norm.weight".into(), quarters(&[7], 91));
    base.insert("m.steps".into(), quarters(&[2], 92).of(Dtype::I64));
    base
}

fn merged(base: &Checkpoint, shares: &[(i64, &Adapter)]) -> Tensors {
    load(&bytes(&merge(base, shares, Shape::One, &plain()).unwrap()))
}

fn refused(base: &Checkpoint, adapter: &Adapter) -> AdapterError {
    merge(base, &[(1_000_000, adapter)], Shape::One, &plain()).unwrap_err()
}

fn added(base: &Tensor, change: &[f64]) -> Vec<f64> {
    base.values.iter().zip(change).map(|(w, change)| w + change).collect()
}

fn transposed(values: &[f64], rows: usize) -> Vec<f64> {
    let columns = values.len() / rows;
    (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c])).collect()
}

#[test]
fn the_changes_are_added_and_the_rest_is_the_base() {
    let kitchen = Kitchen::new();
    let one = Sketch::new(4, 8.0).layer("m.q", (5, 4, 7), 1);
    let other = Sketch::new(3, 3.0).layer("m.q", (5, 3, 7), 2);
    let (a, b) = (kitchen.adapter("a", &one), kitchen.adapter("b", &other));
    let base_tensors = base();
    let base = kitchen.base(&base_tensors, None);
    for (x, y) in [(500_000, 250_000), (-1_000_000, 0), (1_000_000, 1_000_000)] {
        let soup = merged(&base, &[(x, &a), (y, &b)]);
        let terms =
            [(x as f64 / 1e6, one.change("m.q", 2.0)), (y as f64 / 1e6, other.change("m.q", 1.0))];
        assert_eq!(soup["m.q.weight"].values, added(&base_tensors["m.q.weight"], &sum(&terms)));
        assert_eq!(soup["m.norm.weight"], base_tensors["m.norm.weight"]);
        assert_eq!(soup["m.steps"].dtype, Dtype::I64);
    }
}

#[test]
fn many_columns_and_ranks_are_summed_in_one_order() {
    let kitchen = Kitchen::new();
    let one = Sketch::new(6, 3.0).with("use_rslora", "true").layer("m.w", (9, 6, 2500), 1);
    let a = kitchen.adapter("a", &one);
    let mut tensors = Tensors::new();
    tensors.insert("m.w.weight".into(), quarters(&[9, 2500], 5).of(Dtype::Bf16));
    let base = kitchen.base(&tensors, None);
    let soup = merged(&base, &[(123_457, &a)]);
    // Word for word as docs/formats.md has it.
    let (lora_a, lora_b) = (
        &one.tensors["base_model.model.m.w.lora_A.weight"].values,
        &one.tensors["base_model.model.m.w.lora_B.weight"].values,
    );
    for row in 0..9 {
        for column in 0..2500 {
            let mut delta = 0.0;
            for k in 0..6 {
                let b = (lora_b[row * 6 + k] * (123_457.0 * 3.0)) / (1_000_000.0 * 6f64.sqrt());
                delta += b * lora_a[k * 2500 + column];
            }
            let w = tensors["m.w.weight"].values[row * 2500 + column] + delta;
            let expected = f64::from(half::bf16::from_f64(w).to_f32());
            assert_eq!(soup["m.w.weight"].values[row * 2500 + column], expected);
        }
    }
}

#[test]
fn a_high_rank_is_taken_strip_by_strip() {
    let kitchen = Kitchen::new();
    let rank = 1 << 14;
    let sketch = Sketch::new(rank, rank as f64).layer("m.w", (9, rank, 7), 1);
    let a = kitchen.adapter("a", &sketch);
    let mut tensors = Tensors::new();
    tensors.insert("m.w.weight".into(), quarters(&[9, 7], 5));
    let soup = merged(&kitchen.base(&tensors, None), &[(1_000_000, &a)]);
    assert_eq!(
        soup["m.w.weight"].values,
        added(&tensors["m.w.weight"], &sketch.change("m.w", 1.0))
    );
}

#[test]
fn weights_that_lie_transposed() {
    let kitchen = Kitchen::new();
    let sketch = Sketch::new(4, 8.0).with("fan_in_fan_out", "true").layer("m.q", (5, 4, 7), 1);
    let a = kitchen.adapter("a", &sketch);
    let mut tensors = base();
    tensors.insert("m.q.weight".into(), quarters(&[7, 5], 90));
    let base = kitchen.base(&tensors, None);
    let soup = merged(&base, &[(500_000, &a)]);
    let change = sum(&[(0.5, sketch.change("m.q", 2.0))]);
    assert_eq!(soup["m.q.weight"].values, added(&tensors["m.q.weight"], &transposed(&change, 5)));
    let straight = kitchen.adapter("b", &Sketch::new(4, 8.0).layer("m.q", (5, 4, 7), 1));
    assert!(matches!(refused(&base, &straight), AdapterError::BaseShape { transposed: false, .. }));
}

#[test]
fn convolutions() {
    let kitchen = Kitchen::new();
    let sketch = Sketch::new(2, 4.0)
        .with("fan_in_fan_out", "true")
        .tensor("m.c.lora_A.weight", quarters(&[2, 5, 3, 3], 1))
        .tensor("m.c.lora_B.weight", quarters(&[4, 2, 1, 1], 2));
    let a = kitchen.adapter("a", &sketch);
    let mut tensors = Tensors::new();
    tensors.insert("m.c.weight".into(), quarters(&[4, 5, 3, 3], 3));
    let base = kitchen.base(&tensors, None);
    let soup = merged(&base, &[(1_000_000, &a)]);
    assert_eq!(
        soup["m.c.weight"].values,
        added(&tensors["m.c.weight"], &sketch.change("m.c", 2.0))
    );
}

fn embedding(seed: u64) -> Sketch {
    Sketch::new(2, 4.0)
        .tensor("m.embed_tokens.lora_embedding_A", quarters(&[2, 11], seed))
        .tensor("m.embed_tokens.lora_embedding_B", quarters(&[3, 2], seed + 1))
}

fn embedded(head: bool) -> Tensors {
    let mut tensors = Tensors::new();
    tensors.insert("m.embed_tokens.weight".into(), quarters(&[11, 3], 7));
    if head {
        tensors.insert("lm_head.weight".into(), quarters(&[11, 3], 8));
    }
    tensors
}

#[test]
fn embeddings_lie_as_rows_of_tokens() {
    let kitchen = Kitchen::new();
    let a = kitchen.adapter("a", &embedding(1));
    let tensors = embedded(true);
    let soup = merged(&kitchen.base(&tensors, None), &[(1_000_000, &a)]);
    let sketch = embedding(1);
    let part = |name: &str| &sketch.tensors[&format!("base_model.model.m.embed_tokens.{name}")];
    let change = product(part("lora_embedding_A"), part("lora_embedding_B"), 2.0);
    let expected = added(&tensors["m.embed_tokens.weight"], &transposed(&change, 3));
    assert_eq!(soup["m.embed_tokens.weight"].values, expected);
    assert_eq!(soup["lm_head.weight"], tensors["lm_head.weight"]);

    // PEFT saves the embedding itself beside its factors; it is what the change is added to.
    let own = quarters(&[11, 3], 40);
    let saved = embedding(1).tensor("m.embed_tokens.base_layer.weight", own.clone());
    let soup = merged(&kitchen.base(&tensors, None), &[(1_000_000, &kitchen.adapter("b", &saved))]);
    assert_eq!(soup["m.embed_tokens.weight"].values, added(&own, &transposed(&change, 3)));
}

#[test]
fn a_change_to_a_tied_embedding_is_refused() {
    let tied = Some(r#"{"model_type":"x","tie_word_embeddings":true}"#);
    let untied = Some(r#"{"tie_word_embeddings":false}"#);
    let whole = Sketch::new(1, 1.0)
        .layer("m.q", (5, 1, 7), 1)
        .tensor("m.embed_tokens.weight", quarters(&[11, 3], 1));
    let head = Sketch::new(1, 1.0).layer("lm_head", (11, 1, 3), 1);
    for (sketch, has_head, config, is_refused) in [
        (embedding(1), false, tied, true),
        (embedding(1), true, tied, true),
        (embedding(1), false, None, true),
        (embedding(1), false, untied, false),
        (embedding(1), true, None, false),
        (whole.clone(), false, tied, true),
        (whole.clone(), false, None, true),
        (whole, true, untied, false),
        (head.clone(), true, tied, true),
        (head, true, None, false),
    ] {
        let kitchen = Kitchen::new();
        let mut tensors = embedded(has_head);
        tensors.insert("m.q.weight".into(), quarters(&[5, 7], 90));
        let base = kitchen.base(&tensors, config);
        let a = kitchen.adapter("a", &sketch);
        let planned = merge(&base, &[(1_000_000, &a)], Shape::One, &plain());
        match planned {
            Ok(_) => assert!(!is_refused, "{config:?} {has_head}"),
            Err(AdapterError::Tied { .. }) => assert!(is_refused, "{config:?} {has_head}"),
            Err(other) => panic!("{other}"),
        }
    }
    // An adapter of the output layer has nothing to be added to where there is only the embedding.
    let kitchen = Kitchen::new();
    let a = kitchen.adapter("a", &Sketch::new(1, 1.0).layer("lm_head", (11, 1, 3), 1));
    let error = refused(&kitchen.base(&embedded(false), tied), &a);
    assert!(matches!(&error, AdapterError::NotInBase { tensor, .. } if tensor == "lm_head.weight"));
    let error = refused(&kitchen.base(&embedded(false), Some("[]")), &a);
    assert!(matches!(error, AdapterError::BaseConfig { .. }));
}

#[test]
fn tensors_retrained_whole_replace_the_base_s() {
    let kitchen = Kitchen::new();
    let sketch = |seed| {
        Sketch::new(4, 8.0)
            .with("bias", r#""lora_only""#)
            .layer("m.q", (5, 4, 7), seed)
            .tensor("m.norm.weight", quarters(&[7], seed))
            .tensor("m.q.base_layer.bias", quarters(&[5], seed))
    };
    let (a, b) = (kitchen.adapter("a", &sketch(1)), kitchen.adapter("b", &sketch(2)));
    let mut tensors = base();
    tensors.insert("m.norm.weight".into(), quarters(&[7], 91).of(Dtype::Bf16));
    tensors.insert("m.q.bias".into(), quarters(&[5], 93));
    let soup = merged(&kitchen.base(&tensors, None), &[(500_000, &a), (500_000, &b)]);
    for (whole, name) in [("m.norm.weight", "m.norm.weight"), ("m.q.base_layer.bias", "m.q.bias")] {
        let [one, other] =
            [1, 2].map(|n| sketch(n).tensors[&format!("base_model.model.{whole}")].values.clone());
        assert_eq!(soup[name].values, sum(&[(0.5, one), (0.5, other)]));
        assert_eq!(soup[name].dtype, tensors[name].dtype);
    }
}

#[test]
fn what_the_base_has_not_is_refused_by_name() {
    let kitchen = Kitchen::new();
    let base_tensors = base();
    let base = kitchen.base(&base_tensors, None);
    let named = |sketch: &Sketch| refused(&base, &kitchen.adapter("a", sketch)).to_string();
    let sound = || Sketch::new(4, 8.0).layer("m.q", (5, 4, 7), 1);
    assert!(named(&sound().layer("m.x", (5, 4, 7), 1)).contains("no tensor m.x.weight"));
    assert!(
        named(&Sketch::new(4, 8.0).layer("m.q", (7, 4, 5), 1))
            .contains("m.q.weight has another shape")
    );
    assert!(
        named(&sound().tensor("m.norm.weight", quarters(&[8], 1))).contains("m.norm.weight has")
    );
    assert!(named(&sound().tensor("m.score.weight", quarters(&[8], 1))).contains("m.score.weight"));

    // Integers are no change, wherever they claim to belong.
    let constant = || quarters(&[5, 7], 1).of(Dtype::I64);
    for name in ["m.q.base_layer.weight", "m.norm.weight"] {
        assert!(named(&sound().tensor(name, constant())).contains("no floating-point numbers"));
    }

    let mut quantised = base_tensors;
    quantised.insert("m.q.weight".into(), quarters(&[5, 7], 1).of(Dtype::I64));
    let base = kitchen.base(&quantised, None);
    let error = refused(&base, &kitchen.adapter("a", &sound()));
    assert!(matches!(error, AdapterError::BaseDtype { dtype: Dtype::I64, .. }));
}

#[test]
fn a_dtype_can_be_asked_for() {
    let kitchen = Kitchen::new();
    let a = kitchen.adapter("a", &Sketch::new(4, 8.0).layer("m.q", (5, 4, 7), 1));
    let asked = Wanted { dtype: Some(Dtype::F64), ..plain() };
    let base = kitchen.base(&base(), None);
    let soup = load(&bytes(&merge(&base, &[(1_000_000, &a)], Shape::One, &asked).unwrap()));
    let dtypes = ["m.q.weight", "m.norm.weight", "m.steps"].map(|name| soup[name].dtype);
    assert_eq!(dtypes, [Dtype::F64, Dtype::F64, Dtype::I64]);
}
