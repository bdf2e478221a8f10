//! How one tensor of a soup comes about, element by element, and the rules that every method shares.
//!
//! A rule is asked for any piece of its tensor, in any order, from any thread, and always answers with the same
//! bytes. Whoever adds a method adds rules; files, readers and digests stay as they are.

use std::fmt::Debug;

use super::pieces::Pieces;
use super::{BlendError, Input};
use crate::kernel::{self, Scale, Term};
use crate::layout::Dtype;

/// A worker's buffers, used again for each piece.
#[derive(Debug, Default)]
pub struct Bench {
    /// Bytes of one input each.
    pub(crate) inputs: Pieces,
    /// Sums of one piece.
    pub(crate) sums: Vec<f64>,
    /// Elements of one input, or whatever else a method needs for a piece.
    pub(crate) values: Vec<f64>,
    /// Elements of one input in the output's format.
    pub(crate) converted: Vec<u8>,
}

impl Bench {
    /// Reads a piece of each input, `elements` from element `first` on, into buffers of their own.
    pub(crate) fn read<'a>(
        &mut self,
        inputs: impl ExactSizeIterator<Item = &'a Input>,
        first: u64,
        elements: usize,
    ) -> Result<(), BlendError> {
        let inputs: Vec<_> = inputs.collect();
        self.inputs.make_room(inputs.iter().map(|input| elements * input.dtype().size()));
        for (index, input) in inputs.into_iter().enumerate() {
            input.read(first * input.dtype().size() as u64, self.inputs.piece_mut(index))?;
        }
        Ok(())
    }
}

/// How one tensor of a soup comes about.
pub trait Rule: Debug + Send + Sync {
    /// Fills `output` with the tensor's bytes from `offset` on; both are whole elements of the output.
    ///
    /// # Errors
    /// [`BlendError`], with the first element of this piece that fails.
    fn fill(&self, bench: &mut Bench, offset: u64, output: &mut [u8]) -> Result<(), BlendError>;
}

/// The element, counted in the tensor, at `index` of a piece that begins at byte `offset`.
pub(crate) fn not_finite(tensor: &str, dtype: Dtype, offset: u64, index: usize) -> BlendError {
    let index = offset / dtype.size() as u64 + index as u64;
    BlendError::NotFinite { tensor: tensor.to_owned(), index }
}

/// Refuses a piece of a tensor, from byte `offset` on, in which an element is infinite or NaN.
pub(crate) fn all_finite(
    tensor: &str,
    dtype: Dtype,
    offset: u64,
    piece: &[u8],
) -> Result<(), BlendError> {
    match kernel::first_not_finite(dtype, piece) {
        Some(index) => Err(not_finite(tensor, dtype, offset, index)),
        None => Ok(()),
    }
}

/// The tensor of one input, byte for byte; elements that are no finite numbers are refused.
#[derive(Debug)]
pub(crate) struct Copied(pub(crate) Input);

impl Rule for Copied {
    fn fill(&self, _: &mut Bench, offset: u64, output: &mut [u8]) -> Result<(), BlendError> {
        self.0.read(offset, output)?;
        all_finite(&self.0.tensor().name, self.0.dtype(), offset, output)
    }
}

/// The tensor of one input, each element rounded once to another format; a zero keeps its sign.
#[derive(Debug)]
pub(crate) struct Converted {
    pub(crate) input: Input,
    pub(crate) dtype: Dtype,
}

impl Rule for Converted {
    fn fill(&self, bench: &mut Bench, offset: u64, output: &mut [u8]) -> Result<(), BlendError> {
        let (size, elements) = (self.dtype.size(), output.len() / self.dtype.size());
        bench.read(std::iter::once(&self.input), offset / size as u64, elements)?;
        kernel::convert(self.input.dtype(), &bench.inputs[0], None, self.dtype, output);
        all_finite(&self.input.tensor().name, self.dtype, offset, output)
    }
}

/// The tensor of one input in a format: as it is where it has that format, and converted otherwise.
pub(crate) fn in_format(input: Input, dtype: Dtype) -> Box<dyn Rule> {
    if input.dtype() == dtype {
        Box::new(Copied(input))
    } else {
        Box::new(Converted { input, dtype })
    }
}

/// Σ factor·x over inputs, in order, divided by the scale and rounded once to `dtype`.
#[derive(Debug)]
pub(crate) struct Weighted {
    pub(crate) terms: Vec<(Input, f64)>,
    pub(crate) scale: Scale,
    pub(crate) dtype: Dtype,
}

impl Rule for Weighted {
    fn fill(&self, bench: &mut Bench, offset: u64, output: &mut [u8]) -> Result<(), BlendError> {
        let (size, elements) = (self.dtype.size(), output.len() / self.dtype.size());
        bench.read(self.terms.iter().map(|(input, _)| input), offset / size as u64, elements)?;
        let terms: Vec<_> = (self.terms.iter().zip(bench.inputs.iter()))
            .map(|((input, factor), bytes)| Term { bytes, dtype: input.dtype(), factor: *factor })
            .collect();
        kernel::mix(&terms, self.scale, self.dtype, &mut bench.sums, output)
            .map_err(|index| not_finite(&self.terms[0].0.tensor().name, self.dtype, offset, index))
    }
}

/// A tensor of integers or truth values, which cannot be mixed: copied where all inputs have the same.
#[derive(Debug)]
pub(crate) struct Agreed(pub(crate) Vec<Input>);

impl Rule for Agreed {
    fn fill(&self, bench: &mut Bench, offset: u64, output: &mut [u8]) -> Result<(), BlendError> {
        let size = self.0[0].dtype().size();
        bench.read(self.0.iter(), offset / size as u64, output.len() / size)?;
        output.copy_from_slice(&bench.inputs[0]);
        for (input, bytes) in self.0.iter().zip(bench.inputs.iter()).skip(1) {
            if let Some(position) = output.iter().zip(bytes).position(|(a, b)| a != b) {
                return Err(BlendError::NotEqual {
                    tensor: input.tensor().name.clone(),
                    index: (offset + position as u64) / size as u64,
                    first: self.0[0].source().path().to_owned(),
                    second: input.source().path().to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// One tensor in the place of two that must be the same, to the byte.
#[derive(Debug)]
pub(crate) struct Same {
    /// Makes the tensor, of the first of the two.
    pub(crate) rule: Box<dyn Rule>,
    /// The format of what it makes.
    pub(crate) dtype: Dtype,
    /// The two, of one shape and format.
    pub(crate) kept: Input,
    /// The one that is left out.
    pub(crate) copy: Input,
}

impl Rule for Same {
    fn fill(&self, bench: &mut Bench, offset: u64, output: &mut [u8]) -> Result<(), BlendError> {
        let (size, read) = (self.dtype.size(), self.kept.dtype().size());
        let first = offset / size as u64;
        bench.read([&self.kept, &self.copy].into_iter(), first, output.len() / size)?;
        let mut pairs = bench.inputs[0].iter().zip(&bench.inputs[1]);
        if let Some(position) = pairs.position(|(a, b)| a != b) {
            return Err(BlendError::Untied {
                kept: self.kept.tensor().name.clone(),
                copy: self.copy.tensor().name.clone(),
                index: first + (position / read) as u64,
            });
        }
        self.rule.fill(bench, offset, output)
    }
}
