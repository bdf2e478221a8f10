//! The soup arithmetic `linear/1`: Σ ppmᵢ·xᵢ / 1 000 000, element by element, bit for bit.
//!
//! ```text
//! experts' files ──pread──▶ tiles ──▶ workers ──▶ tiles in order ──▶ file and digests
//!                          (bounded)  (threads)        (caller's thread)
//! ```
//!
//! The specification is `docs/formats.md`. What is fixed there: inputs in ascending order of party, exact
//! products and a sum from +0 in binary64, one division, one rounding to the element's format. What is free and
//! never changes a byte: tiles, threads, the order in which they finish.
//!
//! It does not ask whether an expert is the one that the recipe names: its callers hold the evidence of digests.
//! It does refuse what would put an infinity or a NaN into a soup.

mod mixture;
mod tile;

use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use potluck_core::{Blake3, PartyId, Recipe};

use self::mixture::Shares;
pub use self::mixture::{MixedTensor, Mixture, Tensors};
use self::tile::{TILE_BYTES, Tile, Workbench, tiles};
use crate::float_state::FloatState;
use crate::layout::LayoutError;
use crate::write::{Blended, Output};

/// Finished tiles that may wait for each worker's turn: one being written, one ready.
const WAITING: usize = 2;

/// Why no soup was made.
#[derive(Debug, thiserror::Error)]
pub enum BlendError {
    // The caller's.
    /// No expert was given.
    #[error("no expert was given")]
    NoExperts,
    /// One party's expert twice.
    #[error("the expert of {0} was given twice")]
    Twice(PartyId),
    /// λ gives weight to a party whose expert was not given.
    #[error("the recipe needs the expert of {0}, which was not given")]
    Missing(PartyId),
    /// An expert that the recipe does not name.
    #[error("the expert of {0} was given, but the recipe does not name it")]
    Unneeded(PartyId),

    // An expert's.
    /// A file that is no safetensors file of the kind that soups are made of.
    #[error("the expert of {party} ({}) cannot be mixed", path.display())]
    Layout {
        /// Whose expert.
        party: PartyId,
        /// Where it lies.
        path: PathBuf,
        /// What is wrong with it.
        source: LayoutError,
    },
    /// Two experts whose tensors differ in name, dtype or shape, or in elements that cannot be mixed.
    #[error("the experts of {first} and {second} differ in tensor {tensor}")]
    Differ {
        /// The expert that the other was compared with.
        first: PartyId,
        /// The other.
        second: PartyId,
        /// The first tensor, in byte order of names, in which they differ.
        tensor: String,
    },
    /// An element of the soup would be infinite or no number.
    #[error(
        "element {index} of tensor {tensor} would not be finite: an input is not, or the sum overflows"
    )]
    NotFinite {
        /// Which tensor.
        tensor: String,
        /// Which element, in the tensor's own order.
        index: u64,
    },

    // The local system's.
    /// A file could not be opened or read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The soup could not be written.
    #[error("{} cannot be written", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// This process changed how floating-point numbers are rounded.
    #[error("the processor's floating-point mode makes soups irreproducible")]
    FloatState(#[from] FloatState),
}

/// Makes the soup of `recipe` from the experts' safetensors files and puts it at `output`.
///
/// `experts` holds exactly the parties that the recipe names, in any order, each with the path of its *file*.
/// `progress` hears of bytes of tensors done and in all, on the caller's thread. Memory: a few tiles of 64 KiB
/// a thread. The output appears complete and synced, or not at all.
///
/// # Errors
/// [`BlendError`]; the first one in the order of the output, whatever the number of threads.
pub fn blend(
    recipe: &Recipe,
    experts: &[(PartyId, PathBuf)],
    output: &Path,
    threads: NonZeroUsize,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Blended, BlendError> {
    let needed = |party: &PartyId| recipe.experts().iter().any(|expert| expert.party == *party);
    if let Some((party, _)) = experts.iter().find(|(party, _)| !needed(party)) {
        return Err(BlendError::Unneeded(party.clone()));
    }
    let mixture = Mixture::open(experts)?;
    let shares =
        mixture.shares(recipe.experts().iter().map(|expert| (&expert.party, expert.ppm)))?;
    let work = Work { mixture: &mixture, shares: &shares, threads, tile_bytes: TILE_BYTES };
    work.write(recipe.digest(), output, progress)
}

/// One soup to be made, and how the work is cut up.
struct Work<'a> {
    mixture: &'a Mixture,
    shares: &'a Shares,
    threads: NonZeroUsize,
    tile_bytes: usize,
}

impl Work<'_> {
    fn write(
        &self,
        recipe: Blake3,
        path: &Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Blended, BlendError> {
        let failed = |source| BlendError::Write { path: path.to_owned(), source };
        let layout = self.mixture.layout();
        let mut output = Output::create(path, layout, recipe).map_err(failed)?;
        let (mut done, total) = (0, layout.data_bytes());
        progress(done, total);
        self.in_order(&mut |bytes| {
            output.write(bytes).map_err(failed)?;
            done += bytes.len() as u64;
            progress(done, total);
            Ok(())
        })?;
        output.finish().map_err(failed)
    }

    /// Mixes on `threads` threads and hands the tiles on in the order of the output.
    ///
    /// Worker w takes the tiles w, w + threads, …; each has its own short queue, so nobody runs ahead.
    fn in_order(
        &self,
        take: &mut dyn FnMut(&[u8]) -> Result<(), BlendError>,
    ) -> Result<(), BlendError> {
        thread::scope(|scope| {
            let workers: Vec<_> = (0..self.threads.get())
                .map(|first| {
                    let (sender, receiver) = mpsc::sync_channel(WAITING);
                    scope.spawn(move || self.mix_every(first, &sender));
                    receiver
                })
                .collect();
            for (position, _) in self.tiles().enumerate() {
                let mixed = workers[position % workers.len()].recv();
                take(
                    &mixed
                        .expect("a worker sends a result for each of its tiles until one fails")?,
                )?;
            }
            Ok(())
        })
    }

    fn mix_every(&self, first: usize, sender: &mpsc::SyncSender<Result<Vec<u8>, BlendError>>) {
        let mut bench = Workbench::default();
        for tile in self.tiles().skip(first).step_by(self.threads.get()) {
            let mixed = bench.mix(self.mixture, self.shares, &tile).map(<[u8]>::to_vec);
            let failed = mixed.is_err();
            // A closed queue means that the caller has given up on an earlier tile.
            if sender.send(mixed).is_err() || failed {
                return;
            }
        }
    }

    fn tiles(&self) -> impl Iterator<Item = Tile<'_>> {
        tiles(self.mixture.layout(), self.tile_bytes)
    }
}

#[cfg(test)]
mod tests;
