//! Experts that can be mixed with one another: opened once, mixed for as many λ as wanted.

use std::fs::File;
use std::path::PathBuf;

use potluck_core::{Lambda, PartyId};

use super::BlendError;
use super::tile::{TILE_BYTES, Workbench, tiles_of};
use crate::layout::{Dtype, HeaderLimit, Layout, TensorLayout};
use crate::write::output_order;

/// One expert's file and where its tensors lie in it.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) party: PartyId,
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) layout: Layout,
}

/// The sources that take part, as positions in the mixture in ascending order of party, with their shares.
pub(super) type Shares = Vec<(usize, u32)>;

/// Open experts of equal names, dtypes and shapes, in ascending order of party.
#[derive(Debug)]
pub struct Mixture {
    sources: Vec<Source>,
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
    /// Opens the experts' safetensors files and checks that they can be mixed.
    ///
    /// Reads headers only; memory is bounded by [`crate::layout::MAX_HEADER`] an expert.
    ///
    /// # Errors
    /// [`BlendError`], of the caller's and the experts' kind, or [`BlendError::Read`].
    pub fn open(experts: &[(PartyId, PathBuf)]) -> Result<Self, BlendError> {
        let mut sources: Vec<_> = experts.iter().map(open).collect::<Result<_, _>>()?;
        sources.sort_by(|a, b| a.party.cmp(&b.party));
        if let Some(pair) = sources.windows(2).find(|pair| pair[0].party == pair[1].party) {
            return Err(BlendError::Twice(pair[0].party.clone()));
        }
        let (first, others) = sources.split_first().ok_or(BlendError::NoExperts)?;
        for other in others {
            if let Some(tensor) = first_difference(&first.layout, &other.layout) {
                let (first, second) = (first.party.clone(), other.party.clone());
                return Err(BlendError::Differ { first, second, tensor });
            }
        }
        Ok(Self { sources })
    }

    /// The tensors that every expert has. Names, dtypes and shapes are all experts'; ranges are one's own.
    pub fn layout(&self) -> &Layout {
        &self.sources[0].layout
    }

    /// Mixes one tensor after the other, in the order of a soup's file; the bytes equal those of the file.
    ///
    /// Memory: the tensor that is handed out, and two tiles.
    ///
    /// # Errors
    /// [`BlendError::Missing`] here; each item may fail as a blend does.
    pub fn tensors(&self, lambda: &Lambda) -> Result<Tensors<'_>, BlendError> {
        let shares = self.shares(lambda.active())?;
        let waiting = output_order(self.layout()).into_iter();
        Ok(Tensors { mixture: self, shares, waiting, bench: Workbench::default() })
    }

    pub(super) fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Where the parties of λ stand; `active` is in ascending order of party, as λ and recipes are.
    pub(super) fn shares<'a>(
        &self,
        active: impl Iterator<Item = (&'a PartyId, u32)>,
    ) -> Result<Shares, BlendError> {
        active
            .map(|(party, ppm)| {
                let found = self.sources.binary_search_by(|source| source.party.cmp(party));
                let position = found.map_err(|_| BlendError::Missing(party.clone()))?;
                Ok((position, ppm))
            })
            .collect()
    }
}

/// The tensors of a soup, mixed as they are asked for.
#[derive(Debug)]
pub struct Tensors<'a> {
    mixture: &'a Mixture,
    shares: Shares,
    waiting: std::vec::IntoIter<&'a TensorLayout>,
    bench: Workbench,
}

impl Iterator for Tensors<'_> {
    type Item = Result<MixedTensor, BlendError>;

    fn next(&mut self) -> Option<Self::Item> {
        let tensor = self.waiting.next()?;
        let mut bytes = Vec::with_capacity(usize::try_from(tensor.bytes()).unwrap_or(0));
        for tile in tiles_of(tensor, TILE_BYTES) {
            match self.bench.mix(self.mixture, &self.shares, &tile) {
                Ok(mixed) => bytes.extend_from_slice(mixed),
                Err(error) => return Some(Err(error)),
            }
        }
        let TensorLayout { name, dtype, shape, .. } = tensor.clone();
        Some(Ok(MixedTensor { name, dtype, shape, bytes }))
    }
}

fn open((party, path): &(PartyId, PathBuf)) -> Result<Source, BlendError> {
    let file =
        File::open(path).map_err(|source| BlendError::Read { path: path.clone(), source })?;
    let layout = Layout::of(&file, HeaderLimit::BASE).map_err(|source| BlendError::Layout {
        party: party.clone(),
        path: path.clone(),
        source,
    })?;
    Ok(Source { party: party.clone(), path: path.clone(), file, layout })
}

/// The first name, in byte order, that only one has or that the two describe differently.
fn first_difference(a: &Layout, b: &Layout) -> Option<String> {
    let (mut left, mut right) = (a.tensors().iter(), b.tensors().iter());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return None,
            (Some(x), Some(y)) if (&x.name, x.dtype, &x.shape) == (&y.name, y.dtype, &y.shape) => {}
            (Some(x), Some(y)) => return Some(x.name.as_str().min(y.name.as_str()).to_owned()),
            (Some(x), None) | (None, Some(x)) => return Some(x.name.clone()),
        }
    }
}
