//! Rows through panels, tile by tile, with the instructions that the processor has.

use super::super::instructions::Instructions;
use super::super::lanes::product_and_sum;
use super::{COLUMNS, halves};

/// Rows and the panels that they go through.
#[derive(Debug)]
pub(super) struct Job<'a, E> {
    pub(super) x: &'a [E],
    /// The length of a row of `x`, and the height of a panel.
    pub(super) depth: usize,
    pub(super) panels: &'a [[E; COLUMNS]],
    pub(super) bias: Option<&'a [f32]>,
    /// The columns that count.
    pub(super) width: usize,
    /// The length of a row of what comes out.
    pub(super) stride: usize,
}

/// Sums of one tile: `rows` through a panel.
#[inline(always)]
fn plain_tile<const R: usize, const FUSED: bool>(
    rows: [&[f32]; R],
    panel: &[[f32; COLUMNS]],
) -> [[f32; COLUMNS]; R] {
    let mut sums = [[0f32; COLUMNS]; R];
    for (at, weights) in panel.iter().enumerate() {
        for (sums, row) in sums.iter_mut().zip(rows) {
            let x = row[at];
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum = product_and_sum::<FUSED>(x, *weight, *sum);
            }
        }
    }
    sums
}

#[inline(always)]
fn fused_tile<const R: usize>(rows: [&[f32]; R], panel: &[[f32; COLUMNS]]) -> [[f32; COLUMNS]; R] {
    plain_tile::<R, true>(rows, panel)
}

#[inline(always)]
fn split_tile<const R: usize>(rows: [&[f32]; R], panel: &[[f32; COLUMNS]]) -> [[f32; COLUMNS]; R] {
    plain_tile::<R, false>(rows, panel)
}

/// The same of pairs.
#[inline(always)]
fn plain_pair_tile<const R: usize, const FUSED: bool>(
    rows: [&[u32]; R],
    panel: &[[u32; COLUMNS]],
) -> [[f32; COLUMNS]; R] {
    let mut sums = [[0f32; COLUMNS]; R];
    for (at, weights) in panel.iter().enumerate() {
        for (sums, row) in sums.iter_mut().zip(rows) {
            let (a, b) = halves(row[at]);
            for (sum, weight) in sums.iter_mut().zip(weights) {
                let (first, second) = halves(*weight);
                let one = product_and_sum::<FUSED>(a, first, *sum);
                *sum = product_and_sum::<FUSED>(b, second, one);
            }
        }
    }
    sums
}

#[inline(always)]
fn fused_pair_tile<const R: usize>(
    rows: [&[u32]; R],
    panel: &[[u32; COLUMNS]],
) -> [[f32; COLUMNS]; R] {
    plain_pair_tile::<R, true>(rows, panel)
}

#[inline(always)]
fn split_pair_tile<const R: usize>(
    rows: [&[u32]; R],
    panel: &[[u32; COLUMNS]],
) -> [[f32; COLUMNS]; R] {
    plain_pair_tile::<R, false>(rows, panel)
}

/// Goes through all panels with all rows.
macro_rules! all_tiles {
    ($job:ident, $out:ident, $tile:ident; $most:literal: $($rows:literal)*) => {
        let rows = $job.x.len() / $job.depth;
        for (number, panel) in $job.panels.chunks_exact($job.depth).enumerate() {
            let first = number * COLUMNS;
            let width = COLUMNS.min($job.width - first);
            let bias = $job.bias.map(|bias| &bias[first..][..width]);
            let mut row = 0;
            while row < rows {
                match (rows - row).min($most) {
                    $($rows => {
                        let mut from = [&$job.x[..0]; $rows];
                        for (r, from) in from.iter_mut().enumerate() {
                            *from = &$job.x[(row + r) * $job.depth..][..$job.depth];
                        }
                        let sums = $tile::<$rows>(from, panel);
                        for (r, sums) in sums.iter().enumerate() {
                            let to = &mut $out[(row + r) * $job.stride + first..][..width];
                            match bias {
                                None => to.copy_from_slice(&sums[..width]),
                                Some(bias) => {
                                    for ((to, sum), bias) in to.iter_mut().zip(sums).zip(bias) {
                                        *to = sum + bias;
                                    }
                                }
                            }
                        }
                        row += $rows;
                    })*
                    _ => unreachable!("a tile has at most so many rows"),
                }
            }
        }
    };
}

/// Multiplies by panels of F32.
pub(super) fn f32_panels(job: &Job<f32>, out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn avx2(job: &Job<f32>, out: &mut [f32]) {
            all_tiles!(job, out, fused_tile; 2: 1 2);
        }
        match Instructions::here() {
            Instructions::Avx512 { .. } => {
                // SAFETY: the processor was found to have it.
                return unsafe { avx512::f32_panels(job, out) };
            }
            Instructions::Avx2 => {
                // SAFETY: the processor was found to have both.
                return unsafe { avx2(job, out) };
            }
            Instructions::Plain => {}
        }
    }
    plain_f32_panels(job, out);
}

fn plain_f32_panels(job: &Job<f32>, out: &mut [f32]) {
    if cfg!(target_arch = "aarch64") {
        all_tiles!(job, out, fused_tile; 2: 1 2);
    } else {
        all_tiles!(job, out, split_tile; 2: 1 2);
    }
}

/// Multiplies by panels of pairs.
pub(super) fn bf16_panels(job: &Job<u32>, out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn avx2(job: &Job<u32>, out: &mut [f32]) {
            all_tiles!(job, out, fused_pair_tile; 2: 1 2);
        }
        match Instructions::here() {
            Instructions::Avx512 { pairs: true } => {
                // SAFETY: the processor was found to have both.
                return unsafe { avx512::bf16_panels(job, out) };
            }
            Instructions::Avx512 { pairs: false } | Instructions::Avx2 => {
                // SAFETY: the processor was found to have both.
                return unsafe { avx2(job, out) };
            }
            Instructions::Plain => {}
        }
    }
    plain_bf16_panels(job, out);
}

fn plain_bf16_panels(job: &Job<u32>, out: &mut [f32]) {
    if cfg!(target_arch = "aarch64") {
        all_tiles!(job, out, fused_pair_tile; 2: 1 2);
    } else {
        all_tiles!(job, out, split_pair_tile; 2: 1 2);
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512;

#[cfg(test)]
mod tests {
    use super::*;

    /// What a processor without AVX-512 does, and one without AVX2.
    #[test]
    fn every_way_gives_the_same() {
        let (depth, rows, width) = (37, 5, 70);
        let number = |at: usize| (at as f32 * 1.7).sin();
        let x: Vec<f32> = (0..rows * depth).map(number).collect();
        let panels: Vec<[f32; COLUMNS]> =
            (0..3 * depth).map(|at| std::array::from_fn(|c| number(31 * at + c))).collect();
        let bias: Vec<f32> = (0..width).map(number).collect();
        let pair = |at: usize| super::super::pair_of(number(at), number(at + 1));
        let pairs: Vec<u32> = (0..rows * depth).map(pair).collect();
        let paired: Vec<[u32; COLUMNS]> =
            (0..3 * depth).map(|at| std::array::from_fn(|c| pair(31 * at + c))).collect();
        let job = Job { x: &x, depth, panels: &panels, bias: Some(&bias), width, stride: width };
        let paired =
            Job { x: &pairs, depth, panels: &paired, bias: Some(&bias), width, stride: width };
        let of = |by: &dyn Fn(&mut [f32])| {
            let mut out = vec![0f32; rows * width];
            by(&mut out);
            out
        };
        let near = |a: Vec<f32>, b: Vec<f32>| {
            a.iter().zip(b).for_each(|(a, b)| assert!((a - b).abs() < 1e-5, "{a} {b}"));
        };
        let (whole, halves) =
            (of(&|out| f32_panels(&job, out)), of(&|out| bf16_panels(&paired, out)));
        near(of(&|out| plain_f32_panels(&job, out)), whole.clone());
        near(of(&|out| plain_bf16_panels(&paired, out)), halves.clone());
        near(of(&|out| fused(&job, out)), whole);
        near(of(&|out| fused_pairs(&paired, out)), halves);
    }

    fn fused(job: &Job<f32>, out: &mut [f32]) {
        all_tiles!(job, out, fused_tile; 2: 1 2);
    }

    fn fused_pairs(job: &Job<u32>, out: &mut [f32]) {
        all_tiles!(job, out, fused_pair_tile; 2: 1 2);
    }
}
