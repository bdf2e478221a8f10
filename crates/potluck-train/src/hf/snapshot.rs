//! A decoder without gradients: what is trained beside its matrices added to them, maps that read the
//! same input joined into one, all in the kind in which products are computed.
//!
//! It is what a divergence is measured from, and on a GPU what is sampled with; for each batch that is
//! sampled it is made anew, at the cost of one pass over the weights. A decoder in training keeps its
//! matrices apart, as files have them.

use tch::{Kind, Tensor};

use super::decoder::Decoder;
use super::plan::{FeedForward, Layer, Linear, Plan, Projection};
use super::wide::{WIDE, Wide};

impl Decoder {
    /// A copy without gradients, products in `kind`. What need not be changed shares its memory.
    pub fn snapshot(&self, kind: Kind) -> Self {
        let mut snapshot = self.joined(kind, true);
        snapshot.wide = Wide::of(&snapshot, WIDE);
        snapshot
    }

    /// The same without what is trained beside the matrices: the model that LoRA started from.
    pub fn base_snapshot(&self, kind: Kind) -> Self {
        self.joined(kind, false)
    }

    fn joined(&self, kind: Kind, with_lora: bool) -> Self {
        let _guard = tch::no_grad_guard();
        let weights = match with_lora {
            true => self.merged_weights(),
            false => self.weights.iter().map(Tensor::detach).collect(),
        };
        let attention = &self.architecture.attention;
        let mut made = Made { weights, kind, heads: [attention.heads, attention.kv_heads] };
        let layers = self.plan.layers.iter().map(|layer| made.layer(layer)).collect();
        for at in [self.plan.embedding, self.plan.head] {
            made.weights[at] = made.weights[at].to_kind(kind);
        }
        let plan = Plan { layers, ..self.plan.clone() };
        Self {
            architecture: self.architecture.clone(),
            plan,
            weights: made.weights,
            frequencies: self.frequencies.as_ref().map(Tensor::shallow_clone),
            compute: kind,
            lora: None,
            wide: Wide::default(),
        }
    }
}

/// Weights of a copy, those of joined maps behind the others.
struct Made {
    weights: Vec<Tensor>,
    kind: Kind,
    /// Of queries, and of keys.
    heads: [i64; 2],
}

impl Made {
    fn layer(&mut self, layer: &Layer) -> Layer {
        let projection = match &layer.projection {
            Projection::Apart(maps) => Projection::Joined(self.join(&maps.each_ref()), self.heads),
            Projection::InRow(map) => Projection::InRow(self.join(&[map])),
            Projection::ByHead(map) => Projection::ByHead(self.join(&[map])),
            Projection::Joined(map, heads) => Projection::Joined(self.join(&[map]), *heads),
        };
        let feed_forward = match &layer.feed_forward {
            FeedForward::Gated { gate, up, down } => {
                FeedForward::Joined { both: self.join(&[gate, up]), down: self.join(&[down]) }
            }
            FeedForward::Joined { both, down } => {
                FeedForward::Joined { both: self.join(&[both]), down: self.join(&[down]) }
            }
            FeedForward::Plain { up, down } => {
                FeedForward::Plain { up: self.join(&[up]), down: self.join(&[down]) }
            }
        };
        Layer { projection, feed_forward, out: self.join(&[&layer.out]), ..layer.clone() }
    }

    /// One map whose outputs are those of `maps`, one after the other.
    fn join(&mut self, maps: &[&Linear]) -> Linear {
        let weight = |map: &&Linear| {
            let weight = &self.weights[map.weight];
            let weight =
                if map.is_transposed { weight.transpose(0, 1) } else { weight.shallow_clone() };
            weight.to_kind(self.kind)
        };
        let weights: Vec<Tensor> = maps.iter().map(weight).collect();
        let biases: Option<Vec<Tensor>> = maps
            .iter()
            .map(|map| map.bias.map(|bias| self.weights[bias].to_kind(self.kind)))
            .collect();
        let together = |parts: Vec<Tensor>| match parts.as_slice() {
            [one] => one.contiguous(),
            _ => Tensor::cat(&parts, 0),
        };
        // What a joined map is made of is of no more use here.
        for map in maps {
            self.weights[map.weight] = self.weights[map.weight].narrow(0, 0, 0);
        }
        self.weights.push(together(weights));
        let weight = self.weights.len() - 1;
        let bias = biases.map(|biases| {
            self.weights.push(together(biases));
            self.weights.len() - 1
        });
        Linear { weight, bias, is_transposed: false }
    }
}
