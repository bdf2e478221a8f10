use super::*;

use sha2::{Digest, Sha256};

/// The eight leaves, roots and paths of the Certificate Transparency reference implementation.
const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const PATHS: [(u64, u64, &[&str]); 5] = [
    (0, 1, &[]),
    (
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];
const EXTENSIONS: [(u64, u64, &[&str]); 4] = [
    (1, 1, &[]),
    (
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

fn records() -> Vec<Vec<u8>> {
    LEAVES.iter().map(|leaf| hex::decode(leaf).unwrap()).collect()
}

fn grown(records: &[Vec<u8>]) -> Tree {
    let mut tree = Tree::new();
    for (record, index) in records.iter().zip(0..) {
        assert_eq!(tree.push(record), index);
    }
    tree
}

fn hexes(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(Hash::to_string).collect()
}

/// RFC 6962 §2.1, word for word.
fn naive_root(records: &[Vec<u8>]) -> [u8; 32] {
    match records {
        [] => Sha256::digest([]).into(),
        [only] => Sha256::digest([&[0], &only[..]].concat()).into(),
        more => {
            let (left, right) = more.split_at(more.len().next_power_of_two() / 2);
            let children = [naive_root(left), naive_root(right)].concat();
            Sha256::digest([&[1], &children[..]].concat()).into()
        }
    }
}

#[test]
fn the_reference_vectors_hold() {
    let records = records();
    let tree = grown(&records);
    assert_eq!(tree.root_at(0), Some(Hash::empty_root()));
    for (size, root) in (1..).zip(ROOTS) {
        assert_eq!(tree.root_at(size).unwrap().to_string(), root);
        assert_eq!(grown(&records[..size as usize]).root().to_string(), root);
    }
    for (index, size, path) in PATHS {
        let proof = tree.inclusion(index, size).unwrap();
        assert_eq!(hexes(proof.hashes()), path);
        let root = tree.root_at(size).unwrap();
        let included = proof.verify(&records[index as usize], index, size, &root).unwrap();
        assert_eq!((included.index(), included.size(), included.root()), (index, size, root));
        assert_eq!(Some(included.leaf()), tree.leaf(index));
    }
    for (old, new, hashes) in EXTENSIONS {
        let proof = tree.consistency(old, new).unwrap();
        assert_eq!(hexes(proof.hashes()), hashes);
        let (from, to) = (tree.root_at(old).unwrap(), tree.root_at(new).unwrap());
        assert!(proof.verify(old, &from, new, &to).is_ok());
    }
}

#[test]
fn roots_of_all_sizes_are_those_of_the_definition() {
    let records: Vec<Vec<u8>> = (0..130u8).map(|n| vec![n; usize::from(n) % 5]).collect();
    let tree = grown(&records);
    for size in 0..=records.len() {
        assert_eq!(tree.root_at(size as u64).unwrap().0, naive_root(&records[..size]));
    }
}

#[test]
fn what_is_not_there_is_refused_by_name() {
    let tree = grown(&records());
    assert_eq!(tree.len(), 8);
    assert_eq!(tree.root_at(9), None);
    assert_eq!(tree.leaf(8), None);
    assert_eq!(tree.inclusion(8, 8), Err(ProofError::NoSuchLeaf { index: 8, size: 8 }));
    assert_eq!(tree.inclusion(5, 5), Err(ProofError::NoSuchLeaf { index: 5, size: 5 }));
    assert_eq!(tree.inclusion(0, 9), Err(ProofError::NotYet { size: 9, len: 8 }));
    assert_eq!(tree.consistency(1, u64::MAX), Err(ProofError::NotYet { size: u64::MAX, len: 8 }));
    assert_eq!(tree.consistency(5, 4), Err(ProofError::Shrinks { old: 5, new: 4 }));
    assert!(Tree::new().is_empty());
    assert_eq!(Tree::new().inclusion(0, 0), Err(ProofError::NoSuchLeaf { index: 0, size: 0 }));
}
