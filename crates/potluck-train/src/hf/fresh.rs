//! Decoders that come from no folder: of random weights, or of weights that somebody else read.

use tch::{Device, Kind, Tensor};

use crate::model::weights_bytes;
use crate::stream::Stream;

use super::architecture::Architecture;
use super::decoder::Decoder;
use super::plan::Plan;

/// The spread of the initial embedding.
const EMBEDDING_SPREAD: f64 = 0.05;

/// The spread of a matrix at the start, times the square root of its inputs.
const MATRIX_GAIN: f64 = 0.7;

impl Decoder {
    /// A decoder of `weights`, which fit the architecture's plan in number, order and shape.
    pub fn of(architecture: Architecture, weights: Vec<Tensor>) -> Self {
        let plan = Plan::of(&architecture);
        Self::new(architecture, plan, weights)
    }

    /// A decoder of the Llama family with random weights; equal seeds give equal weights.
    pub fn random(architecture: Architecture, seed: u64) -> Self {
        let plan = Plan::of(&architecture);
        let residual = MATRIX_GAIN / (2.0 * architecture.layers as f64).sqrt();
        let weights = plan
            .tensors()
            .iter()
            .enumerate()
            .map(|(index, spec)| {
                let is_last = spec.name.contains("o_proj") || spec.name.contains("down_proj");
                let spread = match spec.shape.as_slice() {
                    [_, inputs] if is_last => residual / (*inputs as f64).sqrt(),
                    [_, _] if index == plan.embedding => EMBEDDING_SPREAD,
                    [_, inputs] => MATRIX_GAIN / (*inputs as f64).sqrt(),
                    _ => return Tensor::ones(&spec.shape, (Kind::Float, Device::Cpu)),
                };
                let mut stream = Stream::of("weights", &[seed, index as u64]);
                let count = spec.shape.iter().product::<i64>();
                let values: Vec<f32> =
                    (0..count).map(|_| (spread * stream.normal()) as f32).collect();
                Tensor::from_slice(&values).view(spec.shape.as_slice())
            })
            .collect();
        Self::new(architecture, plan, weights)
    }

    /// The bytes of a safetensors file with `weights`, in the order of the plan, in F32.
    ///
    /// # Errors
    /// A sentence where the header would be too large.
    pub fn model_bytes(&self, weights: &[Tensor]) -> Result<Vec<u8>, String> {
        let names = self.plan.tensors.iter().map(|spec| spec.name.clone());
        weights_bytes(names.zip(weights), ("format", "pt"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::llama_config;
    use crate::recipe::ModelRecipe;
    use crate::tokenizer::SpecialTokens;

    #[test]
    fn equal_seeds_give_equal_weights() {
        let recipe = ModelRecipe { hidden: 32, layers: 2, heads: 4, kv_heads: 2, feed_forward: 48 };
        let special = SpecialTokens { pad: 0, bos: 1, summary: 2, eos: 3 };
        let config = llama_config(&recipe, 50, special).to_string();
        let architecture = Architecture::parse(config.as_bytes()).unwrap();
        let decoder = |seed| Decoder::random(architecture.clone(), seed);
        assert!(decoder(7).weights().iter().zip(decoder(7).weights()).all(|(a, b)| a == b));
        assert!(decoder(7).weights()[0] != decoder(8).weights()[0]);
    }
}
