//! bfloat16, the format that most checkpoints have, with as few operations as could be found.
//!
//! *In.* An element in the upper 16 bits of a quadword is a binary64 but for the width of its exponent: shifted
//! right by 3 with its sign kept, it is the binary64 of 2⁻⁸⁹⁶ times its value, subnormal or not. (2⁸⁹⁶ is put into
//! the factor.) A load that begins 2, 4 or 6 bytes earlier has the other elements there, so that an element costs
//! a shift, a mask and its fused multiplication and addition. What this gets wrong is infinity and NaN, which
//! become large numbers; the inputs' exponents are watched instead.
//!
//! Most blocks need none of this: [`mod@super::interval`] finds their results in binary32.
//!
//! *Out.* To binary32 and from there to bfloat16, which is wrong only if the first rounding hits the middle of
//! two bfloat16 numbers: elsewhere, no middle lies between a number and its binary32. In the middle, what the
//! first rounding dropped decides, and [`to_odd`] is rounded instead.

use std::arch::x86_64::*;

use super::super::division::reciprocal;
use super::super::{Scale, Term};
use super::interval::{self, Shares};
use super::{BLOCK, Numbers, to_odd};

/// Bytes a block.
const BYTES: usize = 2 * BLOCK;
/// Bytes before a block that are loaded with it.
const BEFORE: usize = 6;
/// What the load takes off each element, for the factor to give back.
const LIFT: f64 = f64::from_bits((1023 + 896) << 52);
/// The bits that an element has in a binary64: its sign, the lower 8 of the exponent, the upper 7 of the fraction.
const PLACED: u64 = 1 << 63 | 0x7fff << 45;
/// The exponent of infinities and NaNs.
const SPECIAL: i16 = 0x7f80;

/// Sums of a block in the order of loading, register 4i + j: those of elements 32i + j, 32i + j + 4, …; and all
/// the bits that any of the inputs' elements has, by their place modulo 32.
type Summed = (Numbers, __m512i);

/// As [`super::mix_f16`].
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
pub(in super::super) fn mix_bf16(terms: &[Term<'_>], scale: Scale, output: &mut [u8]) -> usize {
    let (high, low) = reciprocal(scale);
    let (high, low) = (_mm512_set1_pd(high), _mm512_set1_pd(low));
    let (blocks, _) = output.as_chunks_mut::<BYTES>();
    let mut largest = _mm512_setzero_si512();
    let shares = Shares::of(terms, scale);
    for (index, block) in blocks.iter_mut().enumerate() {
        if let Some(shares) = &shares
            && let Some(words) = interval::block(terms, shares, index)
        {
            largest = store_words(words, block, largest);
            continue;
        }
        let (sums, bits) = if index == 0 { sum_first(terms) } else { sum_later(terms, index) };
        if has_special(bits) && is_any_special(terms, index) {
            return 0;
        }
        let mut means = sums;
        for mean in &mut means {
            *mean = _mm512_fmadd_pd(*mean, high, _mm512_mul_pd(*mean, low));
        }
        largest = store(means, block, largest);
    }
    if has_special(largest) { 0 } else { blocks.len() * BLOCK }
}

/// The sums of the first block, before which nothing may be loaded.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn sum_first(terms: &[Term<'_>]) -> Summed {
    let mut summed = ([_mm512_setzero_pd(); 8], _mm512_setzero_si512());
    for term in terms {
        let mut tops = [_mm512_setzero_si512(); 8];
        for (tops, bytes) in tops.as_chunks_mut::<4>().0.iter_mut().zip(term.bytes.as_chunks().0) {
            let half = load(bytes);
            *tops = [
                _mm512_slli_epi64::<48>(half),
                _mm512_slli_epi64::<32>(half),
                _mm512_slli_epi64::<16>(half),
                half,
            ];
        }
        add(&mut summed, term.factor, tops);
    }
    summed
}

/// The sums of another block than the first.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn sum_later(terms: &[Term<'_>], index: usize) -> Summed {
    let mut summed = ([_mm512_setzero_pd(); 8], _mm512_setzero_si512());
    for term in terms {
        let bytes = &term.bytes[index * BYTES - BEFORE..][..BEFORE + BYTES];
        let mut tops = [_mm512_setzero_si512(); 8];
        for (register, top) in tops.iter_mut().enumerate() {
            let at = register / 4 * 64 + register % 4 * 2;
            *top = load(bytes[at..].first_chunk().expect("64 bytes within the block"));
        }
        add(&mut summed, term.factor, tops);
    }
    summed
}

/// Adds a term of which one element stands at the top of each quadword.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn add((sums, bits): &mut Summed, factor: f64, tops: [__m512i; 8]) {
    *bits = _mm512_or_si512(*bits, _mm512_or_si512(tops[3], tops[7]));
    let factor = _mm512_set1_pd(factor * LIFT);
    let placed = _mm512_set1_epi64(PLACED.cast_signed());
    for (sum, top) in sums.iter_mut().zip(tops) {
        let element = _mm512_and_si512(_mm512_srai_epi64::<3>(top), placed);
        *sum = _mm512_fmadd_pd(_mm512_castsi512_pd(element), factor, *sum);
    }
}

/// Whether any of these has an exponent of all ones.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn has_special(words: __m512i) -> bool {
    let special = _mm512_set1_epi16(SPECIAL);
    _mm512_cmpeq_epi16_mask(_mm512_and_si512(words, special), special) != 0
}

/// Whether an element of the block is infinite or NaN: asked where bits of several would make one.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn is_any_special(terms: &[Term<'_>], index: usize) -> bool {
    let mut found = false;
    for term in terms {
        let halves = term.bytes[index * BYTES..][..BYTES].as_chunks().0;
        for half in halves {
            found |= has_special(load(half));
        }
    }
    found
}

/// Rounds and writes a block; `largest` has the largest magnitudes so far, by their place modulo 32.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn store(means: Numbers, block: &mut [u8; BYTES], largest: __m512i) -> __m512i {
    let order = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    let mut words = [_mm512_setzero_si512(); 2];
    for (words, four) in words.iter_mut().zip(round(means).as_chunks::<4>().0) {
        let (first, second) = (pair(four[0], four[1]), pair(four[2], four[3]));
        *words = _mm512_permutex2var_epi32(first, order, second);
    }
    store_words(words, block, largest)
}

/// Writes a block and looks at its magnitudes, as [`store`].
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn store_words(words: [__m512i; 2], block: &mut [u8; BYTES], mut largest: __m512i) -> __m512i {
    for (words, bytes) in words.into_iter().zip(block.as_chunks_mut().0) {
        let magnitudes = _mm512_and_si512(words, _mm512_set1_epi16(i16::MAX));
        largest = _mm512_max_epu16(largest, magnitudes);
        store512(words, bytes);
    }
    largest
}

/// The upper halves of both in turn, in the lower half of the register.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn pair(even: __m256i, odd: __m256i) -> __m512i {
    let upper = _mm256_set1_epi32(0xffff_0000_u32.cast_signed());
    let words = _mm256_or_si256(_mm256_srli_epi32::<16>(even), _mm256_and_si256(odd, upper));
    _mm512_castsi256_si512(words)
}

/// To bfloat16, in the upper halves of double words; the lower halves do not matter.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn round(means: Numbers) -> [__m256i; 8] {
    let middle = _mm256_set1_epi32(0x8000);
    let mut singles = [_mm256_setzero_si256(); 8];
    let mut middles = 0;
    for (single, mean) in singles.iter_mut().zip(means) {
        *single = _mm256_castps_si256(_mm512_cvtpd_ps(mean));
        middles |= _mm256_cmpeq_epi16_mask(*single, middle);
    }
    // The even places are the lower halves.
    if middles & 0x5555 == 0 {
        for single in &mut singles {
            *single = _mm256_add_epi32(*single, middle);
        }
        return singles;
    }
    if is_any_middle_inexact(singles, means) {
        for (single, mean) in singles.iter_mut().zip(means) {
            *single = to_odd(mean);
        }
    }
    for single in &mut singles {
        // To nearest even: ½ unit is added, less the least bit where the last bit that stays is 0.
        let last = _mm256_and_si256(_mm256_srli_epi32::<16>(*single), _mm256_set1_epi32(1));
        *single = _mm256_add_epi32(_mm256_add_epi32(*single, _mm256_set1_epi32(0x7fff)), last);
    }
    singles
}

/// Whether a binary32 that is the middle of two bfloat16 numbers is not the number it was rounded from.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn is_any_middle_inexact(singles: [__m256i; 8], means: Numbers) -> bool {
    let middle = _mm256_set1_epi32(i32::MIN);
    let mut found = 0;
    for (single, mean) in singles.into_iter().zip(means) {
        let middles = _mm256_cmpeq_epi32_mask(_mm256_slli_epi32::<16>(single), middle);
        let back = _mm512_cvtps_pd(_mm256_castsi256_ps(single));
        found |= middles & _mm512_cmp_pd_mask::<_CMP_NEQ_UQ>(back, mean);
    }
    found != 0
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: 64 bytes are read, at any alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store512(words: __m512i, bytes: &mut [u8; 64]) {
    // SAFETY: 64 bytes are written, at any alignment.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), words) }
}
