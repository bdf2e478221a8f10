//! `model_stock/1`: between the base and the experts' mean, tensor by tensor, as near to the experts as they agree.
//!
//! Dong-Hwan Jang, Sangdoo Yun, Dongyoon Han, "Model Stock: All we need is just a few fine-tuned models", ECCV 2024,
//! section 4, the interpolation ratio for N fine-tuned models: t = N·cos θ / (1 + (N − 1)·cos θ), and
//! t·mean + (1 − t)·base, where cos θ is the mean cosine between the changes of two of them.

use super::derived::Derive;
use super::stream::{Sum, stream};
use crate::blend::{BlendError, Input};
use crate::kernel::Scale;

/// The base comes last among the inputs.
#[derive(Debug)]
pub(super) struct ModelStock;

impl Derive for ModelStock {
    fn factors(&self, inputs: &[Input]) -> Result<(Vec<f64>, Scale), BlendError> {
        let count = inputs.len() - 1;
        let t = interpolation(mean_cosine(inputs)?, count);
        let mut factors = vec![t / count as f64; count];
        factors.push(1.0 - t);
        Ok((factors, Scale::One))
    }
}

/// t for a mean cosine between −1 and 1. Below 0 the experts do not agree at all, and the base is best.
fn interpolation(cosine: f64, count: usize) -> f64 {
    let (cosine, count) = (if cosine > 0.0 { cosine } else { 0.0 }, count as f64);
    count * cosine / (1.0 + (count - 1.0) * cosine)
}

/// The mean over all pairs of the cosine between two experts' changes.
fn mean_cosine(inputs: &[Input]) -> Result<f64, BlendError> {
    let count = inputs.len() - 1;
    let inputs: Vec<_> = inputs.iter().collect();
    // Pairs (i, j), i ≤ j, in ascending order; those with i = j are squares.
    let pairs: Vec<_> = (0..count).flat_map(|i| (i..count).map(move |j| (i, j))).collect();
    let mut sums = vec![Sum::default(); pairs.len()];
    stream(&inputs, |values| {
        let (base, experts) = values.split_last_mut().expect("the base is there");
        for expert in experts.iter_mut() {
            expert.iter_mut().zip(&*base).for_each(|(value, base)| *value -= base);
        }
        for (&(i, j), sum) in pairs.iter().zip(&mut sums) {
            sum.add(&experts[i], &experts[j]);
        }
    })?;
    let mut norms = vec![0.0; count];
    for (&(i, j), sum) in pairs.iter().zip(&sums) {
        if i == j {
            norms[i] = sum.total().sqrt();
        }
    }
    let (mut total, mut apart) = (0.0, 0u32);
    for (&(i, j), sum) in pairs.iter().zip(&sums) {
        if i < j {
            let cosine = sum.total() / (norms[i] * norms[j]);
            // An expert that did not change here agrees with nobody; nor does one whose squares overflow.
            total += if cosine.is_nan() { 0.0 } else { cosine.clamp(-1.0, 1.0) };
            apart += 1;
        }
    }
    Ok(total / f64::from(apart))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_the_experts_agree_the_nearer_the_mean() {
        assert_eq!(interpolation(1.0, 3), 1.0);
        assert_eq!(interpolation(0.5, 2), 2.0 / 3.0);
        assert_eq!(interpolation(0.25, 4), 1.0 / 1.75);
        assert_eq!([0.0, -0.5, -1.0, f64::NAN].map(|it| interpolation(it, 2)), [0.0; 4]);
    }
}
