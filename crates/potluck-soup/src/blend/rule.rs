//! How one tensor of a soup comes about, element by element, and the three rules that every method shares.
//!
//! A rule is asked for any piece of its tensor, in any order, from any thread, and always answers with the same
//! bytes. Whoever adds a method adds rules; files, readers and digests stay as they are.

use std::fmt::Debug;

use super::{BlendError, Input};
use crate::kernel::{self, Scale, Term};
use crate::layout::Dtype;

/// A worker's buffers, used again for each piece.
#[derive(Debug, Default)]
pub struct Bench {
    /// Bytes of one input each.
    pub(crate) inputs: Vec<Vec<u8>>,
    /// Sums of one piece.
    pub(crate) sums: Vec<f64>,
    /// Elements of one input, or whatever else a method needs for a piece.
    pub(crate) values: Vec<f64>,
}

impl Bench {
    /// Reads a piece of each input, `elements` from element `first` on, into buffers of their own.
    pub(crate) fn read<'a>(
        &mut self,
        inputs: impl ExactSizeIterator<Item = &'a Input>,
        first: u64,
        elements: usize,
    ) -> Result<(), BlendError> {
        if self.inputs.len() < inputs.len() {
            self.inputs.resize_with(inputs.len(), Vec::new);
        }
        for (input, bytes) in inputs.zip(&mut self.inputs) {
            let size = input.dtype().size();
            bytes.resize(elements * size, 0);
            input.read(first * size as u64, bytes)?;
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

/// The tensor of one input, byte for byte; elements that are no finite numbers are refused.
#[derive(Debug)]
pub(crate) struct Copied(pub(crate) Input);

impl Rule for Copied {
    fn fill(&self, _: &mut Bench, offset: u64, output: &mut [u8]) -> Result<(), BlendError> {
        self.0.read(offset, output)?;
        let dtype = self.0.dtype();
        match kernel::first_not_finite(dtype, output) {
            Some(index) => Err(not_finite(&self.0.tensor().name, dtype, offset, index)),
            None => Ok(()),
        }
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
        let terms: Vec<_> = (self.terms.iter().zip(&bench.inputs))
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
        for (input, bytes) in self.0.iter().zip(&bench.inputs).skip(1) {
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
