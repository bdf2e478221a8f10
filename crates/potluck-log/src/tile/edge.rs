//! The tiles that are still growing: what a log keeps in memory to write all the others.

use crate::frontier::{Frontier, TreeFull};
use crate::hash::{Hash, leaf_hash, node_hash};
use crate::tree::MAX_TREE_SIZE;

use super::id::{TILE_WIDTH, TileId, TileLevel};
use super::reader::{TileError, TileReader, Tiles};

/// The partial tiles of a tree, one a level at most, and so at most 64 KiB for any tree.
///
/// Leaves are pushed; each tile is handed out once when it is full, and [`partials`](Self::partials)
/// hands out those that are not. What is written in this order is complete: full tiles as they come,
/// then the partial ones of the size of which a checkpoint will speak, then that checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TileEdge {
    size: u64,
    /// The hashes of each level's last tile, fewer than [`TILE_WIDTH`]; leaf hashes first.
    levels: Vec<Vec<Hash>>,
}

impl TileEdge {
    /// The edge of the tree with no leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the edge of the tree whose tiles these are.
    ///
    /// It is as trustworthy as they are: compare [`root`](Self::root) with a checkpoint's.
    pub fn of<R: TileReader>(tiles: &Tiles<R>) -> Result<Self, TileError<R::Error>> {
        let size = tiles.size();
        let mut levels = Vec::new();
        for level in (0..).map(TileLevel::Hashes).take_while(|level| level.hashes(size) > 0) {
            let index = level.hashes(size) / u64::from(TILE_WIDTH);
            // No tile begins where the last one is full.
            let hashes = match TileId::in_tree(level, index, size) {
                Some(tile) => tiles.hashes(tile)?,
                None => Vec::new(),
            };
            levels.push(hashes);
        }
        Ok(Self { size, levels })
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a record; see [`push_leaf`](Self::push_leaf).
    pub fn push(&mut self, record: &[u8]) -> Result<Vec<(TileId, Vec<u8>)>, TreeFull> {
        self.push_leaf(leaf_hash(record))
    }

    /// Appends a leaf and hands out the tiles of hashes that it fills: mostly none, with every
    /// 256th leaf one, with every 65536th two, and so on, lowest level first.
    pub fn push_leaf(&mut self, leaf: Hash) -> Result<Vec<(TileId, Vec<u8>)>, TreeFull> {
        if self.size >= MAX_TREE_SIZE {
            return Err(TreeFull);
        }
        self.size += 1;
        let mut full = Vec::new();
        let mut hash = leaf;
        for level in 0u8.. {
            let at = usize::from(level);
            if at == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let row = &mut self.levels[at];
            row.push(hash);
            if row.len() < usize::from(TILE_WIDTH) {
                break;
            }
            let row = std::mem::take(row);
            // The tile ends where the level does. Of a tree within the bound checked above, it has
            // a name.
            let level = TileLevel::Hashes(level);
            let index = (level.hashes(self.size) - 1) / u64::from(TILE_WIDTH);
            full.extend(tile(level, index, &row));
            hash = perfect_root(&row);
        }
        Ok(full)
    }

    /// The partial tiles of hashes of the present size, but for those that a tree of `since`
    /// leaves had too; lowest level first.
    pub fn partials(&self, since: u64) -> Vec<(TileId, Vec<u8>)> {
        let mut partials = Vec::new();
        for (row, level) in self.levels.iter().zip((0..).map(TileLevel::Hashes)) {
            let count = level.hashes(self.size);
            if count > level.hashes(since) && !row.is_empty() {
                partials.extend(tile(level, count / u64::from(TILE_WIDTH), row));
            }
        }
        partials
    }

    /// A partial tile of the present size, or the beginning of one.
    pub fn partial(&self, tile: TileId) -> Option<Vec<u8>> {
        let TileLevel::Hashes(level) = tile.level() else { return None };
        let row = self.levels.get(usize::from(level))?;
        let index = tile.level().hashes(self.size) / u64::from(TILE_WIDTH);
        let hashes = row.get(..tile.width().into()).filter(|_| tile.index() == index)?;
        Some(hashes.iter().flat_map(|hash| hash.0).collect())
    }

    /// The frontier of the same tree.
    pub fn frontier(&self) -> Frontier {
        let mut roots = Vec::new();
        for row in self.levels.iter().rev() {
            let mut rest = row.as_slice();
            while let Some(count) = rest.len().checked_ilog2() {
                let (subtree, after) = rest.split_at(1 << count);
                roots.push(perfect_root(subtree));
                rest = after;
            }
        }
        Frontier::of(self.size, roots)
    }

    /// The Merkle tree hash over all leaves.
    pub fn root(&self) -> Hash {
        self.frontier().root()
    }
}

fn tile(level: TileLevel, index: u64, hashes: &[Hash]) -> Option<(TileId, Vec<u8>)> {
    let width = u16::try_from(hashes.len()).ok()?;
    let tile = TileId::new(level, index, width).ok()?;
    Some((tile, hashes.iter().flat_map(|hash| hash.0).collect()))
}

/// The root over hashes of subtrees of one size, of which there are a power of two.
pub(super) fn perfect_root(hashes: &[Hash]) -> Hash {
    match hashes {
        [only] => *only,
        [left, right] => node_hash(left, right),
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            node_hash(&perfect_root(left), &perfect_root(right))
        }
    }
}
