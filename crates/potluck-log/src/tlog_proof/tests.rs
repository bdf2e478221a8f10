use ed25519_dalek::SigningKey;

use super::*;
use crate::checkpoint::Checkpoint;
use crate::key::NoteSigner;
use crate::tree::Tree;

fn log() -> NoteSigner {
    NoteSigner::new("example.org/log".parse().unwrap(), SigningKey::from_bytes(&[1; 32]))
}

/// The receipt for leaf 3 of the records `0` to `5`.
fn receipt() -> TlogProof {
    let mut tree = Tree::new();
    for record in 0..6u8 {
        tree.push(&[record]);
    }
    let origin = log().verifier_key().name().clone();
    let note = Checkpoint { origin, size: 6, root: tree.root(), state: [9; 32] }.sign(&log());
    let checkpoint = SignedCheckpoint::open(&note, log().verifier_key()).unwrap();
    TlogProof::new(3, tree.inclusion(3, 6).unwrap(), &checkpoint)
}

#[test]
fn a_receipt_is_written_read_and_checked() {
    let text = receipt().to_string();
    assert_eq!(text, KNOWN_RECEIPT);
    let read: TlogProof = text.parse().unwrap();
    assert_eq!(read, receipt());
    let logged = read.verify(&[3], log().verifier_key()).unwrap();
    assert_eq!((logged.index(), logged.checkpoint().size()), (3, 6));
}

/// Made independently, by Python's hashlib and cryptography.
const KNOWN_RECEIPT: &str = "c2sp.org/tlog-proof@v1\nindex 3\n\
    /PCmxwDdE+J0tvuo3uqN2bJuTu3eNJVxfKyECMnFF38=\n\
    ogv5p8wtyKCPX0FacbGfasQnurVNJO7IaLXTEDRJlTo=\n\
    S4wSntFMziwIz8Z2bbf4zbEztfaYuN49WJDqf/fwqNE=\n\n\
    example.org/log\n6\nuzbn09TO5XIMvTI9AvqxWWLiuh2t9fj8bu70/WrQVqg=\n\
    potluck-state/1 0909090909090909090909090909090909090909090909090909090909090909\n\n\
    — example.org/log jxP55O0PnQI3owZ8xsP0hU71oCnf5tpWQz3bUvp2s5g4IK0cPVGCmo30FkELF3ypXxDHSO5VZu\
    NgHVy93heP3UwfHgE=\n";

#[test]
fn another_record_or_log_is_refused() {
    let wrong_root = Err(TlogProofError::Inclusion(InclusionError::WrongRoot));
    assert_eq!(receipt().verify(&[4], log().verifier_key()), wrong_root);
    let name = "example.org/log".parse().unwrap();
    let other = NoteSigner::new(name, SigningKey::from_bytes(&[2; 32]));
    assert!(matches!(
        receipt().verify(&[3], other.verifier_key()),
        Err(TlogProofError::Checkpoint(CheckpointError::Signature(_)))
    ));
}

#[test]
fn every_flipped_bit_is_refused() {
    let text = receipt().to_string();
    let log = log();
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(altered) = String::from_utf8(bytes) else { continue };
            let Ok(proof) = altered.parse::<TlogProof>() else { continue };
            assert!(proof.verify(&[3], log.verifier_key()).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn each_malformed_receipt_has_its_name() {
    let good = receipt().to_string();
    let refused = |text: &str| text.parse::<TlogProof>().unwrap_err();
    assert_eq!(refused(""), TlogProofParseError::NoCheckpoint);
    assert_eq!(refused(&good.replace("@v1", "@v2")), TlogProofParseError::Header);
    assert_eq!(refused(&good.replace("index 3", "index 03")), TlogProofParseError::Index);
    assert_eq!(refused(&good.replace("index 3", "extra AA\nindex 3")), TlogProofParseError::Index);
    let not_a_hash = TlogProofParseError::NotAHash { line: 3 };
    assert_eq!(refused(&good.replace("index 3\n", "index 3\nAAAA\n")), not_a_hash);
    let hashes = format!("index 3\n{}", (Hash([0; 32]).to_base64() + "\n").repeat(100));
    let too_many = TlogProofParseError::Hashes(TooManyHashes { count: 64 });
    assert_eq!(refused(&good.replace("index 3\n", &hashes)), too_many);
    let unsigned = TlogProofParseError::Checkpoint(NoteParseError::NoText);
    assert_eq!(refused(&good[..good.find('—').unwrap() - 1]), unsigned);
    let too_long = TlogProofParseError::TooLong { bytes: MAX_TLOG_PROOF_BYTES + 1 };
    assert_eq!(refused(&"x".repeat(MAX_TLOG_PROOF_BYTES + 1)), too_long);
}
