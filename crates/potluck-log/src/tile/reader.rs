//! Roots, proofs and entries out of tiles that somebody keeps.

use std::collections::BTreeMap;
use std::error::Error;

use ct_merkle::{indices_for_consistency_proof, indices_for_inclusion_proof};

use crate::consistency::ConsistencyProof;
use crate::frontier::Frontier;
use crate::hash::{Hash, node_hash};
use crate::inclusion::InclusionProof;
use crate::tree::{MAX_TREE_SIZE, ProofError};

use super::bundle::{BundleError, decode_first};
use super::edge::perfect_root;
use super::id::{TILE_HEIGHT, TILE_WIDTH, TileId, TileLevel};

/// Where tiles lie: a folder, a mirror's address, a map in a test.
pub trait TileReader {
    /// What can go wrong, a tile's absence excepted.
    type Error: Error + Send + Sync + 'static;

    /// The bytes of a tile, or nothing if there is no tile of just that name.
    ///
    /// A reader bounds what it reads: a tile of hashes has [`TileId::hash_bytes`], and a bundle at
    /// most 256 times 65537 bytes. It need not look for the full tile where a partial one is
    /// missing; [`Tiles`] does.
    fn read(&self, tile: TileId) -> Result<Option<Vec<u8>>, Self::Error>;
}

impl<R: TileReader + ?Sized> TileReader for &R {
    type Error = R::Error;

    fn read(&self, tile: TileId) -> Result<Option<Vec<u8>>, Self::Error> {
        (**self).read(tile)
    }
}

/// The tree of a size, read from its tiles.
///
/// Each call reads the tiles that it needs, once, and keeps none: a proof among ten million leaves
/// takes at most six, of 8 KiB. What comes out is as good as the tiles; it is checked where a proof
/// is verified and a root is compared with a checkpoint's.
#[derive(Clone, Debug)]
pub struct Tiles<R> {
    reader: R,
    size: u64,
}

/// Why tiles give no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TileError<E: Error + 'static> {
    /// The tile's place could not be read.
    #[error("cannot read {tile}")]
    Read {
        /// Which tile.
        tile: TileId,
        /// What the reader said.
        #[source]
        source: E,
    },
    /// Neither the tile nor the full one that begins with it is there.
    #[error("{tile} is missing")]
    Missing {
        /// Which tile.
        tile: TileId,
    },
    /// A tile of hashes has the wrong number of bytes.
    #[error("{tile} has {bytes} bytes, which is not 32 for each of its hashes")]
    Length {
        /// Which tile.
        tile: TileId,
        /// How many bytes there were.
        bytes: usize,
    },
    /// The bytes of an entry bundle are none.
    #[error("{tile} is no entry bundle")]
    Bundle {
        /// Which tile.
        tile: TileId,
        /// Why.
        #[source]
        source: BundleError,
    },
    /// The tree has no such proof to give.
    #[error("the tiles have no such proof")]
    Proof(#[source] ProofError),
    /// The size is above [`MAX_TREE_SIZE`].
    #[error("a tree of {size} leaves is larger than any log")]
    TreeTooBig {
        /// The size given.
        size: u64,
    },
}

impl<R: TileReader> Tiles<R> {
    /// The tree of `size` leaves, a checkpoint's, of which `reader` finds the tiles.
    pub fn new(reader: R, size: u64) -> Result<Self, TileError<R::Error>> {
        if size > MAX_TREE_SIZE {
            Err(TileError::TreeTooBig { size })
        } else {
            Ok(Self { reader, size })
        }
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The Merkle tree hash over all leaves.
    pub fn root(&self) -> Result<Hash, TileError<R::Error>> {
        self.root_at(self.size)
    }

    /// The root that the tree had when it had `size` leaves.
    pub fn root_at(&self, size: u64) -> Result<Hash, TileError<R::Error>> {
        Ok(self.frontier_at(size)?.root())
    }

    /// The frontier that the tree had when it had `size` leaves.
    pub fn frontier_at(&self, size: u64) -> Result<Frontier, TileError<R::Error>> {
        self.reached(size)?;
        let mut nodes = Nodes::new(self);
        let mut roots = Vec::new();
        let mut first = 0;
        while let Some(level) = (size - first).checked_ilog2() {
            roots.push(nodes.range(first, 1 << level)?);
            first += 1 << level;
        }
        Ok(Frontier::of(size, roots))
    }

    /// The hash of leaf `index`.
    pub fn leaf(&self, index: u64) -> Result<Hash, TileError<R::Error>> {
        self.has(index, self.size)?;
        Nodes::new(self).range(index, 1)
    }

    /// The audit path of leaf `index` in the tree of `size` leaves (RFC 6962 §2.1.1).
    pub fn inclusion(&self, index: u64, size: u64) -> Result<InclusionProof, TileError<R::Error>> {
        self.has(index, size)?;
        let nodes = indices_for_inclusion_proof(size, index);
        Ok(InclusionProof::of(Nodes::new(self).all(&nodes, size)?))
    }

    /// The proof that the tree of `new` leaves extends that of `old` leaves (RFC 6962 §2.1.2).
    ///
    /// From the empty tree, and between equal sizes, the proof is empty.
    pub fn consistency(&self, old: u64, new: u64) -> Result<ConsistencyProof, TileError<R::Error>> {
        self.reached(new)?;
        let Some(additions) = new.checked_sub(old) else {
            return Err(TileError::Proof(ProofError::Shrinks { old, new }));
        };
        if old == 0 {
            return Ok(ConsistencyProof::of(Vec::new()));
        }
        let nodes = indices_for_consistency_proof(old, additions);
        Ok(ConsistencyProof::of(Nodes::new(self).all(&nodes, new)?))
    }

    /// What this tree says its first `old` leaves were: the hashes from which both that root and
    /// the root at `new` follow, for [`ForkEvidence::rewritten`](crate::ForkEvidence::rewritten).
    ///
    /// It is the consistency proof, with the old root in front where RFC 6962 leaves it out because
    /// the verifier has it.
    pub fn ancestry(&self, old: u64, new: u64) -> Result<Vec<Hash>, TileError<R::Error>> {
        let proof = self.consistency(old, new)?;
        let implied = old.is_power_of_two() && old < new;
        let front = if implied { Some(self.root_at(old)?) } else { None };
        Ok(front.into_iter().chain(proof.hashes().iter().copied()).collect())
    }

    /// The entries of bundle `index`: 256 of them, or fewer in the last one.
    pub fn bundle(&self, index: u64) -> Result<Vec<Vec<u8>>, TileError<R::Error>> {
        let first = index.saturating_mul(TILE_WIDTH.into());
        let tile = self.tile(TileLevel::Entries, index, first)?;
        let (bytes, found) = self.bytes(tile)?;
        let bundle = |source| TileError::Bundle { tile: found, source };
        let (entries, rest) = decode_first(&bytes, tile.width()).map_err(bundle)?;
        if found == tile && !rest.is_empty() {
            return Err(bundle(BundleError::TrailingBytes { width: tile.width() }));
        }
        Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
    }

    /// The hashes of a tile; its beginning, from the full one, if the partial one is gone.
    pub(super) fn hashes(&self, tile: TileId) -> Result<Vec<Hash>, TileError<R::Error>> {
        let (bytes, found) = self.bytes(tile)?;
        let (hashes, rest) = bytes.as_chunks();
        if Some(bytes.len()) != found.hash_bytes() || !rest.is_empty() {
            return Err(TileError::Length { tile: found, bytes: bytes.len() });
        }
        Ok(hashes.iter().take(tile.width().into()).copied().map(Hash).collect())
    }

    /// A tile's bytes, and the tile whose they are: itself, or the full one in its stead, since a
    /// log may delete a partial tile when it has the full one.
    fn bytes(&self, tile: TileId) -> Result<(Vec<u8>, TileId), TileError<R::Error>> {
        for candidate in std::iter::once(tile).chain(tile.full().filter(|full| *full != tile)) {
            let read = self.reader.read(candidate);
            let read = read.map_err(|source| TileError::Read { tile: candidate, source })?;
            if let Some(bytes) = read {
                return Ok((bytes, candidate));
            }
        }
        Err(TileError::Missing { tile })
    }

    /// The tile of this tree with that level and number; `leaf` is the first that it speaks of.
    fn tile(&self, level: TileLevel, index: u64, leaf: u64) -> Result<TileId, TileError<R::Error>> {
        let absent = ProofError::NoSuchLeaf { index: leaf, size: self.size };
        TileId::in_tree(level, index, self.size).ok_or(TileError::Proof(absent))
    }

    fn reached(&self, size: u64) -> Result<(), TileError<R::Error>> {
        let len = self.size;
        if size > len { Err(TileError::Proof(ProofError::NotYet { size, len })) } else { Ok(()) }
    }

    fn has(&self, index: u64, size: u64) -> Result<(), TileError<R::Error>> {
        self.reached(size)?;
        let absent = ProofError::NoSuchLeaf { index, size };
        if index < size { Ok(()) } else { Err(TileError::Proof(absent)) }
    }
}

/// The nodes of one tree, by way of the tiles that were read for one answer.
struct Nodes<'a, R> {
    tiles: &'a Tiles<R>,
    read: BTreeMap<(u8, u64), Vec<Hash>>,
}

impl<'a, R: TileReader> Nodes<'a, R> {
    fn new(tiles: &'a Tiles<R>) -> Self {
        Self { tiles, read: BTreeMap::new() }
    }

    /// Looks up nodes of the tree of `size` leaves by their array index (RFC 9420, appendix C): a
    /// node of level k has k trailing ones, and above them the number of its subtree.
    fn all(&mut self, indices: &[u64], size: u64) -> Result<Vec<Hash>, TileError<R::Error>> {
        let node = |&index: &u64| {
            let level = index.trailing_ones();
            let first = (index >> (level + 1)) << level;
            self.range(first, (size - first).min(1 << level))
        };
        indices.iter().map(node).collect()
    }

    /// `MTH(D[first .. first + count])` of RFC 6962 §2.1, for a range that the tree has.
    ///
    /// `count` is at least 1, and `first` a multiple of the power of two at or above `count`.
    fn range(&mut self, first: u64, count: u64) -> Result<Hash, TileError<R::Error>> {
        let height = count.ilog2();
        if count.is_power_of_two() {
            return self.node(height, first);
        }
        let left = self.node(height, first)?;
        let right = self.range(first + (1 << height), count - (1 << height))?;
        Ok(node_hash(&left, &right))
    }

    /// The root of the complete subtree of 2^`height` leaves that begins with leaf `first`.
    fn node(&mut self, height: u32, first: u64) -> Result<Hash, TileError<R::Error>> {
        // The tree has at most 2⁶² leaves, so there are eight levels.
        let level = (height / TILE_HEIGHT) as u8;
        let shift = u32::from(level) * TILE_HEIGHT;
        let (at, count) = (first >> shift, 1usize << (height - shift));
        let (index, at) = (at / u64::from(TILE_WIDTH), (at % u64::from(TILE_WIDTH)) as usize);
        if !self.read.contains_key(&(level, index)) {
            let tile = self.tiles.tile(TileLevel::Hashes(level), index, first)?;
            self.read.insert((level, index), self.tiles.hashes(tile)?);
        }
        let hashes = self.read.get(&(level, index)).and_then(|tile| tile.get(at..at + count));
        // The caller's range lies in the tree, so its tile reaches as far.
        let absent = ProofError::NoSuchLeaf { index: first, size: self.tiles.size };
        hashes.map(perfect_root).ok_or(TileError::Proof(absent))
    }
}
