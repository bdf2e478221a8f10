//! Elements to binary64 and back: exact one way, rounded once the other.
//!
//! Integer arithmetic throughout, so that neither a flush-to-zero mode nor a conversion instruction that
//! ignores subnormals can change a bit. Narrowing goes from binary64 to the element's format in *one* step: by
//! way of binary32 it would round twice. Called by [`mod@crate::inspect`] and [`mod@crate::blend`].

use crate::layout::Dtype;

/// A format of `E` exponent bits and `M` fraction bits below a sign, laid out as IEEE 754 lays them out.
struct Format<const E: u32, const M: u32>;

type F32 = Format<8, 23>;
type Bf16 = Format<8, 7>;
type F16 = Format<5, 10>;

/// binary64's fraction bits and exponent bias.
const FRACTION: u32 = 52;
const BIAS: u64 = 1023;

impl<const E: u32, const M: u32> Format<E, M> {
    const BIAS: u64 = (1 << (E - 1)) - 1;
    /// The exponent field of infinities and NaNs.
    const SPECIAL: u64 = (1 << E) - 1;
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
        } else if exponent == Self::SPECIAL {
            0x7ff << FRACTION | fraction << (FRACTION - M)
        } else {
            (exponent + BIAS - Self::BIAS) << FRACTION | fraction << (FRACTION - M)
        };
        f64::from_bits(sign | magnitude)
    }

    /// To nearest, ties to even. What is beyond the largest finite number, and NaN, gives infinity.
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
        let rounded = (significand + (1 << (drop - 1)) - 1 + odd) >> drop;
        // A normal number's leading one adds 1 to the exponent field, and so does a carry, as it should.
        let encoded = (exponent.saturating_sub(Self::NORMAL) << M) + rounded;
        let infinity = Self::SPECIAL << M;
        let magnitude = if encoded > infinity { infinity } else { encoded };
        (bits >> 63 << (E + M) | magnitude) as u32
    }

    /// Whether the bits are neither infinity nor NaN.
    #[inline(always)]
    const fn is_finite(bits: u32) -> bool {
        bits as u64 >> M & Self::SPECIAL != Self::SPECIAL
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

/// Calls `each(index, value)` for every little-endian element of `bytes`, in order.
///
/// A last element that is cut off is left out; callers hand over whole elements.
#[inline(always)]
pub(crate) fn for_each(dtype: Dtype, bytes: &[u8], mut each: impl FnMut(usize, f64)) {
    match dtype {
        Dtype::F32 => {
            let (elements, _) = bytes.as_chunks::<4>();
            elements
                .iter()
                .enumerate()
                .for_each(|(i, b)| each(i, f64_of_f32(u32::from_le_bytes(*b))));
        }
        Dtype::Bf16 => {
            let (elements, _) = bytes.as_chunks::<2>();
            elements
                .iter()
                .enumerate()
                .for_each(|(i, b)| each(i, f64_of_bf16(u16::from_le_bytes(*b))));
        }
        Dtype::F16 => {
            let (elements, _) = bytes.as_chunks::<2>();
            elements
                .iter()
                .enumerate()
                .for_each(|(i, b)| each(i, f64_of_f16(u16::from_le_bytes(*b))));
        }
    }
}

/// Writes the nearest element to each of `values` into `bytes`, little-endian, in order.
pub(crate) fn narrow_all(dtype: Dtype, values: impl Iterator<Item = f64>, bytes: &mut [u8]) {
    match dtype {
        Dtype::F32 => {
            let (elements, _) = bytes.as_chunks_mut::<4>();
            elements
                .iter_mut()
                .zip(values)
                .for_each(|(b, value)| *b = f32_of_f64(value).to_le_bytes());
        }
        Dtype::Bf16 => {
            let (elements, _) = bytes.as_chunks_mut::<2>();
            elements
                .iter_mut()
                .zip(values)
                .for_each(|(b, value)| *b = bf16_of_f64(value).to_le_bytes());
        }
        Dtype::F16 => {
            let (elements, _) = bytes.as_chunks_mut::<2>();
            elements
                .iter_mut()
                .zip(values)
                .for_each(|(b, value)| *b = f16_of_f64(value).to_le_bytes());
        }
    }
}

/// The index of the first element of `bytes` that is infinite or NaN.
pub(crate) fn first_not_finite(dtype: Dtype, bytes: &[u8]) -> Option<usize> {
    match dtype {
        Dtype::F32 => {
            bytes.as_chunks::<4>().0.iter().position(|b| !F32::is_finite(u32::from_le_bytes(*b)))
        }
        Dtype::Bf16 => bytes
            .as_chunks::<2>()
            .0
            .iter()
            .position(|b| !Bf16::is_finite(u16::from_le_bytes(*b).into())),
        Dtype::F16 => bytes
            .as_chunks::<2>()
            .0
            .iter()
            .position(|b| !F16::is_finite(u16::from_le_bytes(*b).into())),
    }
}

#[cfg(test)]
mod tests;
