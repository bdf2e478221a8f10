//! A pass that keeps the input of each layer alone, and computes the layers once more on the way back
//! (gradient checkpointing; Chen et al. 2016): a third more time, memory for one layer instead of all.

use tch::Tensor;

use super::decoder::Decoder;
use super::rows::{Rows, Sights};
use super::turn::Turn;

/// A pass forwards, ready to go back.
#[derive(Debug)]
pub struct Recomputed<'a> {
    decoder: &'a Decoder,
    rows: &'a Rows,
    sights: Sights,
    turn: Turn,
    /// What went into each layer.
    inputs: Vec<Tensor>,
    /// What came out of the last, cut off.
    last: Tensor,
    /// The same after the norm, with gradients to `last`.
    hidden: Tensor,
}

impl Decoder {
    /// As [`Decoder::hidden`], but gradients are taken by [`Recomputed::backward`].
    pub fn hidden_recomputed<'a>(&'a self, rows: &'a Rows) -> Recomputed<'a> {
        let sights = rows.sights(&self.architecture.attention.windows, self.compute);
        let turn = self.turn(&rows.positions);
        let (mut inputs, last) = {
            let _guard = tch::no_grad_guard();
            let mut x = self.embed(&rows.tokens, &rows.positions);
            let mut inputs = Vec::with_capacity(self.plan.layers.len());
            for number in 0..self.plan.layers.len() {
                let out = self.one_layer(number, &x, &sights, &turn);
                inputs.push(std::mem::replace(&mut x, out));
            }
            (inputs, x)
        };
        inputs.iter_mut().for_each(|input| *input = input.detach());
        let last = last.detach().set_requires_grad(true);
        let hidden = self.norm(&last, &self.plan.norm);
        Recomputed { decoder: self, rows, sights, turn, inputs, last, hidden }
    }

    fn one_layer(&self, number: usize, x: &Tensor, sights: &Sights, turn: &Turn) -> Tensor {
        let mut attention = |layer: usize, [q, k, v]: [Tensor; 3]| {
            self.attend(layer, &q, &k, &v, sights.layer(layer))
        };
        let layer = &self.plan.layers[number];
        self.layer(number, layer, x.shallow_clone(), turn, &mut attention)
    }
}

impl Recomputed<'_> {
    /// The last layer's output after the norm, `[rows, length, hidden]`, with gradients as far as that.
    pub fn hidden(&self) -> &Tensor {
        &self.hidden
    }

    /// Takes the gradients of all weights further, once [`Self::hidden`] has been gone back to.
    pub fn backward(mut self) {
        let mut gradient = self.last.grad();
        for number in (0..self.inputs.len()).rev() {
            let input = self.inputs[number].set_requires_grad(true);
            let out = self.decoder.one_layer(number, &input, &self.sights, &self.turn);
            (out * gradient).sum(None).backward();
            gradient = input.grad();
            self.inputs.truncate(number);
        }
        let embedded = self.decoder.embed(&self.rows.tokens, &self.rows.positions);
        if embedded.requires_grad() {
            (embedded * gradient).sum(None).backward();
        }
    }
}
