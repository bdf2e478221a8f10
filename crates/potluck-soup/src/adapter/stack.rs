//! The two ways in which factors are put beside one another: A by rows, B by columns with its scale folded in.

use super::scale::Fold;
use crate::blend::{Bench, BlendError, Input, Rule, in_format, not_finite};
use crate::kernel;
use crate::layout::Dtype;

/// Tensors one after the other: factors A, whose rows are stacked.
#[derive(Debug)]
pub(super) struct Rows {
    /// Where each part ends, in bytes of the output, ascending.
    parts: Vec<(u64, Box<dyn Rule>)>,
}

impl Rows {
    pub(super) fn new(inputs: impl Iterator<Item = Input>, dtype: Dtype) -> Self {
        let mut end = 0;
        let part = |input: Input| {
            end += input.tensor().elements() * dtype.size() as u64;
            (end, in_format(input, dtype))
        };
        Self { parts: inputs.map(part).collect() }
    }
}

impl Rule for Rows {
    fn fill(&self, bench: &mut Bench, offset: u64, output: &mut [u8]) -> Result<(), BlendError> {
        let (mut at, mut rest) = (offset, output);
        let first = self.parts.partition_point(|(end, _)| *end <= at);
        for (position, (end, rule)) in self.parts.iter().enumerate().skip(first) {
            let start = position.checked_sub(1).map_or(0, |before| self.parts[before].0);
            let length = usize::try_from(end - at).map_or(rest.len(), |it| it.min(rest.len()));
            let (now, later) = rest.split_at_mut(length);
            rule.fill(bench, at - start, now)?;
            at += length as u64;
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        Ok(())
    }
}

/// Matrices side by side, each folded: factors B.
#[derive(Debug)]
pub(super) struct Columns {
    name: String,
    parts: Vec<Column>,
    /// Of all parts together.
    width: u64,
    dtype: Dtype,
}

/// One matrix of several side by side.
#[derive(Debug)]
struct Column {
    input: Input,
    fold: Fold,
    /// The column of the output at which it begins.
    start: u64,
    width: u64,
}

impl Columns {
    /// `parts` have as many rows as one another, and each as many columns as its rank says.
    pub(super) fn new(
        name: String,
        parts: impl Iterator<Item = (Input, u32, Fold)>,
        dtype: Dtype,
    ) -> Self {
        let mut width = 0;
        let column = |(input, rank, fold)| {
            let start = width;
            width += u64::from(rank);
            Column { input, fold, start, width: u64::from(rank) }
        };
        Self { name, parts: parts.map(column).collect(), width, dtype }
    }

    /// Puts a part's folded elements of the rows from `row` on where they belong among `sums`, which begin at element
    /// `first` of the output.
    fn place(&self, part: &Column, rows: (u64, u64), values: &[f64], first: u64, sums: &mut [f64]) {
        let end = first + sums.len() as u64;
        for (row, values) in (rows.0..rows.1).zip(values.chunks_exact(index(part.width))) {
            let start = row * self.width + part.start;
            let (from, to) = (start.max(first), (start + part.width).min(end));
            if from < to {
                let values = &values[index(from - start)..index(to - start)];
                let place = &mut sums[index(from - first)..index(to - first)];
                place.copy_from_slice(values);
            }
        }
    }
}

impl Rule for Columns {
    fn fill(&self, bench: &mut Bench, offset: u64, output: &mut [u8]) -> Result<(), BlendError> {
        let size = self.dtype.size();
        let (first, elements) = (offset / size as u64, output.len() / size);
        let end = first + elements as u64;
        let rows = (first / self.width, end.div_ceil(self.width));
        let mut sums = std::mem::take(&mut bench.sums);
        // What it held does not matter: the parts cover each row.
        sums.resize(elements, 0.0);
        for part in &self.parts {
            let count = index((rows.1 - rows.0) * part.width);
            bench.widen(&part.input, rows.0 * part.width, count)?;
            part.fold.apply(&mut bench.values);
            self.place(part, rows, &bench.values, first, &mut sums);
        }
        let rounded = kernel::narrow(self.dtype, &sums, output);
        bench.sums = sums;
        rounded.map_err(|index| not_finite(&self.name, self.dtype, offset, index))
    }
}

impl Bench {
    /// Reads `count` elements of an input from element `first` on into [`Self::values`], exactly.
    pub(super) fn widen(
        &mut self,
        input: &Input,
        first: u64,
        count: usize,
    ) -> Result<(), BlendError> {
        self.read(std::iter::once(input), first, count)?;
        self.values.resize(count, 0.0);
        kernel::widen(input.dtype(), &self.inputs[0], &mut self.values);
        Ok(())
    }
}

/// A place within a block, which is in memory.
pub(super) fn index(place: u64) -> usize {
    usize::try_from(place).expect("a place within a block fits memory")
}
