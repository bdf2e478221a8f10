//! Elements to binary64 and back: exact one way, rounded once the other.
//!
//! Narrowing goes from binary64 to the element's format in *one* step: by way of binary32 it would round twice.
//! Nothing branches, so that the compiler takes many elements at a time. The thread rounds to nearest, which
//! [`mod@crate::float_state`] asks about; no conversion instruction is used that would ignore subnormals.
//! Called by [`mod@crate::kernel`], to which everybody else turns.

use crate::layout::Dtype;

/// A format of `E` exponent bits and `M` fraction bits below a sign, laid out as IEEE 754 lays them out.
///
/// [`WITHOUT_INFINITY`], the largest exponent is a usual one, but for its last fraction, which is a NaN.
struct Format<const E: u32, const M: u32, const INFINITY: u32 = WITH_INFINITY>;

const WITH_INFINITY: u32 = 1;
const WITHOUT_INFINITY: u32 = 0;

type F32 = Format<8, 23>;
type Bf16 = Format<8, 7>;
type F16 = Format<5, 10>;
type F8E4M3 = Format<4, 3, WITHOUT_INFINITY>;
type F8E5M2 = Format<5, 2>;

/// binary64's fraction bits and exponent bias.
const FRACTION: u32 = 52;
const BIAS: u64 = 1023;

impl<const E: u32, const M: u32, const INFINITY: u32> Format<E, M, INFINITY> {
    const BIAS: u64 = (1 << (E - 1)) - 1;
    /// The largest exponent field.
    const SPECIAL: u64 = (1 << E) - 1;
    /// The least magnitude, as bits, that is not finite: infinity, or where there is none the only NaN.
    const NOT_FINITE: u64 =
        if INFINITY == WITH_INFINITY { Self::SPECIAL << M } else { (1 << (E + M)) - 1 };
    /// The least normal number, 2^(1 − bias).
    const LEAST_NORMAL: f64 = f64::from_bits((BIAS + 1 - Self::BIAS) << FRACTION);
    /// More than the largest number and less than four times that.
    const TOO_LARGE: f64 = f64::from_bits((BIAS + Self::BIAS + 2) << FRACTION);

    #[inline(always)]
    const fn widen(bits: u32) -> f64 {
        let bits = bits as u64;
        let sign = (bits >> (E + M) & 1) << 63;
        let magnitude = bits & ((1 << (E + M)) - 1);
        let normal = (magnitude << (FRACTION - M)).wrapping_add((BIAS - Self::BIAS) << FRACTION);
        let value = if magnitude < 1 << M {
            // Subnormal: with a leading one that is taken off again, exactly.
            (f64::from_bits(normal.wrapping_add(1 << FRACTION)) - Self::LEAST_NORMAL).to_bits()
        } else if magnitude >= Self::NOT_FINITE {
            0x7ff << FRACTION | (bits & ((1 << M) - 1)) << (FRACTION - M)
        } else {
            normal
        };
        f64::from_bits(sign | value)
    }

    /// To nearest, ties to even. What is beyond the largest finite number, and NaN, gives [`Self::NOT_FINITE`].
    #[inline(always)]
    const fn narrow(value: f64) -> u32 {
        let bits = value.to_bits();
        let sign = (bits >> 63) as u32;
        let magnitude = f64::from_bits(bits & (u64::MAX >> 1));
        // The power of two below, or of the least normal number; and one so much larger that binary64, to which
        // a sum with it is rounded, keeps just the bits that the format has room for.
        let power = f64::from_bits(bits & 0x7ff << FRACTION);
        let power = if power > Self::LEAST_NORMAL { power } else { Self::LEAST_NORMAL };
        let large = power.to_bits().wrapping_add(((FRACTION - M) as u64) << FRACTION);
        let units = (magnitude + f64::from_bits(large)).to_bits().wrapping_sub(large);
        // A normal number's leading one adds 1 to the exponent field, and so does a carry, as it should.
        let exponent = power.to_bits().wrapping_sub(Self::LEAST_NORMAL.to_bits());
        let encoded = (exponent >> (FRACTION - M)).wrapping_add(units) as u32;
        let is_small = magnitude < Self::TOO_LARGE;
        let is_finite = is_small & (encoded < Self::NOT_FINITE as u32);
        let encoded = if is_finite { encoded } else { Self::NOT_FINITE as u32 };
        sign << (E + M) | encoded
    }

    /// Whether the bits are neither infinity nor NaN.
    #[inline(always)]
    const fn is_finite(bits: u32) -> bool {
        (bits as u64 & ((1 << (E + M)) - 1)) < Self::NOT_FINITE
    }
}

/// A binary32, exactly.
pub const fn f64_of_f32(bits: u32) -> f64 {
    F32::widen(bits)
}

/// A bfloat16, exactly.
pub const fn f64_of_bf16(bits: u16) -> f64 {
    Bf16::widen(bits as u32)
}

/// A binary16, exactly.
pub const fn f64_of_f16(bits: u16) -> f64 {
    F16::widen(bits as u32)
}

/// An OCP E4M3, exactly.
pub const fn f64_of_f8_e4m3(bits: u8) -> f64 {
    F8E4M3::widen(bits as u32)
}

/// An OCP E5M2, exactly.
pub const fn f64_of_f8_e5m2(bits: u8) -> f64 {
    F8E5M2::widen(bits as u32)
}

/// The nearest binary32, ties to even; infinity for what is too large and for NaN.
pub const fn f32_of_f64(value: f64) -> u32 {
    F32::narrow(value)
}

/// The nearest bfloat16, ties to even; infinity for what is too large and for NaN.
pub const fn bf16_of_f64(value: f64) -> u16 {
    Bf16::narrow(value) as u16
}

/// The nearest binary16, ties to even; infinity for what is too large and for NaN.
pub const fn f16_of_f64(value: f64) -> u16 {
    F16::narrow(value) as u16
}

/// The nearest OCP E4M3, ties to even; NaN, of the same sign, for what is too large and for NaN.
pub const fn f8_e4m3_of_f64(value: f64) -> u8 {
    F8E4M3::narrow(value) as u8
}

/// The nearest OCP E5M2, ties to even; infinity for what is too large and for NaN.
pub const fn f8_e5m2_of_f64(value: f64) -> u8 {
    F8E5M2::narrow(value) as u8
}

/// A format of floating-point elements of `N` bytes, little-endian.
trait Element<const N: usize> {
    fn value(bytes: [u8; N]) -> f64;
    /// The nearest element, ties to even; one that is not finite for what is too large and for NaN.
    fn nearest(value: f64) -> [u8; N];
    fn is_finite(bytes: [u8; N]) -> bool;
}

macro_rules! element {
    ($format:ty, $bits:ty, $size:literal, $widen:expr, $narrow:expr) => {
        impl Element<$size> for $format {
            #[inline(always)]
            fn value(bytes: [u8; $size]) -> f64 {
                $widen(<$bits>::from_le_bytes(bytes))
            }
            #[inline(always)]
            fn nearest(value: f64) -> [u8; $size] {
                $narrow(value).to_le_bytes()
            }
            #[inline(always)]
            fn is_finite(bytes: [u8; $size]) -> bool {
                Self::is_finite(<$bits>::from_le_bytes(bytes).into())
            }
        }
    };
}

element!(F32, u32, 4, |bits| f64::from(f32::from_bits(bits)), |value: f64| (value as f32)
    .to_bits());
element!(Bf16, u16, 2, |bits| f64::from(f32::from_bits(u32::from(bits) << 16)), bf16_of_f64);
element!(F16, u16, 2, f64_of_f16, f16_of_f64);
element!(F8E4M3, u8, 1, f64_of_f8_e4m3, f8_e4m3_of_f64);
element!(F8E5M2, u8, 1, f64_of_f8_e5m2, f8_e5m2_of_f64);

/// binary64: nothing is to be converted.
struct F64;

impl Element<8> for F64 {
    #[inline(always)]
    fn value(bytes: [u8; 8]) -> f64 {
        f64::from_le_bytes(bytes)
    }
    #[inline(always)]
    fn nearest(value: f64) -> [u8; 8] {
        value.to_le_bytes()
    }
    #[inline(always)]
    fn is_finite(bytes: [u8; 8]) -> bool {
        Self::value(bytes).is_finite()
    }
}

/// Calls `$of::<format, size>(…)` for a dtype of floating-point numbers, and is `$other` for another.
macro_rules! by_format {
    ($dtype:expr, $of:ident($($argument:expr),*), $other:expr) => {
        match $dtype {
            Dtype::F64 => $of::<F64, 8>($($argument),*),
            Dtype::F32 => $of::<F32, 4>($($argument),*),
            Dtype::Bf16 => $of::<Bf16, 2>($($argument),*),
            Dtype::F16 => $of::<F16, 2>($($argument),*),
            Dtype::F8E4M3 => $of::<F8E4M3, 1>($($argument),*),
            Dtype::F8E5M2 => $of::<F8E5M2, 1>($($argument),*),
            _ => $other,
        }
    };
}

/// Writes element i of `bytes` to `values[i]`. `dtype` is one of floating-point numbers.
///
/// A last element that is cut off is left out; callers hand over whole elements.
#[inline(always)]
pub(crate) fn widen_all(dtype: Dtype, bytes: &[u8], values: &mut [f64]) {
    by_format!(
        dtype,
        widen_all_of(bytes, values),
        unreachable!("integers are compared, not converted")
    );
}

#[inline(always)]
fn widen_all_of<E: Element<N>, const N: usize>(bytes: &[u8], values: &mut [f64]) {
    let (elements, _) = bytes.as_chunks::<N>();
    values.iter_mut().zip(elements).for_each(|(value, bytes)| *value = E::value(*bytes));
}

/// Writes the nearest element to each of `values` into `bytes`, in order. `dtype` as for [`widen_all`].
#[inline(always)]
pub(crate) fn narrow_all(dtype: Dtype, values: impl Iterator<Item = f64>, bytes: &mut [u8]) {
    by_format!(
        dtype,
        narrow_all_of(values, bytes),
        unreachable!("integers are compared, not converted")
    );
}

#[inline(always)]
fn narrow_all_of<E: Element<N>, const N: usize>(
    values: impl Iterator<Item = f64>,
    bytes: &mut [u8],
) {
    let (elements, _) = bytes.as_chunks_mut::<N>();
    elements.iter_mut().zip(values).for_each(|(bytes, value)| *bytes = E::nearest(value));
}

/// A bfloat16 is the upper half of the same binary32; so is one that is no number.
#[inline(always)]
pub(crate) fn bf16_to_f32(bytes: &[u8], output: &mut [u8]) {
    let (from, to) = (bytes.as_chunks().0, output.as_chunks_mut().0);
    for (from, to) in from.iter().zip(to) {
        *to = (u32::from(u16::from_le_bytes(*from)) << 16).to_le_bytes();
    }
}

/// The index of the first element of `bytes` that is infinite or NaN. Integers are neither.
pub(crate) fn first_not_finite(dtype: Dtype, bytes: &[u8]) -> Option<usize> {
    by_format!(dtype, first_not_finite_of(bytes), None)
}

#[inline(always)]
fn first_not_finite_of<E: Element<N>, const N: usize>(bytes: &[u8]) -> Option<usize> {
    bytes.as_chunks::<N>().0.iter().position(|bytes| !E::is_finite(*bytes))
}

/// Whether [`first_not_finite`] finds none; asks every element, and so many at a time.
#[inline(always)]
pub(crate) fn all_finite(dtype: Dtype, bytes: &[u8]) -> bool {
    by_format!(dtype, all_finite_of(bytes), true)
}

#[inline(always)]
fn all_finite_of<E: Element<N>, const N: usize>(bytes: &[u8]) -> bool {
    bytes.as_chunks::<N>().0.iter().fold(true, |finite, bytes| finite & E::is_finite(*bytes))
}

#[cfg(test)]
mod tests;
