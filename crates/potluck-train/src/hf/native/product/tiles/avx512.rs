//! Tiles in AVX-512, whose registers hold eight rows of 32 sums.
//!
//! No closure here is handed to a function of the library: that would be built without these instructions,
//! and could take neither in.

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::{COLUMNS, Job};

const LANES: usize = COLUMNS / 2;

/// [`super::f32_panels`].
#[target_feature(enable = "avx512f")]
pub(super) fn f32_panels(job: &Job<f32>, out: &mut [f32]) {
    all_tiles!(job, out, tile; 8: 1 2 3 4 5 6 7 8);
}

/// [`super::bf16_panels`].
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn bf16_panels(job: &Job<u32>, out: &mut [f32]) {
    all_tiles!(job, out, pair_tile; 8: 1 2 3 4 5 6 7 8);
}

#[inline]
#[target_feature(enable = "avx512f")]
fn tile<const R: usize>(rows: [&[f32]; R], panel: &[[f32; COLUMNS]]) -> [[f32; COLUMNS]; R] {
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    for (at, weights) in panel.iter().enumerate() {
        let (left, right) = weights.split_at(LANES);
        let (left, right) = (load(left), load(right));
        for (sums, row) in sums.iter_mut().zip(rows) {
            let x = _mm512_set1_ps(row[at]);
            sums[0] = _mm512_fmadd_ps(x, left, sums[0]);
            sums[1] = _mm512_fmadd_ps(x, right, sums[1]);
        }
    }
    stored(sums)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn pair_tile<const R: usize>(rows: [&[u32]; R], panel: &[[u32; COLUMNS]]) -> [[f32; COLUMNS]; R] {
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    for (at, weights) in panel.iter().enumerate() {
        let (left, right) = weights.split_at(LANES);
        let (left, right) = (load_pairs(left), load_pairs(right));
        for (sums, row) in sums.iter_mut().zip(rows) {
            let x = as_pairs(_mm512_set1_epi32(row[at].cast_signed()));
            sums[0] = _mm512_dpbf16_ps(sums[0], x, left);
            sums[1] = _mm512_dpbf16_ps(sums[1], x, right);
        }
    }
    stored(sums)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(values: &[f32]) -> __m512 {
    assert!(values.len() == LANES);
    // SAFETY: sixteen numbers are read, at any alignment.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_pairs(values: &[u32]) -> __m512bh {
    assert!(values.len() == LANES);
    // SAFETY: sixteen numbers are read, at any alignment.
    as_pairs(unsafe { _mm512_loadu_si512(values.as_ptr().cast()) })
}

#[inline]
#[target_feature(enable = "avx512f")]
fn as_pairs(bits: __m512i) -> __m512bh {
    // SAFETY: both are 512 bits, and any bits are a value of either.
    unsafe { std::mem::transmute::<__m512i, __m512bh>(bits) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn stored<const R: usize>(sums: [[__m512; 2]; R]) -> [[f32; COLUMNS]; R] {
    let mut values = [[0f32; COLUMNS]; R];
    for (values, sums) in values.iter_mut().zip(sums) {
        for (values, sums) in values.chunks_exact_mut(LANES).zip(sums) {
            // SAFETY: `chunks_exact_mut` gives sixteen numbers, which are written, at any alignment.
            unsafe { _mm512_storeu_ps(values.as_mut_ptr(), sums) };
        }
    }
    values
}
