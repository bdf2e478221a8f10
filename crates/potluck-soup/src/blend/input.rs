//! One tensor of one opened file, or one that such a file speaks of and everybody can draw.

use std::sync::Arc;

use super::BlendError;
use crate::adapter::draw;
use crate::layout::{Dtype, TensorLayout};
use crate::source::Source;

/// A tensor that can be read piece by piece.
#[derive(Debug, Clone)]
pub struct Input {
    source: Arc<Source>,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    /// The tensor at this position of the source's layout.
    Stored(usize),
    /// In no file.
    Drawn(Arc<Drawn>),
}

/// A factor A that follows from a seed; its range is that of bytes from its own start.
#[derive(Debug)]
struct Drawn {
    tensor: TensorLayout,
    seed: u64,
    module: String,
}

impl Input {
    /// The tensor at `position` of the source's layout.
    pub(crate) fn new(source: Arc<Source>, position: usize) -> Self {
        Self { source, place: Place::Stored(position) }
    }

    /// The factor A of a module, with `rank` rows of `inputs` elements, that the file at `source` leaves to be drawn. The
    /// product of both is a length in memory: whoever read them has seen to it.
    pub(crate) fn drawn(
        source: Arc<Source>,
        (seed, module): (u64, &str),
        name: String,
        [rank, inputs]: [u64; 2],
    ) -> Self {
        let (shape, range) = (vec![rank, inputs], 0..4 * rank * inputs);
        let tensor = TensorLayout { name, dtype: Dtype::F32, shape, range };
        let drawn = Drawn { tensor, seed, module: module.to_owned() };
        Self { source, place: Place::Drawn(Arc::new(drawn)) }
    }

    /// Its name, format, shape and place.
    pub fn tensor(&self) -> &TensorLayout {
        match &self.place {
            Place::Stored(position) => &self.source.layout().tensors()[*position],
            Place::Drawn(drawn) => &drawn.tensor,
        }
    }

    /// The format of its elements.
    pub fn dtype(&self) -> Dtype {
        self.tensor().dtype
    }

    /// The file that it lies in, or that speaks of it.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Fills `bytes` with what stands at `offset`, in bytes from the tensor's start; both are whole elements.
    ///
    /// # Errors
    /// [`BlendError::Source`].
    pub fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<(), BlendError> {
        match &self.place {
            Place::Stored(_) => {
                let start = self.tensor().range.start + offset;
                Ok(self.source.read_exact_at(bytes, start)?)
            }
            Place::Drawn(drawn) => {
                drawn.fill(offset, bytes);
                Ok(())
            }
        }
    }
}

impl Drawn {
    fn fill(&self, offset: u64, bytes: &mut [u8]) {
        let mut elements = [0f32; 1024];
        let mut first = offset / 4;
        for bytes in bytes.chunks_mut(4 * elements.len()) {
            let elements = &mut elements[..bytes.len() / 4];
            draw(self.seed, &self.module, self.tensor.shape[1], first, elements);
            for (bytes, element) in bytes.as_chunks_mut().0.iter_mut().zip(&*elements) {
                *bytes = element.to_le_bytes();
            }
            first += elements.len() as u64;
        }
    }
}
