//! A scan, by however many threads, finds what bao-tree's own finds.

use std::fs;

use bao_tree::io::outboard::{PreOrderMemOutboard, PreOrderOutboard};
use bao_tree::io::sync::valid_ranges;
use potluck_wire::ranges::BLOCK_SIZE;
use proptest::prelude::*;

use super::super::disk::System;
use super::*;

fn content(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    bao_tree::blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

/// Flips a byte at each place, cuts the data, and scans.
fn check(size: usize, in_data: &[usize], in_hashes: &[usize], cut: usize) {
    let folder = tempfile::tempdir().unwrap();
    let (part, obao) = (folder.path().join("part"), folder.path().join("obao"));
    let mut bytes = content(size);
    let PreOrderMemOutboard { root, tree, mut data } =
        PreOrderMemOutboard::create(&bytes, BLOCK_SIZE);
    for (places, within) in [(in_data, &mut bytes), (in_hashes, &mut data)] {
        let length = within.len().max(1);
        places
            .iter()
            .for_each(|at| within.get_mut(at % length).into_iter().for_each(|it| *it ^= 4));
    }
    bytes.truncate(size - cut);
    fs::write(&part, &bytes).unwrap();
    fs::write(&obao, &data).unwrap();

    let (file, hashes) = (System.open(&part).unwrap(), System.open(&obao).unwrap());
    let stopped = Arc::default();
    let scanned = Scanned { root, tree, paths: (part.clone(), obao.clone()), stopped };
    let found = scanned.valid(&System, (&file, &hashes)).unwrap();
    let mut expected = ChunkRanges::empty();
    let reference = PreOrderOutboard { root, tree, data: &hashes };
    for range in valid_ranges(reference, &file, &ChunkRanges::all()) {
        expected |= ChunkRanges::from(range.unwrap());
    }
    assert!(found == expected, "{found:?} where {expected:?} verify");
}

#[test]
fn several_threads_find_what_one_does() {
    let size = 3 * usize::try_from(PART).unwrap() + 70_001;
    let group = usize::try_from(GROUP).unwrap();
    check(size, &[], &[], 0);
    check(size, &[5, 77 * group, size / 2, size - 1], &[64 * 9 + 3], 0);
    check(size, &[size / 3, 2 * size / 3], &[64 * 800, 64 * 1200 + 40], 0);
    check(size, &[40 * group], &[], 70_001);
    check(size, &[], &[0], 0);
    check(size, &[], &[], size - 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damage_anywhere_is_found(
        size in 0usize..40 * GROUP as usize,
        in_data in prop::collection::vec(any::<usize>(), 0..5),
        in_hashes in prop::collection::vec(any::<usize>(), 0..3),
        cut in any::<prop::sample::Index>(),
        is_cut: bool,
    ) {
        let cut = if is_cut { cut.index(size + 1) } else { 0 };
        check(size, &in_data, &in_hashes, cut);
    }
}
