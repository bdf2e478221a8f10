//! The statistics of one tile: what they are, element by element.
//!
//! Sums over the elements that are finite, with n the element's place in the tile:
//! - BF16 and F16, where the tile's largest finite magnitude is 0, or at least 2^−40 and below 2^40: in groups of
//!   2048 elements, x and x² are added in binary32 to lane n mod 32, each from +0; a group's lanes are then added to
//!   32 lanes of binary64. A lane adds 64 numbers, so the norm is off by at most 2 millionths of itself, and the
//!   mean by 4 millionths of the mean magnitude.
//! - F8: the patterns are counted, and count × value and count × value² added in ascending order of patterns.
//! - all others: x and x² are rounded to binary64 and added to lane n mod 32.
//!
//! Magnitudes are a sample: of every 4096 elements of a tile the first 512, and of F8 all.
//!
//! Lanes are added in order from +0. Nothing is fused. What is written here one element at a time is done by
//! [`super::finite`] on whole vectors, for tiles in which every element is finite; the tests compare the two.

use super::{Floats, Integers, Statistics, finite};
use crate::kernel;
use crate::layout::Dtype;

/// Sums that run beside one another.
pub(super) const LANES: usize = 32;
/// Elements that are summed in binary32 before they go to binary64.
pub(super) const GROUP: usize = 2048;
/// Neighbours whose exponents are counted,
pub(super) const RUN: usize = 512;
/// in one of so many runs of them, the first of a tile among these.
pub(super) const EVERY: usize = 8;
/// The magnitudes, from and up to, whose squares binary32 can add: 2^−40 and 2^40.
const TAME: std::ops::Range<f64> =
    f64::from_bits((1023 - 40) << 52)..f64::from_bits((1023 + 40) << 52);

/// The statistics of whole elements, at most [`super::TILE_BYTES`] of them.
pub(super) fn statistics(dtype: Dtype, bytes: &[u8]) -> Statistics {
    if !dtype.is_float() {
        return Statistics::Integers(finite::integers(dtype, bytes));
    }
    let floats = match dtype {
        Dtype::F8E4M3 | Dtype::F8E5M2 => finite::bytes(dtype, bytes),
        _ => finite::floats(dtype, bytes).unwrap_or_else(|| floats(dtype, bytes)),
    };
    Statistics::Floats(Box::new(floats))
}

/// What is subtracted from a format's exponent field.
pub(super) const fn bias(dtype: Dtype) -> i32 {
    match dtype {
        Dtype::F32 | Dtype::Bf16 => 127,
        Dtype::F16 | Dtype::F8E5M2 => 15,
        Dtype::F8E4M3 => 7,
        _ => 1023,
    }
}

/// A format's least normal number, which is a normal number of binary64 too.
pub(super) fn least_normal(dtype: Dtype) -> f64 {
    f64::from_bits(((1 - bias(dtype) + 1023) as u64) << 52)
}

/// Whether a tile of such a largest magnitude is summed in binary32.
pub(super) fn is_tame(dtype: Dtype, largest: f64) -> bool {
    matches!(dtype, Dtype::Bf16 | Dtype::F16) && (largest == 0.0 || TAME.contains(&largest))
}

/// Lanes added in order.
pub(super) fn total(lanes: &[f64; LANES]) -> f64 {
    lanes.iter().fold(0.0, |sum, lane| sum + lane)
}

/// One element at a time: all formats but F8, whatever the elements are.
pub(super) fn floats(dtype: Dtype, bytes: &[u8]) -> Floats {
    let mut found = Floats { elements: (bytes.len() / dtype.size()) as u64, ..Floats::default() };
    let least_normal = least_normal(dtype);
    let mut values = vec![0.0; bytes.len() / dtype.size()];
    kernel::widen(dtype, bytes, &mut values);
    for (index, value) in values.iter().enumerate() {
        found.see(*value, 1, least_normal, (index / RUN).is_multiple_of(EVERY));
    }
    let is_tame = is_tame(dtype, found.largest().unwrap_or(0.0));
    let (mut sums, mut squares) = ([0.0; LANES], [0.0; LANES]);
    let (mut group_sums, mut group_squares) = ([0f32; LANES], [0f32; LANES]);
    for (index, &value) in values.iter().enumerate() {
        let lane = index % LANES;
        if value.is_finite() && is_tame {
            // BF16 and F16 are binary32 numbers.
            let narrow = value as f32;
            group_sums[lane] += narrow;
            group_squares[lane] += narrow * narrow;
        } else if value.is_finite() {
            sums[lane] += value;
            squares[lane] += value * value;
        }
        if index % GROUP == GROUP - 1 || index + 1 == values.len() {
            for lane in 0..LANES {
                sums[lane] += f64::from(group_sums[lane]);
                squares[lane] += f64::from(group_squares[lane]);
            }
            (group_sums, group_squares) = ([0.0; LANES], [0.0; LANES]);
        }
    }
    Floats { sum: total(&sums), squares: total(&squares), ..found }
}

impl Floats {
    /// Takes note of `count` elements of one value, in all but the sums and the number of elements; in the magnitudes
    /// where it is in the sample.
    pub(super) fn see(&mut self, value: f64, count: u64, least_normal: f64, is_sampled: bool) {
        if value.is_nan() {
            self.nans += count;
            return;
        }
        if value.is_infinite() {
            self.infinities += count;
            return;
        }
        self.minimum = super::either(self.minimum, Some(value), |a, b| a.total_cmp(b).is_le());
        self.maximum = super::either(self.maximum, Some(value), |a, b| a.total_cmp(b).is_ge());
        if value == 0.0 {
            self.zeros += count;
        } else if value.abs() < least_normal {
            self.subnormals += count;
        } else if is_sampled {
            // A normal number here is one of binary64.
            let exponent = (value.to_bits() >> 52 & 0x7ff) as i32 - 1023;
            self.magnitudes.count(exponent, count);
        }
    }
}

impl Integers {
    pub(super) fn of<T: Copy + Ord + Into<i128>>(elements: impl Iterator<Item = T>) -> Self {
        let (mut count, mut range) = (0, None::<(T, T)>);
        for element in elements {
            count += 1;
            let (low, high) = range.unwrap_or((element, element));
            range = Some((low.min(element), high.max(element)));
        }
        Self {
            elements: count,
            minimum: range.map(|(low, _)| low.into()),
            maximum: range.map(|(_, high)| high.into()),
        }
    }
}
