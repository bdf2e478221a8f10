//! The log from outside: properties, arbitrary input, and agreement with other implementations.

// Shared set-up is test code too, though it bears no `#[test]`.
#![allow(clippy::unwrap_used)]

mod arbitrary_input;
mod other_implementations;
mod proofs;
mod tiles;
mod witnesses;

use ed25519_dalek::SigningKey;
use potluck_log::{NoteSigner, Tree};

/// A log's signer with a fixed key.
fn signer(seed: u8) -> NoteSigner {
    NoteSigner::new("example.org/potluck".parse().unwrap(), SigningKey::from_bytes(&[seed; 32]))
}

/// Leaf `n` of the test trees: records of many lengths, no two of them equal.
fn record(n: u64) -> Vec<u8> {
    let mut record = n.to_be_bytes().to_vec();
    record.resize(8 + (n as usize * 7) % 100, b'.');
    record
}

/// The tree over the first `size` records.
fn grown(size: u64) -> Tree {
    let mut tree = Tree::new();
    for n in 0..size {
        assert_eq!(tree.push(&record(n)), n);
    }
    tree
}
