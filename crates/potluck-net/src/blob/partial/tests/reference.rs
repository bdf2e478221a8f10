//! The stream is bao-tree's, byte for byte: what it makes comes in here, and what is made here it takes.

use bao_tree::BaoTree;
use bao_tree::io::outboard::PreOrderMemOutboard;
use bao_tree::io::sync::{decode_ranges, encode_ranges_validated};
use potluck_wire::ranges::BLOCK_SIZE;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_reference_reads_and_writes_the_same(
        groups in 0u64..9, rest in 0u64..GROUP, wanted in prop::collection::vec(any::<bool>(), 9),
    ) {
        let size = groups * GROUP + rest;
        let setting = Setting::new(usize::try_from(size).unwrap());
        let count = size.div_ceil(GROUP);
        let pairs: Vec<_> = (0..count)
            .zip(&wanted)
            .filter(|(_, is_wanted)| **is_wanted)
            .map(|(group, _)| [group * GROUP, ((group + 1) * GROUP).min(size)])
            .collect();
        let ranges = if pairs.is_empty() { setting.all() } else { ranges_of(size, &pairs) };
        let chunks = ranges.to_chunks();

        let theirs = PreOrderMemOutboard::create(&setting.bytes, BLOCK_SIZE);
        prop_assert_eq!(theirs.root.as_bytes(), setting.blake3.as_bytes());
        let (_, hashed) = crate::blob::Hashed::of(fs::File::open(&setting.source).unwrap(), &mut |_, _| ()).unwrap();
        prop_assert_eq!(&hashed.outboard()[..], theirs.data.as_slice());

        let mut reference = Vec::new();
        encode_ranges_validated(setting.bytes.as_slice(), &theirs, &chunks, &mut reference).unwrap();
        let ours = setting.stream(&ranges);
        prop_assert!(ours == reference, "{} bytes where the reference has {}", ours.len(), reference.len());

        let mut partial = setting.open();
        let received = receive(&mut partial, &ranges, &reference).unwrap();
        prop_assert_eq!(received, ranges.byte_count());

        let mut data = vec![0; setting.bytes.len()];
        let tree = BaoTree::new(size, BLOCK_SIZE);
        let hashes = vec![0; usize::try_from(tree.outboard_size()).unwrap()];
        let mut outboard = PreOrderMemOutboard { root: theirs.root, tree, data: hashes };
        decode_ranges(ours.as_slice(), &chunks, &mut data, &mut outboard).unwrap();
        for span in ranges.spans() {
            let span = usize::try_from(span.start).unwrap()..usize::try_from(span.end).unwrap();
            prop_assert_eq!(&data[span.clone()], &setting.bytes[span]);
        }
    }
}

/// Adjacent groups are one range.
fn ranges_of(size: u64, pairs: &[[u64; 2]]) -> Ranges {
    let mut joined: Vec<[u64; 2]> = Vec::new();
    for pair in pairs {
        match joined.last_mut() {
            Some(last) if last[1] == pair[0] => last[1] = pair[1],
            _ => joined.push(*pair),
        }
    }
    Ranges::new(size, &joined).unwrap()
}
