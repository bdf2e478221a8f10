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
    /// The hash, as a scalar.
    k: Scalar,
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

/// The edge that one message leads to, with the hash over the encodings as they are written, or over canonical ones.
fn edge(key: &Written, nonce: &Written, number: u32, hashes_as_written: bool) -> Edge {
    let hashed = |point: &Written| match hashes_as_written {
        true => point.bytes,
        false => point.point.compress().0,
    };
    let message = format!("edge {number}").into_bytes();
    let hash = Sha512::new().chain_update(hashed(nonce)).chain_update(hashed(key));
    let hash = hash.chain_update(&message).finalize();
    let k = Scalar::from_bytes_mod_order_wide(&hash.into());
    let s = nonce.large + k * key.large;
    let residue = BASE * s - (nonce.point + key.point * k);
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&nonce.bytes);
    signature[32..].copy_from_slice(s.as_bytes());
    let has_residue = residue != EdwardsPoint::default();
    let (key, nonce) = (key.clone(), nonce.clone());
    Edge { key, nonce, message, signature, k, has_residue, hashes_as_written }
}

/// The first edge of one pair of points that is as wanted.
fn first(
    (key, nonce): (&Written, &Written),
    hashes_as_written: bool,
    is_wanted: impl Fn(&Edge) -> bool,
) -> Option<Edge> {
    (0..64).map(|number| edge(key, nonce, number, hashes_as_written)).find(is_wanted)
}

/// The edges of one pair of points: each that some message leads to.
fn edges(key: &Written, nonce: &Written) -> Vec<Edge> {
    let is_canonical = key.is_canonical() && nonce.is_canonical();
    let hashings = if is_canonical { &[true][..] } else { &[true, false] };
    let mut found = Vec::new();
    for hashes_as_written in hashings {
        for wanted in [false, true] {
            let is_wanted = |edge: &Edge| edge.has_residue == wanted;
            found.extend(first((key, nonce), *hashes_as_written, is_wanted));
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

/// The edges for other implementations: keys that nobody may have, signatures by keys that somebody may, and their verdicts.
fn written() -> String {
    let mut text = String::new();
    for key in small() {
        text.push_str(&format!("refused {}\n", hex::encode(key.bytes)));
    }
    let enrolled = |edge: &&Edge| PublicKey::from_bytes(&edge.key.bytes).is_ok();
    let (all, twelve) = (all_edges(), twelve());
    for edge in all.iter().chain(&twelve).filter(enrolled) {
        let verdict = if edge.verifies() { "valid" } else { "invalid" };
        let fields = [edge.key.bytes.as_slice(), &edge.signature, &edge.message].map(hex::encode);
        text.push_str(&format!("{verdict} {}\n", fields.join(" ")));
    }
    text
}

#[test]
fn the_committed_edges_are_these() {
    assert!(include_str!("../../../../tests/vectors/ed25519/edges.txt") == written());
}

/// `cargo test -p potluck-core -- --ignored write_the_edges_anew`
#[test]
#[ignore = "it writes the vectors that other tests read"]
#[expect(
    clippy::disallowed_methods,
    reason = "vectors are files, and nothing else here reads or writes one"
)]
fn write_the_edges_anew() {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/ed25519");
    std::fs::write(folder.join("edges.txt"), written()).unwrap();
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

/// Adds ℓ to S, to who does not look the same S; nothing past 256 bits.
fn respelt(mut signature: [u8; 64]) -> Option<[u8; 64]> {
    let mut carry = 0;
    for (at, order) in ORDER.iter().enumerate() {
        let sum = u16::from(signature[32 + at]) + u16::from(*order) + carry;
        signature[32 + at] = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    (carry == 0).then_some(signature)
}

#[test]
fn a_signature_has_one_spelling_of_s() {
    let key = PrivateKey::from_seed(&[7; 32]);
    let spellings: Vec<_> =
        std::iter::successors(respelt(key.sign(b"message")), |it| respelt(*it)).collect();
    assert!(spellings.len() >= 14, "{}", spellings.len());
    for signature in spellings {
        assert_eq!(key.public().verify(b"message", &signature), Err(BadSignature));
    }
}

/// The twelve conditions of "Taming the Many EdDSAs" (Chalkias, Garillot, Nikolaenko, 2020, section 5), by which
/// implementations are told apart; the signatures here are our own. Each satisfies the equation, with the cofactor at
/// least, so that what refuses it is what stands beside it below.
fn twelve() -> Vec<Edge> {
    let (keys, nonces): (Vec<_>, Vec<_>) =
        (mixed(scalar(b"key")).collect(), mixed(scalar(b"nonce")).collect());
    // Number 1 of the eight points of small order has order 8, number 0 is the identity.
    let (mixed_key, mixed_nonce, plain_key, plain_nonce) =
        (&keys[1], &nonces[1], &keys[0], &nonces[0]);
    let small = small();
    let order_8 = |it: &&Written| it.point == EIGHT_TORSION[1];
    let small_point = small.iter().find(order_8).unwrap();
    // Of those that have a second spelling, the ones of order 4: the identity could not be half of something mixed.
    let order_4 = |it: &Written| it.point + it.point != EdwardsPoint::default();
    let misspelt = small.iter().find(|it| !it.is_canonical() && order_4(it)).unwrap();
    let whole = |edge: &Edge| !edge.has_residue;
    let of = |pair, written, is_wanted: &dyn Fn(&Edge) -> bool| first(pair, written, is_wanted);
    // 8k, once reduced modulo ℓ, is no multiple of 8 any more: whoever reduces first is left with a residue.
    let reduced_first = |edge: &Edge| {
        let reduced = Scalar::from(8u8) * edge.k;
        edge.has_residue && !reduced.as_bytes()[0].is_multiple_of(8)
    };
    let honest = || edge(plain_key, plain_nonce, 0, true);
    let above = |times: usize| {
        let mut spelt = std::iter::successors(Some(honest().signature), |it| respelt(*it));
        spelt.nth(times).map(|signature| Edge { signature, ..honest() })
    };
    let cases = [
        // S = 0; key and nonce are of small order.
        of((small_point, small_point), true, &whole),
        // The key is of small order, and then the nonce.
        of((small_point, mixed_nonce), true, &whole),
        of((mixed_key, small_point), true, &whole),
        // Both are of mixed order: with nothing left over, and with something that only the cofactor takes away.
        of((mixed_key, mixed_nonce), true, &whole),
        of((mixed_key, mixed_nonce), true, &|edge| edge.has_residue),
        // The cofactor takes it away unless 8k is reduced first.
        of((mixed_key, plain_nonce), true, &reduced_first),
        // An honest signature, but for S, which is above ℓ; and so far above that its top bits show it.
        above(1),
        above(14),
        // A misspelt nonce, then a misspelt key; the hash is over its canonical spelling, or over the one that is sent.
        of((mixed_key, misspelt), false, &whole),
        of((mixed_key, misspelt), true, &whole),
        of((misspelt, &nonces[2]), false, &whole),
        of((misspelt, &nonces[2]), true, &whole),
    ];
    cases.into_iter().map(Option::unwrap).collect()
}

#[test]
fn the_twelve_conditions_are_judged_as_strict_verification_is_known_to() {
    let twelve = twelve();
    let verdicts = twelve.iter().map(|edge| if edge.verifies() { 'V' } else { 'x' });
    assert_eq!(verdicts.collect::<String>(), "xxxVxxxxxxxx");
    // What 6 and 7 were made from is as good as any.
    let [key, nonce] =
        [b"key".as_slice(), b"nonce"].map(|word| mixed(scalar(word)).next().unwrap());
    assert!(edge(&key, &nonce, 0, true).verifies());
    // S = 0 in the first alone.
    assert!(twelve.iter().enumerate().all(|(at, it)| (it.signature[32..] == [0; 32]) == (at == 0)));
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
