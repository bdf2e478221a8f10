//! How far an adapter moves a weight, without its product being formed.
//!
//! ```text
//! |s·B·A|² = s² · Σᵢⱼ (BᵀB)ᵢⱼ · (AAᵀ)ᵢⱼ        two matrices of r × r, whatever the weight's size
//! ```
//!
//! The comparison with a charter's limit is a decision that others recompute, so that every sum has one order. Where the
//! factors are large and cancel in the product, rounding could hide a change; so what rounding can amount to is added, and
//! what comes out is never less than the true change. With u = 2⁻⁵³, n additions in an entry of either matrix and r² in the
//! last sum, it is at most (2n + r²)·u·tr(BᵀB)·tr(AAᵀ): below [`MARGIN`] up to n = 2²¹ and r = 2¹⁰.

use super::config::{AdapterConfig, Scaling};
use super::opened::Factors;
use super::product::add_products;
use crate::blend::{BlendError, Input};
use crate::kernel::{first_not_finite, widen};

/// What is added for rounding, as a part of tr(BᵀB)·tr(AAᵀ).
const MARGIN: f64 = 1.0 / (1u64 << 30) as f64;

/// How many elements of a factor are in hand at a time.
const TILE: usize = 1 << 16;

/// Why there is no such number.
pub(super) enum Unmeasured {
    /// An element of a factor is infinite or NaN.
    NotFinite { tensor: String, index: u64 },
    /// A factor could not be read.
    Read(BlendError),
}

impl From<BlendError> for Unmeasured {
    fn from(error: BlendError) -> Self {
        Self::Read(error)
    }
}

/// The sum of squares of the change of one module, from above; infinite where it overflows.
pub(super) fn squares(
    module: &str,
    factors: &Factors,
    config: &AdapterConfig,
) -> Result<f64, Unmeasured> {
    let rank = factors.rank as usize;
    let a = gram_of_rows(&factors.a, rank, factors.wide)?;
    let b = gram_of_columns(&factors.b, rank, factors.tall)?;
    let products = a.iter().zip(&b).fold(0.0, |sum, (a, b)| sum + a * b);
    let trace = |gram: &[f64]| gram.iter().step_by(rank + 1).fold(0.0, |sum, it| sum + it);
    let (alpha, rank) = (config.alpha_of(module), f64::from(factors.rank));
    let scale = match config.scaling() {
        Scaling::Rank => (alpha * alpha) / (rank * rank),
        Scaling::RootOfRank => (alpha * alpha) / rank,
    };
    Ok(scale * (products + MARGIN * (trace(&a) * trace(&b))))
}

/// AAᵀ of a factor with `rank` rows of `wide` elements.
fn gram_of_rows(input: &Input, rank: usize, wide: u64) -> Result<Vec<f64>, Unmeasured> {
    let (mut gram, mut reader) = (Gram::new(rank), Reader::new(input));
    let columns = (TILE / rank).max(1) as u64;
    let mut panel = Vec::new();
    for first in (0..wide).step_by(columns as usize) {
        let count = columns.min(wide - first) as usize;
        panel.clear();
        panel.resize(count * rank, 0.0);
        for row in 0..rank {
            let values = reader.read(row as u64 * wide + first, count)?;
            for (column, value) in values.iter().enumerate() {
                panel[column * rank + row] = *value;
            }
        }
        gram.add(&panel);
    }
    Ok(gram.entries)
}

/// BᵀB of a factor with `tall` rows of `rank` elements.
fn gram_of_columns(input: &Input, rank: usize, tall: u64) -> Result<Vec<f64>, Unmeasured> {
    let (mut gram, mut reader) = (Gram::new(rank), Reader::new(input));
    let rows = (TILE / rank).max(1) as u64;
    for first in (0..tall).step_by(rows as usize) {
        let count = rows.min(tall - first) as usize;
        gram.add(reader.read(first * rank as u64, count * rank)?);
    }
    Ok(gram.entries)
}

/// Sums of products of the columns of a matrix that comes row by row.
struct Gram {
    rank: usize,
    entries: Vec<f64>,
    coefficients: Vec<f64>,
}

impl Gram {
    fn new(rank: usize) -> Self {
        Self { rank, entries: vec![0.0; rank * rank], coefficients: Vec::new() }
    }

    /// Takes further rows. Each entry grows row by row, every product and every sum rounded by itself: where a tile ends
    /// changes nothing.
    fn add(&mut self, rows: &[f64]) {
        for column in 0..self.rank {
            self.coefficients.clear();
            self.coefficients.extend(rows.iter().skip(column).step_by(self.rank));
            let sums = &mut self.entries[column * self.rank..][..self.rank];
            add_products(sums, &self.coefficients, rows);
        }
    }
}

/// Reads runs of a factor as binary64, and refuses what is not finite.
struct Reader<'a> {
    input: &'a Input,
    bytes: Vec<u8>,
    values: Vec<f64>,
}

impl<'a> Reader<'a> {
    fn new(input: &'a Input) -> Self {
        Self { input, bytes: Vec::new(), values: Vec::new() }
    }

    fn read(&mut self, first: u64, count: usize) -> Result<&[f64], Unmeasured> {
        let dtype = self.input.dtype();
        self.bytes.resize(count * dtype.size(), 0);
        self.values.resize(count, 0.0);
        self.input.read(first * dtype.size() as u64, &mut self.bytes)?;
        if let Some(position) = first_not_finite(dtype, &self.bytes) {
            let tensor = self.input.tensor().name.clone();
            return Err(Unmeasured::NotFinite { tensor, index: first + position as u64 });
        }
        widen(dtype, &self.bytes, &mut self.values);
        Ok(&self.values)
    }
}
