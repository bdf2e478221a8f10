//! One tile: a run of one tensor's elements, read from every expert that takes part and mixed.

use std::os::unix::fs::FileExt as _;

use super::BlendError;
use super::mixture::{Mixture, Shares, Source};
use crate::convert::{first_not_finite, for_each, narrow_all};
use crate::float_state;
use crate::layout::{Layout, TensorLayout};
use crate::write::output_order;

/// Bytes of one tile. With the sums beside it, it stays in a core's second-level cache.
pub(super) const TILE_BYTES: usize = 64 << 10;

/// λ = 1, and what the sum of products is divided by.
const MILLION: u32 = 1_000_000;

/// A run of elements of one tensor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile<'a> {
    pub(super) tensor: &'a TensorLayout,
    /// Where it begins, in bytes from the tensor's start.
    offset: u64,
    length: usize,
}

/// The tiles of every tensor, in the order of a soup's file.
pub(super) fn tiles(layout: &Layout, tile_bytes: usize) -> impl Iterator<Item = Tile<'_>> {
    output_order(layout).into_iter().flat_map(move |tensor| tiles_of(tensor, tile_bytes))
}

/// The tiles of one tensor; `tile_bytes` is a multiple of every element's size.
pub(super) fn tiles_of(tensor: &TensorLayout, tile_bytes: usize) -> impl Iterator<Item = Tile<'_>> {
    let bytes = tensor.bytes();
    (0..bytes).step_by(tile_bytes).map(move |offset| {
        let length =
            usize::try_from(bytes - offset).map_or(tile_bytes, |rest| rest.min(tile_bytes));
        Tile { tensor, offset, length }
    })
}

/// A worker's buffers, used again for each tile.
#[derive(Debug, Default)]
pub(super) struct Workbench {
    input: Vec<u8>,
    sums: Vec<f64>,
    output: Vec<u8>,
}

impl Workbench {
    /// The tile of the soup with these shares.
    ///
    /// # Errors
    /// [`BlendError::Read`], [`BlendError::NotFinite`], [`BlendError::FloatState`].
    pub(super) fn mix(
        &mut self,
        mixture: &Mixture,
        shares: &Shares,
        tile: &Tile<'_>,
    ) -> Result<&[u8], BlendError> {
        // Asked for each tile: whoever mixes may share its thread with code that changes the state.
        float_state::check()?;
        self.output.resize(tile.length, 0);
        if let [(only, MILLION)] = shares[..] {
            read(&mixture.sources()[only], tile, &mut self.output)?;
        } else if !tile.tensor.dtype.is_float() {
            self.copy_equal(mixture, shares, tile)?;
        } else {
            self.mix_linear(mixture, shares, tile)?;
        }
        let dtype = tile.tensor.dtype;
        match first_not_finite(dtype, &self.output) {
            None => Ok(&self.output),
            Some(position) => Err(BlendError::NotFinite {
                tensor: tile.tensor.name.clone(),
                index: tile.offset / dtype.size() as u64 + position as u64,
            }),
        }
    }

    /// Elements that cannot be mixed are copied, where all experts have the same.
    fn copy_equal(
        &mut self,
        mixture: &Mixture,
        shares: &Shares,
        tile: &Tile<'_>,
    ) -> Result<(), BlendError> {
        let Some((&(first, _), others)) = shares.split_first() else { return Ok(()) };
        let first = &mixture.sources()[first];
        read(first, tile, &mut self.output)?;
        self.input.resize(tile.length, 0);
        for &(position, _) in others {
            let other = &mixture.sources()[position];
            read(other, tile, &mut self.input)?;
            if self.input != self.output {
                let (first, second) = (first.party.clone(), other.party.clone());
                return Err(BlendError::Differ { first, second, tensor: tile.tensor.name.clone() });
            }
        }
        Ok(())
    }

    /// `linear/1` as `docs/formats.md` has it; the products are exact, so a fused multiply-add would not matter.
    fn mix_linear(
        &mut self,
        mixture: &Mixture,
        shares: &Shares,
        tile: &Tile<'_>,
    ) -> Result<(), BlendError> {
        let dtype = tile.tensor.dtype;
        self.sums.clear();
        self.sums.resize(tile.length / dtype.size(), 0.0);
        self.input.resize(tile.length, 0);
        for &(position, ppm) in shares {
            read(&mixture.sources()[position], tile, &mut self.input)?;
            let (share, sums) = (f64::from(ppm), &mut self.sums[..]);
            for_each(dtype, &self.input, |index, value| sums[index] += share * value);
        }
        let sums = self.sums.iter().map(|sum| sum / f64::from(MILLION));
        narrow_all(dtype, sums, &mut self.output);
        Ok(())
    }
}

/// Reads the tile from one expert, in whose file the tensor may lie elsewhere.
fn read(source: &Source, tile: &Tile<'_>, bytes: &mut [u8]) -> Result<(), BlendError> {
    let tensor =
        source.layout.tensor(&tile.tensor.name).expect("a mixture's experts have the same tensors");
    let start = tensor.range.start + tile.offset;
    source
        .file
        .read_exact_at(bytes, start)
        .map_err(|error| BlendError::Read { path: source.path.clone(), source: error })
}
