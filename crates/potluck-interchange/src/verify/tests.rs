//! What the two keys vouch for, and what no other pair does.

use super::*;
use crate::certificate::{BACKDATED, LIFETIME, ShortLived, authority};
use potluck_core::bundle::Leaf;
use potluck_core::entry::Submission;
use potluck_core::{
    Author, Blake3, Body, FederationId, FileEntry, Manifest, PrivateKey, Sha256, SignError,
    Statement,
};

const NOW: u64 = 1_800_000_000;

fn key() -> PrivateKey {
    PrivateKey::from_seed(&[7; 32])
}

fn stranger() -> PrivateKey {
    PrivateKey::from_seed(&[8; 32])
}

fn signed(leaf: &dyn Leaf) -> Envelope {
    let file = FileEntry {
        path: "model.safetensors".into(),
        size: 3,
        blake3: Blake3::of(b"abc"),
        sha256: Sha256::of(b"abc"),
    };
    let submission = Submission {
        base: Blake3::of(b"base"),
        manifest: Manifest::new(vec![file]).unwrap(),
        reward_commitment: None,
    };
    let statement = Statement {
        author: Author::Party("agency".parse().unwrap()),
        sequence: 0,
        previous: None,
        body: Body::Submit(submission),
    };
    let federation = FederationId::from_bytes([1; 32]);
    let envelope = Envelope::sign_submission(federation, &statement, &key(), leaf).unwrap();
    assert_eq!(Envelope::parse(envelope.as_bytes()).unwrap(), envelope);
    envelope
}

/// One key's certificate beside another's signature.
struct Mixed<'l> {
    certificate: &'l [u8],
    signer: &'l ShortLived,
}

impl Leaf for Mixed<'_> {
    fn certificate(&self) -> &[u8] {
        self.certificate
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        self.signer.sign(message)
    }
}

#[test]
fn a_leaf_holds_for_its_party_and_its_time() {
    let envelope = signed(&ShortLived::issue(&key(), "agency", NOW).unwrap());
    assert!(envelope.open(&key().public()).is_ok());
    for time in [NOW - BACKDATED, NOW, NOW + LIFETIME] {
        verify_interchange(&envelope, &key().public(), time).unwrap();
    }
    for (key, time) in
        [(key(), NOW - BACKDATED - 1), (key(), NOW + LIFETIME + 1), (key(), 0), (stranger(), NOW)]
    {
        let refused = verify_interchange(&envelope, &key.public(), time);
        assert!(matches!(refused, Err(InterchangeError::NotVouchedFor(_))), "{refused:?}");
    }
}

#[test]
fn another_partys_leaf_is_refused() {
    let envelope = signed(&ShortLived::issue(&stranger(), "agency", NOW).unwrap());
    let refused = verify_interchange(&envelope, &key().public(), NOW);
    assert!(matches!(refused, Err(InterchangeError::NotVouchedFor(_))), "{refused:?}");
}

#[test]
fn the_authority_itself_is_no_leaf() {
    let signer = ShortLived::issue(&key(), "agency", NOW).unwrap();
    let certificate = authority(&key()).unwrap();
    let envelope = signed(&Mixed { certificate: certificate.der(), signer: &signer });
    let refused = verify_interchange(&envelope, &key().public(), NOW);
    assert!(matches!(refused, Err(InterchangeError::NotVouchedFor(_))), "{refused:?}");
}

#[test]
fn the_signature_is_the_certified_keys() {
    let (signer, other) = (
        ShortLived::issue(&key(), "agency", NOW).unwrap(),
        ShortLived::issue(&key(), "agency", NOW).unwrap(),
    );
    let envelope = signed(&Mixed { certificate: other.certificate(), signer: &signer });
    let refused = verify_interchange(&envelope, &key().public(), NOW);
    assert!(matches!(refused, Err(InterchangeError::Signature(_))), "{refused:?}");
}

proptest::proptest! {
    #[test]
    fn no_flipped_bit_in_the_certificate_holds(bit in 0usize..8 * 600) {
        let signer = ShortLived::issue(&key(), "agency", NOW).unwrap();
        let mut certificate = signer.certificate().to_vec();
        let position = (bit / 8) % certificate.len();
        certificate[position] ^= 1 << (bit % 8);
        let envelope = signed(&Mixed { certificate: &certificate, signer: &signer });
        proptest::prop_assert!(verify_interchange(&envelope, &key().public(), NOW).is_err());
    }

    #[test]
    fn no_certificate_panics(certificate in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let signer = ShortLived::issue(&key(), "agency", NOW).unwrap();
        let envelope = signed(&Mixed { certificate: &certificate, signer: &signer });
        proptest::prop_assert!(verify_interchange(&envelope, &key().public(), NOW).is_err());
    }
}
