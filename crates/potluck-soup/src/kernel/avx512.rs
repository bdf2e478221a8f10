//! 64 elements at a time in AVX-512 registers: eight sums of eight, which leave them only as results.
//!
//! For each block and term: elements to binary64, which is exact, and one fused multiplication and addition
//! each. That equals the definition's two operations, since callers hand over terms whose products are exact.
//! Rounding to 16 bits goes by way of binary32, but never rounds twice: [`mod@bf16`] and [`to_odd`] say how.
//! VCVTNEPS2BF16 is not used: it flushes subnormals, whatever the mode.

mod bf16;
mod interval;

use std::arch::x86_64::*;

pub(super) use self::bf16::mix_bf16;
use super::division::reciprocal;
use super::{Fold, Scale, Term, scalar};
use crate::layout::Dtype;

/// Elements a block.
const BLOCK: usize = 64;

/// A number for each element of a block, eight a register, in an order that each format chooses.
type Numbers = [__m512d; 8];

/// `$name` mixes whole blocks from the start of the output and says how many elements it has mixed: none where a
/// result is not finite, which the general way then finds. Results are `$bits`, not finite from `$infinity` on.
macro_rules! mix_blocks {
    ($name:ident, $bits:ty, $infinity:literal, $load:ident, $store:ident) => {
        #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
        pub(super) fn $name(terms: &[Term<'_>], scale: Scale, output: &mut [u8]) -> usize {
            const BYTES: usize = BLOCK * size_of::<$bits>();
            let (high, low) = reciprocal(scale);
            let (high, low) = (_mm512_set1_pd(high), _mm512_set1_pd(low));
            let (blocks, _) = output.as_chunks_mut::<BYTES>();
            let mut largest = _mm256_setzero_si256();
            for (index, block) in blocks.iter_mut().enumerate() {
                let mut sums = [_mm512_setzero_pd(); 8];
                for term in terms {
                    let factor = _mm512_set1_pd(term.factor);
                    let elements = $load(&term.bytes.as_chunks::<BYTES>().0[index]);
                    for (sum, element) in sums.iter_mut().zip(elements) {
                        *sum = _mm512_fmadd_pd(element, factor, *sum);
                    }
                }
                for sum in &mut sums {
                    *sum = _mm512_fmadd_pd(*sum, high, _mm512_mul_pd(*sum, low));
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

mix_blocks!(mix_f16, u16, 0x7c00, load_f16, store_f16);
mix_blocks!(mix_f32, u32, 0x7f80_0000, load_f32, store_f32);

/// To binary32 towards zero, and where that is inexact, with a last bit of 1 ("round to odd"): such a number
/// rounds on to any format of at most 22 bits as the number itself would.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn to_odd(mean: __m512d) -> __m256i {
    let cut = _mm512_cvt_roundpd_ps::<{ _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC }>(mean);
    let inexact = _mm512_cmp_pd_mask::<_CMP_NEQ_UQ>(_mm512_cvtps_pd(cut), mean);
    let bits = _mm256_castps_si256(cut);
    _mm256_mask_or_epi32(bits, inexact, bits, _mm256_set1_epi32(1))
}

/// Register i has the i-th eight elements.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn load_f16(block: &[u8; 2 * BLOCK]) -> Numbers {
    let mut numbers = [_mm512_setzero_pd(); 8];
    for (eight, bytes) in numbers.iter_mut().zip(block.as_chunks().0) {
        *eight = _mm512_cvtps_pd(_mm256_cvtph_ps(load128(bytes)));
    }
    numbers
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn store_f16(means: Numbers, block: &mut [u8; 2 * BLOCK], mut largest: __m256i) -> __m256i {
    for ([first, second], bytes) in means.as_chunks().0.iter().zip(block.as_chunks_mut().0) {
        let (first, second) = (to_f16(*first), to_f16(*second));
        let words = _mm256_set_m128i(second, first);
        let magnitudes = _mm256_and_si256(words, _mm256_set1_epi16(0x7fff));
        largest = _mm256_max_epu16(largest, magnitudes);
        store256(words, bytes);
    }
    largest
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn to_f16(mean: __m512d) -> __m128i {
    _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm256_castsi256_ps(to_odd(mean)))
}

/// Register i has the i-th eight elements.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn load_f32(block: &[u8; 4 * BLOCK]) -> Numbers {
    let mut numbers = [_mm512_setzero_pd(); 8];
    for (eight, bytes) in numbers.iter_mut().zip(block.as_chunks().0) {
        *eight = _mm512_cvtps_pd(_mm256_castsi256_ps(load256(bytes)));
    }
    numbers
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn store_f32(means: Numbers, block: &mut [u8; 4 * BLOCK], mut largest: __m256i) -> __m256i {
    for (mean, bytes) in means.into_iter().zip(block.as_chunks_mut().0) {
        let single = _mm256_castps_si256(_mm512_cvtpd_ps(mean));
        let magnitudes = _mm256_and_si256(single, _mm256_set1_epi32(i32::MAX));
        largest = _mm256_max_epu32(largest, magnitudes);
        store256(single, bytes);
    }
    largest
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
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
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
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn widen(dtype: Dtype, bytes: &[u8], values: &mut [f64]) {
    scalar::widen(dtype, bytes, values);
}

/// [`scalar::convert`], as [`mix`].
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
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
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn narrow(dtype: Dtype, values: &[f64], bytes: &mut [u8]) -> Result<(), usize> {
    scalar::narrow(dtype, values, bytes)
}

/// [`scalar::first_not_finite`], as [`mix`].
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn first_not_finite(dtype: Dtype, bytes: &[u8]) -> Option<usize> {
    scalar::first_not_finite(dtype, bytes)
}
