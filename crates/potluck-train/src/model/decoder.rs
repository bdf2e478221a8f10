//! The decoder's arithmetic: one pass over rows of tokens, and one token at a time with a cache.
//!
//! Functions here panic where tensors do not fit, which is a bug: shapes are checked when a file
//! is read, and tokens when they are made.

use tch::{Device, Kind, Tensor};

use crate::stream::Stream;

use super::shape::Shape;

/// The tensors of one layer, their place within the layer's nine.
const PER_LAYER: usize = 9;

/// The spread of the initial embedding.
const EMBEDDING_SPREAD: f64 = 0.05;

/// The spread of a matrix at the start, times the square root of its inputs.
const MATRIX_GAIN: f64 = 0.7;

/// A decoder and its weights.
#[derive(Debug)]
pub struct Decoder {
    shape: Shape,
    /// In the order of [`Shape::tensors`].
    weights: Vec<Tensor>,
    /// Cosines and sines by position, `[positions, head_width]`.
    rope: (Tensor, Tensor),
}

/// Which tokens of its row a token sees.
#[derive(Debug, Clone, Copy)]
pub enum Attention<'a> {
    /// Itself and those before it.
    Causal,
    /// Those marked true in `[rows, 1, queries, keys]`.
    Marked(&'a Tensor),
}

/// Keys and values of the tokens so far, a pair a layer, `[rows, kv_heads, length, head_width]`.
#[derive(Debug)]
pub struct Cache {
    layers: Vec<(Tensor, Tensor)>,
    length: i64,
}

impl Decoder {
    /// A decoder with random weights; equal seeds give equal weights.
    pub fn random(shape: Shape, seed: u64) -> Self {
        let residual = MATRIX_GAIN / (2.0 * shape.layers as f64).sqrt();
        let weights = shape
            .tensors()
            .iter()
            .enumerate()
            .map(|(index, spec)| {
                let spread = match spec.shape.as_slice() {
                    [_] => return Tensor::ones(&spec.shape, (Kind::Float, Device::Cpu)),
                    _ if index == 0 => EMBEDDING_SPREAD,
                    [_, inputs]
                        if spec.name.contains("o_proj") || spec.name.contains("down_proj") =>
                    {
                        residual / (*inputs as f64).sqrt()
                    }
                    shape => MATRIX_GAIN / (shape[1] as f64).sqrt(),
                };
                let mut stream = Stream::of("weights", &[seed, index as u64]);
                let count = spec.shape.iter().product::<i64>();
                let values: Vec<f32> =
                    (0..count).map(|_| (spread * stream.normal()) as f32).collect();
                Tensor::from_slice(&values).view(spec.shape.as_slice())
            })
            .collect();
        Self::new(shape, weights)
    }

    /// A decoder of `weights`, which stand in the order of [`Shape::tensors`].
    pub fn new(shape: Shape, weights: Vec<Tensor>) -> Self {
        let rope = rope_tables(&shape);
        Self { shape, weights, rope }
    }

    /// Its shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Its weights in the order of [`Shape::tensors`].
    pub fn weights(&self) -> &[Tensor] {
        &self.weights
    }

    /// A copy with its own memory.
    pub fn duplicate(&self) -> Self {
        let weights = self.weights.iter().map(|weight| weight.detach().copy()).collect();
        Self::new(self.shape.clone(), weights)
    }

    /// Lets gradients reach the weights.
    pub fn make_trainable(&mut self) {
        for weight in &mut self.weights {
            *weight = weight.set_requires_grad(true);
        }
    }

    /// The last layer's output after the norm, `[rows, length, hidden]`, for tokens and their
    /// positions, both `[rows, length]`.
    pub fn hidden(&self, tokens: &Tensor, positions: &Tensor, attention: Attention) -> Tensor {
        self.run(tokens, positions, |_, q, k, v| attend(&q, &k, &v, attention))
    }

    /// The logits of hidden states.
    pub fn logits(&self, hidden: &Tensor) -> Tensor {
        hidden.linear(&self.weights[0], None::<&Tensor>)
    }

    /// As [`Self::hidden`], but keeps keys and values, with room for `room` tokens more, `copies`
    /// rows for each row of `tokens`.
    pub fn prefill(
        &self,
        tokens: &Tensor,
        positions: &Tensor,
        attention: Attention,
        copies: i64,
        room: i64,
    ) -> (Tensor, Cache) {
        let length = tokens.size()[1];
        let mut layers = Vec::new();
        let hidden = self.run(tokens, positions, |_, q, k, v| {
            layers.push((with_room(&k, copies, room), with_room(&v, copies, room)));
            attend(&q, &k, &v, attention)
        });
        (hidden, Cache { layers, length })
    }

    /// The hidden states `[rows, 1, hidden]` of one token more a row; `visible` marks the keys
    /// that a row sees, `[rows, 1, 1, length + room]`.
    pub fn step(
        &self,
        tokens: &Tensor,
        positions: &Tensor,
        visible: &Tensor,
        cache: &mut Cache,
    ) -> Tensor {
        let Cache { layers, length } = cache;
        let (at, until) = (*length, *length + 1);
        let (kv_heads, width) = (self.shape.kv_heads, self.shape.head_width);
        let visible = visible.narrow(3, 0, until);
        let hidden = self.run(tokens, positions, |layer, q, k, v| {
            let (keys, values) = &mut layers[layer];
            keys.narrow(2, at, 1).copy_(&k);
            values.narrow(2, at, 1).copy_(&v);
            let (keys, values) = (keys.narrow(2, 0, until), values.narrow(2, 0, until));
            // The heads that share keys stand as the queries of one: no key is copied.
            let folded = q.view([q.size()[0], kv_heads, -1, width]);
            let out = attend(&folded, &keys, &values, Attention::Marked(&visible));
            out.view([q.size()[0], -1, 1, width])
        });
        *length = until;
        hidden
    }

    /// The layers, whatever attention is: it gets the layer's index and rotated queries, keys and
    /// values `[rows, heads, length, head_width]`.
    fn run(
        &self,
        tokens: &Tensor,
        positions: &Tensor,
        mut attention: impl FnMut(usize, Tensor, Tensor, Tensor) -> Tensor,
    ) -> Tensor {
        let (rows, length) = tokens.size2().expect("tokens stand in rows");
        let rope = |table: &Tensor| {
            let chosen = table.index_select(0, &positions.reshape([-1]));
            chosen.view([rows, 1, length, self.shape.head_width])
        };
        let rope = (rope(&self.rope.0), rope(&self.rope.1));
        let split = |x: Tensor| x.view([rows, length, -1, self.shape.head_width]).transpose(1, 2);
        let mut x = Tensor::embedding(&self.weights[0], tokens, -1, false, false);
        for layer in 0..self.shape.layers as usize {
            let at = 1 + layer * PER_LAYER;
            let [norm1, wq, wk, wv, wo, norm2, gate, up, down] = &self.weights[at..at + PER_LAYER]
            else {
                unreachable!("a layer has nine tensors")
            };
            let linear = |x: &Tensor, w: &Tensor| x.linear(w, None::<&Tensor>);
            let normed = self.norm(&x, norm1);
            let q = rotate(&split(linear(&normed, wq)), &rope);
            let k = rotate(&split(linear(&normed, wk)), &rope);
            let v = split(linear(&normed, wv));
            let mixed = attention(layer, q, k, v).transpose(1, 2).reshape([rows, length, -1]);
            // Not `+=`, which would overwrite what the norm's gradient needs.
            x = &x + linear(&mixed, wo);
            let normed = self.norm(&x, norm2);
            let gated = linear(&normed, gate).silu() * linear(&normed, up);
            x = &x + linear(&gated, down);
        }
        self.norm(&x, &self.weights[self.weights.len() - 1])
    }

    fn norm(&self, x: &Tensor, weight: &Tensor) -> Tensor {
        x.rms_norm([self.shape.hidden], Some(weight), self.shape.norm_epsilon)
    }
}

impl Cache {
    /// Keeps only `rows`, in that order.
    pub fn keep(&mut self, rows: &Tensor) {
        for (keys, values) in &mut self.layers {
            *keys = keys.index_select(0, rows);
            *values = values.index_select(0, rows);
        }
    }
}

fn attend(q: &Tensor, k: &Tensor, v: &Tensor, attention: Attention) -> Tensor {
    let (mask, causal) = match attention {
        Attention::Causal => (None, true),
        Attention::Marked(mask) => (Some(mask), false),
    };
    let grouped = q.size()[1] != k.size()[1];
    Tensor::scaled_dot_product_attention(q, k, v, mask, 0.0, causal, None, grouped)
}

/// `copies` of each row, and zeros for `room` tokens more.
fn with_room(x: &Tensor, copies: i64, room: i64) -> Tensor {
    let repeated = x.repeat_interleave_self_int(copies, 0, None);
    repeated.constant_pad_nd([0, 0, 0, room])
}

/// Half-rotation, as `transformers` has it: the second half of a head is the partner of the first.
fn rotate(x: &Tensor, (cos, sin): &(Tensor, Tensor)) -> Tensor {
    let halves = x.chunk(2, -1);
    let turned = Tensor::cat(&[-&halves[1], halves[0].shallow_clone()], -1);
    x * cos + turned * sin
}

fn rope_tables(shape: &Shape) -> (Tensor, Tensor) {
    let options = (Kind::Float, Device::Cpu);
    let even = Tensor::arange_start_step(0, shape.head_width, 2, options) / shape.head_width as f64;
    let frequencies = Tensor::from(shape.rope_theta as f32).pow(&even).reciprocal();
    let angles = Tensor::arange(shape.positions, options).outer(&frequencies);
    let angles = Tensor::cat(&[&angles, &angles], -1);
    (angles.cos(), angles.sin())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::ModelRecipe;

    fn decoder() -> Decoder {
        let recipe = ModelRecipe { hidden: 32, layers: 2, heads: 4, kv_heads: 2, feed_forward: 48 };
        Decoder::random(Shape::new(&recipe, 50), 7)
    }

    fn distance(a: &Tensor, b: &Tensor) -> f64 {
        (a - b).abs().max().double_value(&[])
    }

    #[test]
    fn equal_seeds_give_equal_weights() {
        assert!(decoder().weights().iter().zip(decoder().weights()).all(|(a, b)| a == b));
    }

    #[test]
    fn one_token_at_a_time_says_the_same_as_all_at_once() {
        let _guard = tch::no_grad_guard();
        let decoder = decoder();
        let tokens = Tensor::from_slice(&[3i64, 9, 4, 22, 17, 41]).view([1, 6]);
        let positions = Tensor::arange(6, (Kind::Int64, Device::Cpu)).view([1, 6]);
        let whole = decoder.hidden(&tokens, &positions, Attention::Causal);
        let (first, mut cache) = decoder.prefill(
            &tokens.narrow(1, 0, 3),
            &positions.narrow(1, 0, 3),
            Attention::Causal,
            2,
            3,
        );
        assert!(distance(&first, &whole.narrow(1, 0, 3)) < 1e-5);
        let visible = Tensor::ones([2, 1, 1, 6], (Kind::Bool, Device::Cpu));
        for at in 3..6 {
            let token = tokens.narrow(1, at, 1).repeat([2, 1]);
            let position = positions.narrow(1, at, 1).repeat([2, 1]);
            let hidden = decoder.step(&token, &position, &visible, &mut cache);
            for row in 0..2 {
                assert!(distance(&hidden.narrow(0, row, 1), &whole.narrow(1, at, 1)) < 1e-5);
            }
        }
    }

    #[test]
    fn marks_say_what_a_token_sees() {
        let _guard = tch::no_grad_guard();
        let decoder = decoder();
        let tokens = Tensor::from_slice(&[3i64, 9, 4, 22]).view([1, 4]);
        let positions = Tensor::arange(4, (Kind::Int64, Device::Cpu)).view([1, 4]);
        let marks = Tensor::ones([4, 4], (Kind::Bool, Device::Cpu)).tril(0).view([1, 1, 4, 4]);
        let marked = decoder.hidden(&tokens, &positions, Attention::Marked(&marks));
        let causal = decoder.hidden(&tokens, &positions, Attention::Causal);
        assert!(distance(&marked, &causal) < 1e-5);
    }
}
