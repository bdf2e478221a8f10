//! Wide matrices in the form that oneDNN wants, for products in F32 without gradients.
//!
//! Libtorch multiplies F32 by MKL, which takes an AMD processor's AVX-512 for AVX2; oneDNN does not.
//! The way into its form and back has a cost, so that it pays for wide matrices and many rows alone.

use tch::{Device, Kind, Tensor};

use super::decoder::Decoder;

/// The least elements of a matrix that is wide.
pub(super) const WIDE: i64 = 300_000;

/// The fewest rows for which it pays.
const ROWS: i64 = 16;

/// The most elements in all: the copies take four bytes each.
const MOST: i64 = 1 << 28;

/// Copies of wide matrices, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Wide(Vec<(usize, Tensor)>);

impl Wide {
    /// Of the matrices of a snapshot that have at least `least` elements; none unless it computes in
    /// F32 on a processor.
    pub(super) fn of(snapshot: &Decoder, least: i64) -> Self {
        let fits = snapshot.compute == Kind::Float
            && snapshot.device() == Device::Cpu
            && tch::utils::has_mkldnn()
            && snapshot.plan.parameters() <= MOST;
        if !fits {
            return Self::default();
        }
        let _guard = tch::no_grad_guard();
        let maps = snapshot.plan.linears().filter(|map| !map.is_transposed).map(|map| map.weight);
        let mut numbers: Vec<usize> = maps.chain([snapshot.plan.head]).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let wide = numbers.into_iter().filter_map(|number| {
            let weight = &snapshot.weights[number];
            let copy = || weight.contiguous().f_to_mkldnn(Kind::Float).ok();
            (weight.numel() as i64 >= least).then(copy).flatten().map(|copy| (number, copy))
        });
        Self(wide.collect())
    }

    /// x · wᵀ for the matrix `number`, if it is here and `x` has rows enough.
    pub(super) fn product(&self, number: usize, x: &Tensor) -> Option<Tensor> {
        let at = self.0.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        let (_, weight) = &self.0[at];
        let shape = x.size();
        let inputs = *shape.last()?;
        if x.numel() as i64 / inputs.max(1) < ROWS {
            return None;
        }
        let rows = x.reshape([-1, inputs]).contiguous();
        let product = rows.to_mkldnn().mkldnn_linear(weight, None::<&Tensor>);
        let outputs = weight.size()[0];
        let out = product.to_dense(Kind::Float, false);
        let mut shape = shape;
        if let Some(last) = shape.last_mut() {
            *last = outputs;
        }
        Some(out.view(shape.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::hf::{Batch, Folder};

    /// Every family; rows enough, and too few.
    #[test]
    fn products_are_the_same() {
        let _guard = tch::no_grad_guard();
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/hf");
        for case in ["llama2-old-odd", "gpt2", "gpt-neox", "gemma2", "qwen2"] {
            let decoder = Folder::open(&vectors.join(case)).unwrap().load().unwrap();
            let mut snapshot = decoder.snapshot(Kind::Float);
            snapshot.wide = Wide::of(&snapshot, 1);
            assert!(snapshot.wide.0.len() > 4, "{case}");
            let long: Vec<i64> = (0..20).map(|n| 3 + n % 7).collect();
            for prompts in [vec![long.as_slice(); 3], vec![&long[..2]]] {
                let batch = Batch::new(decoder.architecture(), &prompts, 0).unwrap();
                let far = (decoder.logits(&batch) - snapshot.logits(&batch)).abs().max();
                assert!(far.double_value(&[]) < 1e-5, "{case}");
            }
        }
    }
}
