//! A kernel that sums in binary32, as a program does that does not care for the last bit: what exact products and
//! one rounding are measured against. BF16 only. It takes no part in the product.

use std::arch::x86_64::*;

/// Elements a block.
const BLOCK: usize = 64;

/// The weighted sum of BF16 inputs in binary32, rounded to nearest even. Whole blocks only.
///
/// # Panics
/// Without AVX-512 F, BW and VL.
pub(crate) fn mix(terms: &[(&[u8], f32)], output: &mut [u8]) {
    assert!(is_available());
    // SAFETY: the processor has the instructions.
    unsafe { mix_blocks(terms, output) }
}

/// Whether this processor has the instructions.
pub(crate) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn mix_blocks(terms: &[(&[u8], f32)], output: &mut [u8]) {
    let upper = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
    for (index, block) in output.as_chunks_mut::<{ 2 * BLOCK }>().0.iter_mut().enumerate() {
        let mut sums = [_mm512_setzero_ps(); 4];
        for (bytes, factor) in terms {
            let factor = _mm512_set1_ps(*factor);
            let bytes = &bytes.as_chunks::<{ 2 * BLOCK }>().0[index];
            for (pair, bytes) in sums.as_chunks_mut::<2>().0.iter_mut().zip(bytes.as_chunks().0) {
                let words = load(bytes);
                let even = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(words));
                let odd = _mm512_castsi512_ps(_mm512_and_si512(words, upper));
                pair[0] = _mm512_fmadd_ps(even, factor, pair[0]);
                pair[1] = _mm512_fmadd_ps(odd, factor, pair[1]);
            }
        }
        for ([even, odd], bytes) in sums.as_chunks().0.iter().zip(block.as_chunks_mut().0) {
            let even = _mm512_srli_epi32::<16>(round(*even));
            store(_mm512_or_si512(even, _mm512_and_si512(round(*odd), upper)), bytes);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn round(sums: __m512) -> __m512i {
    let bits = _mm512_castps_si512(sums);
    let last = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
    _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), last)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: 64 bytes are read, at any alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(words: __m512i, bytes: &mut [u8; 64]) {
    // SAFETY: 64 bytes are written, at any alignment.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), words) }
}
