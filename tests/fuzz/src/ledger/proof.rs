//! The promises of the proofs: of two histories, the bytes say what is claimed and how its proof was tampered with.

use potluck_log::{ConsistencyProof, Hash, InclusionProof};
use tlog_tiles::{check_record, check_tree, record_hash};

use super::steps::Steps;
use super::world::{LEAVES, histories, record};

/// Plays one claim of inclusion and one of consistency.
pub fn proof(bytes: &[u8]) {
    let mut steps = Steps(bytes);
    inclusion(&mut steps);
    consistency(&mut steps);
}

fn theirs(hash: Hash) -> tlog_tiles::Hash {
    tlog_tiles::Hash(hash.0)
}

/// A size that is claimed: mostly the true one.
fn claimed(steps: &mut Steps<'_>, size: u64) -> u64 {
    match steps.below(4) {
        3 => steps.word() >> 2,
        2 => steps.below(LEAVES + 1),
        _ => size,
    }
}

fn inclusion(steps: &mut Steps<'_>) {
    let histories = histories();
    let (history, of) = (steps.below(2) as usize, steps.below(2) as usize);
    let size = steps.below(LEAVES) + 1;
    let leaf = steps.below(size);
    let honest = histories.trees[history].inclusion(leaf, size).unwrap();
    let mut hashes = honest.hashes().to_vec();
    steps.tamper(&mut hashes, &histories.hashes);
    let root = histories.root(history, size);
    let (claimed_size, claimed_leaf) = (claimed(steps, size), claimed(steps, leaf));
    let said = record(of, steps.below(LEAVES));
    let proof = InclusionProof::from_hashes(hashes.clone()).unwrap();
    let ours = proof.verify(&said, claimed_leaf, claimed_size, &root);

    let hashes: Vec<_> = hashes.into_iter().map(theirs).collect();
    let said_hash = record_hash(&said);
    let other = check_record(&hashes, claimed_size, theirs(root), claimed_leaf, said_hash);
    assert_eq!(ours.is_ok(), other.is_ok(), "{claimed_leaf} of {claimed_size}: {ours:?}");
    if let Ok(included) = ours {
        assert_eq!((included.index(), included.size()), (claimed_leaf, claimed_size));
        // Of the true size there is one true record a place, and one proof of it.
        if claimed_size == size {
            assert_eq!(said, record(history, claimed_leaf));
            let one = histories.trees[history].inclusion(claimed_leaf, size).unwrap();
            assert_eq!(proof, one);
        }
    }
}

fn consistency(steps: &mut Steps<'_>) {
    let histories = histories();
    let (history, before) = (steps.below(2) as usize, steps.below(2) as usize);
    let new = steps.below(LEAVES + 1);
    let old = steps.below(new + 1);
    let honest = histories.trees[history].consistency(old, new).unwrap();
    let mut hashes = honest.hashes().to_vec();
    steps.tamper(&mut hashes, &histories.hashes);
    let (old_root, new_root) = (histories.root(before, old), histories.root(history, new));
    let (claimed_old, claimed_new) = (claimed(steps, old), claimed(steps, new));
    let proof = ConsistencyProof::from_hashes(hashes.clone()).unwrap();
    let ours = proof.verify(claimed_old, &old_root, claimed_new, &new_root);

    // The other implementation knows no empty tree.
    if claimed_old > 0 {
        let hashes: Vec<_> = hashes.into_iter().map(theirs).collect();
        let (old_root, new_root) = (theirs(old_root), theirs(new_root));
        let other = check_tree(&hashes, claimed_new, new_root, claimed_old, old_root);
        assert_eq!(ours.is_ok(), other.is_ok(), "{claimed_old} to {claimed_new}: {ours:?}");
    }
    if ours.is_ok() && (claimed_old, claimed_new) == (old, new) {
        assert_eq!(old_root, histories.root(history, old), "a rewritten past passes");
        assert_eq!(proof, honest, "there is one proof");
    }
}
