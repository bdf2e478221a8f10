use std::cell::Cell;
use std::collections::BTreeMap;

use super::*;
use crate::hash::Hash;
use crate::tree::{MAX_TREE_SIZE, ProofError, Tree};

/// Tiles in memory, and how much was read of them.
#[derive(Default)]
struct Shelf {
    tiles: BTreeMap<TileId, Vec<u8>>,
    bytes: Cell<usize>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shelf broke")]
struct Broken;

impl TileReader for Shelf {
    type Error = Broken;

    fn read(&self, tile: TileId) -> Result<Option<Vec<u8>>, Broken> {
        let found = self.tiles.get(&tile).cloned();
        self.bytes.set(self.bytes.get() + found.as_ref().map_or(0, Vec::len));
        Ok(found)
    }
}

fn record(n: u64) -> Vec<u8> {
    n.to_be_bytes()[8 - (n % 8) as usize..].iter().copied().chain([n as u8]).collect()
}

/// The tiles of a log that published a checkpoint at each of `sizes`, and its last edge.
fn published(sizes: &[u64]) -> (Shelf, TileEdge) {
    let (mut shelf, mut edge, mut since) = (Shelf::default(), TileEdge::new(), 0);
    for &size in sizes {
        for n in since..size {
            shelf.tiles.extend(edge.push(&record(n)).unwrap());
        }
        for (tile, bytes) in edge.partials(since) {
            assert_eq!(shelf.tiles.insert(tile, bytes), None, "{tile} is written twice");
        }
        for tile in TileId::added(since, size).filter(|tile| tile.level() == TileLevel::Entries) {
            let first = tile.index() * 256;
            let entries: Vec<_> = (first..first + u64::from(tile.width())).map(record).collect();
            let bundle = encode_bundle(entries.iter().map(Vec::as_slice)).unwrap();
            shelf.tiles.insert(tile, bundle);
        }
        since = size;
    }
    (shelf, edge)
}

const SIZES: [u64; 8] = [1, 2, 255, 256, 257, 700, 65_536, 66_001];

#[test]
fn what_is_written_is_what_was_added() {
    let mut since = 0;
    for upto in 1..=SIZES.len() {
        let (shelf, _) = published(&SIZES[..upto]);
        let (before, _) = published(&SIZES[..upto - 1]);
        let size = SIZES[upto - 1];
        let new = shelf.tiles.keys().filter(|tile| !before.tiles.contains_key(tile)).copied();
        assert_eq!(new.collect::<Vec<_>>(), TileId::added(since, size).collect::<Vec<_>>());
        since = size;
    }
    let (whole, _) = published(&[66_001]);
    assert!(whole.tiles.keys().copied().eq(TileId::of_tree(66_001)));
}

#[test]
fn the_edge_is_read_again_and_goes_on() {
    for size in [0, 1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537] {
        let (shelf, edge) = published(&[size]);
        let tiles = Tiles::new(&shelf, size).unwrap();
        let mut again = TileEdge::of(&tiles).unwrap();
        assert_eq!((again.size(), again.root()), (size, edge.root()), "{size}");
        let mut frontier = tiles.frontier_at(size).unwrap();
        assert_eq!(frontier, edge.frontier());
        let mut edge = edge;
        for n in size..size + 300 {
            assert_eq!(again.push(&record(n)), edge.push(&record(n)));
            frontier.push(&record(n)).unwrap();
        }
        assert_eq!(again.partials(0), edge.partials(0));
        assert_eq!(frontier, again.frontier());
    }
}

#[test]
fn roots_and_proofs_are_the_trees() {
    let mut tree = Tree::new();
    (0..66_001).for_each(|n| _ = tree.push(&record(n)));
    let (shelf, _) = published(&SIZES);
    for size in SIZES {
        let tiles = Tiles::new(&shelf, size).unwrap();
        assert_eq!(tiles.root().ok(), tree.root_at(size));
        for at in [0, 1, size / 3, size / 2, size - 1].into_iter().filter(|&at| at < size) {
            assert_eq!(tiles.leaf(at).ok(), tree.leaf(at));
            assert_eq!(tiles.root_at(at).ok(), tree.root_at(at));
            assert_eq!(tiles.inclusion(at, size).ok(), tree.inclusion(at, size).ok());
            assert_eq!(tiles.inclusion(0, at + 1).ok(), tree.inclusion(0, at + 1).ok());
            assert_eq!(tiles.consistency(at, size).ok(), tree.consistency(at, size).ok());
            let front = at.is_power_of_two().then(|| tree.root_at(at).unwrap());
            let path = tree.consistency(at, size).unwrap();
            let path = front.into_iter().chain(path.hashes().iter().copied());
            assert_eq!(tiles.ancestry(at, size).unwrap(), path.collect::<Vec<_>>());
            let entries = tiles.bundle(at / 256).unwrap();
            assert_eq!(entries[at as usize % 256], record(at));
        }
        let last = tiles.bundle((size - 1) / 256).unwrap();
        assert_eq!(last.len() as u64, (size - 1) % 256 + 1);
    }
}

#[test]
fn a_deleted_partial_tile_is_read_from_the_full_one() {
    let (mut shelf, _) = published(&[300, 1024]);
    shelf.tiles.retain(|tile, _| tile.is_full() || tile.level() == TileLevel::Hashes(1));
    let then = Tiles::new(&shelf, 300).unwrap();
    let mut tree = Tree::new();
    (0..300).for_each(|n| _ = tree.push(&record(n)));
    assert_eq!(then.root().ok(), Some(tree.root()));
    assert_eq!(then.inclusion(299, 300).ok(), tree.inclusion(299, 300).ok());
    assert_eq!(then.bundle(1).unwrap(), (256..300).map(record).collect::<Vec<_>>());
}

#[test]
fn each_damage_has_its_name() {
    let missing = |tile: &str| TileError::Missing { tile: tile.parse().unwrap() };
    let (mut shelf, _) = published(&[300]);
    let partial: TileId = "tile/0/001.p/44".parse().unwrap();
    let bytes = shelf.tiles.remove(&partial).unwrap();
    let root = |shelf: &Shelf| Tiles::new(shelf, 300).unwrap().root().unwrap_err();
    assert_eq!(root(&shelf), missing("tile/0/001.p/44"));
    for length in [0, 31, 32, 44 * 32 - 1, 44 * 32 + 32] {
        let altered = bytes.iter().copied().cycle().take(length).collect();
        shelf.tiles.insert(partial, altered);
        assert_eq!(root(&shelf), TileError::Length { tile: partial, bytes: length });
    }
    shelf.tiles.remove(&"tile/entries/000".parse().unwrap());
    let tiles = Tiles::new(&shelf, 300).unwrap();
    assert_eq!(tiles.bundle(0), Err(missing("tile/entries/000")));
    let last: TileId = "tile/entries/001.p/44".parse().unwrap();
    let mut longer = shelf.tiles.remove(&last).unwrap();
    longer.push(0);
    shelf.tiles.insert(last, longer);
    let source = BundleError::TrailingBytes { width: 44 };
    let refused = Tiles::new(&shelf, 300).unwrap().bundle(1);
    assert_eq!(refused, Err(TileError::Bundle { tile: last, source }));
}

#[test]
fn what_is_not_there_is_refused_by_name() {
    let (shelf, _) = published(&[300]);
    let tiles = Tiles::new(&shelf, 300).unwrap();
    let refused = |error| TileError::Proof(error);
    let not_yet = |size| refused(ProofError::NotYet { size, len: 300 });
    assert_eq!(tiles.root_at(301), Err(not_yet(301)));
    assert_eq!(tiles.inclusion(0, u64::MAX), Err(not_yet(u64::MAX)));
    assert_eq!(tiles.consistency(1, 301), Err(not_yet(301)));
    let no_leaf = |index, size| refused(ProofError::NoSuchLeaf { index, size });
    assert_eq!(tiles.leaf(300), Err(no_leaf(300, 300)));
    assert_eq!(tiles.inclusion(7, 7), Err(no_leaf(7, 7)));
    assert_eq!(tiles.bundle(2), Err(no_leaf(512, 300)));
    assert!(tiles.bundle(u64::MAX).is_err());
    assert_eq!(tiles.consistency(9, 8), Err(refused(ProofError::Shrinks { old: 9, new: 8 })));
    let size = MAX_TREE_SIZE + 1;
    assert_eq!(Tiles::new(&shelf, size).err(), Some(TileError::TreeTooBig { size }));
}

/// A reader with every tile of every tree, all of one byte.
struct Endless;

impl TileReader for Endless {
    type Error = Broken;

    fn read(&self, tile: TileId) -> Result<Option<Vec<u8>>, Broken> {
        Ok(Some(vec![7; tile.hash_bytes().unwrap_or(0)]))
    }
}

#[test]
fn the_largest_trees_are_walked_without_overflow() {
    for size in [MAX_TREE_SIZE, MAX_TREE_SIZE - 1, (1 << 61) + 1] {
        let tiles = Tiles::new(Endless, size).unwrap();
        let mut edge = TileEdge::of(&tiles).unwrap();
        assert_eq!(Ok(edge.root()), tiles.root());
        for at in [0, 1, size / 3, size - 1] {
            assert!(tiles.inclusion(at, size).is_ok(), "{at} of {size}");
            assert!(tiles.consistency(at, size).is_ok(), "{at} of {size}");
            assert!(tiles.ancestry(at, size).is_ok(), "{at} of {size}");
        }
        assert_eq!(edge.push_leaf(Hash([1; 32])).is_ok(), size < MAX_TREE_SIZE);
        edge.partials(size - 1);
    }
}

#[test]
fn a_proof_among_ten_million_leaves_reads_six_tiles_at_most() {
    const SIZE: u64 = 10_000_000;
    // Of the lowest level only the tiles that these proofs read are kept.
    let wanted = [0u64, 1, 255, 256, 4_321_987, 5_242_880, SIZE - 1];
    let (mut shelf, mut edge) = (Shelf::default(), TileEdge::new());
    for n in 0..SIZE {
        let full = edge.push(&n.to_be_bytes()).unwrap().into_iter();
        shelf.tiles.extend(full.filter(|(tile, _)| {
            tile.level() != TileLevel::Hashes(0)
                || wanted.iter().any(|&at| at / 256 == tile.index())
        }));
    }
    shelf.tiles.extend(edge.partials(0));
    let tiles = Tiles::new(&shelf, SIZE).unwrap();
    let root = tiles.root().unwrap();
    assert_eq!(root, edge.root());
    for at in wanted {
        shelf.bytes.set(0);
        let proof = tiles.inclusion(at, SIZE).unwrap();
        assert!(shelf.bytes.get() <= 6 * 8192, "{at}: {} bytes", shelf.bytes.get());
        assert!(proof.verify(&at.to_be_bytes(), at, SIZE, &root).is_ok());
        shelf.bytes.set(0);
        let then = tiles.root_at(at).unwrap();
        assert!(shelf.bytes.get() <= 3 * 8192);
        shelf.bytes.set(0);
        let proof = tiles.consistency(at, SIZE).unwrap();
        assert!(shelf.bytes.get() <= 6 * 8192, "{at}: {} bytes", shelf.bytes.get());
        assert!(proof.verify(at, &then, SIZE, &root).is_ok());
    }
}
