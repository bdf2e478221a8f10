//! `adapter_linear/1`, and the mistakes that others have made.

use super::support::{Kitchen, Sketch, bytes, load, peft, plain, quarters, sum};
use crate::adapter::{Adapter, AdapterError, Share, Wanted, linear};
use crate::blend::BlendError;
use crate::layout::Dtype;

/// Four adapters of two layers that are not square.
fn four() -> Vec<Sketch> {
    (0..4)
        .map(|n| Sketch::new(4, 8.0).layer("m.q", (5, 4, 7), n).layer("m.v", (3, 4, 7), 50 + n))
        .collect()
}

fn opened(kitchen: &Kitchen, sketches: &[Sketch]) -> Vec<Adapter> {
    let parties = sketches.iter().zip('a'..);
    parties.map(|(sketch, party)| kitchen.adapter(&party.to_string(), sketch)).collect()
}

fn shares<'a>(adapters: &'a [Adapter], ppm: &[i64]) -> Vec<Share<'a>> {
    ppm.iter().copied().zip(adapters).collect()
}

#[test]
fn all_weight_on_one_returns_that_adapter() {
    let kitchen = Kitchen::new();
    let sketches = four();
    let adapters = opened(&kitchen, &sketches);
    for (position, adapter) in adapters.iter().enumerate() {
        let mut ppm = [0; 4];
        ppm[position] = 1_000_000;
        let soup = linear(&shares(&adapters, &ppm), &plain()).unwrap();
        assert_eq!(load(&bytes(&soup.soup)), sketches[position].tensors);
        assert_eq!(soup.config, *adapter.config());
    }
}

#[test]
fn the_change_is_the_sum_of_the_changes_without_cross_terms() {
    let kitchen = Kitchen::new();
    let sketches = four();
    let adapters = opened(&kitchen, &sketches);
    // Sums of one, of less, of more, and with an adapter taken away: nothing is normalised, no sign is lost.
    for ppm in [
        [250_000, 250_000, 250_000, 250_000],
        [125_000, 0, 0, 250_000],
        [1_000_000, 1_000_000, 0, 2_000_000],
        [1_500_000, -500_000, 0, 0],
        [-1_000_000, 0, 0, 0],
    ] {
        let soup = linear(&shares(&adapters, &ppm), &plain()).unwrap();
        for module in ["m.q", "m.v"] {
            let terms: Vec<_> = (sketches.iter().zip(ppm))
                .map(|(sketch, ppm)| (ppm as f64 / 1e6, sketch.change(module, 2.0)))
                .collect();
            assert_eq!(peft(&soup, module), sum(&terms), "{module} {ppm:?}");
        }
    }
}

#[test]
fn two_identical_adapters_at_one_half_are_that_adapter() {
    // PEFT's own `linear` makes twice the change of it.
    let kitchen = Kitchen::new();
    let sketch = &four()[0];
    let adapters = opened(&kitchen, &[sketch.clone(), sketch.clone()]);
    let soup = linear(&shares(&adapters, &[500_000, 500_000]), &plain()).unwrap();
    assert_eq!(peft(&soup, "m.q"), sketch.change("m.q", 2.0));
}

#[test]
fn rslora_is_scaled_by_the_root_of_the_rank_once() {
    let kitchen = Kitchen::new();
    let rooted = Sketch::new(16, 16.0).with("use_rslora", "true").layer("m.q", (5, 16, 7), 1);
    let plainly = Sketch::new(16, 16.0).layer("m.q", (5, 16, 7), 2);
    let adapters = opened(&kitchen, &[rooted.clone(), plainly.clone()]);
    let soup = linear(&shares(&adapters, &[500_000, 500_000]), &plain()).unwrap();
    let expected = sum(&[(0.5, rooted.change("m.q", 4.0)), (0.5, plainly.change("m.q", 1.0))]);
    assert_eq!(peft(&soup, "m.q"), expected);
    // One alone keeps its own scale and says so.
    let alone = linear(&shares(&adapters, &[1_000_000]), &plain()).unwrap();
    assert_eq!(peft(&alone, "m.q"), rooted.change("m.q", 4.0));
}

#[test]
fn factors_stand_as_peft_has_them() {
    let kitchen = Kitchen::new();
    let sketches = four();
    let adapters = opened(&kitchen, &sketches);
    let soup = linear(&shares(&adapters, &[500_000, 0, 500_000, 0]), &plain()).unwrap();
    let tensors = load(&bytes(&soup.soup));
    let a = &tensors["base_model.model.m.q.lora_A.weight"];
    let b = &tensors["base_model.model.m.q.lora_B.weight"];
    assert_eq!((a.shape.as_slice(), b.shape.as_slice()), ([8, 7].as_slice(), [5, 8].as_slice()));
    let parts =
        [0, 2].map(|n| sketches[n].tensors["base_model.model.m.q.lora_A.weight"].values.clone());
    assert_eq!(a.values, parts.concat());
    let first = &sketches[0].tensors["base_model.model.m.q.lora_B.weight"].values;
    // λ·s = ½ · 8/4.
    assert_eq!(b.values[..4], first[..4]);
    assert_eq!(b.values[8..12], first[4..8]);
}

#[test]
fn different_ranks_and_scales_by_module() {
    let kitchen = Kitchen::new();
    let one = Sketch::new(4, 8.0)
        .with("rank_pattern", r#"{"m.q": 2}"#)
        .with("alpha_pattern", r#"{"q": 1.0}"#)
        .layer("m.q", (5, 2, 7), 1)
        .layer("m.v", (3, 4, 7), 2);
    let other = Sketch::new(1, 2.0).layer("m.q", (5, 1, 7), 3).layer("m.v", (3, 1, 7), 4);
    let adapters = opened(&kitchen, &[one.clone(), other.clone()]);
    let soup = linear(&shares(&adapters, &[500_000, 250_000]), &plain()).unwrap();
    let q = sum(&[(0.5, one.change("m.q", 0.5)), (0.25, other.change("m.q", 2.0))]);
    let v = sum(&[(0.5, one.change("m.v", 2.0)), (0.25, other.change("m.v", 2.0))]);
    assert_eq!((peft(&soup, "m.q"), peft(&soup, "m.v")), (q, v));
    let text = String::from_utf8(soup.config.canonical()).unwrap();
    for line in [r#""r": 5,"#, r#""lora_alpha": 5,"#, r#""^m\\.q": 3"#, r#""use_rslora": false"#] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn modules_that_only_some_adapt_are_kept() {
    let kitchen = Kitchen::new();
    let one = Sketch::new(4, 8.0).layer("m.q", (5, 4, 7), 1);
    let other = Sketch::new(4, 8.0).layer("m.q", (5, 4, 7), 2).layer("m.v", (3, 4, 7), 3);
    let third = Sketch::new(4, 8.0).layer("m.k", (3, 4, 7), 4);
    let adapters = opened(&kitchen, &[one.clone(), other.clone(), third]);
    let soup = linear(&shares(&adapters, &[500_000, 500_000, 0]), &plain()).unwrap();
    assert_eq!(peft(&soup, "m.v"), sum(&[(0.5, other.change("m.v", 2.0))]));
    let text: serde_json::Value = serde_json::from_slice(&soup.config.canonical()).unwrap();
    // Of an adapter without a share nothing is left, not even a name.
    assert_eq!(text["target_modules"], serde_json::json!(["m.q", "m.v"]));
    assert_eq!(load(&bytes(&soup.soup)).len(), 4);
}

#[test]
fn embeddings_and_convolutions_are_concatenated_too() {
    let kitchen = Kitchen::new();
    let sketch = |seed| {
        Sketch::new(2, 4.0)
            .tensor("m.e.lora_embedding_A", quarters(&[2, 11], seed))
            .tensor("m.e.lora_embedding_B", quarters(&[3, 2], seed + 1))
            .tensor("m.c.lora_A.weight", quarters(&[2, 5, 3, 3], seed + 2))
            .tensor("m.c.lora_B.weight", quarters(&[4, 2, 1, 1], seed + 3))
    };
    let adapters = opened(&kitchen, &[sketch(1), sketch(10)]);
    let soup = linear(&shares(&adapters, &[500_000, 500_000]), &plain()).unwrap();
    let tensors = load(&bytes(&soup.soup));
    let shape = |name: &str| tensors[&format!("base_model.model.{name}")].shape.clone();
    assert_eq!(shape("m.e.lora_embedding_A"), [4, 11]);
    assert_eq!(shape("m.e.lora_embedding_B"), [3, 4]);
    assert_eq!(shape("m.c.lora_A.weight"), [4, 5, 3, 3]);
    assert_eq!(shape("m.c.lora_B.weight"), [4, 4, 1, 1]);
    let half = [sketch(1), sketch(10)].map(|it| (0.5, it.change("m.c", 2.0)));
    assert_eq!(peft(&soup, "m.c"), sum(&half));
}

#[test]
fn modules_to_save_are_averaged_and_never_dropped() {
    let kitchen = Kitchen::new();
    let sketch = |seed| {
        Sketch::new(4, 8.0)
            .with("modules_to_save", r#"["score"]"#)
            .layer("m.q", (5, 4, 7), seed)
            .tensor("score.weight", quarters(&[2, 3], seed + 5))
            .tensor("score.steps", quarters(&[1], 1).of(Dtype::I64))
    };
    let adapters = opened(&kitchen, &[sketch(1), sketch(2)]);
    let soup = linear(&shares(&adapters, &[750_000, 250_000]), &plain()).unwrap();
    let tensors = load(&bytes(&soup.soup));
    let values = [1, 2].map(|n| sketch(n).tensors["base_model.model.score.weight"].values.clone());
    let [one, other] = values;
    let score = &tensors["base_model.model.score.weight"];
    assert_eq!(score.values, sum(&[(0.75, one), (0.25, other)]));
    assert_eq!(soup.config.modules_to_save(), ["score"]);

    let lacking = kitchen.adapter("c", &sketch(3).without("score.weight"));
    let both = [(500_000, &adapters[0]), (500_000, &lacking)];
    match linear(&both, &plain()).unwrap_err() {
        AdapterError::Blend(BlendError::Lacks { party, tensor, .. }) => {
            assert_eq!((party.as_str(), tensor.as_str()), ("c", "base_model.model.score.weight"));
        }
        other => panic!("{other}"),
    }
    // Without a share it is not asked for anything.
    assert!(linear(&[(1_000_000, &adapters[0]), (0, &lacking)], &plain()).is_ok());
}

#[test]
fn narrow_adapters_lose_nothing_unless_it_is_asked_for() {
    let kitchen = Kitchen::new();
    let narrow = |seed, dtype| {
        let mut sketch = Sketch::new(4, 8.0).layer("m.q", (5, 4, 7), seed);
        sketch.tensors.values_mut().for_each(|tensor| tensor.dtype = dtype);
        sketch
    };
    let sketches = [narrow(1, Dtype::Bf16), narrow(2, Dtype::F16)];
    let adapters = opened(&kitchen, &sketches);
    let soup = linear(&shares(&adapters, &[375_000, 625_000]), &plain()).unwrap();
    assert!(load(&bytes(&soup.soup)).values().all(|tensor| tensor.dtype == Dtype::F32));
    let terms = [(0.375, sketches[0].change("m.q", 2.0)), (0.625, sketches[1].change("m.q", 2.0))];
    assert_eq!(peft(&soup, "m.q"), sum(&terms));

    let asked = Wanted { dtype: Some(Dtype::Bf16), ..plain() };
    let soup = linear(&shares(&adapters, &[500_000, 500_000]), &asked).unwrap();
    assert!(load(&bytes(&soup.soup)).values().all(|tensor| tensor.dtype == Dtype::Bf16));
    let alone = linear(&shares(&adapters, &[0, 1_000_000]), &asked).unwrap();
    assert_eq!(peft(&alone, "m.q"), sketches[1].change("m.q", 2.0));
    let never = Wanted { dtype: Some(Dtype::I64), ..plain() };
    let refused = linear(&shares(&adapters, &[1_000_000]), &never).unwrap_err();
    assert!(matches!(refused, AdapterError::Dtype(Dtype::I64)));

    let wide = kitchen.adapter("c", &narrow(3, Dtype::F64));
    let soup = linear(&[(500_000, &wide), (500_000, &adapters[0])], &plain()).unwrap();
    assert!(load(&bytes(&soup.soup)).values().all(|tensor| tensor.dtype == Dtype::F64));
}

#[test]
fn the_order_of_parties_changes_nothing() {
    let kitchen = Kitchen::new();
    let adapters = opened(&kitchen, &four());
    let mut shares = shares(&adapters, &[123_456, 654_321, 111_111, 111_112]);
    let there = linear(&shares, &plain()).unwrap();
    shares.reverse();
    let back = linear(&shares, &plain()).unwrap();
    assert_eq!(bytes(&there.soup), bytes(&back.soup));
    assert_eq!(there.config, back.config);
}

#[test]
fn what_is_no_plain_lora_is_refused_by_name() {
    let kitchen = Kitchen::new();
    let sound = || Sketch::new(4, 8.0).layer("m.q", (5, 4, 7), 1);
    let fault = |sketch: &Sketch| kitchen.try_adapter("a", sketch).unwrap_err();
    let dora = fault(&sound().with("use_dora", "true"));
    assert!(matches!(&dora, AdapterError::Config { .. }), "{dora}");
    for (sketch, named) in [
        (sound().tensor("m.q.lora_magnitude_vector", quarters(&[5], 1)), "lora_magnitude_vector"),
        (sound().tensor("m.q.lora_B.bias", quarters(&[5], 1)), "lora_B.bias"),
        (sound().without("m.q.lora_B.weight"), "m.q.lora_A.weight"),
        (sound().without("m.q.lora_A.weight"), "m.q.lora_B.weight"),
        (sound().tensor("m.q.lora_B.weight", quarters(&[5, 3], 1)), "m.q.lora_B.weight"),
        (sound().tensor("m.q.lora_A.weight", quarters(&[4], 1)), "m.q.lora_A.weight"),
        (sound().tensor("m.q.lora_B.weight", quarters(&[5, 4, 3], 1)), "m.q.lora_B.weight"),
        (sound().tensor("m.q.lora_A.weight", quarters(&[4, 7], 1).of(Dtype::I64)), "m.q.lora_A"),
        (sound().tensor("m.q.weight", quarters(&[5, 7], 1)), "m.q.weight"),
        (
            sound()
                .tensor("m.c.lora_A.weight", quarters(&[4, 6, 3], 1))
                .tensor("m.c.lora_B.weight", quarters(&[8, 2, 1], 1)),
            "m.c.lora_B.weight",
        ),
    ] {
        match fault(&sketch) {
            AdapterError::Tensor { tensor, .. } => {
                assert!(tensor.contains(named), "{tensor} {named}")
            }
            other => panic!("{named}: {other}"),
        }
    }
    // A rank that the configuration does not know of would be another scale.
    let rank = fault(&sound().with("r", "8"));
    assert!(matches!(&rank, AdapterError::Rank { tensors: 4, config: 8, .. }), "{rank}");
    assert!(matches!(fault(&Sketch::new(4, 8.0)), AdapterError::Empty { .. }));
}

#[test]
fn adapters_that_do_not_belong_together_are_refused() {
    let kitchen = Kitchen::new();
    let sketch = |seed| Sketch::new(4, 8.0).layer("m.q", (5, 4, 7), seed);
    let first = kitchen.adapter("a", &sketch(1));
    let refused = |other: &Sketch, wanted: &Wanted<'_>| {
        let other = kitchen.adapter("b", other);
        linear(&[(500_000, &first), (500_000, &other)], wanted).err()
    };
    for (key, value) in [
        ("fan_in_fan_out", "true"),
        ("bias", r#""all""#),
        ("modules_to_save", r#"["score"]"#),
        ("base_model_name_or_path", r#""org/other""#),
        ("revision", r#""v2""#),
        ("task_type", r#""SEQ_CLS""#),
    ] {
        match refused(&sketch(2).with(key, value), &plain()) {
            Some(AdapterError::Disagree { key: named, .. }) => assert_eq!(named, key),
            other => panic!("{key}: {other:?}"),
        }
    }
    // One party's words can be preferred; what the tensors mean cannot.
    let party = "b".parse().unwrap();
    let preferred = Wanted { prefer: Some(&party), ..plain() };
    let moved = sketch(2).with("base_model_name_or_path", r#""org/other""#);
    assert!(refused(&moved, &preferred).is_none());
    assert!(refused(&sketch(2).with("fan_in_fan_out", "true"), &preferred).is_some());
    let soup = linear(&[(500_000, &first), (500_000, &kitchen.adapter("b", &moved))], &preferred);
    assert_eq!(soup.unwrap().config.base_model(), Some("org/other"));

    let wider = Sketch::new(4, 8.0).layer("m.q", (5, 4, 8), 2);
    assert!(matches!(refused(&wider, &plain()), Some(AdapterError::Shape { .. })));
    let none = linear(&[(0, &first)], &plain()).unwrap_err();
    assert!(matches!(none, AdapterError::Blend(BlendError::NoExperts)));
    let twice = linear(&[(1, &first), (1, &first)], &plain()).unwrap_err();
    assert!(matches!(twice, AdapterError::Blend(BlendError::Twice(_))));
    let much = linear(&[(500_000_001, &first)], &plain()).unwrap_err();
    assert!(matches!(much, AdapterError::Share { .. }));
}

#[test]
fn what_would_not_be_finite_is_an_error_by_name() {
    let kitchen = Kitchen::new();
    let mut sketch = Sketch::new(4, 8.0).layer("m.q", (5, 4, 7), 1);
    let b = sketch.tensors.get_mut("base_model.model.m.q.lora_B.weight").unwrap();
    b.values[6] = 3e38;
    let adapters = opened(&kitchen, &[sketch, four().remove(0)]);
    // The plan reads no weight, so it succeeds.
    let soup = linear(&shares(&adapters, &[1_000_000, 1_000_000]), &plain()).unwrap();
    let mut out = vec![0; soup.soup.files()[0].length() as usize];
    let error =
        soup.soup.files()[0].read_at(&mut crate::blend::Bench::default(), 0, &mut out).unwrap_err();
    match error {
        // The second row's third of eight.
        BlendError::NotFinite { tensor, index } => {
            assert_eq!((tensor.as_str(), index), ("base_model.model.m.q.lora_B.weight", 10));
        }
        other => panic!("{other}"),
    }
}
