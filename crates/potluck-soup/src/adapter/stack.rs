//! The two ways in which factors are put beside one another: A by rows, B by columns with its scale folded in.

use super::scale::Fold;
use crate::blend::{Bench, BlendError, Input, Rule, all_finite, in_format};
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

    /// Puts the rows of `part`, from row `first` on, where they belong in `output`, which begins at byte `offset` of
    /// the tensor: rows at its ends may be cut.
    fn place(&self, part: &Column, first: u64, rows: &[u8], offset: u64, output: &mut [u8]) {
        let size = self.dtype.size() as u64;
        let (stride, width) = (index(self.width * size), index(part.width * size));
        // May be negative: the first row may begin before the output does.
        let start = (first * self.width + part.start) as i64 * size as i64 - offset as i64;
        let is_whole = |at: i64| at >= 0 && at as usize + width <= output.len();
        let count = rows.len() / width;
        let at = |row: usize| start + (row * stride) as i64;
        let skipped = (0..count).take_while(|row| !is_whole(at(*row))).count();
        let last = (skipped..count).rev().take_while(|row| !is_whole(at(*row))).count();
        let whole = skipped..count - last;
        for row in (0..skipped).chain(whole.end..count) {
            place_cut(&rows[row * width..][..width], at(row), output);
        }
        if !whole.is_empty() {
            let rows = &rows[whole.start * width..whole.end * width];
            let output = &mut output[at(whole.start) as usize..];
            match width {
                // A width that is known costs no call for each row.
                16 => place_whole::<16>(rows, stride, output),
                32 => place_whole::<32>(rows, stride, output),
                64 => place_whole::<64>(rows, stride, output),
                128 => place_whole::<128>(rows, stride, output),
                _ => {
                    let places = output.chunks_mut(stride);
                    let rows = rows.chunks_exact(width);
                    places.zip(rows).for_each(|(place, row)| place[..width].copy_from_slice(row));
                }
            }
        }
    }
}

/// Puts a row at byte `at` of the output, as far as it lies within.
fn place_cut(row: &[u8], at: i64, output: &mut [u8]) {
    let end = (at + row.len() as i64).clamp(0, output.len() as i64) as usize;
    let from = at.clamp(0, end as i64) as usize;
    if from < end {
        let skip = (from as i64 - at) as usize;
        output[from..end].copy_from_slice(&row[skip..][..end - from]);
    }
}

/// Puts rows of `N` bytes at every `stride` of the output.
fn place_whole<const N: usize>(rows: &[u8], stride: usize, output: &mut [u8]) {
    let places = output.chunks_mut(stride);
    for (place, row) in places.zip(rows.as_chunks::<N>().0) {
        *place.first_chunk_mut().expect("the row is whole") = *row;
    }
}

impl Rule for Columns {
    fn fill(&self, bench: &mut Bench, offset: u64, output: &mut [u8]) -> Result<(), BlendError> {
        let size = self.dtype.size();
        let (first, elements) = (offset / size as u64, output.len() / size);
        let end = first + elements as u64;
        let rows = (first / self.width, end.div_ceil(self.width));
        for part in &self.parts {
            let count = index((rows.1 - rows.0) * part.width);
            bench.read(std::iter::once(&part.input), rows.0 * part.width, count)?;
            bench.converted.resize(count * size, 0);
            let fold = Some(part.fold.kernel());
            let (dtype, bytes) = (part.input.dtype(), &bench.inputs[0]);
            kernel::convert(dtype, bytes, fold, self.dtype, &mut bench.converted);
            self.place(part, rows.0, &bench.converted, offset, output);
        }
        // Only now, so that rows beyond this piece are the business of the piece that they are in.
        all_finite(&self.name, self.dtype, offset, output)
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
