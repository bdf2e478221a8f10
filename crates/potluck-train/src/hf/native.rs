//! A decoder that samples on a CPU without libtorch.
//!
//! A step of sampling has little arithmetic a call: in a small model libtorch spends more time between
//! its calls than in them. Here weights are packed once ([`product`]), a layer is four products and three
//! loops ([`forward`]), and threads share out rows, so that they meet once a token ([`write`]). What a row
//! draws does not depend on the rows beside it, in any bit.
//!
//! All families are covered. Parity with `transformers` is held by `tests/hf`; [`super::Sampler`] chooses
//! between this and libtorch.

mod instructions;
mod widths;
mod lanes;
mod product;
mod rows;
mod pages;
mod attention;
mod weights;
mod forward;
mod write;
mod together;

#[cfg(test)]
mod tests;

use product::{Matrix, Precision};
use rows::Scales;

use super::architecture::Architecture;

/// A decoder's weights, packed.
#[derive(Debug)]
pub struct Native {
    architecture: Architecture,
    /// The embedding, and the last map where it is another.
    embedding: Matrix,
    head: Option<Matrix>,
    /// Learned positions, a row each.
    positions: Option<Vec<f32>>,
    layers: Vec<Layer>,
    norm: Scales,
    /// By which each pair of a head turns from one position to the next.
    frequencies: Vec<f32>,
}

#[derive(Debug)]
struct Layer {
    before_attention: Scales,
    /// All queries, all keys, all values.
    projection: Matrix,
    head_norms: Option<[Scales; 2]>,
    out: Matrix,
    after_attention: Option<Scales>,
    before_feed_forward: Scales,
    /// With a gate its outputs stand before the others.
    up: Matrix,
    is_gated: bool,
    down: Matrix,
    after_feed_forward: Option<Scales>,
}

impl Native {
    /// The map from hidden states to logits.
    fn head(&self) -> &Matrix {
        self.head.as_ref().unwrap_or(&self.embedding)
    }
}
