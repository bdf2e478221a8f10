//! Proofs that a page makes from tiles, against those of `potluck-log` for the same tree.

use potluck_log::{Tree, leaf_hash};
use serde_json::{Value, json};

use crate::chromium::on_page;
use crate::ledgers::write_tiles;

/// One leaf; within a tile; one tile and its neighbours; two levels of tiles, and three.
const SIZES: [u64; 9] = [1, 2, 7, 255, 256, 257, 700, 65_536, 66_000];

fn record(index: u64) -> Vec<u8> {
    format!("record {index}").into_bytes()
}

/// Places that meet the ends of tiles and subtrees.
fn places(size: u64) -> Vec<u64> {
    let mut places =
        vec![0, 1, size / 2, size.saturating_sub(2), size - 1, 255, 256, 511, 512, 65_535];
    places.retain(|place| *place < size);
    places.sort_unstable();
    places.dedup();
    places
}

/// What the tree of `size` leaves gives: its root, and proofs as lists of hexadecimal hashes.
fn expected(size: u64) -> Value {
    let mut tree = Tree::new();
    for index in 0..size {
        tree.push(&record(index));
    }
    let inclusion = places(size).into_iter().map(|index| {
        let proof = tree.inclusion(index, size).unwrap();
        json!({"index": index, "leaf": leaf_hash(&record(index)), "proof": proof.hashes()})
    });
    let consistency = places(size).into_iter().filter(|old| *old > 0).map(|old| {
        let proof = tree.consistency(old, size).unwrap();
        json!({"old": old, "root": tree.root_at(old).unwrap(), "proof": proof.hashes()})
    });
    json!({
        "size": size,
        "root": tree.root(),
        "inclusion": inclusion.collect::<Vec<_>>(),
        "consistency": consistency.collect::<Vec<_>>(),
    })
}

#[test]
fn proofs_from_tiles_are_those_of_the_log() {
    let made = tempfile::tempdir().unwrap();
    for size in SIZES {
        let records: Vec<_> = (0..size).map(record).collect();
        write_tiles(&made.path().join(size.to_string()), &records);
    }
    let trees: Vec<_> = SIZES.into_iter().map(expected).collect();
    on_page(made.path(), "pages/blank.html", |page| {
        let found = page.run("/pages/trees.js", json!(trees));
        assert_eq!(found["wrong"], json!([]));
        // Every altered hash, index, size and root was refused, and each proof that is too long or too short.
        assert_eq!(found["believed"], json!([]));
        assert!(found["refused"].as_u64().unwrap() > 500, "{found}");
        assert_eq!(page.breaches(), json!([]));
    });
}
