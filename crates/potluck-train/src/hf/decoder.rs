//! The arithmetic of all families: one pass over a batch, and one token more with a cache.
//!
//! It follows `transformers`' eager paths, in F32. Functions here panic where tensors do not fit,
//! which is a bug: shapes are checked when a folder is opened, tokens when a batch is made.

use tch::{Kind, Tensor};

use super::architecture::{Activation, Architecture, Norm};
use super::batch::Batch;
use super::cache::Cache;
use super::plan::{FeedForward, Layer, Linear, Plan, Projection, Scale};

/// A decoder and its weights.
#[derive(Debug)]
pub struct Decoder {
    architecture: Architecture,
    plan: Plan,
    /// In the order of the plan.
    weights: Vec<Tensor>,
    /// By which each pair of a head turns from one position to the next.
    frequencies: Option<Tensor>,
}

/// Cosines and sines of some positions.
type Turn = Option<(Tensor, Tensor)>;

/// Queries, keys and values of a layer, `[rows, heads, length, head_width]`.
type Heads = [Tensor; 3];

impl Decoder {
    /// A decoder of `weights`, which fit `plan` in number, order and shape.
    pub(super) fn new(architecture: Architecture, plan: Plan, weights: Vec<Tensor>) -> Self {
        let frequencies = architecture.attention.rope.as_ref().map(|rope| rope.frequencies());
        Self { architecture, plan, weights, frequencies }
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

    /// The logits of every token of a batch, `[rows, length, vocabulary]`; those of padding mean
    /// nothing.
    pub fn logits(&self, batch: &Batch) -> Tensor {
        self.head(&self.hidden(batch))
    }

    /// What the last linear map reads of every token of a batch, `[rows, length, hidden]`.
    pub(super) fn hidden(&self, batch: &Batch) -> Tensor {
        let marks = self.marks(batch, 0, batch.length);
        self.run(&batch.tokens, &batch.positions, |layer, [q, k, v]| {
            self.attend(layer, &q, &k, &v, &marks)
        })
    }

    /// The logits after each row's last token, `[rows, vocabulary]`, and a cache with room for
    /// `room` tokens more.
    pub(super) fn prefill(&self, batch: &Batch, room: i64) -> (Tensor, Cache) {
        let marks = self.marks(batch, 0, batch.length);
        let mut layers = Vec::new();
        let hidden = self.run(&batch.tokens, &batch.positions, |layer, [q, k, v]| {
            layers.push((Cache::with_room(&k, room), Cache::with_room(&v, room)));
            self.attend(layer, &q, &k, &v, &marks)
        });
        let last = hidden.select(1, batch.length - 1);
        (self.head(&last), Cache { layers, length: batch.length })
    }

    /// The logits `[rows, vocabulary]` after one token more in each row of `batch`.
    pub(super) fn step(
        &self,
        batch: &Batch,
        tokens: &Tensor,
        positions: &Tensor,
        cache: &mut Cache,
    ) -> Tensor {
        let marks = self.marks(batch, cache.length, cache.length + 1);
        let attention = &self.architecture.attention;
        let hidden = self.run(tokens, positions, |layer, [q, k, v]| {
            let (keys, values) = cache.add(layer, &k, &v);
            // The heads that share keys stand as the queries of one: no key is copied.
            let rows = q.size()[0];
            let folded = q.reshape([rows, attention.kv_heads, -1, attention.head_width]);
            let out = self.attend(layer, &folded, &keys, &values, &marks);
            out.reshape([rows, attention.heads, 1, attention.head_width])
        });
        cache.length += 1;
        self.head(&hidden.select(1, 0))
    }

    /// For each layer, what its queries see; layers of one window share a tensor.
    fn marks(&self, batch: &Batch, first: i64, keys: i64) -> Vec<Tensor> {
        let mut made: Vec<(Option<i64>, Tensor)> = Vec::new();
        let windows = self.architecture.attention.windows.iter();
        windows
            .map(|&window| match made.iter().find(|(of, _)| *of == window) {
                Some((_, marks)) => marks.shallow_clone(),
                None => {
                    let marks = batch.marks(first, keys, window);
                    made.push((window, marks.shallow_clone()));
                    marks
                }
            })
            .collect()
    }

    /// The layers, whatever attention is; returns the normed residual stream.
    fn run(
        &self,
        tokens: &Tensor,
        positions: &Tensor,
        mut attention: impl FnMut(usize, Heads) -> Tensor,
    ) -> Tensor {
        let embedding = &self.weights[self.plan.embedding];
        let x = Tensor::embedding(embedding, tokens, -1, false, false);
        let x = match self.architecture.embedding_scale {
            Some(scale) => x * scale,
            None => x,
        };
        let mut x = match self.plan.positions.map(|learned| &self.weights[learned]) {
            Some(learned) => x + Tensor::embedding(learned, positions, -1, false, false),
            None => x,
        };
        let turn = self.turn(positions);
        for (number, layer) in self.plan.layers.iter().enumerate() {
            x = self.layer(number, layer, x, &turn, &mut attention);
        }
        self.norm(&x, &self.plan.norm)
    }

    fn layer(
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
        let [q, k, v] = [q, k, v].map(|x| x.transpose(1, 2));
        [turned(q, turn), turned(k, turn), v]
    }

    fn attend(&self, layer: usize, q: &Tensor, k: &Tensor, v: &Tensor, marks: &[Tensor]) -> Tensor {
        let (scale, marks) = (self.architecture.score_scale(layer), &marks[layer]);
        let shared = q.size()[1] / k.size()[1];
        let Some(cap) = self.architecture.attention.cap else {
            let grouped = shared > 1;
            return Tensor::scaled_dot_product_attention(
                q,
                k,
                v,
                Some(marks),
                0.0,
                false,
                scale,
                grouped,
            );
        };
        let repeated = |x: &Tensor| match shared {
            1 => x.shallow_clone(),
            shared => x.repeat_interleave_self_int(shared, 1, None),
        };
        let scores = q.matmul(&repeated(k).transpose(2, 3)) * scale;
        let bent = (scores / cap).tanh() * cap;
        let hidden = bent.masked_fill(&marks.logical_not(), f64::NEG_INFINITY);
        hidden.softmax(-1, Kind::Float).matmul(&repeated(v))
    }

    fn feed_forward(&self, x: &Tensor, layer: &Layer) -> Tensor {
        match &layer.feed_forward {
            FeedForward::Gated { gate, up, down } => {
                let gated = self.activate(&self.linear(x, gate)) * self.linear(x, up);
                self.linear(&gated, down)
            }
            FeedForward::Plain { up, down } => {
                self.linear(&self.activate(&self.linear(x, up)), down)
            }
        }
    }

    fn head(&self, hidden: &Tensor) -> Tensor {
        let logits = hidden.linear(&self.weights[self.plan.head], None::<&Tensor>);
        match self.architecture.logit_cap {
            Some(cap) => (logits / cap).tanh() * cap,
            None => logits,
        }
    }

    fn linear(&self, x: &Tensor, map: &Linear) -> Tensor {
        let weight = &self.weights[map.weight];
        let bias = map.bias.map(|bias| &self.weights[bias]);
        match map.is_transposed {
            true => x.linear(&weight.transpose(0, 1), bias),
            false => x.linear(weight, bias),
        }
    }

    fn normed(&self, x: Tensor, scale: Option<&Scale>) -> Tensor {
        scale.map_or_else(|| x.shallow_clone(), |scale| self.norm(&x, scale))
    }

    /// The last dimension is as long as the weight.
    fn norm(&self, x: &Tensor, scale: &Scale) -> Tensor {
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
    fn turn(&self, positions: &Tensor) -> Turn {
        let frequencies = self.frequencies.as_ref()?;
        let angles = positions.to_kind(Kind::Float).unsqueeze(-1) * frequencies;
        let angles = Tensor::cat(&[&angles, &angles], -1).unsqueeze(1);
        Some((angles.cos(), angles.sin()))
    }
}

/// Half-rotation, as `transformers` has it: of what is turned, the second half is the partner of
/// the first. What lies beyond is left as it is.
fn turned(x: Tensor, turn: &Turn) -> Tensor {
    let Some((cos, sin)) = turn else { return x };
    let (width, all) = (cos.size()[3], x.size()[3]);
    let part = x.narrow(3, 0, width);
    let halves = part.chunk(2, -1);
    let partner = Tensor::cat(&[-&halves[1], halves[0].shallow_clone()], -1);
    let out = part * cos + partner * sin;
    match all - width {
        0 => out,
        rest => Tensor::cat(&[out, x.narrow(3, width, rest)], -1),
    }
}
