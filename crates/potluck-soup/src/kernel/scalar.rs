//! The general way: any dtypes, element after element, the operations of the definition and no others.
//!
//! Nothing here names an instruction. Everything is inlined into one function a level, so that the compiler may
//! use that level's registers; it never fuses or reorders what Rust's arithmetic spells out. A run is worked on
//! in pieces that, as binary64, stay in a core's first-level cache.

use super::{Fold, Scale, Term};
use crate::convert;
use crate::layout::Dtype;

/// Elements worked on at a time.
const PIECE: usize = 1024;

/// What [`Scale::Millionth`] divides by.
const MILLION: f64 = 1e6;

/// Mixes the terms' elements from `first` on into `output`; errors count from the terms' start.
#[inline(always)]
pub(super) fn mix(
    terms: &[Term<'_>],
    first: usize,
    scale: Scale,
    to: Dtype,
    scratch: &mut Vec<f64>,
    output: &mut [u8],
) -> Result<(), usize> {
    scratch.resize(2 * PIECE, 0.0);
    let (sums, values) = scratch.split_at_mut(PIECE);
    for (piece, output) in output.chunks_mut(PIECE * to.size()).enumerate() {
        let (start, count) = (first + piece * PIECE, output.len() / to.size());
        let (sums, values) = (&mut sums[..count], &mut values[..count]);
        sums.fill(0.0);
        for term in terms {
            let size = term.dtype.size();
            widen(term.dtype, &term.bytes[start * size..][..count * size], values);
            for (sum, value) in sums.iter_mut().zip(&*values) {
                *sum += term.factor * value;
            }
        }
        if scale == Scale::Millionth {
            sums.iter_mut().for_each(|sum| *sum /= MILLION);
        }
        narrow(to, sums, output).map_err(|index| start + index)?;
    }
    Ok(())
}

/// The elements as binary64.
#[inline(always)]
pub(super) fn widen(dtype: Dtype, bytes: &[u8], values: &mut [f64]) {
    convert::widen_all(dtype, bytes, values);
}

/// The elements in another format.
#[inline(always)]
pub(super) fn convert(
    dtype: Dtype,
    bytes: &[u8],
    fold: Option<Fold>,
    to: Dtype,
    output: &mut [u8],
) {
    if (dtype, to, fold) == (Dtype::Bf16, Dtype::F32, None) {
        return convert::bf16_to_f32(bytes, output);
    }
    let mut values = [0.0; PIECE];
    let pieces = bytes.chunks(PIECE * dtype.size());
    for (bytes, output) in pieces.zip(output.chunks_mut(PIECE * to.size())) {
        let values = &mut values[..output.len() / to.size()];
        widen(dtype, bytes, values);
        if let Some(Fold { multiply, divide }) = fold {
            values.iter_mut().for_each(|value| *value = *value * multiply / divide);
        }
        convert::narrow_all(to, values.iter().copied(), output);
    }
}

/// The nearest elements, or the index of the first that is not finite.
#[inline(always)]
pub(super) fn narrow(dtype: Dtype, values: &[f64], bytes: &mut [u8]) -> Result<(), usize> {
    convert::narrow_all(dtype, values.iter().copied(), bytes);
    match first_not_finite(dtype, bytes) {
        None => Ok(()),
        Some(index) => Err(index),
    }
}

/// The first element that is infinite or NaN.
#[inline(always)]
pub(super) fn first_not_finite(dtype: Dtype, bytes: &[u8]) -> Option<usize> {
    // All of a piece are asked without a branch, which the compiler does many at a time.
    let size = dtype.size() * PIECE;
    bytes.chunks(size).enumerate().find_map(|(piece, bytes)| {
        if convert::all_finite(dtype, bytes) {
            return None;
        }
        convert::first_not_finite(dtype, bytes).map(|index| piece * PIECE + index)
    })
}
