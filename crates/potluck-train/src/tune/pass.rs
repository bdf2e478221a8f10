//! One pass of a model over packed rows: log-probabilities forwards, their gradients backwards.
//!
//! The loss is not known here. Whoever computes it hands back its derivative by each log-probability.
//! So logits need not be kept: where there are many of them (a batch of tokens times a vocabulary
//! can be larger than all else together), they are computed in parts, and once more on the way back.

use tch::Tensor;

use crate::hf::{Decoder, Packed, Recomputed, log_probs};

/// As many logits are computed at once.
const MOST_LOGITS: i64 = 1 << 25;

/// A pass whose gradients can be taken.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    decoder: &'a Decoder,
    packed: &'a Packed,
    temperature: f64,
    /// The hidden states from which predictions are made, `[count, width]`.
    chosen: Tensor,
    log_probs: Tensor,
    /// Where logits were not kept: the hidden states cut off from the model.
    leaf: Option<Tensor>,
    /// Where layers were not kept: what computes them again.
    recomputed: Option<Recomputed<'a>>,
}

/// What is kept between the way forwards and the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Everything.
    Everything,
    /// The input of each layer: less memory, and a third more time.
    Inputs,
}

impl<'a> Pass<'a> {
    /// Computes log-probabilities at a temperature, ready for [`Self::backward`].
    pub(super) fn forward(
        decoder: &'a Decoder,
        packed: &'a Packed,
        temperature: f64,
        keep: Keep,
    ) -> Self {
        Self::forward_in_parts(decoder, packed, temperature, keep, MOST_LOGITS)
    }

    fn forward_in_parts(
        decoder: &'a Decoder,
        packed: &'a Packed,
        temperature: f64,
        keep: Keep,
        most: i64,
    ) -> Self {
        let recomputed = (keep == Keep::Inputs).then(|| decoder.hidden_recomputed(packed.rows()));
        let chosen = match &recomputed {
            Some(recomputed) => packed.chosen(recomputed.hidden()),
            None => packed.chosen(&decoder.hidden(packed.rows())),
        };
        let part = part(decoder, most);
        if packed.count() <= part {
            let log_probs = log_probs(decoder, &chosen, packed.targets(), temperature);
            return Self {
                decoder,
                packed,
                temperature,
                chosen,
                log_probs,
                leaf: None,
                recomputed,
            };
        }
        let leaf = chosen.detach().set_requires_grad(true);
        let log_probs = in_parts(decoder, packed, &leaf, temperature, part);
        Self { decoder, packed, temperature, chosen, log_probs, leaf: Some(leaf), recomputed }
    }

    /// The log-probabilities, without gradients.
    pub(super) fn log_probs(&self) -> Tensor {
        self.log_probs.detach()
    }

    /// The hidden states from which predictions are made, `[count, width]`, with gradients.
    pub(super) fn chosen(&self) -> &Tensor {
        &self.chosen
    }

    /// Adds to the gradients of the weights those of a loss whose derivative by each log-probability
    /// is `derivative`, plus those of `more`, a number.
    pub(super) fn backward(self, derivative: &Tensor, more: Option<Tensor>) {
        let own = match &self.leaf {
            None => (&self.log_probs * derivative).sum(None),
            Some(leaf) => self.through_leaf(leaf, derivative),
        };
        more.map_or(own.shallow_clone(), |more| own + more).backward();
        if let Some(recomputed) = self.recomputed {
            recomputed.backward();
        }
    }

    /// Computes logits once more, in parts; returns what carries their gradients on.
    fn through_leaf(&self, leaf: &Tensor, derivative: &Tensor) -> Tensor {
        let (count, part) = (self.packed.count(), part(self.decoder, MOST_LOGITS));
        let part = part.min(count / 2).max(1);
        for (from, length) in parts(count, part) {
            let targets = self.packed.targets().narrow(0, from, length);
            let own = leaf.narrow(0, from, length);
            let own = log_probs(self.decoder, &own, &targets, self.temperature);
            (own * derivative.narrow(0, from, length)).sum(None).backward();
        }
        (&self.chosen * leaf.grad()).sum(None)
    }
}

/// The log-probabilities of what counts in `packed`, and nothing for gradients.
pub(super) fn measure(decoder: &Decoder, packed: &Packed, temperature: f64) -> Tensor {
    let _guard = tch::no_grad_guard();
    let chosen = packed.chosen(&decoder.hidden(packed.rows()));
    in_parts(decoder, packed, &chosen, temperature, part(decoder, MOST_LOGITS))
}

fn in_parts(
    decoder: &Decoder,
    packed: &Packed,
    chosen: &Tensor,
    temperature: f64,
    part: i64,
) -> Tensor {
    let _guard = tch::no_grad_guard();
    let of = |(from, length)| {
        let targets = packed.targets().narrow(0, from, length);
        log_probs(decoder, &chosen.narrow(0, from, length), &targets, temperature)
    };
    let all: Vec<Tensor> = parts(packed.count(), part).map(of).collect();
    Tensor::cat(&all, 0)
}

/// How many predictions are made at once.
fn part(decoder: &Decoder, most: i64) -> i64 {
    (most / decoder.architecture().vocabulary.max(1)).max(1)
}

/// First and length of each part of `count`.
fn parts(count: i64, part: i64) -> impl Iterator<Item = (i64, i64)> {
    (0..count).step_by(part.max(1) as usize).map(move |from| (from, part.min(count - from)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tch::Device;

    use super::*;
    use crate::hf::{Folder, Group};

    #[test]
    fn logits_in_parts_and_layers_computed_again_give_the_same_gradients() {
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/hf");
        for case in ["llama3", "gpt2", "gemma2", "gpt-neox"] {
            let folder = Folder::open(&vectors.join(case)).unwrap();
            let gradients = |most: i64, keep: Keep| {
                let mut decoder = folder.load().unwrap();
                decoder.make_trainable();
                let (prompt, long, short) = ([1i64, 5, 9], [4i64, 8, 20, 2], [7i64, 2]);
                let group =
                    Group { prompt: &prompt, learned: &[], completions: vec![&long, &short] };
                let model = decoder.architecture();
                let packed = Packed::new(model, &[vec![group]], Device::Cpu).unwrap();
                let pass = Pass::forward_in_parts(&decoder, &packed, 0.8, keep, most);
                let log_probs = Vec::<f32>::try_from(pass.log_probs()).unwrap();
                let derivative = Tensor::from_slice(&[1f32, -0.5, 2.0, 0.25, 1.5, -1.0]);
                let more = pass.chosen().square().sum(None) * 0.1;
                pass.backward(&derivative, Some(more));
                let gradients: Vec<Tensor> =
                    decoder.trained().iter().map(|(_, tensor)| tensor.grad()).collect();
                (log_probs, gradients)
            };
            let whole = gradients(MOST_LOGITS, Keep::Everything);
            for (most, keep) in
                [(80, Keep::Everything), (MOST_LOGITS, Keep::Inputs), (80, Keep::Inputs)]
            {
                let parts = gradients(most, keep);
                for (a, b) in whole.0.iter().zip(&parts.0) {
                    assert!((a - b).abs() < 1e-5);
                }
                for (a, b) in whole.1.iter().zip(&parts.1) {
                    let far = (a - b).abs().max().double_value(&[]);
                    assert!(far < 1e-4 * (1.0 + a.abs().max().double_value(&[])), "{case}: {far}");
                }
            }
        }
    }
}
