//! Experts that can be mixed with one another: opened once, mixed for as many λ as wanted, tensor by tensor.

use std::path::PathBuf;

use potluck_core::{Lambda, PartyId};

use super::BlendError;
use super::linear::{Wanted, linear};
use super::plan::{Shape, Soup};
use super::published::opened;
use super::rule::Bench;
use crate::checkpoint::Checkpoint;
use crate::float_state;
use crate::layout::Dtype;

/// Open experts.
#[derive(Debug)]
pub struct Mixture {
    experts: Vec<(PartyId, Checkpoint)>,
}

/// A tensor of a soup, held whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MixedTensor {
    /// Its name.
    pub name: String,
    /// The format of its elements.
    pub dtype: Dtype,
    /// Its dimensions.
    pub shape: Vec<u64>,
    /// Its elements, little-endian, in row-major order.
    pub bytes: Vec<u8>,
}

impl Mixture {
    /// Opens the experts' checkpoints and checks that they can be mixed.
    ///
    /// Reads headers only; memory is bounded by [`crate::layout::MAX_HEADER`] a file.
    ///
    /// # Errors
    /// [`BlendError`], of the caller's and the experts' kind.
    pub fn open(experts: &[(PartyId, PathBuf)]) -> Result<Self, BlendError> {
        let mixture = Self { experts: opened(experts)? };
        mixture.plan(mixture.experts.iter().map(|(party, _)| (party, 1)))?;
        Ok(mixture)
    }

    /// Mixes one tensor after the other, in the order of a soup's file; the bytes equal those of the file.
    ///
    /// Memory: the tensor that is handed out, and two tiles.
    ///
    /// # Errors
    /// [`BlendError::Missing`] here; each item may fail as a blend does.
    pub fn tensors(&self, lambda: &Lambda) -> Result<Tensors, BlendError> {
        Ok(Tensors { soup: self.plan(lambda.active())?, next: 0, bench: Bench::default() })
    }

    fn plan<'a>(
        &self,
        shares: impl Iterator<Item = (&'a PartyId, u32)>,
    ) -> Result<Soup, BlendError> {
        let active = |(party, ppm): (&PartyId, u32)| {
            let found = self.experts.iter().find(|(it, _)| it == party);
            let (party, it) = found.ok_or_else(|| BlendError::Missing(party.clone()))?;
            Ok((party.clone(), ppm, it))
        };
        let active = shares.map(active).collect::<Result<Vec<_>, BlendError>>()?;
        linear(&active, &Wanted { shape: Shape::One, dtype: None, recipe: None })
    }
}

/// The tensors of a soup, mixed as they are asked for.
#[derive(Debug)]
pub struct Tensors {
    soup: Soup,
    next: usize,
    bench: Bench,
}

impl Iterator for Tensors {
    type Item = Result<MixedTensor, BlendError>;

    fn next(&mut self) -> Option<Self::Item> {
        let file = &self.soup.files()[0];
        let placed = file.tensors().get(self.next)?;
        self.next += 1;
        let length = usize::try_from(placed.end - placed.start).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length];
        let made = float_state::check()
            .map_err(BlendError::from)
            .and_then(|()| file.read_at(&mut self.bench, placed.start, &mut bytes));
        let tensor = &placed.tensor;
        Some(made.map(|_| MixedTensor {
            name: tensor.name.clone(),
            dtype: tensor.dtype,
            shape: tensor.shape.clone(),
            bytes,
        }))
    }
}
