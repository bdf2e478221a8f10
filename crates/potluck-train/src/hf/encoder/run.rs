//! The arithmetic of encoders: one pass over a padded batch, up to the scores of each row.
//!
//! Nothing is computed in place, since a gradient may need what would be overwritten.

use tch::{Kind, Tensor};

use super::super::architecture::Activation;
use super::plan::{Layer, Map, Plan};
use super::relative::places;
use super::shape::{Family, Shape};

/// An encoder with its head, and its weights in the order of the plan.
#[derive(Debug)]
pub(in super::super) struct Encoder {
    shape: Shape,
    plan: Plan,
    weights: Vec<Tensor>,
}

/// Texts of different lengths, padded on the right.
#[derive(Debug)]
pub(in super::super) struct Rows {
    /// `[rows, length]`.
    tokens: Tensor,
    types: Tensor,
    positions: Tensor,
    /// Which keys are no padding, `[rows, 1, 1, length]`.
    real: Tensor,
}

impl Rows {
    /// Pads rows of tokens and of their segments; each fits the shape, and none is empty.
    pub(in super::super) fn new(shape: &Shape, rows: &[(&[i64], &[i64])]) -> Self {
        let length = rows.iter().map(|(tokens, _)| tokens.len()).max().unwrap_or_default();
        let size = [rows.len() as i64, length as i64];
        let padded = |filler: i64, row: &dyn Fn(usize) -> Vec<i64>| {
            let all = (0..rows.len()).flat_map(|at| {
                let mut row = row(at);
                row.resize(length, filler);
                row
            });
            Tensor::from_slice(&all.collect::<Vec<i64>>()).view(size)
        };
        let positions = |at: usize| match shape.family {
            Family::Roberta => after_padding(rows[at].0, shape.pad),
            _ => (0..rows[at].0.len() as i64).collect(),
        };
        Self {
            tokens: padded(shape.pad, &|at| rows[at].0.to_vec()),
            types: padded(0, &|at| rows[at].1.to_vec()),
            positions: padded(0, &positions),
            real: padded(0, &|at| vec![1; rows[at].0.len()])
                .to_kind(Kind::Bool)
                .view([size[0], 1, 1, size[1]]),
        }
    }
}

/// RoBERTa counts from the number of the padding token, and does not count that token itself.
fn after_padding(tokens: &[i64], pad: i64) -> Vec<i64> {
    let mut last = pad;
    let position = |token: &i64| {
        if *token == pad {
            return pad;
        }
        last += 1;
        last
    };
    tokens.iter().map(position).collect()
}

impl Encoder {
    /// An encoder of `weights`, which fit `plan` in number, order and shape.
    pub(in super::super) fn new(shape: Shape, plan: Plan, weights: Vec<Tensor>) -> Self {
        Self { shape, plan, weights }
    }

    pub(in super::super) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// In the order of the plan.
    pub(in super::super) fn weights(&self) -> &[Tensor] {
        &self.weights
    }

    /// A score for each row and label, `[rows, labels]`.
    pub(in super::super) fn scores(&self, rows: &Rows) -> Tensor {
        let table = |at: usize, numbers: &Tensor| {
            Tensor::embedding(&self.weights[at], numbers, -1, false, false)
        };
        let added = [(self.plan.types, &rows.types), (self.plan.positions, &rows.positions)];
        let added = added.into_iter().filter_map(|(at, numbers)| Some(table(at?, numbers)));
        let x = added.fold(table(self.plan.words, &rows.tokens), |x, more| x + more);
        let mut x = self.norm(&x, &self.plan.norm);
        let relative = self.plan.relative.as_ref().map(|(at, norm)| {
            let table = self.weights[*at].shallow_clone();
            let table =
                norm.as_ref().map_or_else(|| table.shallow_clone(), |it| self.norm(&table, it));
            (table, places(&self.shape.relative, rows.tokens.size()[1]))
        });
        for layer in &self.plan.layers {
            x = self.layer(layer, &x, &rows.real, relative.as_ref());
        }
        let pooled = self.linear(&x.select(1, 0), &self.plan.pooler);
        let pooled = match self.shape.pooler {
            None => pooled.tanh(),
            Some(activation) => activate(activation, &pooled),
        };
        self.linear(&pooled, &self.plan.classifier)
    }

    fn layer(
        &self,
        layer: &Layer,
        x: &Tensor,
        real: &Tensor,
        relative: Option<&(Tensor, Tensor)>,
    ) -> Tensor {
        let [q, k, v] =
            [&layer.query, &layer.key, &layer.value].map(|map| self.in_heads(&self.linear(x, map)));
        let scale = ((q.size()[3] * self.shape.relative.parts()) as f64).sqrt();
        let scores = q.matmul(&(k.transpose(2, 3) / scale));
        let scores = match relative {
            Some((table, places)) => scores + self.bias(layer, [&q, &k], table, places) / scale,
            None => scores,
        };
        let seen = scores.masked_fill(&real.logical_not(), f64::NEG_INFINITY);
        let mixed = seen.softmax(-1, Kind::Float).matmul(&v).transpose(1, 2).reshape(x.size());
        let middle = x + self.linear(&mixed, &layer.out);
        let middle = self.norm(&middle, &layer.after_attention);
        let wide = activate(self.shape.activation, &self.linear(&middle, &layer.up));
        let fed = &middle + self.linear(&wide, &layer.down);
        self.norm(&fed, &layer.after_feed_forward)
    }

    /// What positions add to scores, before it is scaled: content to position (c2p) and position
    /// to content (p2c) of He et al. 2021, equation 3.
    fn bias(&self, layer: &Layer, [q, k]: [&Tensor; 2], table: &Tensor, places: &Tensor) -> Tensor {
        let (relative, size) = (&self.shape.relative, q.size());
        let (span, length) = (relative.span(), size[2]);
        let of_positions = |map: &Map| self.in_heads(&self.linear(&table.unsqueeze(0), map));
        let looked_up = |content: &Tensor, map: &Map, places: &Tensor| {
            let products = content.matmul(&of_positions(map).transpose(2, 3));
            let at = (places + span).clamp(0, 2 * span - 1);
            products.gather(3, &at.expand([size[0], size[1], length, length], false), false)
        };
        let to = relative
            .to_position
            .then(|| looked_up(q, layer.position_key.as_ref().unwrap_or(&layer.key), places));
        let from = relative.from_position.then(|| {
            let map = layer.position_query.as_ref().unwrap_or(&layer.query);
            looked_up(k, map, &-places).transpose(2, 3)
        });
        match (to, from) {
            (Some(to), Some(from)) => to + from,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => q.new_zeros([1, 1, 1, 1], (Kind::Float, q.device())),
        }
    }

    /// `[rows, length, hidden]` as `[rows, heads, length, width]`.
    fn in_heads(&self, x: &Tensor) -> Tensor {
        let size = x.size();
        x.reshape([size[0], size[1], self.shape.heads, -1]).transpose(1, 2)
    }

    fn linear(&self, x: &Tensor, map: &Map) -> Tensor {
        x.linear(&self.weights[map.weight], Some(&self.weights[map.bias]))
    }

    fn norm(&self, x: &Tensor, map: &Map) -> Tensor {
        let (weight, bias) = (&self.weights[map.weight], &self.weights[map.bias]);
        x.layer_norm(weight.size(), Some(weight), Some(bias), self.shape.epsilon, false)
    }
}

fn activate(activation: Activation, x: &Tensor) -> Tensor {
    match activation {
        Activation::Silu => x.silu(),
        Activation::Gelu => x.gelu("none"),
        Activation::GeluTanh => x.gelu("tanh"),
        Activation::Relu => x.relu(),
    }
}

#[cfg(test)]
mod tests {
    use super::after_padding;

    #[test]
    fn roberta_does_not_count_padding_tokens() {
        assert_eq!(after_padding(&[0, 5, 1, 6, 1], 1), [2, 3, 1, 4, 1]);
    }
}
