//! Drawn tokens: the options of `generate()`, and one stream of random numbers a row.

use std::fs;

use potluck_train::hf::{Choosing, Ending, Folder, Sampling};
use potluck_train::stream::Stream;
use serde_json::Value;

use super::{END, vectors};

/// The options of one case of sampling.json.
fn sampling(options: &Value) -> Sampling {
    let mut sampling = Sampling::default();
    for (name, value) in options.as_object().unwrap() {
        let number = value.as_f64().unwrap();
        sampling = match name.as_str() {
            "temperature" => sampling.with_temperature(number),
            "top_k" => sampling.with_top_k(number as usize),
            "top_p" => sampling.with_top_p(number),
            "min_p" => sampling.with_min_p(number),
            "repetition_penalty" => sampling.with_repetition_penalty(number),
            other => panic!("{other} is no option"),
        }
        .unwrap();
    }
    sampling
}

#[test]
fn options_of_sampling_do_what_they_do_in_transformers() {
    let vectors: Value =
        serde_json::from_slice(&fs::read(vectors().join("sampling.json")).unwrap()).unwrap();
    let rows = |value: &Value| serde_json::from_value::<Vec<Vec<f32>>>(value.clone()).unwrap();
    let seen: Vec<Vec<i64>> = serde_json::from_value(vectors["seen"].clone()).unwrap();
    let logits = rows(&vectors["logits"]);
    let cases = vectors["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let sampling = sampling(&case["options"]);
        for ((logits, seen), expected) in logits.iter().zip(&seen).zip(rows(&case["distributions"]))
        {
            let found = sampling.distribution(&mut logits.clone(), &[seen]);
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{}", case["options"]);
                assert_eq!(*found == 0.0, expected == 0.0, "{}", case["options"]);
            }
        }
    }
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    let plain = Sampling::default;
    for (refused, name) in [
        (plain().with_temperature(0.0), "temperature"),
        (plain().with_temperature(f64::NAN), "temperature"),
        (plain().with_top_k(0), "top_k"),
        (plain().with_top_p(0.0), "top_p"),
        (plain().with_min_p(1.1), "min_p"),
        (plain().with_repetition_penalty(-1.0), "repetition_penalty"),
    ] {
        assert!(refused.unwrap_err().to_string().starts_with(name));
    }
}

#[test]
fn what_a_row_draws_follows_from_its_prompt_and_its_stream() {
    let folder = Folder::open(&vectors().join("llama3")).unwrap();
    let decoder = folder.load().unwrap();
    let sampling = Sampling::default().with_temperature(1.5).unwrap();
    let draw = |prompts: &[&[i64]], seeds: &[u64]| {
        let streams = seeds.iter().map(|&seed| Stream::of("generate test", &[seed])).collect();
        let ending = Ending { limit: 12, ends: &[END], is_over: None };
        decoder.generate(prompts, ending, Choosing::Drawn(&sampling, streams))
    };
    let together = draw(&[&[3, 4, 5, 6], &[7], &[7]], &[1, 2, 3]).unwrap();
    assert_ne!(together[1], together[2]);
    assert_eq!(draw(&[&[7], &[9, 8]], &[3, 1]).unwrap()[0].tokens, together[2].tokens);
    // Of one token there is nothing to draw but the likeliest.
    let narrow = Sampling::default().with_top_k(1).unwrap();
    let stream = vec![Stream::of("generate test", &[1])];
    let ending = Ending { limit: 8, ends: &[END], is_over: None };
    let drawn = decoder.generate(&[&[3, 4]], ending, Choosing::Drawn(&narrow, stream)).unwrap();
    assert_eq!(drawn[0].tokens, decoder.greedy(&[&[3, 4]], 8, &[END]).unwrap()[0]);
    assert!(draw(&[&[3]], &[]).unwrap_err().to_string().contains("0 streams"));
}
