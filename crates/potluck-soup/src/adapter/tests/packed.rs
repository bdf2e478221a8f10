//! Adapters in one file, and `adapter_linear/2`: the same soup as `adapter_linear/1`, with its configuration in the header.

use std::fs;
use std::num::NonZeroUsize;

use potluck_core::recipe::Arithmetic;
use potluck_core::{Blake3, Lambda, PartyId, Recipe};
use proptest::prelude::*;

use super::support::{Kitchen, Sketch, bytes, load, peft, plain, product, sum};
use crate::adapter::{Adapter, AdapterError, Wanted, agree, config_of, expert, linear, packed};
use crate::blend::{BlendError, blend, recompute};
use crate::checkpoint::Checkpoint;

fn party(name: &str) -> PartyId {
    name.parse().unwrap()
}

fn reopened(kitchen: &Kitchen, name: &str, sketch: &Sketch) -> Adapter {
    let file = kitchen.packed(name, sketch);
    Adapter::open(&party(name), &Checkpoint::open(&file).unwrap()).unwrap()
}

#[test]
fn an_expert_is_its_tensors_and_what_they_mean_and_has_one_form() {
    let kitchen = Kitchen::new();
    let sketch = Sketch::new(4, 8.0)
        .with("rank_pattern", r#"{"m.v": 2}"#)
        .with("use_rslora", "true")
        .with("lora_dropout", "0.05")
        .layer("m.q", (5, 4, 7), 1)
        .layer("m.v", (3, 2, 7), 2);
    let given = kitchen.adapter("a", &sketch);
    let again = reopened(&kitchen, "a", &sketch);
    assert_eq!(again.config(), given.config());
    let file = kitchen.path("a.safetensors");
    assert_eq!(load(&fs::read(&file).unwrap()), sketch.tensors);
    let text = config_of(&file).unwrap().unwrap();
    assert_eq!(text.as_bytes(), given.config().canonical());
    // What was made of one is made of what was made.
    assert_eq!(bytes(&expert(&again).unwrap()), fs::read(&file).unwrap());
    // A file of another kind is no adapter by itself.
    let plain = kitchen.path("a/adapter_model.safetensors");
    assert_eq!(config_of(&plain).unwrap(), None);
    let refused = Adapter::open(&party("a"), &Checkpoint::open(&plain).unwrap()).unwrap_err();
    assert!(matches!(refused, AdapterError::NoAdapter { .. }), "{refused}");
}

#[test]
fn where_the_base_lies_on_a_disk_is_nobody_s_business() {
    let kitchen = Kitchen::new();
    let named = |name: &str| {
        let sketch = Sketch::new(1, 1.0).with("base_model_name_or_path", name);
        reopened(&kitchen, "a", &sketch.layer("m.q", (2, 1, 3), 1)).config().base_model().is_some()
    };
    assert!(named("\"org/base\""));
    assert!(!named("\"/home/a/models/base\"") && !named("\"../base\""));
}

#[test]
fn parties_that_call_the_base_differently_are_mixed_by_the_first_one_s_words() {
    let kitchen = Kitchen::new();
    let one = Sketch::new(2, 4.0).layer("m.q", (5, 2, 7), 1);
    let other = one.clone().with("base_model_name_or_path", "\"mirror/base\"");
    let (a, b) = (reopened(&kitchen, "a", &one), reopened(&kitchen, "b", &other));
    let soup = packed(&[(400_000, &b), (600_000, &a)], None).unwrap();
    let file = kitchen.write("soup", &soup);
    assert!(config_of(&file).unwrap().unwrap().contains("\"org/base\""));
    agree(&[a.clone(), b]).unwrap();
    let transposed = reopened(&kitchen, "c", &one.with("fan_in_fan_out", "true"));
    assert!(matches!(agree(&[a, transposed]), Err(AdapterError::Disagree { .. })));
}

#[test]
fn a_recipe_of_adapters_gives_the_soup_of_their_products() {
    let kitchen = Kitchen::new();
    let one = Sketch::new(4, 8.0).layer("m.q", (5, 4, 7), 1);
    let other = Sketch::new(3, 3.0).layer("m.q", (5, 3, 7), 2).layer("m.v", (2, 3, 7), 3);
    let experts =
        [(party("b"), kitchen.packed("b", &other)), (party("a"), kitchen.packed("a", &one))];
    let lambda: Lambda = "a=0.25,b=0.75".parse().unwrap();
    let manifest = |it: &PartyId| Some(Blake3::of(it.as_str().as_bytes()));
    let of = |arithmetic| Recipe::new(arithmetic, Blake3::of(b"base"), &lambda, manifest).unwrap();
    let recipe = of(Arithmetic::AdapterLinear2);
    let output = kitchen.path("soup.safetensors");
    let threads = NonZeroUsize::new(2).unwrap();
    let made = blend(&recipe, &experts, &output, threads, &mut |_, _| {}).unwrap();
    let text = fs::read(&output).unwrap();
    assert_eq!(made.blake3, Blake3::of(&text));
    assert_eq!(recompute(&recipe, &experts, threads, &mut |_, _| {}).unwrap(), made);

    let tensors = load(&text);
    let config = config_of(&output).unwrap().unwrap();
    let config = crate::adapter::AdapterConfig::parse(config.as_bytes()).unwrap();
    let change = |module: &str| {
        let name = |half| format!("base_model.model.{module}.lora_{half}.weight");
        assert_eq!(config.rank_of(module) as usize, tensors[&name("A")].shape[0]);
        product(&tensors[&name("A")], &tensors[&name("B")], 1.0)
    };
    assert_eq!(
        change("m.q"),
        sum(&[(0.25, one.change("m.q", 2.0)), (0.75, other.change("m.q", 1.0))])
    );
    assert_eq!(change("m.v"), sum(&[(0.75, other.change("m.v", 1.0))]));
    // A header says by which recipe it came about.
    let header = String::from_utf8_lossy(&text[8..200]).into_owned();
    assert!(header.contains(&recipe.digest().to_string()), "{header}");

    // What is no adapter is not mixed as one; and adapters are not mixed as if they were weights of one shape.
    let whole = kitchen.path("a/adapter_model.safetensors");
    let odd = [(party("a"), whole), experts[0].clone()];
    let refused = recompute(&recipe, &odd, threads, &mut |_, _| {}).unwrap_err();
    assert!(matches!(refused, BlendError::Adapter(_)), "{refused}");
    assert!(recompute(&of(Arithmetic::Linear1), &experts, threads, &mut |_, _| {}).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The tensors and the configuration are those of `adapter_linear/1`; what an expert went through to be one file, and
    /// the order in which they are given, change nothing.
    #[test]
    fn one_file_holds_what_two_hold(
        (ranks, seed) in ((1usize..6, 1usize..6), 0u64..1000),
        share in 1u32..1_000_000,
    ) {
        let kitchen = Kitchen::new();
        let one = Sketch::new(ranks.0, 3.0).layer("m.q", (5, ranks.0, 7), seed);
        let other = Sketch::new(ranks.1, 5.0).with("use_rslora", "true");
        let other = other.layer("m.q", (5, ranks.1, 7), seed + 1).layer("m.v", (4, ranks.1, 6), seed + 2);
        let (a, b) = (reopened(&kitchen, "a", &one), reopened(&kitchen, "b", &other));
        let (x, y) = (i64::from(share), 1_000_000 - i64::from(share));
        let first = party("a");
        let two = linear(&[(x, &a), (y, &b)], &Wanted { prefer: Some(&first), ..plain() }).unwrap();
        let file = kitchen.write("soup", &packed(&[(y, &b), (x, &a)], plain().recipe).unwrap());
        prop_assert_eq!(config_of(&file).unwrap().unwrap().into_bytes(), two.config.canonical());
        prop_assert_eq!(load(&fs::read(&file).unwrap()), load(&bytes(&two.soup)));
        let wanted = sum(&[
            (x as f64 / 1e6, one.change("m.q", 3.0 / ranks.0 as f64)),
            (y as f64 / 1e6, other.change("m.q", 5.0 / (ranks.1 as f64).sqrt())),
        ]);
        for (found, wanted) in peft(&two, "m.q").iter().zip(wanted) {
            prop_assert!((found - wanted).abs() <= 1e-5 * wanted.abs().max(1.0));
        }
    }
}
