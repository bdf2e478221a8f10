//! What is let in of adapters, and the norm of a change that nobody forms.

use std::fs::File;
use std::path::Path;

use proptest::prelude::*;

use super::support::{Kitchen, Sketch, Tensor, Tensors, quarters};
use crate::adapter::inspect::{AdapterLimits, AdapterRefusal, TargetDifference, inspect};
use crate::adapter::{draw, expert_sharing};
use crate::inspect::{ChangeLimit, Inspection};
use crate::layout::{Dtype, HeaderLimit, Layout};

fn limits(permille: u32) -> AdapterLimits {
    AdapterLimits { max_rank: 8, shared_a: None, change: ChangeLimit { permille } }
}

fn base() -> Tensors {
    let mut base = Tensors::new();
    base.insert("m.q.weight".into(), quarters(&[5, 7], 90));
    base.insert("m.t.weight".into(), quarters(&[7, 5], 90));
    base.insert("m.e.weight".into(), quarters(&[11, 3], 91));
    base.insert("m.steps.weight".into(), quarters(&[5, 7], 92).of(Dtype::I64));
    base
}

fn judged(base: &Tensors, sketch: &Sketch, limits: AdapterLimits) -> Result<(), Inspection> {
    let kitchen = Kitchen::new();
    let path = kitchen.packed("a", sketch);
    judge(&kitchen, base, &path, limits)
}

fn judge(
    kitchen: &Kitchen,
    base: &Tensors,
    path: &Path,
    limits: AdapterLimits,
) -> Result<(), Inspection> {
    let base = kitchen.base(base, None);
    let base = File::open(base.sources()[0].path()).unwrap();
    let layout = Layout::of(&base, HeaderLimit::BASE).unwrap();
    inspect(&"a".parse().unwrap(), path, (&base, &layout), limits).map(drop)
}

fn refusal(sketch: &Sketch) -> Inspection {
    judged(&base(), sketch, limits(1_000_000)).unwrap_err()
}

fn good() -> Sketch {
    Sketch::new(4, 8.0).layer("m.q", (5, 4, 7), 1)
}

#[test]
fn plain_adapters_of_the_base_are_let_in() {
    judged(&base(), &good(), limits(1_000_000)).unwrap();
    judged(&base(), &good().with("use_rslora", "true"), limits(1_000_000)).unwrap();
    let transposed = Sketch::new(2, 1.0).with("fan_in_fan_out", "true");
    judged(&base(), &transposed.layer("m.t", (5, 2, 7), 1), limits(1_000_000)).unwrap();
    let embedding = Sketch::new(2, 1.0)
        .tensor("m.e.lora_embedding_A", quarters(&[2, 11], 1))
        .tensor("m.e.lora_embedding_B", quarters(&[3, 2], 2));
    judged(&base(), &embedding, limits(1_000_000)).unwrap();
}

#[test]
fn what_is_no_plain_adapter_is_refused() {
    let why = |sketch: &Sketch| match refusal(sketch) {
        Inspection::AdapterRefused { why } => why,
        other => panic!("{other}"),
    };
    let saved =
        good().with("modules_to_save", r#"["m.e"]"#).tensor("m.e.weight", quarters(&[11, 3], 3));
    assert!(matches!(why(&saved), AdapterRefusal::Whole(name) if name == "m.e.weight"));
    assert!(matches!(why(&good().with("bias", "\"all\"")), AdapterRefusal::Whole(_)));
    let high = Sketch::new(9, 8.0).layer("m.q", (5, 9, 7), 1);
    assert!(matches!(why(&high), AdapterRefusal::Rank { rank: 9, limit: 8, .. }));
    let backwards = |alpha| Sketch::new(4, alpha).layer("m.q", (5, 4, 7), 1);
    assert!(matches!(why(&backwards(-8.0)), AdapterRefusal::Alpha(module) if module == "m.q"));
    assert!(matches!(why(&backwards(0.0)), AdapterRefusal::Alpha(_)));
}

#[test]
fn an_adapter_of_another_base_is_refused_by_the_name_of_what_differs() {
    let what = |sketch: &Sketch| match refusal(sketch) {
        Inspection::TargetDiffers { tensor, what } => (tensor, what),
        other => panic!("{other}"),
    };
    let of = |module: &str, shape| what(&Sketch::new(4, 8.0).layer(module, shape, 1));
    assert_eq!(of("m.o", (5, 4, 7)), ("m.o.weight".to_owned(), TargetDifference::Missing));
    assert_eq!(of("m.q", (5, 4, 8)), ("m.q.weight".to_owned(), TargetDifference::Shape));
    assert_eq!(of("m.t", (5, 4, 7)), ("m.t.weight".to_owned(), TargetDifference::Shape));
    assert_eq!(of("m.steps", (5, 4, 7)), ("m.steps.weight".to_owned(), TargetDifference::Dtype));
}

#[test]
fn elements_that_are_no_numbers_are_named() {
    for (name, at) in [("m.q.lora_A.weight", 13), ("m.q.lora_B.weight", 7)] {
        let (kitchen, name) = (Kitchen::new(), format!("base_model.model.{name}"));
        // Our own writer would refuse to write it.
        let path = kitchen.packed("a", &good());
        let layout = Layout::of(&File::open(&path).unwrap(), HeaderLimit::LOCAL).unwrap();
        let start = layout.tensor(&name).unwrap().range.start as usize + 4 * at;
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[start..start + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
        match judge(&kitchen, &base(), &path, limits(1_000_000)).unwrap_err() {
            Inspection::NotFinite { tensor, index } => {
                assert_eq!((tensor, index), (name, at as u64));
            }
            other => panic!("{other}"),
        }
    }
}

fn squares(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum()
}

/// The least whole limit that lets a change of these squares in.
fn least(change: f64, base: f64, elements: usize) -> u32 {
    ((1e6 * change - elements as f64).max(0.0) / base).sqrt().ceil() as u32
}

fn far(sketch: &Sketch, permille: u32) -> bool {
    matches!(judged(&base(), sketch, limits(permille)), Err(Inspection::NormExceeded { .. }))
}

#[test]
fn factors_that_cancel_hide_no_change() {
    // Exactly nothing by these factors: 2^40·2^40 − 2^40·2^40. But no one can tell by sums of products in binary64 that it
    // is nothing rather than something of the size of what they lose.
    let row = |values: Vec<f64>, shape: &[usize]| Tensor {
        dtype: Dtype::F32,
        shape: shape.to_vec(),
        values,
    };
    let large = 2f64.powi(40);
    let cancelling = Sketch::new(2, 2.0)
        .tensor("m.q.lora_A.weight", row(vec![large; 14], &[2, 7]))
        .tensor("m.q.lora_B.weight", row([large, -large].repeat(5), &[5, 2]));
    assert!(far(&cancelling, 1000));
    // Factors as training leaves them pass with nothing at all to spare: B begins at zero.
    let fresh = Sketch::new(2, 2.0)
        .tensor("m.q.lora_A.weight", quarters(&[2, 7], 1))
        .tensor("m.q.lora_B.weight", row(vec![0.0; 10], &[5, 2]));
    assert!(!far(&fresh, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The limit bites where the norm of the product, which the test forms, is.
    #[test]
    fn the_norm_is_that_of_the_product(
        (rank, seed, rslora) in (1usize..8, 0u64..10_000, any::<bool>()),
        alpha in 1u32..9,
        dtype in prop_oneof![Just(Dtype::F32), Just(Dtype::Bf16), Just(Dtype::F64)],
    ) {
        let mut sketch = Sketch::new(rank, f64::from(alpha)).with("use_rslora", if rslora { "true" } else { "false" });
        sketch = sketch
            .tensor("m.q.lora_A.weight", quarters(&[rank, 7], seed).of(dtype))
            .tensor("m.q.lora_B.weight", quarters(&[5, rank], seed + 9).of(dtype));
        let scale = f64::from(alpha) / (rank as f64).powf(if rslora { 0.5 } else { 1.0 });
        let change = squares(&sketch.change("m.q", scale));
        let base = squares(&quarters(&[5, 7], 90).values);
        let least = least(change, base, 35);
        // A thousandth of a thousandth to spare: the test's own sums round too, and a norm may lie on a whole number.
        prop_assert!(!far(&sketch, least + 1));
        prop_assert!(least < 2 || far(&sketch, least - 1));
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    /// Nothing depends on where a tile ends.
    #[test]
    fn long_factors_are_measured_as_short_ones(rank in 5usize..8, seed in 0u64..100) {
        let wide = 14_011;
        let mut tensors = Tensors::new();
        tensors.insert("m.q.weight".into(), quarters(&[2, wide], 4));
        let sketch = Sketch::new(rank, 1.0)
            .tensor("m.q.lora_A.weight", quarters(&[rank, wide], seed))
            .tensor("m.q.lora_B.weight", quarters(&[2, rank], seed + 1));
        let change = squares(&sketch.change("m.q", 1.0 / rank as f64));
        let least = least(change, squares(&tensors["m.q.weight"].values), 2 * wide);
        let passes = |permille| judged(&tensors, &sketch, limits(permille)).is_ok();
        prop_assert!(passes(least + 1) && !passes(least - 1));
    }
}

#[test]
fn factors_a_are_drawn_where_the_charter_says_so_and_nowhere_else() {
    let drawn = |seed: u64, input: usize| {
        let mut a = vec![0f32; 4 * input];
        draw(seed, "m.q", input as u64, 0, &mut a);
        let values = a.into_iter().map(f64::from).collect();
        let a = Tensor { dtype: Dtype::F32, shape: vec![4, input], values };
        let sketch = Sketch::new(4, 8.0).tensor("m.q.lora_A.weight", a);
        sketch.tensor("m.q.lora_B.weight", quarters(&[5, 4], 1))
    };
    let judged = |seed: Option<u64>, input, allowed: Option<u64>, permille| {
        let kitchen = Kitchen::new();
        let path = match seed {
            None => kitchen.packed("a", &good()),
            Some(seed) => {
                let adapter = kitchen.adapter("a", &drawn(seed, input));
                kitchen.write("a", &expert_sharing(&adapter, seed).unwrap())
            }
        };
        judge(&kitchen, &base(), &path, AdapterLimits { shared_a: allowed, ..limits(permille) })
    };
    judged(Some(7), 7, Some(7), 1_000_000).unwrap();
    for (seed, allowed, word) in [
        (None, Some(7), "from the seed 7"),
        (Some(7), None, "hold them"),
        (Some(8), Some(7), "seed 8"),
    ] {
        let refused = judged(seed, 7, allowed, 1_000_000).unwrap_err();
        assert!(matches!(refused, Inspection::AdapterRefused { .. }), "{refused}");
        let why = std::error::Error::source(&refused).map_or(String::new(), ToString::to_string);
        assert!(format!("{refused} {why}").contains(word), "{refused} {why}");
    }
    let other = judged(Some(7), 9, Some(7), 1_000_000).unwrap_err();
    assert!(matches!(other, Inspection::TargetDiffers { what: TargetDifference::Shape, .. }));
    // Its change is measured with the A that is drawn.
    let much = judged(Some(7), 7, Some(7), 1).unwrap_err();
    assert!(matches!(much, Inspection::NormExceeded { .. }), "{much}");
}
