//! One tensor of a merge, piece by piece.

use crate::adapter::agreement::{Part, Weighed};
use crate::adapter::product::add_products;
use crate::adapter::scale::{Fold, MILLION};
use crate::adapter::stack::index;
use crate::blend::{Bench, BlendError, Input, Rule, not_finite};
use crate::kernel;
use crate::layout::Dtype;

/// How many elements of a factor are held at once, as binary64: half a MiB, whatever the rank (up to 2^16).
const STRIP: u64 = 1 << 16;

/// A tensor of the base with the changes of those adapters that have one for it.
#[derive(Debug)]
pub(super) struct Merged {
    base: Ground,
    terms: Vec<Term>,
    /// Elements in a row of the base's tensor, all dimensions but the first taken as one.
    width: u64,
    /// The tensor is the transpose of the products.
    is_transposed: bool,
    dtype: Dtype,
}

impl Merged {
    /// `parts` fit the base's tensor.
    pub(super) fn new(
        base: Ground,
        module: &str,
        parts: &[Part<'_>],
        is_transposed: bool,
        dtype: Dtype,
    ) -> Self {
        let first = parts[0].factors;
        let width = if is_transposed { first.tall } else { first.wide };
        let term = |part: &Part<'_>| Term {
            a: part.factors.a.clone(),
            b: part.factors.b.clone(),
            rank: u64::from(part.factors.rank),
            wide: part.factors.wide,
            fold: part.adapter.fold(module, part.factors.rank, part.ppm),
        };
        Self { base, terms: parts.iter().map(term).collect(), width, is_transposed, dtype }
    }

    /// Sums up the change of a piece in `sums`, which are zeros, row after row.
    fn change(&self, bench: &mut Bench, piece: Piece, sums: &mut [f64]) -> Result<(), BlendError> {
        let rank = self.terms.iter().map(|term| term.rank).max().unwrap_or(1);
        let (at_once, width) = ((STRIP / rank).max(1), index(piece.width()));
        let mut strip = Strip::default();
        for rows in runs(piece.rows, at_once) {
            let skipped = index(rows.0 - piece.rows.0) * width;
            let sums = &mut sums[skipped..skipped + index(rows.1 - rows.0) * width];
            for columns in runs(piece.columns, at_once) {
                let within = index(columns.0 - piece.columns.0)..index(columns.1 - piece.columns.0);
                for term in &self.terms {
                    strip.read(term, bench, Piece { rows, columns }, self.is_transposed)?;
                    let coefficients = strip.coefficients.chunks_exact(index(term.rank));
                    for (row, coefficients) in sums.chunks_exact_mut(width).zip(coefficients) {
                        add_products(&mut row[within.clone()], coefficients, &strip.panel);
                    }
                }
            }
        }
        Ok(())
    }

    fn sum(&self, bench: &mut Bench, first: u64, sums: &mut [f64]) -> Result<(), BlendError> {
        let mut rest = &mut *sums;
        for piece in pieces(first, rest.len() as u64, self.width) {
            let (now, later) = rest.split_at_mut(index(piece.height() * piece.width()));
            self.change(bench, piece, now)?;
            rest = later;
        }
        self.base.add_to(bench, first, sums)
    }
}

impl Rule for Merged {
    fn fill(&self, bench: &mut Bench, offset: u64, output: &mut [u8]) -> Result<(), BlendError> {
        let size = self.dtype.size();
        let mut sums = std::mem::take(&mut bench.sums);
        sums.clear();
        sums.resize(output.len() / size, 0.0);
        let summed = self.sum(bench, offset / size as u64, &mut sums);
        let rounded = summed.map(|()| kernel::narrow(self.dtype, &sums, output));
        bench.sums = sums;
        rounded?.map_err(|at| not_finite(&self.base.tensor.tensor().name, self.dtype, offset, at))
    }
}

/// What the change is added to.
#[derive(Debug)]
pub(super) struct Ground {
    /// The base's tensor.
    pub(super) tensor: Input,
    /// What the adapters saved as that tensor, where they did, with their shares in parts per million.
    pub(super) saved: Weighed,
}

impl Ground {
    fn add_to(&self, bench: &mut Bench, first: u64, sums: &mut [f64]) -> Result<(), BlendError> {
        if self.saved.is_empty() {
            bench.widen(&self.tensor, first, sums.len())?;
            sums.iter_mut().zip(&bench.values).for_each(|(sum, w)| *sum += w);
            return Ok(());
        }
        let mut mixed = vec![0.0; sums.len()];
        for (ppm, input) in &self.saved {
            bench.widen(input, first, sums.len())?;
            mixed.iter_mut().zip(&bench.values).for_each(|(sum, w)| *sum += *ppm as f64 * w);
        }
        sums.iter_mut().zip(&mixed).for_each(|(sum, w)| *sum += w / MILLION as f64);
        Ok(())
    }
}

/// One adapter's change of a tensor.
#[derive(Debug)]
struct Term {
    a: Input,
    b: Input,
    rank: u64,
    /// Elements in a row of A.
    wide: u64,
    fold: Fold,
}

/// What a term contributes to a piece: (rows, rank) coefficients and a (rank, columns) panel.
#[derive(Debug, Default)]
struct Strip {
    coefficients: Vec<f64>,
    panel: Vec<f64>,
}

impl Strip {
    fn read(
        &mut self,
        term: &Term,
        bench: &mut Bench,
        piece: Piece,
        is_transposed: bool,
    ) -> Result<(), BlendError> {
        if is_transposed {
            term.columns_of_a(bench, piece.rows, &mut self.panel)?;
            transpose(&self.panel, index(term.rank), &mut self.coefficients);
            term.rows_of_b(bench, piece.columns)?;
            transpose(&bench.values, index(piece.width()), &mut self.panel);
        } else {
            term.columns_of_a(bench, piece.columns, &mut self.panel)?;
            term.rows_of_b(bench, piece.rows)?;
            self.coefficients.clone_from(&bench.values);
        }
        Ok(())
    }
}

impl Term {
    /// Some rows of B, folded, as (rows, rank) in the bench's values.
    fn rows_of_b(&self, bench: &mut Bench, rows: (u64, u64)) -> Result<(), BlendError> {
        bench.widen(&self.b, rows.0 * self.rank, index((rows.1 - rows.0) * self.rank))?;
        self.fold.apply(&mut bench.values);
        Ok(())
    }

    /// Some columns of A, as (rank, columns).
    fn columns_of_a(
        &self,
        bench: &mut Bench,
        columns: (u64, u64),
        to: &mut Vec<f64>,
    ) -> Result<(), BlendError> {
        let count = index(columns.1 - columns.0);
        to.resize(index(self.rank) * count, 0.0);
        for (k, row) in (0..self.rank).zip(to.chunks_exact_mut(count)) {
            bench.read(std::iter::once(&self.a), k * self.wide + columns.0, count)?;
            kernel::widen(self.a.dtype(), &bench.inputs[0], row);
        }
        Ok(())
    }
}

/// Lays the columns of a matrix of `rows` rows down as rows.
fn transpose(matrix: &[f64], rows: usize, to: &mut Vec<f64>) {
    let columns = matrix.len() / rows;
    to.clear();
    to.resize(matrix.len(), 0.0);
    for (row, values) in matrix.chunks_exact(columns).enumerate() {
        let places = to[row..].iter_mut().step_by(rows);
        places.zip(values).for_each(|(place, value)| *place = *value);
    }
}

/// A rectangle of a tensor: rows and columns from the first to the one after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    rows: (u64, u64),
    columns: (u64, u64),
}

impl Piece {
    fn height(self) -> u64 {
        self.rows.1 - self.rows.0
    }

    fn width(self) -> u64 {
        self.columns.1 - self.columns.0
    }
}

/// The rectangles of a run of elements, in order: the end of a row, whole rows, the beginning of one.
fn pieces(first: u64, count: u64, width: u64) -> impl Iterator<Item = Piece> {
    let end = first + count;
    let mut at = first;
    std::iter::from_fn(move || {
        let (row, column) = (at / width, at % width);
        let rows = if column == 0 { ((end - at) / width).max(1) } else { 1 };
        let stop = end.min((row + rows) * width);
        let columns = (column, column + (stop - at).min(width - column));
        let piece = Piece { rows: (row, row + rows), columns };
        let is_left = at < end;
        at = stop;
        is_left.then_some(piece)
    })
}

/// From the first to the one after the last, in runs of at most `length`.
fn runs((first, end): (u64, u64), length: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut at = first;
    std::iter::from_fn(move || {
        let run = (at, end.min(at + length));
        at = run.1;
        (run.0 < run.1).then_some(run)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_a_run_once() {
        for width in 1..6 {
            for first in 0..12 {
                for count in 0..20 {
                    let elements: Vec<_> = pieces(first, count, width)
                        .flat_map(|piece| {
                            let columns = move |row| {
                                (piece.columns.0..piece.columns.1).map(move |c| row * width + c)
                            };
                            (piece.rows.0..piece.rows.1).flat_map(columns)
                        })
                        .collect();
                    assert_eq!(elements, (first..first + count).collect::<Vec<_>>());
                }
            }
        }
        assert!(pieces(3, 40, 10).count() == 3);
    }

    #[test]
    fn a_transpose_is_one() {
        let mut to = Vec::new();
        transpose(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, &mut to);
        assert_eq!(to, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }
}
