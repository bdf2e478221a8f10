//! From a decoder's tensors to packed matrices.

use tch::{Device, Kind, Tensor};

use crate::hf::architecture::Norm;
use crate::hf::decoder::Decoder;
use crate::hf::plan::{self, FeedForward, Linear, Projection, Scale};

use super::{Layer, Matrix, Native, Precision, Scales};

impl Native {
    /// A copy of a decoder to sample with, what is trained beside matrices added to them; nothing unless
    /// it is on a CPU and `kind` is F32 or BF16.
    pub(crate) fn of(decoder: &Decoder, kind: Kind) -> Option<Self> {
        let precision = match kind {
            Kind::Float => Precision::F32,
            Kind::BFloat16 => Precision::Bf16,
            _ => return None,
        };
        if decoder.device() != Device::Cpu {
            return None;
        }
        let _guard = tch::no_grad_guard();
        let source = Source { decoder, weights: decoder.merged_weights(), precision };
        let (plan, hidden) = (&decoder.plan, decoder.architecture.hidden as usize);
        let matrix =
            |at: usize| Matrix::pack(&floats(&source.weights[at]), hidden, None, precision);
        Some(Self {
            architecture: decoder.architecture.clone(),
            embedding: matrix(plan.embedding),
            head: (plan.head != plan.embedding).then(|| matrix(plan.head)),
            positions: plan.positions.map(|at| floats(&source.weights[at])),
            layers: plan.layers.iter().map(|layer| source.layer(layer)).collect(),
            norm: source.scales(&plan.norm),
            frequencies: decoder.frequencies.as_ref().map(floats).unwrap_or_default(),
        })
    }
}

struct Source<'a> {
    decoder: &'a Decoder,
    weights: Vec<Tensor>,
    precision: Precision,
}

impl Source<'_> {
    fn layer(&self, layer: &plan::Layer) -> Layer {
        let scales = |scale: &Option<Scale>| scale.as_ref().map(|scale| self.scales(scale));
        let projection = match &layer.projection {
            Projection::Apart(maps) => self.joined(&maps.each_ref()),
            Projection::Joined(map, _) | Projection::InRow(map) => self.joined(&[map]),
            Projection::ByHead(map) => self.by_part(map),
        };
        let (up, down, is_gated) = match &layer.feed_forward {
            FeedForward::Gated { gate, up, down } => (self.joined(&[gate, up]), down, true),
            FeedForward::Joined { both, down } => (self.joined(&[both]), down, true),
            FeedForward::Plain { up, down } => (self.joined(&[up]), down, false),
        };
        Layer {
            before_attention: self.scales(&layer.before_attention),
            projection,
            head_norms: layer
                .head_norms
                .as_ref()
                .map(|norms| norms.each_ref().map(|norm| self.scales(norm))),
            out: self.joined(&[&layer.out]),
            after_attention: scales(&layer.after_attention),
            before_feed_forward: self.scales(&layer.before_feed_forward),
            up,
            is_gated,
            down: self.joined(&[down]),
            after_feed_forward: scales(&layer.after_feed_forward),
        }
    }

    fn scales(&self, scale: &Scale) -> Scales {
        let mut weight = floats(&self.weights[scale.weight]);
        if matches!(self.decoder.architecture.norm, Norm::RmsPlusOne(_)) {
            weight.iter_mut().for_each(|weight| *weight += 1.0);
        }
        Scales { weight, bias: scale.bias.map(|bias| floats(&self.weights[bias])) }
    }

    /// One map whose outputs are those of `maps`, one after the other.
    fn joined(&self, maps: &[&Linear]) -> Matrix {
        let rows = maps.iter().map(|map| floats(&self.weight(map))).collect::<Vec<_>>().concat();
        let biases: Option<Vec<Vec<f32>>> = maps.iter().map(|map| self.bias(map)).collect();
        self.packed(&rows, maps[0], biases.map(|biases| biases.concat()))
    }

    /// The same of one map that has the query, key and value of one head, then of the next.
    fn by_part(&self, map: &Linear) -> Matrix {
        let width = self.decoder.architecture.attention.head_width;
        let by_part = |x: &Tensor, inputs: i64| {
            floats(&x.view([-1, 3, width, inputs]).transpose(0, 1).contiguous())
        };
        let weight = self.weight(map);
        let bias = map.bias.map(|bias| by_part(&self.weights[bias], 1));
        self.packed(&by_part(&weight, weight.size()[1]), map, bias)
    }

    fn weight(&self, map: &Linear) -> Tensor {
        let weight = &self.weights[map.weight];
        if map.is_transposed { weight.transpose(0, 1).contiguous() } else { weight.contiguous() }
    }

    fn bias(&self, map: &Linear) -> Option<Vec<f32>> {
        map.bias.map(|bias| floats(&self.weights[bias]))
    }

    fn packed(&self, rows: &[f32], map: &Linear, bias: Option<Vec<f32>>) -> Matrix {
        let inputs = self.weight(map).size()[1] as usize;
        Matrix::pack(rows, inputs, bias, self.precision)
    }
}

/// All numbers of a tensor, in F32.
fn floats(x: &Tensor) -> Vec<f32> {
    let flat = x.to_device(Device::Cpu).to_kind(Kind::Float).contiguous().view([-1]);
    let mut values = vec![0f32; flat.numel()];
    flat.copy_data(&mut values, flat.numel());
    values
}
