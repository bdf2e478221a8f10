//! Receipts of a small log, whole and tampered with.

use potluck_core::envelope::Domain;
use potluck_core::{Blake3, FederationId, Kind, PrivateKey};
use potluck_log::{Checkpoint, NoteSigner, SignedCheckpoint, Tree};

use super::*;

fn envelope(payload: &str) -> Envelope {
    let federation = Some(FederationId::from_bytes([1; 32]));
    let domain = Domain { kind: Kind::Reveal, federation };
    Envelope::sign(domain, payload.into(), &PrivateKey::from_seed(&[7; 32])).unwrap()
}

fn record(envelope: &Envelope) -> String {
    let record = Record {
        v: 1,
        time: 0,
        kind: Kind::Reveal,
        key: envelope.key(),
        envelope: envelope.sha256(),
        content: Some(Blake3::from_bytes([9; 32])),
    };
    String::from_utf8(record.to_bytes()).unwrap()
}

fn signer(seed: u8) -> NoteSigner {
    let key = PrivateKey::from_seed(&[seed; 32]);
    NoteSigner::new("potluck/news".parse().unwrap(), key.as_dalek().clone())
}

/// A log of three entries, and the receipt of the second.
fn receipt() -> Receipt {
    let mut tree = Tree::new();
    let records = ["a", "b", "c"].map(|payload| record(&envelope(payload)));
    for record in &records {
        tree.push(record.as_bytes());
    }
    let signer = signer(2);
    let checkpoint = Checkpoint {
        origin: signer.verifier_key().name().clone(),
        size: tree.len(),
        root: tree.root(),
        state: [0; 32],
    };
    let signed = SignedCheckpoint::open(&checkpoint.sign(&signer), signer.verifier_key()).unwrap();
    let proof = TlogProof::new(1, tree.inclusion(1, 3).unwrap(), &signed);
    let [_, record, _] = records;
    Receipt { index: 1, record, proof: proof.to_string() }
}

#[test]
fn an_honest_receipt_verifies() {
    let logged = receipt().verify(&envelope("b"), signer(2).verifier_key()).unwrap();
    assert_eq!((logged.index(), logged.checkpoint().size()), (1, 3));
}

#[test]
fn a_receipt_for_another_envelope_index_record_or_log_does_not() {
    let key = signer(2).verifier_key().clone();
    let refused = |receipt: Receipt, payload, key| {
        receipt.verify(&envelope(payload), key).map(|_| ()).unwrap_err()
    };
    let honest = receipt();
    assert!(matches!(refused(honest.clone(), "c", &key), ReceiptError::OtherEnvelope));
    let other = signer(3).verifier_key().clone();
    assert!(matches!(refused(honest.clone(), "b", &other), ReceiptError::NotProved(_)));
    let moved = Receipt { index: 2, ..honest.clone() };
    assert!(matches!(
        refused(moved, "b", &key),
        ReceiptError::OtherIndex { claimed: 2, proved: 1 }
    ));
    let renamed = Receipt { record: honest.record.replace("reveal", "submit"), ..honest.clone() };
    assert!(matches!(refused(renamed, "b", &key), ReceiptError::NotProved(_)));
    let spaced = Receipt { record: format!("{} ", honest.record), ..honest.clone() };
    assert!(matches!(refused(spaced, "b", &key), ReceiptError::NotProved(_)));
    let none = Receipt { record: "{}".into(), ..honest.clone() };
    assert!(matches!(refused(none, "b", &key), ReceiptError::Record));
    let long = Receipt { record: " ".repeat(MAX_RECORD + 1), ..honest.clone() };
    assert!(matches!(refused(long, "b", &key), ReceiptError::Record));
    let garbage = Receipt { proof: "garbage".into(), ..honest };
    assert!(matches!(refused(garbage, "b", &key), ReceiptError::Proof(_)));
}
