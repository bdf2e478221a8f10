//! One text for one submission, and no other.

use super::*;
use crate::entry::{Author, Body, Reveal, Submission};
use crate::envelope::Envelope;
use crate::ids::Blake3;
use crate::keys::{BadSignature, PrivateKey};
use crate::manifest::{FileEntry, Manifest};

/// A leaf that vouches for nothing: here nobody asks it to.
pub(crate) struct AnyLeaf;

impl Leaf for AnyLeaf {
    fn certificate(&self) -> &[u8] {
        b"a certificate"
    }

    fn sign(&self, _: &[u8]) -> Result<[u8; 64], SignError> {
        Ok([1; 64])
    }
}

fn key() -> PrivateKey {
    PrivateKey::from_seed(&[7; 32])
}

fn federation() -> FederationId {
    FederationId::from_bytes([1; 32])
}

fn statement() -> Statement {
    let file = |path: &str, content: &[u8]| FileEntry {
        path: path.into(),
        size: content.len() as u64,
        blake3: Blake3::of(content),
        sha256: Sha256::of(content),
    };
    let files = vec![file("model.safetensors", b"abc"), file("card.json", b"{}")];
    let submission = Submission {
        base: Blake3::of(b"base"),
        manifest: Manifest::new(files).unwrap(),
        reward_commitment: None,
    };
    Statement {
        author: Author::Party("agency".parse().unwrap()),
        sequence: 3,
        previous: None,
        body: Body::Submit(submission),
    }
}

fn signed() -> Envelope {
    Envelope::sign_submission(federation(), &statement(), &key(), &AnyLeaf).unwrap()
}

/// A bundle around `payload` with both signatures.
fn around(payload: &str) -> Vec<u8> {
    let encoding = pre_authentication_encoding(IN_TOTO, payload.as_bytes());
    let der = ecdsa::to_der(&[1; 64]).unwrap();
    let key = key();
    Fields {
        leaf: &BASE64.encode(b"a certificate"),
        payload: &BASE64.encode(payload),
        leaf_signature: &BASE64.encode(der),
        signature: &BASE64.encode(key.sign(&encoding)),
        key: &key.public().id().to_string(),
    }
    .write()
}

fn payload_of(envelope: &Envelope) -> String {
    String::from_utf8(envelope.bundle().unwrap().payload().to_vec()).unwrap()
}

#[test]
fn only_the_party_opens_it() {
    let envelope = Envelope::parse(signed().as_bytes()).unwrap();
    assert_eq!(envelope, signed());
    assert_eq!(envelope.domain(), Domain { kind: Kind::Submit, federation: Some(federation()) });
    assert_eq!(envelope.open(&key().public()), Ok(&statement().to_payload()[..]));
    assert_eq!(envelope.open(&PrivateKey::from_seed(&[8; 32]).public()), Err(BadSignature));
}

#[test]
fn the_statement_is_that_of_model_signing() {
    let value: serde_json::Value = serde_json::from_str(&payload_of(&signed())).unwrap();
    let (card, weights) = (Sha256::of(b"{}"), Sha256::of(b"abc"));
    let root = Sha256::of(&[*card.as_bytes(), *weights.as_bytes()].concat());
    let resource = |name: &str, digest: Sha256| serde_json::json!({"name": name, "algorithm": "sha256", "digest": digest});
    let mut predicate = value["predicate"].clone();
    predicate.as_object_mut().unwrap().remove("potluck").unwrap();
    assert_eq!(value["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(
        value["subject"],
        serde_json::json!([{"name": "agency", "digest": {"sha256": root}}])
    );
    assert_eq!(value["predicateType"], "https://model_signing/signature/v1.0");
    assert_eq!(
        predicate,
        serde_json::json!({
            "serialization": {
                "method": "files", "hash_type": "sha256", "allow_symlinks": false, "ignore_paths": [],
            },
            "resources": [resource("card.json", card), resource("model.safetensors", weights)],
        })
    );
}

#[test]
fn signed_payloads_that_say_anything_else_are_refused() {
    let payload = payload_of(&signed());
    assert_eq!(around(&payload), signed().as_bytes());
    let (weights, other) = (Sha256::of(b"abc").to_string(), Sha256::of(b"abd").to_string());
    let federation = federation().to_string();
    for (from, to) in [
        (weights.as_str(), other.as_str()),
        (r#""name":"agency""#, r#""name":"readers""#),
        (r#"{"method""#, r#"{"more":1,"method""#),
        (r#""allow_symlinks":false"#, r#""allow_symlinks":true"#),
        (r#""ignore_paths":[]"#, r#""ignore_paths":["x"]"#),
        (r#"signature/v1.0"#, r#"signature/v1.1"#),
        (r#""algorithm":"sha256""#, r#""algorithm":"blake3""#),
        (r#"{"v":1,"#, r#"{"v":2,"#),
        (r#"{"v":1,"#, r#"{"v":1,"v":1,"#),
        (r#""kind":"submit""#, r#""kind":"reveal""#),
        (federation.as_str(), "new"),
        (r#""leaf":""#, r#""leaf":"00"#),
        (r#""sequence":3"#, r#""sequence": 3"#),
        (r#""previous":null,"#, ""),
    ] {
        let changed = payload.replacen(from, to, 1);
        assert_ne!(changed, payload, "{from}");
        let refused = Envelope::parse(&around(&changed));
        assert!(matches!(refused, Err(EnvelopeError::Malformed(_))), "{to}");
    }
}

#[test]
fn bundles_that_are_not_exactly_ours_are_refused() {
    let text = String::from_utf8(signed().as_bytes().to_vec()).unwrap();
    let certificate = BASE64.encode(b"a certificate");
    let one = BASE64.encode(ecdsa::to_der(&[1; 64]).unwrap());
    let high =
        BASE64.encode([&[0x30, 0x45, 2, 0x20][..], &[1; 32], &[2, 0x21, 0], &[0x80; 32]].concat());
    for (from, to) in [
        ("v0.3", "v0.2"),
        (r#"]}},"dsse"#, r#"]},"tlogEntries":[]},"dsse"#),
        (r#"{"mediaType""#, r#"{"extra":1,"mediaType""#),
        (r#""keyid":"""#, r#""keyid":"x""#),
        ("vnd.in-toto", "vnd.other"),
        (certificate.as_str(), "AAAA"),
        (one.as_str(), high.as_str()),
        (r#":{"#, r#": {"#),
        ("vnd", r"\u0076nd"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let refused = Envelope::parse(changed.as_bytes());
        assert!(matches!(refused, Err(EnvelopeError::Malformed(_))), "{to}");
    }
}

#[test]
fn a_submission_is_a_bundle_and_nothing_else_is() {
    let domain = Domain { kind: Kind::Submit, federation: Some(federation()) };
    assert!(Envelope::sign(domain, statement().to_payload(), &key()).is_err());
    let reveal = Reveal { round: 1, lambda: "agency=1".parse().unwrap(), nonce: None };
    let statement = Statement { body: Body::Reveal(reveal), ..statement() };
    assert!(Envelope::sign_submission(federation(), &statement, &key(), &AnyLeaf).is_err());

    let plain = Domain { kind: Kind::Reveal, ..domain };
    let plain = Envelope::sign(plain, statement.to_payload(), &key()).unwrap();
    let plain = String::from_utf8(plain.as_bytes().to_vec()).unwrap();
    let refused = Envelope::parse(plain.replacen("reveal", "submit", 1).as_bytes());
    assert!(matches!(refused, Err(EnvelopeError::Malformed(_))));
}

#[test]
fn a_known_bundle_keeps_its_bytes() {
    // The same text was made with Python's `json`, `hashlib`, `blake3` and `cryptography` (Ed25519).
    assert_eq!(
        signed().sha256().to_string(),
        "320f2627b0793cc13fc923555b3b7c1dbc09b15e82fac0a286d6a0bb9a1ef67a"
    );
}

proptest::proptest! {
    #[test]
    fn no_flipped_bit_opens(bit in 0usize..8 * 4000) {
        let envelope = signed();
        let mut bytes = envelope.as_bytes().to_vec();
        let position = (bit / 8) % bytes.len();
        bytes[position] ^= 1 << (bit % 8);
        if let Ok(parsed) = Envelope::parse(&bytes) {
            // What is left is the leaf's signature, which whoever takes a bundle in has verified.
            let is_whole = parsed.bundle().unwrap().leaf_signature() == &[1; 64];
            let opened = parsed.key() == envelope.key() && parsed.open(&key().public()).is_ok();
            proptest::prop_assert!(!(is_whole && opened));
        }
    }
}
