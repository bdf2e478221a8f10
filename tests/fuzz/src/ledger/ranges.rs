//! The promises of the reader of byte ranges.

use potluck_wire::Ranges;
use potluck_wire::ranges::{GROUP, MAX_RANGES, MAX_SIZE};

/// Reads 8 bytes as a file's size and each 16 that follow as a pair of start and end, all little-endian.
pub fn ranges(bytes: &[u8]) {
    let mut words = bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap()));
    let Some(size) = words.next() else { return };
    let words: Vec<_> = words.collect();
    let pairs: Vec<_> = words.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
    let ranges = Ranges::new(size, &pairs);
    assert_eq!(ranges.is_ok(), are_sound(size, &pairs), "{size}: {pairs:?}");
    let Ok(ranges) = ranges else { return };
    assert_eq!((ranges.size(), ranges.to_pairs()), (size, pairs.clone()));
    let bytes: u64 = pairs.iter().map(|[start, end]| end - start).sum();
    assert_eq!(ranges.byte_count(), bytes);
    assert_eq!(ranges.is_empty(), pairs.is_empty());
    assert!(bytes <= size);
    // Through the tree and back nothing changes.
    assert_eq!(Ranges::of_chunks(size, &ranges.to_chunks()).unwrap(), ranges);
    let all = Ranges::all(size).unwrap();
    assert!(all.byte_count() == size && all.to_chunks().is_superset(&ranges.to_chunks()));
}

/// Whole groups of the file, ascending, with gaps between them.
fn are_sound(size: u64, pairs: &[[u64; 2]]) -> bool {
    let whole = |[start, end]: &[u64; 2]| {
        let ends = *end == size || end.is_multiple_of(GROUP);
        start < end && *end <= size && start.is_multiple_of(GROUP) && ends
    };
    size <= MAX_SIZE
        && pairs.len() <= MAX_RANGES
        && pairs.iter().all(whole)
        && pairs.windows(2).all(|pair| pair[0][1] < pair[1][0])
}
