//! Keys and signatures that were made to be judged differently: by Wycheproof, and here, from the group itself.
//!
//! Verification and enrolment are judged apart. [`PublicKey::verify`] decides about a signature; before that,
//! [`PublicKey::from_bytes`] decides whether such a key may be anybody's at all.

use std::collections::BTreeSet;

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT as BASE, EIGHT_TORSION};
use curve25519_dalek::{EdwardsPoint, Scalar};
use proptest::prelude::*;
use sha2::{Digest as _, Sha512};

use super::*;

const WYCHEPROOF: &str = include_str!("../../../../tests/vectors/ed25519/wycheproof.txt");

/// The order of the base point, ℓ, little-endian (RFC 8032 §5.1).
const ORDER: [u8; 32] = {
    let mut order = [0; 32];
    let low = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14,
    ];
    let mut at = 0;
    while at < low.len() {
        order[at] = low[at];
        at += 1;
    }
    order[31] = 0x10;
    order
};

#[test]
fn wycheproof_is_judged_as_it_says() {
    let mut counts = (0, 0);
    for line in WYCHEPROOF.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let bytes = |at: usize| hex::decode(fields[at].trim_matches('-')).unwrap();
        let key = PublicKey::from_bytes(&bytes(2).try_into().unwrap());
        let signature = <[u8; 64]>::try_from(bytes(3));
        let stands = match (&key, &signature) {
            (Ok(key), Ok(signature)) => key.verify(&bytes(4), signature).is_ok(),
            _ => false,
        };
        assert_eq!(stands, fields[1] == "valid", "case {}", fields[0]);
        if stands { counts.0 += 1 } else { counts.1 += 1 }
    }
    assert_eq!(counts, (88, 63));
}

/// A point as somebody may write it.
#[derive(Clone)]
struct Written {
    /// Its part of large order, as a multiple of the base point.
    large: Scalar,
    point: EdwardsPoint,
    bytes: [u8; 32],
}

impl Written {
    fn is_canonical(&self) -> bool {
        self.point.compress().0 == self.bytes
    }

    fn is_small(&self) -> bool {
        self.large == Scalar::ZERO
    }
}

/// Every encoding of a point of small order: y, and y + p where that fits 255 bits; either sign where x is 0.
fn small() -> Vec<Written> {
    let mut written = BTreeSet::new();
    for point in EIGHT_TORSION {
        let canonical = point.compress().0;
        let mut spellings = vec![canonical];
        if canonical[0] < 19 && canonical[1..31].iter().all(|byte| *byte == 0) {
            // p = 2^255 - 19, so that y + p is 2^255 - 19 + y.
            let mut above = [0xff; 32];
            (above[0], above[31]) = (0xed + canonical[0], canonical[31] | 0x7f);
            spellings.push(above);
        }
        for spelling in spellings {
            for sign in [0, 0x80] {
                let mut other = spelling;
                other[31] ^= sign;
                if let Some(decoded) =
                    curve25519_dalek::edwards::CompressedEdwardsY(other).decompress()
                {
                    written.insert((decoded.compress().0, other));
                }
            }
        }
    }
    let point = |bytes| curve25519_dalek::edwards::CompressedEdwardsY(bytes).decompress().unwrap();
    let small = |(_, bytes)| Written { large: Scalar::ZERO, point: point(bytes), bytes };
    written.into_iter().map(small).collect()
}

/// A point of large order, with each part of small order beside it.
fn mixed(large: Scalar) -> impl Iterator<Item = Written> {
    EIGHT_TORSION.into_iter().map(move |small| {
        let point = BASE * large + small;
        Written { large, point, bytes: point.compress().0 }
    })
}

fn scalar(word: &[u8]) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&Sha512::digest(word).into())
}

/// A signature on the edge, and what is known of how it was made.
struct Edge {
    key: Written,
    nonce: Written,
    message: Vec<u8>,
    signature: [u8; 64],
    /// Whether a part of small order is left over in S·B = R + k·A.
    has_residue: bool,
    /// Whether k is the hash of the encodings as they are written.
    hashes_as_written: bool,
}

impl Edge {
    /// By the rule: nothing small, nothing misspelt, nothing left over, the hash over what is written.
    fn must_verify(&self) -> bool {
        let sound = |point: &Written| !point.is_small() && point.is_canonical();
        sound(&self.key) && sound(&self.nonce) && !self.has_residue && self.hashes_as_written
    }

    /// As strict verification sees it, without regard to enrolment.
    fn verifies(&self) -> bool {
        let key = ed25519_dalek::VerifyingKey::from_bytes(&self.key.bytes).unwrap();
        PublicKey(key).verify(&self.message, &self.signature).is_ok()
    }
}

/// The edges of one pair of points: each that some message leads to.
fn edges(key: &Written, nonce: &Written) -> Vec<Edge> {
    let mut hashings = vec![(true, key.bytes, nonce.bytes)];
    if !key.is_canonical() || !nonce.is_canonical() {
        hashings.push((false, key.point.compress().0, nonce.point.compress().0));
    }
    let mut found = Vec::new();
    for (hashes_as_written, key_bytes, nonce_bytes) in hashings {
        for wanted in [false, true] {
            let edge = (0u32..64).find_map(|number| {
                let message = format!("edge {number}").into_bytes();
                let hash = Sha512::new().chain_update(nonce_bytes).chain_update(key_bytes);
                let hash = hash.chain_update(&message).finalize();
                let k = Scalar::from_bytes_mod_order_wide(&hash.into());
                let s = nonce.large + k * key.large;
                let residue = BASE * s - (nonce.point + key.point * k);
                let has_residue = residue != EdwardsPoint::default();
                let mut signature = [0; 64];
                signature[..32].copy_from_slice(&nonce.bytes);
                signature[32..].copy_from_slice(s.as_bytes());
                let (key, nonce) = (key.clone(), nonce.clone());
                (has_residue == wanted).then_some(Edge {
                    key,
                    nonce,
                    message,
                    signature,
                    has_residue,
                    hashes_as_written,
                })
            });
            found.extend(edge);
        }
    }
    found
}

fn all_edges() -> Vec<Edge> {
    let keys: Vec<_> = small().into_iter().chain(mixed(scalar(b"key"))).collect();
    let nonces: Vec<_> = small().into_iter().chain(mixed(scalar(b"nonce"))).collect();
    keys.iter().flat_map(|key| nonces.iter().flat_map(|nonce| edges(key, nonce))).collect()
}

#[test]
fn exactly_the_sound_edges_verify() {
    assert_eq!(small().len(), 14);
    let edges = all_edges();
    for edge in &edges {
        assert_eq!(edge.verifies(), edge.must_verify(), "{}", hex::encode(edge.signature));
    }
    assert_eq!(edges.len(), EDGES);
    assert_eq!(edges.iter().filter(|edge| edge.verifies()).count(), 43);
}

/// 22 keys by 22 nonces, each with and without a residue where it can be, and once more for the other hash.
const EDGES: usize = 1112;

#[test]
fn small_and_misspelt_keys_are_not_enrolled_at_all() {
    let refused = small().into_iter().map(|key| PublicKey::from_bytes(&key.bytes).unwrap_err());
    let refused: Vec<KeyError> = refused.collect();
    let count = |error: KeyError| refused.iter().filter(|one| **one == error).count();
    assert_eq!((count(KeyError::Weak), count(KeyError::NotCanonical)), (8, 6));
    // A part of small order beside a large one is the owner's own folly: it verifies as everybody else sees it.
    for key in mixed(scalar(b"key")) {
        PublicKey::from_bytes(&key.bytes).unwrap();
    }
}

#[test]
fn a_signature_has_one_spelling_of_s() {
    let key = PrivateKey::from_seed(&[7; 32]);
    let mut signature = key.sign(b"message");
    // S + n·ℓ, for as long as it fits 256 bits, is the same S to who does not look.
    for _ in 0..15 {
        let mut carry = 0;
        for (at, order) in ORDER.iter().enumerate() {
            let sum = u16::from(signature[32 + at]) + u16::from(*order) + carry;
            signature[32 + at] = (sum & 0xff) as u8;
            carry = sum >> 8;
        }
        if carry != 0 {
            break;
        }
        assert_eq!(key.public().verify(b"message", &signature), Err(BadSignature));
    }
}

#[test]
fn infinity_and_zero_sign_nothing() {
    // R = identity and S = 0 verify under a key of small order wherever those are let in.
    let mut signature = [0; 64];
    signature[0] = 1;
    for key in small() {
        let key = PublicKey(ed25519_dalek::VerifyingKey::from_bytes(&key.bytes).unwrap());
        assert_eq!(key.verify(b"anything", &signature), Err(BadSignature));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_judged_without_a_panic(key: [u8; 32], signature: [[u8; 32]; 2], spki: Vec<u8>) {
        let signature: [u8; 64] = signature.concat().try_into().unwrap();
        if let Ok(key) = PublicKey::from_bytes(&key) {
            prop_assert!(key.verify(b"message", &signature).is_err());
        }
        prop_assert!(PublicKey::from_spki(&spki).is_err());
    }
}
