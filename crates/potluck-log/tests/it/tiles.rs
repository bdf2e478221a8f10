//! Tiles that `tlog_tiles` reads as we wrote them, and the other way round; and damaged ones.

use std::cell::RefCell;
use std::collections::BTreeMap;

use potluck_log::{
    Hash, InclusionProof, TileEdge, TileError, TileId, TileLevel, TileReader, Tiles, decode_bundle,
    encode_bundle, leaf_hash,
};
use proptest::prelude::*;
use tlog_tiles::{
    Tile, TileHashReader, check_record, check_tree, prove_record, prove_tree, record_hash,
    tree_hash,
};

use crate::other_implementations::stored;
use crate::{grown, record};

/// Tiles by their path, and the names of those that were read.
#[derive(Clone, Default)]
struct Folder {
    files: BTreeMap<String, Vec<u8>>,
    read: RefCell<Vec<TileId>>,
}

impl TileReader for Folder {
    type Error = std::io::Error;

    fn read(&self, tile: TileId) -> Result<Option<Vec<u8>>, std::io::Error> {
        let found = self.files.get(&tile.to_string()).cloned();
        if found.is_some() {
            self.read.borrow_mut().push(tile);
        }
        Ok(found)
    }
}

/// The path without the tile height, which C2SP fixes and `tlog_tiles` writes.
fn path_of(tile: &Tile) -> String {
    tile.path().replacen("tile/8/", "tile/", 1)
}

impl tlog_tiles::TileReader for Folder {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let read = |tile| self.files.get(&path_of(tile)).cloned();
        tiles.iter().map(|tile| read(tile).ok_or(tlog_tiles::Error::InvalidTile)).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// The folder of a log that published at `sizes`, entries included.
fn written(sizes: &[u64]) -> Folder {
    let (mut folder, mut edge, mut since) = (Folder::default(), TileEdge::new(), 0);
    for &size in sizes {
        let mut tiles = Vec::new();
        for n in since..size {
            tiles.extend(edge.push(&record(n)).unwrap());
        }
        tiles.extend(edge.partials(since));
        for tile in TileId::added(since, size).filter(|tile| tile.level() == TileLevel::Entries) {
            let first = tile.index() * 256;
            let entries: Vec<_> = (first..first + u64::from(tile.width())).map(record).collect();
            let bundle = encode_bundle(entries.iter().map(Vec::as_slice)).unwrap();
            tiles.push((tile, bundle));
        }
        folder.files.extend(tiles.into_iter().map(|(tile, bytes)| (tile.to_string(), bytes)));
        since = size;
    }
    folder
}

/// Sizes around the widths of tiles of every level that a test can reach.
fn size() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 1u64..800, 1 => 65_200u64..66_400]
}

fn theirs(hash: Hash) -> tlog_tiles::Hash {
    tlog_tiles::Hash(hash.0)
}

fn bytes(hashes: &[tlog_tiles::Hash]) -> Vec<Hash> {
    hashes.iter().map(|hash| Hash(hash.0)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn our_tiles_are_read_by_tlog_tiles(
        size in size(),
        (leaf, old) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let (leaf, old) = (leaf.index(size as usize) as u64, old.index(size as usize) as u64 + 1);
        let folder = written(&[old, size]);
        let ours = Tiles::new(&folder, size).unwrap();
        let root = theirs(ours.root().unwrap());
        let reader = TileHashReader::new(size, root, &folder);
        prop_assert_eq!(tree_hash(size, &reader).unwrap().0, root.0);

        let proof = prove_record(size, leaf, &reader).unwrap();
        prop_assert!(check_record(&proof, size, root, leaf, record_hash(&record(leaf))).is_ok());
        let inclusion = ours.inclusion(leaf, size).unwrap();
        prop_assert_eq!(inclusion.hashes(), bytes(&proof));

        let then = ours.root_at(old).unwrap();
        let proof = prove_tree(size, old, &reader).unwrap();
        prop_assert!(check_tree(&proof, size, root, old, theirs(then)).is_ok());
        let proof = bytes(&proof);
        let consistency = ours.consistency(old, size).unwrap();
        prop_assert_eq!(consistency.hashes(), proof);
        prop_assert!(consistency.verify(old, &then, size, &Hash(root.0)).is_ok());
    }

    #[test]
    fn their_tiles_are_ours_and_are_read_by_us(
        size in size(),
        (leaf, old) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let (leaf, old) = (leaf.index(size as usize) as u64, old.index(size as usize) as u64);
        let hashes = stored(size);
        let mut folder = Folder::default();
        for (from, to) in [(0, old), (old, size)] {
            for tile in Tile::new_tiles(8, from, to) {
                folder.files.insert(path_of(&tile), tile.read_data(&hashes).unwrap());
            }
        }
        let mut ours = written(&[old, size]).files;
        ours.retain(|path, _| !path.starts_with("tile/entries/"));
        prop_assert_eq!(&folder.files, &ours);

        let tiles = Tiles::new(&folder, size).unwrap();
        let root = tiles.root().unwrap();
        prop_assert_eq!(root.0, tree_hash(size, &hashes).unwrap().0);
        let proof = tiles.inclusion(leaf, size).unwrap();
        prop_assert!(proof.verify(&record(leaf), leaf, size, &root).is_ok());
        prop_assert_eq!(tiles.leaf(leaf).unwrap(), leaf_hash(&record(leaf)));
    }

    #[test]
    fn tiles_and_trees_are_one(
        sizes in prop::collection::vec(1u64..1500, 1..6),
        (leaf, old) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let mut sizes = sizes;
        sizes.sort_unstable();
        let folder = written(&sizes);
        for &size in &sizes {
            // Proofs of an earlier size come from the tiles of its time as from today's.
            for now in [size, *sizes.last().unwrap()] {
                let (tree, tiles) = (grown(now), Tiles::new(&folder, now).unwrap());
                let leaf = leaf.index(size as usize) as u64;
                let old = old.index(size as usize + 1) as u64;
                prop_assert_eq!(tiles.root_at(size).ok(), tree.root_at(size));
                prop_assert_eq!(tiles.inclusion(leaf, size).ok(), tree.inclusion(leaf, size).ok());
                prop_assert_eq!(tiles.consistency(old, size).ok(), tree.consistency(old, size).ok());
                let entries = tiles.bundle(leaf / 256).unwrap();
                prop_assert_eq!(&entries[leaf as usize % 256], &record(leaf));
                let again = TileEdge::of(&tiles).unwrap();
                prop_assert_eq!(again.root(), tree.root());
                prop_assert_eq!(again.frontier().root(), tree.root());
            }
        }
    }

    #[test]
    fn a_damaged_tile_is_seen(
        size in size(),
        leaf in any::<prop::sample::Index>(),
        (which, bit) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let leaf = leaf.index(size as usize) as u64;
        let folder = written(&[size]);
        let root = Tiles::new(&folder, size).unwrap().root().unwrap();
        folder.read.take();
        let honest = Tiles::new(&folder, size).unwrap().inclusion(leaf, size).unwrap();
        let read = folder.read.take();
        prop_assume!(!read.is_empty());
        let tile = read[which.index(read.len())];
        let altered = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut folder = folder.clone();
            change(folder.files.get_mut(&tile.to_string()).unwrap());
            Tiles::new(folder, size).unwrap().inclusion(leaf, size)
        };

        let flipped = altered(&|bytes| {
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        });
        // A bit of a hash that this proof does not need changes nothing; any other spoils it.
        let flipped: InclusionProof = flipped.unwrap();
        let verified = flipped.verify(&record(leaf), leaf, size, &root).is_ok();
        prop_assert_eq!(verified, flipped == honest);

        let wrong_length = |result, bytes| {
            matches!(result, Err(TileError::Length { tile: t, bytes: b }) if t == tile && b == bytes)
        };
        let length = folder.files[&tile.to_string()].len();
        let cut = bit.index(length);
        prop_assert!(wrong_length(altered(&|bytes| bytes.truncate(cut)), cut));
        prop_assert!(wrong_length(altered(&|bytes| bytes.push(0)), length + 1));

        let mut missing = folder.clone();
        missing.files.remove(&tile.to_string());
        let refused = Tiles::new(missing, size).unwrap().inclusion(leaf, size);
        let missing = |tile| matches!(refused, Err(TileError::Missing { tile: t }) if t == tile);
        prop_assert!(missing(tile));
    }

    #[test]
    fn bundles_are_read_as_they_were_written(
        entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..=256),
        at in any::<prop::sample::Index>(),
    ) {
        let width = entries.len() as u16;
        let bundle = encode_bundle(entries.iter().map(Vec::as_slice)).unwrap();
        prop_assert_eq!(decode_bundle(&bundle, width).unwrap(), entries);
        if !bundle.is_empty() {
            prop_assert!(decode_bundle(&bundle[..at.index(bundle.len())], width).is_err());
        }
        prop_assert!(width == 256 || decode_bundle(&bundle, width + 1).is_err());
    }

    #[test]
    fn paths_are_those_of_tlog_tiles(level in 0u8..7, index in 0u64..1 << 12, wide in 0u64..1 << 50, width in 1u16..=256) {
        for index in [index, wide >> (8 * level.min(5))] {
            let Ok(ours) = TileId::new(TileLevel::Hashes(level), index, width) else { continue };
            let theirs = Tile::new(8, level, index, width.into(), false);
            prop_assert_eq!(ours.to_string(), path_of(&theirs));
            prop_assert_eq!(ours.to_string().parse(), Ok(ours));
        }
    }

    #[test]
    fn what_is_added_is_what_tlog_tiles_adds(old in 0u64..200_000, more in 0u64..70_000) {
        let ours = TileId::added(old, old + more).filter(|tile| tile.level() != TileLevel::Entries);
        let theirs = Tile::new_tiles(8, old, old + more);
        let ours: Vec<String> = ours.map(|tile| tile.to_string()).collect();
        prop_assert_eq!(ours, theirs.iter().map(path_of).collect::<Vec<_>>());
    }
}
