//! Elements to binary64 and back: exact one way, rounded once the other.
//!
//! Integer arithmetic throughout, so that neither a flush-to-zero mode nor a conversion instruction that
//! ignores subnormals can change a bit. Narrowing goes from binary64 to the element's format in *one* step: by
//! way of binary32 it would round twice. Called by [`mod@crate::inspect`] and [`mod@crate::blend`].

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
    /// The least binary64 exponent field whose numbers are normal here.
    const NORMAL: u64 = BIAS - Self::BIAS + 1;
    /// The unit of subnormal numbers, 2^(1 − bias − M).
    const UNIT: f64 = f64::from_bits((BIAS + 1 - Self::BIAS - M as u64) << FRACTION);

    #[inline(always)]
    const fn widen(bits: u32) -> f64 {
        let bits = bits as u64;
        let sign = (bits >> (E + M) & 1) << 63;
        let exponent = bits >> M & Self::SPECIAL;
        let fraction = bits & ((1 << M) - 1);
        let magnitude = if exponent == 0 {
            // Exact: an integer below 2^23 times a power of two that binary64 holds as a normal number.
            (fraction as u32 as f64 * Self::UNIT).to_bits()
        } else if exponent << M | fraction >= Self::NOT_FINITE {
            0x7ff << FRACTION | fraction << (FRACTION - M)
        } else {
            (exponent + BIAS - Self::BIAS) << FRACTION | fraction << (FRACTION - M)
        };
        f64::from_bits(sign | magnitude)
    }

    /// To nearest, ties to even. What is beyond the largest finite number, and NaN, gives [`Self::NOT_FINITE`].
    #[inline(always)]
    const fn narrow(value: f64) -> u32 {
        let bits = value.to_bits();
        let exponent = bits >> FRACTION & 0x7ff;
        let significand = bits & ((1 << FRACTION) - 1) | 1 << FRACTION;
        // Bits to drop: those that the fraction lacks, and for a subnormal one more for each power of two
        // below the least normal number. From 54 on nothing is left, so more need not be dropped.
        let below = Self::NORMAL.saturating_sub(exponent);
        let drop = (FRACTION - M) as u64 + below;
        let drop = if drop > 54 { 54 } else { drop };
        let odd = significand >> drop & 1;
        // At most 2^53 + 2^53: nothing overflows, and the compiler, spared the question, takes many at a time.
        let half = (1u64 << (drop - 1)).wrapping_sub(1).wrapping_add(odd);
        let rounded = significand.wrapping_add(half) >> drop;
        // A normal number's leading one adds 1 to the exponent field, and so does a carry, as it should.
        let encoded = (exponent.saturating_sub(Self::NORMAL) << M).wrapping_add(rounded);
        let magnitude = if encoded > Self::NOT_FINITE { Self::NOT_FINITE } else { encoded };
        (bits >> 63 << (E + M) | magnitude) as u32
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
    ($format:ty, $bits:ty, $size:literal) => {
        impl Element<$size> for $format {
            #[inline(always)]
            fn value(bytes: [u8; $size]) -> f64 {
                Self::widen(<$bits>::from_le_bytes(bytes).into())
            }
            #[inline(always)]
            fn nearest(value: f64) -> [u8; $size] {
                // The format's bits are no more than its bytes hold.
                (Self::narrow(value) as $bits).to_le_bytes()
            }
            #[inline(always)]
            fn is_finite(bytes: [u8; $size]) -> bool {
                Self::is_finite(<$bits>::from_le_bytes(bytes).into())
            }
        }
    };
}

element!(F32, u32, 4);
element!(Bf16, u16, 2);
element!(F16, u16, 2);
element!(F8E4M3, u8, 1);
element!(F8E5M2, u8, 1);

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

/// Calls `each(index, value)` for every element of `bytes`, in order. `dtype` is one of floating-point numbers.
///
/// A last element that is cut off is left out; callers hand over whole elements.
#[inline(always)]
pub(crate) fn for_each(dtype: Dtype, bytes: &[u8], each: impl FnMut(usize, f64)) {
    by_format!(
        dtype,
        for_each_of(bytes, each),
        unreachable!("integers are compared, not converted")
    );
}

#[inline(always)]
fn for_each_of<E: Element<N>, const N: usize>(bytes: &[u8], mut each: impl FnMut(usize, f64)) {
    let (elements, _) = bytes.as_chunks::<N>();
    elements.iter().enumerate().for_each(|(index, bytes)| each(index, E::value(*bytes)));
}

/// Writes element i of `bytes` to `values[i]`. `dtype` as for [`for_each`].
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

/// Writes the nearest element to each of `values` into `bytes`, in order. `dtype` as for [`for_each`].
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
