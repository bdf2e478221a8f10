//! The decoder says what `transformers`' `LlamaForCausalLM` says, on a model that it saved.

use std::fs;
use std::path::Path;

use potluck_train::model::{Attention, Decoder, ModelFolder, Shape};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

/// The largest difference of a logit that rounding explains; logits here reach some tens.
const TOLERANCE: f64 = 2e-5;

#[test]
fn logits_equal_those_of_transformers() {
    let _guard = tch::no_grad_guard();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/llama");
    let json = |name: &str| {
        serde_json::from_slice::<Value>(&fs::read(folder.join(name)).unwrap()).unwrap()
    };
    let shape = Shape::from_config(&json("config.json")).unwrap();
    let (weights, _) = ModelFolder::weights_at(&folder.join("model.safetensors"), &shape).unwrap();
    let decoder = Decoder::new(shape, weights);

    let expected = json("logits.json");
    let tokens: Vec<Vec<i64>> = serde_json::from_value(expected["tokens"].clone()).unwrap();
    let logits: Vec<f64> = serde_json::from_value(expected["logits"].clone()).unwrap();
    let (rows, length) = (tokens.len() as i64, tokens[0].len() as i64);
    let tokens = Tensor::from_slice(&tokens.concat()).view([rows, length]);
    let positions = Tensor::arange(length, (Kind::Int64, Device::Cpu))
        .view([1, -1])
        .expand([rows, length], false);

    let ours = decoder.logits(&decoder.hidden(&tokens, &positions, Attention::Causal));
    let difference =
        (ours.view([-1]).to_kind(Kind::Double) - Tensor::from_slice(&logits)).abs().max();
    let difference = difference.double_value(&[]);
    assert!(difference < TOLERANCE, "the largest difference is {difference:e}");
}
