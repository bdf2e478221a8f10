use std::path::Path;
use std::sync::Arc;

use tch::{Kind, Tensor};

use super::Native;
use super::forward::{Next, Work};
use super::pages::Cache;
use crate::hf::{Batch, Choosing, Decoder, Ending, Folder, Sampling};
use crate::stream::Stream;

/// Every family, odd ones included.
const CASES: [&str; 17] = [
    "gemma2",
    "gemma2-old-uncapped",
    "gpt-neox",
    "gpt-neox-old-serial",
    "gpt2",
    "gpt2-odd",
    "gpt2-old-bare",
    "llama2",
    "llama2-old-odd",
    "llama3",
    "llama3-old-bf16",
    "mistral",
    "mistral-old-f16",
    "qwen2",
    "qwen2-old-window",
    "qwen3",
    "qwen3-old-bias",
];

fn open(case: &str) -> Decoder {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/hf");
    Folder::open(&vectors.join(case)).unwrap().load().unwrap()
}

fn text(length: usize) -> Vec<i64> {
    (0..length as i64).map(|n| 3 + (n * n + 3 * n) % 11).collect()
}

/// Texts of several lengths, read at once, then on token by token, over more than one page of keys and
/// past every window.
#[test]
fn logits_are_those_of_libtorch() {
    let _guard = tch::no_grad_guard();
    for case in CASES {
        let decoder = open(case);
        let native = Native::of(&decoder, Kind::Float).unwrap();
        let whole = text(29);
        let expected = |length: usize| {
            let batch = Batch::new(decoder.architecture(), &[&whole[..length]], 0).unwrap();
            decoder.logits(&batch).select(1, length as i64 - 1).view([-1])
        };
        let turns = native.turns(whole.len());
        let mut work = Work::default();
        let mut lengths = [1, 6, 15, 18];
        let mut caches: Vec<Cache> = lengths.iter().map(|_| Cache::after(Arc::default())).collect();
        let mut read = [0; 4];
        while lengths[3] < whole.len() {
            let mut texts: Vec<Next> = caches
                .iter_mut()
                .zip(read.iter().zip(lengths))
                .map(|(cache, (&from, until))| Next { tokens: &whole[from..until], cache })
                .collect();
            native.logits(&mut texts, &turns, &mut work, read[3] == 0);
            let rows = work.logits.chunks_exact(native.head().outputs());
            for (length, logits) in lengths.into_iter().zip(rows) {
                let far = (Tensor::from_slice(logits) - expected(length)).abs().max();
                let far = far.double_value(&[]);
                assert!(far < 1e-5, "{case} after {length}: {far:e}");
            }
            read = lengths;
            lengths = lengths.map(|length| length + 1);
        }
    }
}

/// The same streams, so the same tokens, unless two are as likely as makes no difference.
#[test]
fn what_is_drawn_is_what_libtorch_draws() {
    let texts = [text(9), text(2), text(9), text(5)];
    let prompts: Vec<&[i64]> = texts.iter().map(Vec::as_slice).collect();
    let plain = Sampling::default().with_temperature(0.7).unwrap();
    let choosy = plain.clone().with_top_p(0.9).unwrap().with_repetition_penalty(1.2).unwrap();
    for case in CASES {
        let decoder = open(case);
        let native = Native::of(&decoder, Kind::Float).unwrap();
        for sampling in [&plain, &choosy] {
            let streams = || (0..4).map(|row| Stream::of("native test", &[row])).collect();
            let ending = || Ending { limit: 12, ends: &[2], is_over: None };
            let choosing = || Choosing::Drawn(sampling, streams());
            let theirs = decoder.generate(&prompts, ending(), choosing()).unwrap();
            let own = native.generate(&prompts, ending(), choosing()).unwrap();
            for (own, theirs) in own.iter().zip(&theirs) {
                assert_eq!((&own.tokens, own.has_ended), (&theirs.tokens, theirs.has_ended));
                for (own, theirs) in own.log_probs.iter().zip(&theirs.log_probs) {
                    assert!((own - theirs).abs() < 1e-4, "{case}: {own} {theirs}");
                }
            }
        }
    }
}

/// Alone or among so many that threads share them out: not a bit differs.
#[test]
fn a_row_is_what_it_is_alone() {
    let texts: Vec<Vec<i64>> = (0..40).map(|row| text(1 + row % 21)).collect();
    let sampling = Sampling::default();
    for kind in [Kind::Float, Kind::BFloat16] {
        let native = Native::of(&open("llama3"), kind).unwrap();
        let write = |rows: std::ops::Range<usize>| {
            let prompts: Vec<&[i64]> = texts[rows.clone()].iter().map(Vec::as_slice).collect();
            let streams = rows.map(|row| Stream::of("alone", &[row as u64])).collect();
            let ending = Ending { limit: 40, ends: &[2, 5], is_over: None };
            native.generate(&prompts, ending, Choosing::Drawn(&sampling, streams)).unwrap()
        };
        let together = write(0..40);
        assert!(together.iter().any(|it| it.has_ended && it.tokens.len() > 3));
        for (row, expected) in together.iter().enumerate() {
            assert_eq!(&write(row..row + 1)[0], expected);
        }
    }
}

#[test]
fn a_long_prompt_is_read_in_pieces() {
    for case in ["llama3", "mistral", "qwen3", "gemma2"] {
        let decoder = open(case);
        let native = Native::of(&decoder, Kind::Float).unwrap();
        let (long, short) = (text(150), text(3));
        let ending = || Ending { limit: 9, ends: &[], is_over: None };
        let prompts = [long.as_slice(), short.as_slice()];
        let theirs = decoder.generate(&prompts, ending(), Choosing::Greedy).unwrap();
        let own = native.generate(&prompts, ending(), Choosing::Greedy).unwrap();
        for (own, theirs) in own.iter().zip(&theirs) {
            assert_eq!(own.tokens, theirs.tokens, "{case}");
            for (own, theirs) in own.log_probs.iter().zip(&theirs.log_probs) {
                assert!((own - theirs).abs() < 1e-4, "{case}: {own} {theirs}");
            }
        }
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    let native = Native::of(&open("gpt2"), Kind::Float).unwrap();
    let refuse = |prompts: &[&[i64]], limit| {
        let ending = Ending { limit, ends: &[], is_over: None };
        native.generate(prompts, ending, Choosing::Greedy).unwrap_err().to_string()
    };
    assert!(refuse(&[], 1).contains("empty"));
    assert!(refuse(&[&[3, 40]], 1).contains("token 40"));
    assert!(refuse(&[&[3; 30]], 3).contains("33 tokens; the model has 32"));
    let sampling = Sampling::default();
    let ending = Ending { limit: 1, ends: &[], is_over: None };
    let error = native.generate(&[&[3]], ending, Choosing::Drawn(&sampling, Vec::new()));
    assert!(error.unwrap_err().to_string().contains("0 streams"));
    let ending = Ending { limit: 0, ends: &[], is_over: None };
    assert!(native.generate(&[&[3]], ending, Choosing::Greedy).unwrap()[0].tokens.is_empty());
    assert!(Native::of(&open("gpt2"), Kind::Half).is_none());
}

/// In bfloat16 both sides round, each in its places.
#[test]
fn in_bfloat16_logits_are_near_those_of_libtorch() {
    let _guard = tch::no_grad_guard();
    for case in CASES {
        let decoder = open(case);
        let exact = decoder.snapshot(Kind::Float);
        let rounded = decoder.snapshot(Kind::BFloat16);
        let native = Native::of(&decoder, Kind::BFloat16).unwrap();
        let tokens = text(20);
        let mut work = Work::default();
        let mut cache = Cache::after(Arc::default());
        let next = Next { tokens: &tokens, cache: &mut cache };
        native.logits(&mut [next], &native.turns(20), &mut work, false);
        let batch = Batch::new(decoder.architecture(), &[&tokens], 0).unwrap();
        let last = |of: &Decoder| of.logits(&batch).select(1, 19).view([-1]);
        let (exact, theirs) = (last(&exact), (last(&rounded)));
        let far = |x: &Tensor| (x - &exact).norm().double_value(&[]);
        let (own, theirs) = (far(&Tensor::from_slice(&work.logits)), far(&theirs));
        println!("{case}: {own:.1e}, libtorch {theirs:.1e}");
        assert!(own < 2.0 * theirs, "{case}: {own:e} {theirs:e}");
    }
}
