//! A commitment is opened to one auditor, by whom it binds.

use super::*;
use crate::bundle::tests::AnyLeaf;
use crate::entry::Submission;
use crate::keys::PrivateKey;
use crate::manifest::{FileEntry, Manifest};

const DEFINITION: &[u8] = b"kind = \"brevity\"\n";
const NONCE: [u8; 32] = [7; 32];

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

fn submission(key: &PrivateKey, bound: Option<Blake3>) -> Envelope {
    let file = FileEntry {
        path: "model.safetensors".into(),
        size: 3,
        blake3: Blake3::of(b"abc"),
        sha256: Sha256::of(b"abc"),
    };
    let submission = Submission {
        base: Blake3::of(b"base"),
        manifest: Manifest::new(vec![file]).unwrap(),
        reward_commitment: bound,
    };
    let (author, body) = (Author::Party("agency".parse().unwrap()), Body::Submit(submission));
    let statement = Statement { author, sequence: 0, previous: None, body };
    let federation = FederationId::from_bytes([1; 32]);
    Envelope::sign_submission(federation, &statement, key, &AnyLeaf).unwrap()
}

fn bound_submission() -> Envelope {
    submission(&key(1), Some(commitment(DEFINITION, &NONCE)))
}

fn proof() -> Vec<u8> {
    Opening::prove(&bound_submission(), &key(1), key(2).public(), DEFINITION, &NONCE).unwrap()
}

#[test]
fn a_known_answer() {
    // The trainer's cards hold the same.
    assert_eq!(
        commitment(DEFINITION, &NONCE).to_string(),
        "3e8d7e9c201eeb812fd746fbc561bbc1777780a482a77c9531cd52ebc3653212"
    );
}

#[test]
fn the_named_auditor_sees_the_definition() {
    let opening = Opening::verify(&proof(), &bound_submission(), &key(2).public()).unwrap();
    assert_eq!(opening.definition().as_bytes(), DEFINITION);
    assert_eq!((opening.party.as_str(), opening.key), ("agency", key(1).public()));
    assert!(!format!("{opening:?}").contains("brevity"));
}

#[test]
fn nobody_else_can_use_it() {
    let refused = Opening::verify(&proof(), &bound_submission(), &key(3).public());
    assert!(
        matches!(refused, Err(RewardError::OtherAuditor(auditor)) if auditor == key(2).public().id())
    );

    let mut renamed = Parts::parse(&proof()).unwrap();
    let text = String::from_utf8(renamed.payload).unwrap();
    let other = key(3).public().to_string();
    renamed.payload = text.replace(&key(2).public().to_string(), &other).into_bytes();
    let refused = Opening::verify(&renamed.to_bytes(), &bound_submission(), &key(3).public());
    assert!(matches!(refused, Err(RewardError::Signature)));

    // Whoever learned definition and nonce signs with a key of its own.
    let mut opening = Opening::signed(&proof()).unwrap();
    opening.key = key(3).public();
    let payload = opening.to_payload();
    let signature = key(3).sign(&pre_authentication_encoding(PAYLOAD_TYPE, &payload));
    let payload_type = PAYLOAD_TYPE.to_owned();
    let forged = Parts { payload_type, payload, key: key(3).public().id(), signature }.to_bytes();
    let refused = Opening::verify(&forged, &bound_submission(), &key(2).public());
    assert!(matches!(refused, Err(RewardError::NotItsKey)));
}

#[test]
fn it_is_for_one_submission() {
    let other = submission(&key(1), Some(commitment(b"another", &NONCE)));
    let refused = Opening::verify(&proof(), &other, &key(2).public());
    assert!(matches!(refused, Err(RewardError::OtherSubmission)));
}

#[test]
fn what_would_not_verify_is_not_made() {
    let auditor = key(2).public();
    let prove = |envelope: &Envelope, signer: &PrivateKey, definition: &[u8], nonce: &[u8; 32]| {
        Opening::prove(envelope, signer, auditor, definition, nonce).unwrap_err()
    };
    let whole = bound_submission();
    assert!(matches!(prove(&whole, &key(1), b"other", &NONCE), ProveError::OtherReward));
    assert!(matches!(prove(&whole, &key(1), DEFINITION, &[8; 32]), ProveError::OtherReward));
    assert!(matches!(prove(&whole, &key(3), DEFINITION, &NONCE), ProveError::NotASubmission));
    assert!(matches!(prove(&whole, &key(1), &[0xff], &NONCE), ProveError::Definition));
    let unbound = submission(&key(1), None);
    assert!(matches!(prove(&unbound, &key(1), DEFINITION, &NONCE), ProveError::Unbound));
}

proptest::proptest! {
    #[test]
    fn no_flipped_bit_verifies(bit in 0usize..8 * 2000) {
        let mut bytes = proof();
        let position = (bit / 8) % bytes.len();
        bytes[position] ^= 1 << (bit % 8);
        let verified = Opening::verify(&bytes, &bound_submission(), &key(2).public());
        proptest::prop_assert!(verified.is_err());
    }
}
