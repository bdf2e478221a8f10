//! One tensor of one opened file.

use std::sync::Arc;

use super::BlendError;
use crate::layout::{Dtype, TensorLayout};
use crate::source::Source;

/// A tensor that can be read piece by piece.
#[derive(Debug, Clone)]
pub struct Input {
    source: Arc<Source>,
    position: usize,
}

impl Input {
    /// The tensor at `position` of the source's layout.
    pub(crate) fn new(source: Arc<Source>, position: usize) -> Self {
        Self { source, position }
    }

    /// Its name, format, shape and place.
    pub fn tensor(&self) -> &TensorLayout {
        &self.source.layout().tensors()[self.position]
    }

    /// The format of its elements.
    pub fn dtype(&self) -> Dtype {
        self.tensor().dtype
    }

    /// The file it lies in.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Fills `bytes` with what stands at `offset`, in bytes from the tensor's start.
    ///
    /// # Errors
    /// [`BlendError::Source`].
    pub fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<(), BlendError> {
        let start = self.tensor().range.start + offset;
        Ok(self.source.read_exact_at(bytes, start)?)
    }
}
