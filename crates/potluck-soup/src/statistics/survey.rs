//! One pass over a checkpoint's files: statistics of its tensors, digests of its files, or both.
//!
//! A file is cut into blocks at multiples of [`BLOCK`], so that each is a subtree of the file's BLAKE3. A block's
//! job does the tiles that begin in it, and reads on to the end of the last one.

use std::num::NonZeroUsize;
use std::sync::OnceLock;

use potluck_core::Blake3;

use super::{Statistics, TILE_BYTES, tile};
use crate::blend::Tree;
use crate::checkpoint::Checkpoint;
use crate::float_state::{self, FloatState};
use crate::in_turn::in_turn;
use crate::layout::{Dtype, TensorLayout};
use crate::source::{Source, SourceError};

/// Bytes of a file that are one job: with a tile they fit a core's second-level cache.
const BLOCK: u64 = 256 << 10;

/// Why there are no statistics.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// A file could not be read, or changed meanwhile.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// This process changed how floating-point numbers are rounded.
    #[error("the processor's floating-point mode makes sums irreproducible")]
    FloatState(#[from] FloatState),
}

/// What is wanted, and by what means.
#[derive(Debug, Clone, Copy)]
pub struct Surveying {
    /// How many threads; the caller's own is one of them.
    pub threads: NonZeroUsize,
    /// Whether the tensors' statistics are wanted.
    pub statistics: bool,
    /// Whether the files' BLAKE3 is wanted.
    pub blake3: bool,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// Of each tensor, in byte order of names; empty where they were not wanted.
    pub statistics: Vec<Statistics>,
    /// Of each file, in byte order of names; empty where they were not wanted.
    pub blake3: Vec<Blake3>,
}

/// Reads a checkpoint's files once.
///
/// `progress` hears of bytes read, of [`Checkpoint`]'s files together, on the caller's thread. Memory: a block a
/// thread, and half a kilobyte a tensor.
///
/// # Errors
/// [`SurveyError`]; the first in the order of the files, whatever the number of threads.
pub fn survey(
    checkpoint: &Checkpoint,
    surveying: Surveying,
    progress: &mut dyn FnMut(u64),
) -> Result<Survey, SurveyError> {
    let files: Vec<_> =
        checkpoint.sources().iter().map(|it| Surveyed::new(it, surveying)).collect();
    let blocks = files.iter().scan(0, |end, file| {
        *end += file.source.length().div_ceil(BLOCK);
        Some(*end)
    });
    let ends: Vec<u64> = blocks.collect();
    let count = if surveying.statistics || surveying.blake3 { ends.last().copied() } else { None };
    let mut statistics: Vec<Vec<Statistics>> = files.iter().map(Surveyed::nothing).collect();
    in_turn(
        count.unwrap_or(0),
        surveying.threads,
        Vec::new,
        |buffer, job| {
            let number = ends.partition_point(|end| *end <= job);
            let first = number.checked_sub(1).map_or(0, |before| ends[before]);
            Ok::<_, SurveyError>((number, files[number].block(job - first, buffer)?))
        },
        |(number, tiles)| {
            tiles.iter().for_each(|(tensor, tile)| statistics[number][*tensor].add(tile));
        },
        &mut |blocks| progress(blocks * BLOCK),
    )?;
    files.iter().try_for_each(|file| file.source.check_unchanged())?;
    let in_order = checkpoint.places().iter().filter(|_| surveying.statistics);
    let statistics =
        in_order.map(|&(file, tensor)| statistics[file as usize][tensor as usize].clone());
    let digests = files.into_iter().filter(|_| surveying.blake3);
    Ok(Survey { statistics: statistics.collect(), blake3: digests.map(Surveyed::digest).collect() })
}

/// One file while it is read.
struct Surveyed<'a> {
    source: &'a Source,
    surveying: Surveying,
    /// The tensors that are not empty, in the order of the file.
    order: Vec<usize>,
    tree: Tree,
    /// The digest of a file of a single block.
    whole: OnceLock<Blake3>,
}

impl<'a> Surveyed<'a> {
    fn new(source: &'a Source, surveying: Surveying) -> Self {
        let tensors = source.layout().tensors();
        let mut order: Vec<_> = (0..tensors.len()).filter(|it| tensors[*it].bytes() > 0).collect();
        order.sort_unstable_by_key(|it| tensors[*it].range.start);
        Self { source, surveying, order, tree: Tree::default(), whole: OnceLock::new() }
    }

    fn nothing(&self) -> Vec<Statistics> {
        let of = |tensor: &TensorLayout| Statistics::none(tensor.dtype);
        let wanted = if self.surveying.statistics { usize::MAX } else { 0 };
        self.source.layout().tensors().iter().take(wanted).map(of).collect()
    }

    /// The tiles that begin in a block, in the order of the file.
    fn block(
        &self,
        index: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<Vec<(usize, Statistics)>, SurveyError> {
        // Asked for each block, as whoever mixes does.
        float_state::check()?;
        let start = index * BLOCK;
        let end = (start + BLOCK).min(self.source.length());
        let tiles = self.tiles(start, end);
        let (first, last) = match (tiles.first(), tiles.last(), self.surveying.blake3) {
            (_, last, true) => (start, last.map_or(end, |last| last.end.max(end))),
            (Some(first), Some(last), false) => (first.start, last.end),
            _ => return Ok(Vec::new()),
        };
        let within = |from: u64| usize::try_from(from - first).expect("at most a block and a tile");
        buffer.resize(within(last), 0);
        self.source.read_exact_at(buffer, first)?;
        if self.surveying.blake3 {
            let block = &buffer[..within(end)];
            match self.source.length() {
                ..=BLOCK => drop(self.whole.set(Blake3::of(block))),
                _ => self.tree.take(index, start, block),
            }
        }
        let statistics = |tile: &Tile| {
            let bytes = &buffer[within(tile.start)..within(tile.end)];
            (tile.tensor, tile::statistics(tile.dtype, bytes))
        };
        Ok(tiles.iter().map(statistics).collect())
    }

    fn tiles(&self, start: u64, end: u64) -> Vec<Tile> {
        let tensors = self.source.layout().tensors();
        let first = self.order.partition_point(|it| tensors[*it].range.end <= start);
        let mut tiles = Vec::new();
        for &tensor in self.order[first..].iter().take_while(|_| self.surveying.statistics) {
            let TensorLayout { range, dtype, .. } = &tensors[tensor];
            if range.start >= end {
                break;
            }
            let skipped = start.saturating_sub(range.start).div_ceil(TILE_BYTES as u64);
            let from = range.start + skipped * TILE_BYTES as u64;
            for start in (from..range.end.min(end)).step_by(TILE_BYTES) {
                let end = (start + TILE_BYTES as u64).min(range.end);
                tiles.push(Tile { tensor, dtype: *dtype, start, end });
            }
        }
        tiles
    }

    fn digest(self) -> Blake3 {
        self.whole.into_inner().unwrap_or_else(|| self.tree.finish())
    }
}

/// A tile of a tensor, by its place in the file.
struct Tile {
    tensor: usize,
    dtype: Dtype,
    start: u64,
    end: u64,
}
