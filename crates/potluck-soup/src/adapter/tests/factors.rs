//! `adapter_factors/1`.

use super::support::{Kitchen, Sketch, bytes, load, plain, sum};
use crate::adapter::{AdapterError, factors};

fn sketch(seed: u64) -> Sketch {
    Sketch::new(4, 8.0).layer("m.q", (5, 4, 7), seed)
}

#[test]
fn each_factor_is_averaged_by_itself() {
    let kitchen = Kitchen::new();
    let (a, b) = (kitchen.adapter("a", &sketch(1)), kitchen.adapter("b", &sketch(2)));
    let soup = factors(&[(750_000, &a), (250_000, &b)], &plain()).unwrap();
    let tensors = load(&bytes(&soup.soup));
    assert_eq!(tensors.len(), 2);
    for (name, tensor) in &tensors {
        let [one, other] = [1, 2].map(|n| sketch(n).tensors[name].values.clone());
        assert_eq!(tensor.values, sum(&[(0.75, one), (0.25, other)]));
    }
    // The rank and the scale are those of each: the sum has not to be scaled again.
    let text: serde_json::Value = serde_json::from_slice(&soup.config.canonical()).unwrap();
    assert_eq!((text["r"].as_u64(), text["lora_alpha"].as_u64()), (Some(4), Some(8)));
    assert_eq!(text["target_modules"], serde_json::json!(["m.q"]));
}

#[test]
fn one_adapter_alone_is_returned() {
    let kitchen = Kitchen::new();
    let (a, b) = (kitchen.adapter("a", &sketch(1)), kitchen.adapter("b", &sketch(2)));
    let soup = factors(&[(0, &a), (1_000_000, &b)], &plain()).unwrap();
    assert_eq!(load(&bytes(&soup.soup)), sketch(2).tensors);
    assert_eq!(soup.config, *b.config());
}

#[test]
fn what_has_no_common_form_is_refused_with_the_reason() {
    let kitchen = Kitchen::new();
    let a = kitchen.adapter("a", &sketch(1));
    for (other, reason) in [
        (Sketch::new(2, 4.0).layer("m.q", (5, 2, 7), 2), "ranks"),
        (Sketch::new(4, 16.0).layer("m.q", (5, 4, 7), 2), "scales"),
        (sketch(2).with("use_rslora", "true"), "scales"),
        (sketch(2).with("alpha_pattern", r#"{"q": 9}"#), "scales"),
        (sketch(2).layer("m.v", (3, 4, 7), 3), "only one"),
    ] {
        let b = kitchen.adapter("b", &other);
        match factors(&[(500_000, &a), (500_000, &b)], &plain()).unwrap_err() {
            AdapterError::Factors { what, .. } => assert!(what.contains(reason), "{what}"),
            other => panic!("{other}"),
        }
    }
}
