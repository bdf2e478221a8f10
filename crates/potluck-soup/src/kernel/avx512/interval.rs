//! bfloat16 by way of binary32, where that is certain to give what the definition does: twice as many elements a
//! register, and no conversion.
//!
//! Let V be an element of the definition before its last rounding, and w each share divided by the scale. A lower
//! bound L and an upper bound H of V are summed in binary32, L rounding down and H rounding up in each step. If both
//! round to one bfloat16, so does V, since rounding is monotone; if not, the block is for binary64.
//!
//! 1. *Every w is a binary32.* S₀ = 0 lies between d·L₀ and d·H₀ for the divisor d = 10⁶ (or 1), and each step
//!    keeps that: d·Hₖ has at most 24 + 14 bits, so rounding a sum that is not above it to binary64 leaves it not
//!    above; likewise d·Lₖ, and the division. Ties need no care: in them L = H = V.
//! 2. *Some are not.* Then |w − w′| ≤ 2⁻²⁴·|w′| for the binary32 w′ next to w, and with A ≥ Σ|w′·x|, also rounded up,
//!    V is off Σw′·x by at most (2⁻²⁴ + (n + 1)·2⁻⁵¹)·A, for n terms. L and H are taken apart by 2⁻²³·A each, so V lies
//!    between them and not on them. A tie always lies between two roundings here, so rounding halves away does.
//!
//! A sum that is −0 rounding down is +0 by the definition, and made so. What overflows, or is no number, is not
//! finite in a bound, and so in a result that is looked at, or the bounds differ.

use std::arch::x86_64::*;

use super::super::division::divisor;
use super::super::{Scale, Term};
use super::bf16::load;

/// Bytes a block.
const BYTES: usize = 128;
/// More terms than this add up more of the error of binary64 than is allowed for.
const MAX_TERMS: usize = 1 << 20;
const DOWN: i32 = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
const UP: i32 = _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC;

/// What a bound is moved by, of the sum of magnitudes.
const MARGIN: f32 = 1.0 / (1 << 23) as f32;

/// The shares as binary32, and whether all of them are that.
pub(super) struct Shares {
    shares: Vec<f32>,
    is_exact: bool,
}

impl Shares {
    /// None where there are too many terms.
    pub(super) fn of(terms: &[Term<'_>], scale: Scale) -> Option<Self> {
        let divisor = divisor(scale);
        let shares: Vec<_> = terms.iter().map(|term| (term.factor / divisor) as f32).collect();
        // The products have at most 38 bits.
        let is_exact =
            |(term, share): (&Term<'_>, &f32)| f64::from(*share) * divisor == term.factor;
        let is_exact = terms.iter().zip(&shares).all(is_exact);
        (terms.len() <= MAX_TERMS).then_some(Self { shares, is_exact })
    }
}

/// A block of the output, where it is certain.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn block(terms: &[Term<'_>], shares: &Shares, index: usize) -> Option<[__m512i; 2]> {
    if shares.is_exact {
        bounded::<true>(terms, &shares.shares, index)
    } else {
        bounded::<false>(terms, &shares.shares, index)
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn bounded<const EXACT: bool>(
    terms: &[Term<'_>],
    shares: &[f32],
    index: usize,
) -> Option<[__m512i; 2]> {
    let (mut low, mut high) = ([_mm512_setzero_ps(); 4], [_mm512_setzero_ps(); 4]);
    let mut magnitudes = [_mm512_setzero_ps(); 4];
    for (term, share) in terms.iter().zip(shares) {
        let elements = elements(&term.bytes.as_chunks::<BYTES>().0[index]);
        let (share, magnitude) = (_mm512_set1_ps(*share), _mm512_set1_ps(share.abs()));
        for i in 0..4 {
            low[i] = _mm512_fmadd_round_ps::<DOWN>(elements[i], share, low[i]);
            high[i] = _mm512_fmadd_round_ps::<UP>(elements[i], share, high[i]);
            if !EXACT {
                let element = _mm512_abs_ps(elements[i]);
                magnitudes[i] = _mm512_fmadd_round_ps::<UP>(element, magnitude, magnitudes[i]);
            }
        }
    }
    let margin = _mm512_set1_ps(MARGIN);
    for i in 0..4 {
        if !EXACT {
            low[i] = _mm512_fnmadd_round_ps::<DOWN>(magnitudes[i], margin, low[i]);
            high[i] = _mm512_fmadd_round_ps::<UP>(magnitudes[i], margin, high[i]);
        }
        low[i] = _mm512_add_ps(low[i], _mm512_setzero_ps());
    }
    let (low, high) = (words::<EXACT>(low), words::<EXACT>(high));
    let differ =
        _mm512_or_si512(_mm512_xor_si512(low[0], high[0]), _mm512_xor_si512(low[1], high[1]));
    (_mm512_test_epi32_mask(differ, differ) == 0).then_some(low)
}

/// The elements of a block as binary32: of each half, those at even places and those at odd ones.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn elements(block: &[u8; BYTES]) -> [__m512; 4] {
    let upper = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
    let mut elements = [_mm512_setzero_ps(); 4];
    for (pair, half) in elements.as_chunks_mut::<2>().0.iter_mut().zip(block.as_chunks().0) {
        let half = load(half);
        let (even, odd) = (_mm512_slli_epi32::<16>(half), _mm512_and_si512(half, upper));
        *pair = [_mm512_castsi512_ps(even), _mm512_castsi512_ps(odd)];
    }
    elements
}

/// Rounds what [`elements`] laid out, ties to even or, where there are none, as is cheapest.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn words<const TIES: bool>(singles: [__m512; 4]) -> [__m512i; 2] {
    let upper = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
    let mut words = [_mm512_setzero_si512(); 2];
    for (words, pair) in words.iter_mut().zip(singles.as_chunks::<2>().0) {
        let even = rounded::<TIES>(_mm512_castps_si512(pair[0]));
        let odd = rounded::<TIES>(_mm512_castps_si512(pair[1]));
        *words = _mm512_or_si512(_mm512_srli_epi32::<16>(even), _mm512_and_si512(odd, upper));
    }
    words
}

/// To bfloat16, in the upper halves of double words; the lower halves do not matter.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn rounded<const TIES: bool>(single: __m512i) -> __m512i {
    if !TIES {
        return _mm512_add_epi32(single, _mm512_set1_epi32(0x8000));
    }
    let last = _mm512_and_si512(_mm512_srli_epi32::<16>(single), _mm512_set1_epi32(1));
    _mm512_add_epi32(_mm512_add_epi32(single, _mm512_set1_epi32(0x7fff)), last)
}
