//! 32 elements at a time in AVX2 registers: eight sums of four, otherwise as [`super::avx512`] does it.
//!
//! Where that one has a mask or a mode of rounding in the instruction, here stand a comparison and a blend.

use std::arch::x86_64::*;

use super::division::reciprocal;
use super::{Fold, Scale, Term, scalar};
use crate::layout::Dtype;

/// Elements a block.
const BLOCK: usize = 32;

/// A number for each element of a block, four a register, in an order that each format chooses.
type Numbers = [__m256d; 8];

/// As in [`super::avx512`].
macro_rules! mix_blocks {
    ($name:ident, $bits:ty, $infinity:literal, $load:ident, $store:ident) => {
        #[target_feature(enable = "avx2,fma,f16c")]
        pub(super) fn $name(terms: &[Term<'_>], scale: Scale, output: &mut [u8]) -> usize {
            const BYTES: usize = BLOCK * size_of::<$bits>();
            let (high, low) = reciprocal(scale);
            let (high, low) = (_mm256_set1_pd(high), _mm256_set1_pd(low));
            let (blocks, _) = output.as_chunks_mut::<BYTES>();
            let mut largest = _mm256_setzero_si256();
            for (index, block) in blocks.iter_mut().enumerate() {
                let mut sums = [_mm256_setzero_pd(); 8];
                for term in terms {
                    let factor = _mm256_set1_pd(term.factor);
                    let elements = $load(&term.bytes.as_chunks::<BYTES>().0[index]);
                    for (sum, element) in sums.iter_mut().zip(elements) {
                        *sum = _mm256_fmadd_pd(element, factor, *sum);
                    }
                }
                for sum in &mut sums {
                    *sum = _mm256_fmadd_pd(*sum, high, _mm256_mul_pd(*sum, low));
                }
                largest = $store(sums, block, largest);
            }
            // SAFETY: any bits are integers.
            let largest: [$bits; 32 / size_of::<$bits>()] = unsafe { std::mem::transmute(largest) };
            let finite = largest.iter().all(|magnitude| *magnitude < $infinity);
            if finite { blocks.len() * BLOCK } else { 0 }
        }
    };
}

mix_blocks!(mix_bf16, u16, 0x7f80, load_bf16, store_bf16);
mix_blocks!(mix_f16, u16, 0x7c00, load_f16, store_f16);
mix_blocks!(mix_f32, u32, 0x7f80_0000, load_f32, store_f32);

/// Registers 4i and 4i + 1 have the elements at even places of the i-th sixteen, the next two those at odd ones.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load_bf16(block: &[u8; 2 * BLOCK]) -> Numbers {
    let upper = _mm256_set1_epi32(0xffff_0000_u32.cast_signed());
    let mut numbers = [_mm256_setzero_pd(); 8];
    for (four, bytes) in numbers.as_chunks_mut::<4>().0.iter_mut().zip(block.as_chunks().0) {
        let words = load256(bytes);
        let even = eight_of(_mm256_slli_epi32::<16>(words));
        let odd = eight_of(_mm256_and_si256(words, upper));
        *four = [even[0], even[1], odd[0], odd[1]];
    }
    numbers
}

/// As [`super::avx512`]: the way by binary32 is wrong only where that is a middle that the number was not.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn store_bf16(means: Numbers, block: &mut [u8; 2 * BLOCK], mut largest: __m256i) -> __m256i {
    let middle = _mm256_set1_epi32(i32::MIN);
    let pairs = means.as_chunks::<2>().0;
    let mut singles = [_mm256_setzero_si256(); 4];
    let mut middles = _mm256_setzero_si256();
    for (single, pair) in singles.iter_mut().zip(pairs) {
        *single = to_nearest(*pair);
        let is_middle = _mm256_cmpeq_epi32(_mm256_slli_epi32::<16>(*single), middle);
        middles = _mm256_or_si256(middles, is_middle);
    }
    let has_middle = _mm256_testz_si256(middles, middles) == 0;
    for (single, pair) in singles.iter_mut().zip(pairs) {
        *single = if has_middle {
            half_to_even(to_odd(*pair))
        } else {
            _mm256_add_epi32(*single, _mm256_set1_epi32(0x8000))
        };
    }
    let upper = _mm256_set1_epi32(0xffff_0000_u32.cast_signed());
    for ([even, odd], bytes) in singles.as_chunks().0.iter().zip(block.as_chunks_mut().0) {
        let words = _mm256_or_si256(_mm256_srli_epi32::<16>(*even), _mm256_and_si256(*odd, upper));
        let magnitudes = _mm256_and_si256(words, _mm256_set1_epi16(0x7fff));
        largest = _mm256_max_epu16(largest, magnitudes);
        store256(words, bytes);
    }
    largest
}

/// Binary32 to bfloat16, in the upper halves: ½ unit is added, less the least bit where the last that stays is 0.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn half_to_even(single: __m256i) -> __m256i {
    let last = _mm256_and_si256(_mm256_srli_epi32::<16>(single), _mm256_set1_epi32(1));
    _mm256_add_epi32(_mm256_add_epi32(single, _mm256_set1_epi32(0x7fff)), last)
}

/// Registers 2i and 2i + 1 have the i-th eight elements.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load_f16(block: &[u8; 2 * BLOCK]) -> Numbers {
    let mut numbers = [_mm256_setzero_pd(); 8];
    for (pair, bytes) in numbers.as_chunks_mut::<2>().0.iter_mut().zip(block.as_chunks().0) {
        *pair = eight_of(_mm256_castps_si256(_mm256_cvtph_ps(load128(bytes))));
    }
    numbers
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn store_f16(means: Numbers, block: &mut [u8; 2 * BLOCK], mut largest: __m256i) -> __m256i {
    for ([a, b, c, d], bytes) in means.as_chunks().0.iter().zip(block.as_chunks_mut().0) {
        let (first, second) = (to_f16([*a, *b]), to_f16([*c, *d]));
        let words = _mm256_set_m128i(second, first);
        let magnitudes = _mm256_and_si256(words, _mm256_set1_epi16(0x7fff));
        largest = _mm256_max_epu16(largest, magnitudes);
        store256(words, bytes);
    }
    largest
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn to_f16(means: [__m256d; 2]) -> __m128i {
    _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm256_castsi256_ps(to_odd(means)))
}

/// Registers 2i and 2i + 1 have the i-th eight elements.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load_f32(block: &[u8; 4 * BLOCK]) -> Numbers {
    let mut numbers = [_mm256_setzero_pd(); 8];
    for (pair, bytes) in numbers.as_chunks_mut::<2>().0.iter_mut().zip(block.as_chunks().0) {
        *pair = eight_of(load256(bytes));
    }
    numbers
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn store_f32(means: Numbers, block: &mut [u8; 4 * BLOCK], mut largest: __m256i) -> __m256i {
    for (pair, bytes) in means.as_chunks::<2>().0.iter().zip(block.as_chunks_mut().0) {
        let single = to_nearest(*pair);
        let magnitudes = _mm256_and_si256(single, _mm256_set1_epi32(i32::MAX));
        largest = _mm256_max_epu32(largest, magnitudes);
        store256(single, bytes);
    }
    largest
}

/// Eight of binary32 as binary64, in order.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn eight_of(singles: __m256i) -> [__m256d; 2] {
    let singles = _mm256_castsi256_ps(singles);
    [
        _mm256_cvtps_pd(_mm256_castps256_ps128(singles)),
        _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(singles)),
    ]
}

/// To the nearest binary32, ties to even.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn to_nearest([first, second]: [__m256d; 2]) -> __m256i {
    _mm256_castps_si256(_mm256_set_m128(_mm256_cvtpd_ps(second), _mm256_cvtpd_ps(first)))
}

/// As [`super::avx512`]: to binary32 towards zero, and with a last bit of 1 where that is inexact.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn to_odd(means: [__m256d; 2]) -> __m256i {
    let nearest = to_nearest(means);
    let back = eight_of(nearest);
    let sign = _mm256_set1_pd(-0.0);
    let (mut larger, mut inexact) = (means, means);
    for i in 0..2 {
        let (back, mean) = (back[i], means[i]);
        inexact[i] = _mm256_cmp_pd::<_CMP_NEQ_UQ>(back, mean);
        let (back, mean) = (_mm256_andnot_pd(sign, back), _mm256_andnot_pd(sign, mean));
        larger[i] = _mm256_cmp_pd::<_CMP_GT_OQ>(back, mean);
    }
    let (larger, inexact) = (narrow_masks(larger), narrow_masks(inexact));
    // A mask is −1 where it holds: of sign and magnitude, it takes one unit off the magnitude.
    let cut = _mm256_add_epi32(nearest, larger);
    _mm256_or_si256(cut, _mm256_and_si256(inexact, _mm256_set1_epi32(1)))
}

/// Masks of 64 bits as masks of 32 bits, in order.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn narrow_masks([first, second]: [__m256d; 2]) -> __m256i {
    let halves =
        _mm256_shuffle_ps::<0b10_00_10_00>(_mm256_castpd_ps(first), _mm256_castpd_ps(second));
    _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_castps_si256(halves))
}

#[inline]
#[target_feature(enable = "avx2")]
fn load128(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: 16 bytes are read, at any alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load256(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: 32 bytes are read, at any alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store256(words: __m256i, bytes: &mut [u8; 32]) {
    // SAFETY: 32 bytes are written, at any alignment.
    unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), words) }
}

/// [`scalar::mix`], in these registers where the compiler finds that it can.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn mix(
    terms: &[Term<'_>],
    first: usize,
    scale: Scale,
    to: Dtype,
    scratch: &mut Vec<f64>,
    output: &mut [u8],
) -> Result<(), usize> {
    scalar::mix(terms, first, scale, to, scratch, output)
}

/// [`scalar::widen`], as [`mix`].
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn widen(dtype: Dtype, bytes: &[u8], values: &mut [f64]) {
    scalar::widen(dtype, bytes, values);
}

/// [`scalar::convert`], as [`mix`].
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn convert(
    dtype: Dtype,
    bytes: &[u8],
    fold: Option<Fold>,
    to: Dtype,
    output: &mut [u8],
) {
    scalar::convert(dtype, bytes, fold, to, output);
}

/// [`scalar::narrow`], as [`mix`].
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn narrow(dtype: Dtype, values: &[f64], bytes: &mut [u8]) -> Result<(), usize> {
    scalar::narrow(dtype, values, bytes)
}

/// [`scalar::first_not_finite`], as [`mix`].
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn first_not_finite(dtype: Dtype, bytes: &[u8]) -> Option<usize> {
    scalar::first_not_finite(dtype, bytes)
}
