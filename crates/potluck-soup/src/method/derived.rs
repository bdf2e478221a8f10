//! The rule of a tensor whose factors follow from the tensor itself: Σ factor·x, as every soup, once they are found.

use std::fmt::Debug;

use super::stream::Found;
use crate::blend::{Bench, BlendError, Input, Rule, Weighted};
use crate::kernel::Scale;
use crate::layout::Dtype;

/// How a method finds the factors of a tensor's inputs.
pub(super) trait Derive: Debug + Send + Sync {
    /// One factor for each of `inputs`, in their order, and what the sum is divided by.
    ///
    /// # Errors
    /// [`BlendError`].
    fn factors(&self, inputs: &[Input]) -> Result<(Vec<f64>, Scale), BlendError>;
}

/// Σ factor·x over `inputs`, in order; the factors are found when the first piece is asked for.
#[derive(Debug)]
pub(super) struct Derived<D> {
    inputs: Vec<Input>,
    dtype: Dtype,
    derive: D,
    found: Found<Weighted>,
}

impl<D: Derive> Derived<D> {
    pub(super) fn new(inputs: Vec<Input>, dtype: Dtype, derive: D) -> Self {
        Self { inputs, dtype, derive, found: Found::default() }
    }

    fn find(&self) -> Result<Weighted, BlendError> {
        let (factors, scale) = self.derive.factors(&self.inputs)?;
        let terms = self.inputs.iter().cloned().zip(factors).collect();
        Ok(Weighted { terms, scale, dtype: self.dtype })
    }
}

impl<D: Derive> Rule for Derived<D> {
    fn fill(&self, bench: &mut Bench, offset: u64, output: &mut [u8]) -> Result<(), BlendError> {
        self.found.get(|| self.find())?.fill(bench, offset, output)
    }
}
