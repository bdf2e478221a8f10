//! The arithmetic of soups on runs of elements: many inputs in, one output, each element rounded once.
//!
//! Pure functions over bytes that the caller has read; no file, no thread. What they compute is defined one
//! element at a time, in binary64: s := +0; for each term in order, the product of its factor and its element is
//! rounded and added to s, which is rounded; the sum is divided, which is rounded; the quotient is rounded to the
//! output's dtype in one step. `scalar` does just that. `avx2` and `avx512` do it for many elements at once,
//! and fuse multiplication and addition where the product is exact, so that no level differs in any bit: the
//! tests compare all of them with a fourth, slow way. Called by [`mod@crate::blend`] and by the methods.
//!
//! They refuse elements that are infinite or NaN, and results that would be. They do not ask whether the thread
//! rounds to nearest and keeps subnormals: [`mod@crate::float_state`] does, and its callers call it first.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod division;
mod level;
mod scalar;

pub use self::level::Level;
use crate::layout::Dtype;

/// What a sum is divided by before it is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// By 1 000 000, correctly rounded: the factors are parts per million.
    Millionth,
    /// By nothing.
    One,
}

/// One input of a sum.
#[derive(Debug, Clone, Copy)]
pub struct Term<'a> {
    /// Whole elements, little-endian.
    pub bytes: &'a [u8],
    /// Their format: floating-point numbers.
    pub dtype: Dtype,
    /// What each is multiplied by; finite.
    pub factor: f64,
}

impl Term<'_> {
    /// Whether each product of factor and element has at most 53 significant bits and no extreme exponent: it is
    /// exact then, and may be fused with the addition; and so is every sum that is not zero far from subnormal.
    fn has_exact_products(&self) -> bool {
        let bits = self.factor.to_bits();
        // 29 significant bits beside the 24 of binary32, and an exponent from −100 to 100.
        let short = bits & ((1 << 24) - 1) == 0 && (923..=1123).contains(&(bits >> 52 & 0x7ff));
        self.dtype != Dtype::F64 && (short || self.factor == 0.0)
    }
}

/// Mixes the terms into `output`, whose elements are of dtype `to`: element e is the sum of factor times element
/// e over the terms, in their order, divided as `scale` says and rounded to nearest even.
///
/// `scratch` is the caller's, so that it is allocated once; what it holds does not matter. Where an error is
/// returned, what `output` holds does not matter either.
///
/// # Errors
/// The index of the first element whose sum or rounded result is infinite, NaN or too large for `to`.
///
/// # Panics
/// If a dtype is none of floating-point numbers, or the terms and the output differ in their number of elements.
pub fn mix(
    terms: &[Term<'_>],
    scale: Scale,
    to: Dtype,
    scratch: &mut Vec<f64>,
    output: &mut [u8],
) -> Result<(), usize> {
    Level::best().mix(terms, scale, to, scratch, output)
}

/// The elements of `bytes` as binary64, exactly: `values[i]` is element i.
///
/// # Panics
/// If `dtype` is none of floating-point numbers, or `bytes` are not as many elements as `values`.
pub fn widen(dtype: Dtype, bytes: &[u8], values: &mut [f64]) {
    Level::best().widen(dtype, bytes, values);
}

/// (p · x) / d for each element x: two operations in binary64, each of which rounds once, to nearest even.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fold {
    /// p.
    pub multiply: f64,
    /// d.
    pub divide: f64,
}

/// Each element of `bytes`, folded where that is asked for, and rounded once to the nearest element of dtype `to`,
/// ties to even. What is infinite, NaN or too large becomes infinite or NaN: [`first_not_finite`] finds it.
///
/// # Panics
/// If a dtype is none of floating-point numbers, or `bytes` and `output` differ in their number of elements.
pub fn convert(dtype: Dtype, bytes: &[u8], fold: Option<Fold>, to: Dtype, output: &mut [u8]) {
    Level::best().convert(dtype, bytes, fold, to, output);
}

/// The nearest element to each of `values`, ties to even, in one rounding.
///
/// # Errors
/// The index of the first value that is infinite, NaN or too large for `dtype`.
///
/// # Panics
/// As [`widen`].
pub fn narrow(dtype: Dtype, values: &[f64], bytes: &mut [u8]) -> Result<(), usize> {
    Level::best().narrow(dtype, values, bytes)
}

/// The index of the first element of `bytes` that is infinite or NaN. Integers are neither.
pub fn first_not_finite(dtype: Dtype, bytes: &[u8]) -> Option<usize> {
    Level::best().first_not_finite(dtype, bytes)
}

#[cfg(test)]
mod tests;
