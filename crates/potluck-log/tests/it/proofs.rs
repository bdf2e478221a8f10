//! Every honest proof is accepted, and no proof with one bit changed.

use potluck_log::{ConsistencyProof, Hash, InclusionProof};
use proptest::prelude::*;

use crate::{grown, record};

const LARGEST: u64 = 200;

#[test]
fn every_leaf_of_every_size_is_shown_to_be_included() {
    let tree = grown(LARGEST);
    for size in 1..=LARGEST {
        let root = tree.root_at(size).unwrap();
        for index in 0..size {
            let proof = tree.inclusion(index, size).unwrap();
            assert!(proof.verify(&record(index), index, size, &root).is_ok(), "{index} of {size}");
        }
    }
}

#[test]
fn every_size_is_shown_to_extend_every_smaller_one() {
    let tree = grown(LARGEST);
    let roots: Vec<Hash> = (0..=LARGEST).map(|size| tree.root_at(size).unwrap()).collect();
    for new in 0..=LARGEST {
        for old in 0..=new {
            let proof = tree.consistency(old, new).unwrap();
            let (from, to) = (&roots[old as usize], &roots[new as usize]);
            assert!(proof.verify(old, from, new, to).is_ok(), "{old} to {new}");
        }
    }
}

#[test]
fn proofs_of_an_earlier_size_are_those_given_then() {
    let tree = grown(LARGEST);
    for size in [1, 2, 3, 7, 8, 9, 63, 64, 65, 127, 199] {
        let then = grown(size);
        assert_eq!(tree.root_at(size), Some(then.root()));
        for index in 0..size {
            assert_eq!(tree.inclusion(index, size), then.inclusion(index, size));
            assert_eq!(tree.consistency(index, size), then.consistency(index, size));
        }
    }
}

proptest! {
    #[test]
    fn a_flipped_bit_spoils_inclusion(
        (size, index) in (1..=LARGEST).prop_flat_map(|size| (Just(size), 0..size)),
        bit in any::<prop::sample::Index>(),
    ) {
        let tree = grown(size);
        let proof = tree.inclusion(index, size).unwrap();
        let (mut record, mut root) = (record(index), tree.root());
        let mut hashes = proof.hashes().to_vec();
        flip(bit, [&mut record[..], &mut root.0].into_iter(), &mut hashes);

        let altered = InclusionProof::from_hashes(hashes).unwrap();
        prop_assert!(altered.verify(&record, index, size, &root).is_err());
    }

    #[test]
    fn a_flipped_bit_spoils_consistency(
        (new, old) in (1..=LARGEST).prop_flat_map(|new| (Just(new), 1..=new)),
        bit in any::<prop::sample::Index>(),
    ) {
        let tree = grown(new);
        let proof = tree.consistency(old, new).unwrap();
        let (mut from, mut to) = (tree.root_at(old).unwrap(), tree.root());
        let mut hashes = proof.hashes().to_vec();
        flip(bit, [&mut from.0[..], &mut to.0].into_iter(), &mut hashes);

        let altered = ConsistencyProof::from_hashes(hashes).unwrap();
        prop_assert!(altered.verify(old, &from, new, &to).is_err());
    }

    #[test]
    fn a_proof_with_a_hash_more_or_less_is_refused(
        (size, index) in (2..=LARGEST).prop_flat_map(|size| (Just(size), 0..size)),
        at in any::<prop::sample::Index>(),
    ) {
        let tree = grown(size);
        let honest = tree.inclusion(index, size).unwrap().hashes().to_vec();
        let (mut longer, mut shorter) = (honest.clone(), honest.clone());
        longer.insert(at.index(honest.len() + 1), honest[0]);
        shorter.remove(at.index(honest.len()));
        for hashes in [longer, shorter] {
            let altered = InclusionProof::from_hashes(hashes).unwrap();
            prop_assert!(altered.verify(&record(index), index, size, &tree.root()).is_err());
        }
    }

    #[test]
    fn another_leafs_proof_is_refused(
        (size, one, other) in (2..=LARGEST).prop_flat_map(|size| (Just(size), 0..size, 0..size)),
    ) {
        prop_assume!(one != other);
        let tree = grown(size);
        let proof = tree.inclusion(one, size).unwrap();
        prop_assert!(proof.verify(&record(other), other, size, &tree.root()).is_err());
        prop_assert!(proof.verify(&record(one), other, size, &tree.root()).is_err());
    }

    #[test]
    fn a_rewritten_past_is_no_extension(
        (new, old) in (2..=LARGEST).prop_flat_map(|new| (Just(new), 1..new)),
        changed in any::<prop::sample::Index>(),
    ) {
        let seen = grown(old);
        let mut rewritten = potluck_log::Tree::new();
        let changed = changed.index(old as usize) as u64;
        for n in 0..new {
            rewritten.push(&record(if n == changed { n + LARGEST } else { n }));
        }
        let proof = rewritten.consistency(old, new).unwrap();
        prop_assert!(proof.verify(old, &seen.root(), new, &rewritten.root()).is_err());
    }

    #[test]
    fn claims_of_any_size_are_answered(
        hashes in prop::collection::vec(any::<[u8; 32]>().prop_map(Hash), 0..=63),
        (a, b) in (any::<u64>(), any::<u64>()),
        (small_a, small_b) in (0u64..300, 0u64..300),
    ) {
        let inclusion = InclusionProof::from_hashes(hashes.clone()).unwrap();
        let consistency = ConsistencyProof::from_hashes(hashes).unwrap();
        let (one, other) = (Hash([1; 32]), Hash([2; 32]));
        for (x, y) in [(a, b), (small_a, small_b), (small_a, b), (a >> 2, b >> 2)] {
            prop_assert!(inclusion.verify(b"record", x, y, &one).is_err());
            prop_assert!(consistency.verify(x, &one, y, &other).is_err());
        }
    }
}

/// Flips one bit of all that a proof speaks of, which one being drawn by `bit`.
fn flip<'a>(
    bit: prop::sample::Index,
    ends: impl Iterator<Item = &'a mut [u8]>,
    hashes: &'a mut [Hash],
) {
    let mut parts: Vec<&mut [u8]> = ends.collect();
    parts.extend(hashes.iter_mut().map(|hash| &mut hash.0[..]));
    let mut bytes: Vec<&mut u8> = parts.into_iter().flatten().collect();
    let bit = bit.index(bytes.len() * 8);
    *bytes[bit / 8] ^= 1 << (bit % 8);
}
