//! A step of AdamW on a processor, in one pass over weight, gradient and moments: by libtorch's own
//! operations it would be a dozen, and memory is what a step waits for.
//!
//! Each number is computed by itself and sums go over pieces of a fixed length, so no bit depends on how
//! many threads there are.

use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use super::Move;

/// Numbers that one thread takes at a time.
const PIECE: usize = 1 << 14;

/// The numbers of a tensor, where they lie in a row in this process's memory and nobody computes on them.
///
/// `None` for tensors on a GPU, of another type, or with gaps.
fn numbers(tensor: &mut Tensor) -> Option<&mut [f32]> {
    let is_plain = tensor.defined()
        && tensor.device() == Device::Cpu
        && tensor.kind() == Kind::Float
        && tensor.is_contiguous();
    if !is_plain {
        return None;
    }
    // SAFETY: a contiguous F32 tensor on the processor is `numel` floats at `data_ptr`, and lives as long
    // as the borrow of its handle. Handles of one tensor share their memory, so the caller hands in
    // each tensor once; libtorch's own threads are idle between two of its operations.
    Some(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) })
}

/// The sum of the squares of all gradients; `None` where one of them does not lie plainly in memory.
pub(super) fn squares(gradients: &mut [Tensor]) -> Option<f64> {
    let mut sum = 0.0;
    for gradient in gradients {
        let gradient = numbers(gradient)?;
        let pieces: Vec<f64> = shared(gradient.par_chunks(PIECE), gradient.chunks(PIECE), piece);
        sum += pieces.into_iter().sum::<f64>();
    }
    Some(sum)
}

/// Moves a weight by its gradient, which becomes zero; `false` where one of the four does not lie plainly
/// in memory, and then nothing was done.
pub(super) fn moved(
    weight: &mut Tensor,
    gradient: &mut Tensor,
    first: &mut Tensor,
    second: &mut Tensor,
    by: &Move,
) -> bool {
    let all = (numbers(weight), numbers(gradient), numbers(first), numbers(second));
    let (Some(weight), Some(gradient), Some(first), Some(second)) = all else { return false };
    if threads() == 1 || weight.len() <= PIECE {
        by.apply(weight, gradient, first, second);
        return true;
    }
    let weights = weight.par_chunks_mut(PIECE).zip(gradient.par_chunks_mut(PIECE));
    let moments = first.par_chunks_mut(PIECE).zip(second.par_chunks_mut(PIECE));
    weights.zip(moments).for_each(|((weight, gradient), (first, second))| {
        by.apply(weight, gradient, first, second);
    });
    true
}

impl Move {
    fn apply(&self, weight: &mut [f32], gradient: &mut [f32], m: &mut [f32], v: &mut [f32]) {
        let [cut, keep, toward1, toward2, rate, root] =
            [self.cut, self.keep, self.toward.0, self.toward.1, self.rate, self.root]
                .map(|number| number as f32);
        let epsilon = super::EPSILON as f32;
        for (((w, g), m), v) in weight.iter_mut().zip(gradient).zip(m).zip(v) {
            let cut = *g * cut;
            *m += toward1 * (cut - *m);
            *v += toward2 * (cut * cut - *v);
            *w = *w * keep - *m * rate / (v.sqrt() * root + epsilon);
            *g = 0.0;
        }
    }
}

/// The sum of squares in sixteen lanes that do not wait for one another.
fn piece(numbers: &[f32]) -> f64 {
    let (whole, rest) = numbers.as_chunks::<16>();
    let mut lanes = [0f32; 16];
    for chunk in whole {
        for (lane, number) in lanes.iter_mut().zip(chunk) {
            *lane += number * number;
        }
    }
    let rest: f64 = rest.iter().map(|number| f64::from(number * number)).sum();
    lanes.iter().map(|lane| f64::from(*lane)).sum::<f64>() + rest
}

fn shared<'a>(
    at_once: impl IndexedParallelIterator<Item = &'a [f32]>,
    one_by_one: impl ExactSizeIterator<Item = &'a [f32]>,
    of: impl Fn(&[f32]) -> f64 + Sync + Send,
) -> Vec<f64> {
    if threads() == 1 || one_by_one.len() == 1 {
        return one_by_one.map(of).collect();
    }
    at_once.map(of).collect()
}

/// As many as libtorch may use.
fn threads() -> usize {
    usize::try_from(tch::get_num_threads()).unwrap_or(1).clamp(1, rayon::current_num_threads())
}
