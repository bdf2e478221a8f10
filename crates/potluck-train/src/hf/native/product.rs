//! Matrices that are packed once and multiplied by many times: x · Wᵀ + b for a few rows x.
//!
//! ```text
//! W, outputs × inputs  ->  panels of 32 outputs: for each input the 32 weights that it meets
//! ```
//!
//! A tile of up to eight rows goes through a panel with all of its sums in registers. Each sum runs over
//! the inputs in their order, whatever rows stand beside it, so that a row's product is the same in any
//! batch. In bfloat16 two inputs stand together, as the processor's instruction for them wants.
//!
//! Measured against the crate `gemm` 0.19 at the shapes of sampling (1 and 32 rows, one core of Zen 5):
//! 240 GFLOP/s against 180 to 230 at 32 rows, twice its speed at one row, and it has no bfloat16.

use half::bf16;
use rayon::prelude::*;

use super::instructions::Instructions;

/// Outputs of a panel.
pub(super) const COLUMNS: usize = 32;

/// A matrix with at least so many panel rows is shared out among threads, if it may be.
const WORTH_SHARING: usize = 4096;

/// A linear map.
#[derive(Debug)]
pub(super) struct Matrix {
    inputs: usize,
    outputs: usize,
    panels: Panels,
    bias: Option<Vec<f32>>,
}

#[derive(Debug)]
enum Panels {
    F32(Vec<[f32; COLUMNS]>),
    /// Two inputs in one: the first in the lower half.
    Bf16(Vec<[u32; COLUMNS]>),
}

/// How weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    /// As they are.
    F32,
    /// Rounded, and what they are multiplied by, too; sums are in F32.
    Bf16,
}

/// Memory that products need for a while.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pairs: Vec<u32>,
    columns: Vec<f32>,
}

impl Matrix {
    /// Of rows of `inputs` weights, one row an output.
    pub(super) fn pack(
        rows: &[f32],
        inputs: usize,
        bias: Option<Vec<f32>>,
        precision: Precision,
    ) -> Self {
        let outputs = rows.len() / inputs;
        let panels = match precision {
            Precision::F32 => Panels::F32(packed(rows, inputs, inputs, |row, at| row[at])),
            Precision::Bf16 => {
                let pair = |row: &[f32], at: usize| {
                    pair_of(row[2 * at], row.get(2 * at + 1).copied().unwrap_or_default())
                };
                Panels::Bf16(packed(rows, inputs, inputs.div_ceil(2), pair))
            }
        };
        Self { inputs, outputs, panels, bias }
    }

    /// How many numbers go in.
    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    /// How many come out.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// The weights of one output.
    pub(super) fn row(&self, output: usize, to: &mut [f32]) {
        let (panel, column) = (output / COLUMNS, output % COLUMNS);
        match &self.panels {
            Panels::F32(panels) => {
                let panel = &panels[panel * self.inputs..][..self.inputs];
                to.iter_mut().zip(panel).for_each(|(to, weights)| *to = weights[column]);
            }
            Panels::Bf16(panels) => {
                let depth = self.inputs.div_ceil(2);
                let panel = &panels[panel * depth..][..depth];
                for (to, weights) in to.chunks_mut(2).zip(panel) {
                    let (first, second) = halves(weights[column]);
                    to[0] = first;
                    if let Some(to) = to.get_mut(1) {
                        *to = second;
                    }
                }
            }
        }
    }

    /// x · Wᵀ + b for the rows of `x`, as rows of `out`; by several threads where `is_shared` and it pays.
    pub(super) fn product(
        &self,
        x: &[f32],
        out: &mut Vec<f32>,
        scratch: &mut Scratch,
        is_shared: bool,
    ) {
        let rows = x.len() / self.inputs;
        out.resize(rows * self.outputs, 0.0);
        let Scratch { pairs, columns } = scratch;
        match &self.panels {
            Panels::F32(panels) => {
                self.run(x, self.inputs, panels, rows, out, columns, is_shared, f32_panels);
            }
            Panels::Bf16(panels) => {
                let depth = self.inputs.div_ceil(2);
                pairs.resize(rows * depth, 0);
                for (x, to) in x.chunks_exact(self.inputs).zip(pairs.chunks_exact_mut(depth)) {
                    as_pairs(x, to);
                }
                self.run(pairs, depth, panels, rows, out, columns, is_shared, bf16_panels);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "each is a thing of its own")]
    fn run<E: Sync>(
        &self,
        x: &[E],
        depth: usize,
        panels: &[[E; COLUMNS]],
        rows: usize,
        out: &mut [f32],
        columns: &mut Vec<f32>,
        is_shared: bool,
        by: fn(&[E], usize, &[[E; COLUMNS]], &mut [f32], [usize; 2], Option<&[f32]>),
    ) {
        if !is_shared || panels.len() < WORTH_SHARING {
            return by(x, depth, panels, out, [self.outputs; 2], self.bias.as_deref());
        }
        // Threads write blocks of columns each; what they wrote is then put in rows.
        let count = panels.len() / depth;
        let each = count.div_ceil(rayon::current_num_threads());
        let width = each * COLUMNS;
        columns.resize(count.div_ceil(each) * rows * width, 0.0);
        columns
            .par_chunks_mut(rows * width)
            .zip(panels.par_chunks(each * depth))
            .enumerate()
            .for_each(|(part, (to, panels))| {
                let own = width.min(self.outputs - part * width);
                let bias = self.bias.as_ref().map(|bias| &bias[part * width..][..own]);
                by(x, depth, panels, to, [own, width], bias);
            });
        for (part, columns) in columns.chunks_exact(rows * width).enumerate() {
            let own = width.min(self.outputs - part * width);
            for (from, to) in columns.chunks_exact(width).zip(out.chunks_exact_mut(self.outputs)) {
                to[part * width..][..own].copy_from_slice(&from[..own]);
            }
        }
    }
}

/// Panels of rows: for each place the numbers of 32 rows, zeros where there are no more rows.
fn packed<E: Copy + Default + Send>(
    rows: &[f32],
    inputs: usize,
    depth: usize,
    at: impl Fn(&[f32], usize) -> E + Sync,
) -> Vec<[E; COLUMNS]> {
    let count = (rows.len() / inputs).div_ceil(COLUMNS);
    let mut panels = vec![[E::default(); COLUMNS]; count * depth];
    panels.par_chunks_mut(depth).zip(rows.par_chunks(COLUMNS * inputs)).for_each(
        |(panel, rows)| {
            for (place, weights) in panel.iter_mut().enumerate() {
                for (weight, row) in weights.iter_mut().zip(rows.chunks_exact(inputs)) {
                    *weight = at(row, place);
                }
            }
        },
    );
    panels
}

/// Two numbers, rounded.
fn pair_of(first: f32, second: f32) -> u32 {
    let bits = |x| u32::from(bf16::from_f32(x).to_bits());
    bits(first) | bits(second) << 16
}

/// The two numbers of a pair.
#[inline(always)]
fn halves(pair: u32) -> (f32, f32) {
    (f32::from_bits(pair << 16), f32::from_bits(pair & 0xffff_0000))
}

fn as_pairs(x: &[f32], to: &mut [u32]) {
    // To nearest even; what is no number stays none, since activations have no payload to keep.
    let rounded = |x: f32| {
        let bits = x.to_bits();
        bits.wrapping_add(0x7fff + (bits >> 16 & 1))
    };
    for (x, to) in x.chunks(2).zip(to) {
        let second = x.get(1).map_or(0, |&second| rounded(second));
        *to = rounded(x[0]) >> 16 | second & 0xffff_0000;
    }
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
                *sum = super::lanes::product_and_sum::<FUSED>(x, *weight, *sum);
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
                let one = super::lanes::product_and_sum::<FUSED>(a, first, *sum);
                *sum = super::lanes::product_and_sum::<FUSED>(b, second, one);
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

/// Goes through all panels with all rows, tile by tile.
macro_rules! all_tiles {
    ($x:ident, $depth:ident, $panels:ident, $out:ident, $width:ident, $stride:ident, $bias:ident,
     $tile:ident; $most:literal: $($rows:literal)*) => {
        let rows = $x.len() / $depth;
        for (number, panel) in $panels.chunks_exact($depth).enumerate() {
            let first = number * COLUMNS;
            let width = COLUMNS.min($width - first);
            let bias = $bias.map(|bias| &bias[first..][..width]);
            let mut row = 0;
            while row < rows {
                match (rows - row).min($most) {
                    $($rows => {
                        let mut from = [&$x[..0]; $rows];
                        for (r, from) in from.iter_mut().enumerate() {
                            *from = &$x[(row + r) * $depth..][..$depth];
                        }
                        let sums = $tile::<$rows>(from, panel);
                        for (r, sums) in sums.iter().enumerate() {
                            let to = &mut $out[(row + r) * $stride + first..][..width];
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

/// Multiplies by panels of F32; `[width, stride]` are the columns that count and the length of `out`'s rows.
fn f32_panels(
    x: &[f32],
    depth: usize,
    panels: &[[f32; COLUMNS]],
    out: &mut [f32],
    [width, stride]: [usize; 2],
    bias: Option<&[f32]>,
) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn avx2(
            x: &[f32],
            depth: usize,
            panels: &[[f32; COLUMNS]],
            out: &mut [f32],
            [width, stride]: [usize; 2],
            bias: Option<&[f32]>,
        ) {
            all_tiles!(x, depth, panels, out, width, stride, bias, fused_tile; 2: 1 2);
        }
        match Instructions::here() {
            Instructions::Avx512 { .. } => {
                // SAFETY: the processor was found to have it.
                return unsafe { avx512::f32_panels(x, depth, panels, out, [width, stride], bias) };
            }
            Instructions::Avx2 => {
                // SAFETY: the processor was found to have both.
                return unsafe { avx2(x, depth, panels, out, [width, stride], bias) };
            }
            Instructions::Plain => {}
        }
    }
    if cfg!(target_arch = "aarch64") {
        all_tiles!(x, depth, panels, out, width, stride, bias, fused_tile; 2: 1 2);
    } else {
        all_tiles!(x, depth, panels, out, width, stride, bias, split_tile; 2: 1 2);
    }
}

/// The same for panels of pairs.
fn bf16_panels(
    x: &[u32],
    depth: usize,
    panels: &[[u32; COLUMNS]],
    out: &mut [f32],
    [width, stride]: [usize; 2],
    bias: Option<&[f32]>,
) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn avx2(
            x: &[u32],
            depth: usize,
            panels: &[[u32; COLUMNS]],
            out: &mut [f32],
            [width, stride]: [usize; 2],
            bias: Option<&[f32]>,
        ) {
            all_tiles!(x, depth, panels, out, width, stride, bias, fused_pair_tile; 2: 1 2);
        }
        match Instructions::here() {
            Instructions::Avx512 { pairs: true } => {
                // SAFETY: the processor was found to have it.
                return unsafe {
                    avx512::bf16_panels(x, depth, panels, out, [width, stride], bias)
                };
            }
            Instructions::Avx512 { .. } | Instructions::Avx2 => {
                // SAFETY: the processor was found to have both.
                return unsafe { avx2(x, depth, panels, out, [width, stride], bias) };
            }
            Instructions::Plain => {}
        }
    }
    all_tiles!(x, depth, panels, out, width, stride, bias, split_pair_tile; 2: 1 2);
}

/// Tiles in AVX-512, whose registers hold eight rows of 32 sums.
#[cfg(target_arch = "x86_64")]
mod avx512;

#[cfg(test)]
mod tests;
