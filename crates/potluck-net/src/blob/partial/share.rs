//! A way into a partial file beside the usual one, for a stream of its own.
//!
//! Each has its own handles, and writes verified groups to their places and pairs of hashes to theirs. Two streams write the
//! pairs that are above both of their parts, with the same bytes, since both were checked against the same root.

use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bao_tree::blake3::Hash;
use bao_tree::{BaoTree, ChunkRanges};
use potluck_wire::Ranges;

use super::super::disk::{Disk, System};
use super::super::receive::Way;
use super::super::tree;
use super::ReceiveError;

/// A second way into a [`Partial`](super::Partial).
#[derive(Debug, Clone)]
pub struct Share<D = System> {
    pub(super) disk: D,
    /// Where content and hashes lie.
    pub(super) paths: (PathBuf, PathBuf),
    pub(super) root: Hash,
    pub(super) tree: BaoTree,
    /// What was there when this was made.
    pub(super) before: ChunkRanges,
    pub(super) came: Arc<Mutex<ChunkRanges>>,
}

impl<D> Share<D> {
    /// What has not come by any of the ways yet.
    pub fn missing(&self) -> Ranges {
        super::missing(self.tree, &(&self.before | &*lock(&self.came)))
    }

    /// The same way on a disk of the caller's, which must be the same disk: each program of the simulation has a handle of its own
    /// to it.
    pub fn on<E>(&self, disk: E) -> Share<E> {
        Share {
            disk,
            paths: self.paths.clone(),
            root: self.root,
            tree: self.tree,
            before: self.before.clone(),
            came: Arc::clone(&self.came),
        }
    }
}

impl<D: Disk> Share<D> {
    /// As [`Partial::receive`](super::Partial::receive).
    ///
    /// # Errors
    /// As there.
    pub fn receive(
        &self,
        ranges: &Ranges,
        from: &mut dyn Read,
        on_group: &mut dyn FnMut(u64),
    ) -> Result<(), ReceiveError> {
        let edit = |path| self.disk.edit(path).map_err(ReceiveError::File);
        let (mut data, mut hashes) = (edit(&self.paths.0)?, edit(&self.paths.1)?);
        let way = Way {
            root: self.root,
            tree: self.tree,
            direct: self.disk.direct(&self.paths.0),
            data: &mut data,
            hashes: &mut hashes,
        };
        let (written, received) = way.receive(ranges, from, on_group);
        *lock(&self.came) |= tree::chunks_of(&written);
        received
    }
}

/// What came is whole between any two statements, so that a panic elsewhere cannot have torn it.
pub(super) fn lock(came: &Mutex<ChunkRanges>) -> MutexGuard<'_, ChunkRanges> {
    came.lock().unwrap_or_else(PoisonError::into_inner)
}
