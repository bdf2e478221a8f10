//! The arithmetic of all families, over rows of tokens.
//!
//! It follows `transformers`' eager paths. The residual stream, norms and logits are F32; products of
//! matrices and attention are in [`Decoder::compute`], which is F32 or BF16. Functions here panic
//! where tensors do not fit, which is a bug: shapes are checked when a folder is opened, tokens when
//! rows are made.

use tch::{Device, Kind, Tensor};

use super::architecture::{Activation, Architecture, Norm};
use super::batch::Batch;
use super::lora::Lora;
use super::plan::{FeedForward, Layer, Linear, Plan, Projection, Scale};
use super::rows::{Rows, Sight};
use super::turn::{Turn, turned};
use super::wide::Wide;

/// A decoder and its weights.
#[derive(Debug)]
pub struct Decoder {
    pub(super) architecture: Architecture,
    pub(super) plan: Plan,
    /// In the order of the plan.
    pub(super) weights: Vec<Tensor>,
    /// By which each pair of a head turns from one position to the next.
    pub(super) frequencies: Option<Tensor>,
    pub(super) compute: Kind,
    pub(super) lora: Option<Lora>,
    /// Of a snapshot, wide matrices once more, as oneDNN wants them; by their numbers.
    pub(super) wide: Wide,
}

/// Queries, keys and values of a layer, `[rows, heads, length, head_width]`.
pub(super) type Heads = [Tensor; 3];

impl Decoder {
    /// A decoder of `weights`, which fit `plan` in number, order and shape.
    pub(super) fn new(architecture: Architecture, plan: Plan, weights: Vec<Tensor>) -> Self {
        let frequencies = architecture.attention.rope.as_ref().map(|rope| rope.frequencies());
        let (compute, wide) = (Kind::Float, Wide::default());
        Self { architecture, plan, weights, frequencies, compute, lora: None, wide }
    }

    /// What it is.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Names and shapes of its weights.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Its weights in the order of the plan.
    pub fn weights(&self) -> &[Tensor] {
        &self.weights
    }

    /// Where its weights are.
    pub fn device(&self) -> Device {
        self.weights[self.plan.embedding].device()
    }

    /// The kind in which products of matrices are computed.
    pub fn compute(&self) -> Kind {
        self.compute
    }

    /// Computes products of matrices in `kind` from now on; weights stay what they are.
    pub fn compute_in(&mut self, kind: Kind) {
        self.compute = kind;
    }

    /// The logits of every token of a batch, `[rows, length, vocabulary]`; those of padding mean
    /// nothing.
    pub fn logits(&self, batch: &Batch) -> Tensor {
        self.head(&self.hidden(&batch.rows))
    }

    /// The last layer's output after the norm, `[rows, length, hidden]`.
    pub fn hidden(&self, rows: &Rows) -> Tensor {
        let sights = rows.sights(&self.architecture.attention.windows, self.compute);
        let turn = self.turn(&rows.positions);
        self.run(&rows.tokens, &rows.positions, &turn, |layer, [q, k, v]| {
            self.attend(layer, &q, &k, &v, sights.layer(layer))
        })
    }

    /// The logits of hidden states, in F32.
    pub fn head(&self, hidden: &Tensor) -> Tensor {
        let head = Linear { weight: self.plan.head, bias: None, is_transposed: false };
        let logits = self.linear(hidden, &head).to_kind(Kind::Float);
        match self.architecture.logit_cap {
            Some(cap) => (logits / cap).tanh() * cap,
            None => logits,
        }
    }

    /// The layers, whatever attention is; returns the normed residual stream.
    pub(super) fn run(
        &self,
        tokens: &Tensor,
        positions: &Tensor,
        turn: &Turn,
        mut attention: impl FnMut(usize, Heads) -> Tensor,
    ) -> Tensor {
        let mut x = self.embed(tokens, positions);
        for (number, layer) in self.plan.layers.iter().enumerate() {
            x = self.layer(number, layer, x, turn, &mut attention);
        }
        self.norm(&x, &self.plan.norm)
    }

    pub(super) fn embed(&self, tokens: &Tensor, positions: &Tensor) -> Tensor {
        let embedding = &self.weights[self.plan.embedding];
        let x = Tensor::embedding(embedding, tokens, -1, false, false).to_kind(Kind::Float);
        let x = match self.architecture.embedding_scale {
            Some(scale) => x * scale,
            None => x,
        };
        match self.plan.positions.map(|learned| &self.weights[learned]) {
            Some(learned) => x + Tensor::embedding(learned, positions, -1, false, false),
            None => x,
        }
    }

    pub(super) fn layer(
        &self,
        number: usize,
        layer: &Layer,
        x: Tensor,
        turn: &Turn,
        attention: &mut impl FnMut(usize, Heads) -> Tensor,
    ) -> Tensor {
        let (rows, length) = (x.size()[0], x.size()[1]);
        let heads = self.heads(layer, &self.norm(&x, &layer.before_attention), turn);
        let mixed = attention(number, heads).transpose(1, 2).reshape([rows, length, -1]);
        let attended = self.linear(&mixed, &layer.out);
        let attended = self.normed(attended, layer.after_attention.as_ref());
        // Not `+=`, which would overwrite what the norm's gradient needs.
        let middle = &x + attended;
        let read = if self.architecture.is_parallel { &x } else { &middle };
        let fed = self.feed_forward(&self.norm(read, &layer.before_feed_forward), layer);
        middle + self.normed(fed, layer.after_feed_forward.as_ref())
    }

    fn heads(&self, layer: &Layer, x: &Tensor, turn: &Turn) -> Heads {
        let (rows, length) = (x.size()[0], x.size()[1]);
        let width = self.architecture.attention.head_width;
        let split = |x: &Tensor| x.reshape([rows, length, -1, width]);
        let [q, k, v] = match &layer.projection {
            Projection::Joined(map, [queries, keys]) => {
                let all = split(&self.linear(x, map));
                if layer.head_norms.is_none() {
                    // Queries and keys are turned in one.
                    let both = turned(all.narrow(2, 0, queries + keys), turn);
                    let (q, k) = (both.narrow(2, 0, *queries), both.narrow(2, *queries, *keys));
                    return self.as_heads([q, k, all.narrow(2, queries + keys, *keys)]);
                }
                let [k, v] = [*queries, queries + keys].map(|from| all.narrow(2, from, *keys));
                [all.narrow(2, 0, *queries), k, v]
            }
            Projection::Apart(maps) => maps.each_ref().map(|map| split(&self.linear(x, map))),
            Projection::InRow(map) => {
                let parts = self.linear(x, map).chunk(3, -1);
                [0, 1, 2].map(|part: usize| split(&parts[part]))
            }
            Projection::ByHead(map) => {
                let parts = self.linear(x, map).view([rows, length, -1, 3 * width]).chunk(3, -1);
                [0, 1, 2].map(|part: usize| parts[part].shallow_clone())
            }
        };
        let (q, k) = match &layer.head_norms {
            Some([of_q, of_k]) => (self.norm(&q, of_q), self.norm(&k, of_k)),
            None => (q, k),
        };
        self.as_heads([turned(q, turn), turned(k, turn), v])
    }

    /// As attention takes them: heads before length, in the kind of products.
    fn as_heads(&self, heads: Heads) -> Heads {
        heads.map(|x| x.to_kind(self.compute).transpose(1, 2))
    }

    pub(super) fn attend(
        &self,
        layer: usize,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        sight: &Sight,
    ) -> Tensor {
        let shared = q.size()[1] / k.size()[1];
        if self.architecture.attention.cap.is_none() {
            let scale = self.architecture.score_scale(layer);
            let (added, is_causal) = match sight {
                Sight::All => (None, false),
                Sight::Causal => (None, true),
                Sight::Marked(added) => (Some(added), false),
            };
            return Tensor::scaled_dot_product_attention(
                q,
                k,
                v,
                added,
                0.0,
                is_causal,
                scale,
                shared > 1,
            );
        }
        let repeated = |x: &Tensor| match shared {
            1 => x.shallow_clone(),
            shared => x.repeat_interleave_self_int(shared, 1, None),
        };
        self.attend_plainly(layer, q, &repeated(k), &repeated(v), sight)
    }

    /// Attention in the open, with as many heads of keys as of queries. For few queries it is faster,
    /// too: libtorch's own divides work by blocks of queries.
    pub(super) fn attend_plainly(
        &self,
        layer: usize,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        sight: &Sight,
    ) -> Tensor {
        let scores = (q * self.architecture.score_scale(layer)).matmul(&k.transpose(2, 3));
        let scores = match self.architecture.attention.cap {
            Some(cap) => (scores / cap).tanh() * cap,
            None => scores,
        };
        let scores = match sight {
            Sight::All => scores,
            Sight::Marked(added) => scores + added,
            Sight::Causal => {
                let ones = Tensor::ones(scores.size(), (Kind::Bool, scores.device()));
                scores.masked_fill(&ones.tril(0).logical_not(), f64::NEG_INFINITY)
            }
        };
        scores.softmax(-1, Kind::Float).to_kind(self.compute).matmul(v)
    }

    fn feed_forward(&self, x: &Tensor, layer: &Layer) -> Tensor {
        match &layer.feed_forward {
            FeedForward::Gated { gate, up, down } => {
                let gated = self.activate(&self.linear(x, gate)) * self.linear(x, up);
                self.linear(&gated, down)
            }
            FeedForward::Joined { both, down } => {
                let halves = self.linear(x, both).chunk(2, -1);
                self.linear(&(self.activate(&halves[0]) * &halves[1]), down)
            }
            FeedForward::Plain { up, down } => {
                self.linear(&self.activate(&self.linear(x, up)), down)
            }
        }
    }

    fn linear(&self, x: &Tensor, map: &Linear) -> Tensor {
        let x = x.to_kind(self.compute);
        if let Some(out) = self.wide.product(map.weight, &x) {
            return match map.bias {
                Some(bias) => out + &self.weights[bias],
                None => out,
            };
        }
        let weight = self.weights[map.weight].to_kind(self.compute);
        let bias = map.bias.map(|bias| self.weights[bias].to_kind(self.compute));
        let weight = if map.is_transposed { weight.transpose(0, 1) } else { weight };
        let out = x.linear(&weight, bias.as_ref());
        match self.lora.as_ref().and_then(|lora| lora.at(map.weight)) {
            Some(pair) => out + pair.of(&x),
            None => out,
        }
    }

    fn normed(&self, x: Tensor, scale: Option<&Scale>) -> Tensor {
        scale.map_or_else(|| x.shallow_clone(), |scale| self.norm(&x, scale))
    }

    /// In F32. The last dimension is as long as the weight.
    pub(super) fn norm(&self, x: &Tensor, scale: &Scale) -> Tensor {
        let x = x.to_kind(Kind::Float);
        let weight = &self.weights[scale.weight];
        let bias = scale.bias.map(|bias| &self.weights[bias]);
        let width = weight.size();
        match self.architecture.norm {
            Norm::Rms(epsilon) => x.rms_norm(&width, Some(weight), epsilon),
            Norm::RmsPlusOne(epsilon) => x.rms_norm(&width, Some(&(weight + 1.0)), epsilon),
            Norm::Layer(epsilon) => x.layer_norm(&width, Some(weight), bias, epsilon, false),
        }
    }

    fn activate(&self, x: &Tensor) -> Tensor {
        match self.architecture.activation {
            Activation::Silu => x.silu(),
            Activation::Gelu => x.gelu("none"),
            Activation::GeluTanh => x.gelu("tanh"),
            Activation::Relu => x.relu(),
        }
    }

    /// Made for the positions at hand: a table for the longest context that a file may claim
    /// would be larger than the model.
    pub(super) fn turn(&self, positions: &Tensor) -> Turn {
        Turn::of(self.frequencies.as_ref(), positions)
    }
}
