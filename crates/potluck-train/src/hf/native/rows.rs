//! What lies between products, over rows of numbers: norms, non-linearities, rotations, distributions.

use super::lanes::{erf, exp, most, sum, tanh};
use super::widths::widths;
use crate::hf::architecture::{Activation, Norm};

/// A norm's weight, one added to it where the norm says so, and its bias.
#[derive(Debug)]
pub(super) struct Scales {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Option<Vec<f32>>,
}

widths! {
    /// The rows of `x`, as long as the weight, normed into `out`.
    pub(super) fn norm(norm: Norm, scales: &Scales, x: &[f32], out: &mut [f32]) = norm_with
}

widths! {
    /// The same in place.
    pub(super) fn norm_in_place(norm: Norm, scales: &Scales, x: &mut [f32]) = norm_in_place_with
}

widths! {
    /// The non-linearity of each number.
    pub(super) fn activate(activation: Activation, x: &mut [f32]) = activate_with
}

widths! {
    /// For rows of `both`, the non-linearity of the first half times the second, into rows of `out`.
    pub(super) fn gate(activation: Activation, both: &[f32], width: usize, out: &mut [f32]) = gate_with
}

widths! {
    /// Adds `x` to `to`.
    pub(super) fn add(x: &[f32], to: &mut [f32]) = add_with
}

widths! {
    /// Turns each of the heads, `width` long, by the cosines and sines of one position: of what is
    /// turned, the second half is the partner of the first. What lies beyond is left as it is.
    pub(super) fn turn(heads: &mut [f32], width: usize, cosines: &[f32], sines: &[f32]) = turn_with
}

widths! {
    /// Bends numbers to a bound.
    pub(super) fn bend(x: &mut [f32], bound: f32) = bend_with
}

widths! {
    /// Makes logits, divided by a temperature, probabilities.
    pub(super) fn softmax(x: &mut [f32], temperature: f32) = softmax_with
}

widths! {
    /// The logarithm of the sum of powers, in `out`.
    pub(super) fn log_sum(x: &[f32], out: &mut f32) = log_sum_with
}

#[inline(always)]
fn norm_with<const FUSED: bool>(norm: Norm, scales: &Scales, x: &[f32], out: &mut [f32]) {
    let width = scales.weight.len();
    for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        let (mean, factor) = moments(norm, x);
        for ((out, x), weight) in out.iter_mut().zip(x).zip(&scales.weight) {
            *out = (x - mean) * factor * weight;
        }
        if let Some(bias) = &scales.bias {
            out.iter_mut().zip(bias).for_each(|(out, bias)| *out += bias);
        }
    }
}

#[inline(always)]
fn norm_in_place_with<const FUSED: bool>(norm: Norm, scales: &Scales, x: &mut [f32]) {
    for x in x.chunks_exact_mut(scales.weight.len()) {
        let (mean, factor) = moments(norm, x);
        for (x, weight) in x.iter_mut().zip(&scales.weight) {
            *x = (*x - mean) * factor * weight;
        }
        if let Some(bias) = &scales.bias {
            x.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
        }
    }
}

/// What is taken from each number, and by what it is multiplied then.
#[inline(always)]
fn moments(norm: Norm, x: &[f32]) -> (f32, f32) {
    let count = x.len() as f32;
    let (mean, epsilon) = match norm {
        Norm::Rms(epsilon) | Norm::RmsPlusOne(epsilon) => (0.0, epsilon),
        Norm::Layer(epsilon) => (sum(x, |x| x) / count, epsilon),
    };
    let square = sum(x, |x| (x - mean) * (x - mean)) / count;
    (mean, 1.0 / (square + epsilon as f32).sqrt())
}

#[inline(always)]
fn activated(activation: Activation, x: f32) -> f32 {
    const ROOT: f32 = 0.797_884_6;
    match activation {
        Activation::Silu => x / (1.0 + exp(-x)),
        Activation::Gelu => 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
        Activation::GeluTanh => 0.5 * x * (1.0 + tanh(ROOT * (x + 0.044_715 * x * x * x))),
        Activation::Relu => x.max(0.0),
    }
}

/// A loop for each non-linearity, so that none has a choice within.
macro_rules! for_each_activation {
    ($activation:ident, $own:ident => $loop:expr) => {
        match $activation {
            Activation::Silu => {
                let $own = Activation::Silu;
                $loop
            }
            Activation::Gelu => {
                let $own = Activation::Gelu;
                $loop
            }
            Activation::GeluTanh => {
                let $own = Activation::GeluTanh;
                $loop
            }
            Activation::Relu => {
                let $own = Activation::Relu;
                $loop
            }
        }
    };
}

#[inline(always)]
fn activate_with<const FUSED: bool>(activation: Activation, x: &mut [f32]) {
    for_each_activation!(activation, own => x.iter_mut().for_each(|x| *x = activated(own, *x)));
}

#[inline(always)]
fn gate_with<const FUSED: bool>(
    activation: Activation,
    both: &[f32],
    width: usize,
    out: &mut [f32],
) {
    for (both, out) in both.chunks_exact(2 * width).zip(out.chunks_exact_mut(width)) {
        let (gates, ups) = both.split_at(width);
        for_each_activation!(activation, own => {
            for ((out, &gate), up) in out.iter_mut().zip(gates).zip(ups) {
                *out = activated(own, gate) * up;
            }
        });
    }
}

#[inline(always)]
fn add_with<const FUSED: bool>(x: &[f32], to: &mut [f32]) {
    to.iter_mut().zip(x).for_each(|(to, x)| *to += x);
}

#[inline(always)]
fn turn_with<const FUSED: bool>(heads: &mut [f32], width: usize, cosines: &[f32], sines: &[f32]) {
    let half = cosines.len();
    for head in heads.chunks_exact_mut(width) {
        let (first, rest) = head.split_at_mut(half);
        for (((a, b), cos), sin) in first.iter_mut().zip(rest).zip(cosines).zip(sines) {
            (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
        }
    }
}

#[inline(always)]
fn bend_with<const FUSED: bool>(x: &mut [f32], bound: f32) {
    x.iter_mut().for_each(|x| *x = tanh(*x / bound) * bound);
}

#[inline(always)]
fn softmax_with<const FUSED: bool>(x: &mut [f32], temperature: f32) {
    if temperature != 1.0 {
        x.iter_mut().for_each(|x| *x /= temperature);
    }
    let largest = most(x);
    x.iter_mut().for_each(|x| *x = exp(*x - largest));
    let factor = 1.0 / sum(x, |x| x);
    x.iter_mut().for_each(|x| *x *= factor);
}

#[inline(always)]
fn log_sum_with<const FUSED: bool>(x: &[f32], out: &mut f32) {
    let largest = most(x);
    *out = largest + sum(x, |x| exp(x - largest)).ln();
}
