//! What is exported, and what is not.

use super::*;
use crate::certificate::ShortLived;
use potluck_core::entry::Submission;
use potluck_core::{
    Author, Blake3, Body, FederationId, FileEntry, Manifest, PrivateKey, Statement,
};
use potluck_log::{Checkpoint as LogCheckpoint, NoteSigner, SignedCheckpoint, Tree};
use serde_json::Value;

fn log() -> NoteSigner {
    let key = PrivateKey::from_seed(&[2; 32]);
    NoteSigner::new("potluck/news".parse().unwrap(), key.as_dalek().clone())
}

fn submission(sequence: u64) -> (Envelope, Statement) {
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
    let (author, body) = (Author::Party("agency".parse().unwrap()), Body::Submit(submission));
    let statement = Statement { author, sequence, previous: None, body };
    let key = PrivateKey::from_seed(&[7; 32]);
    let leaf = ShortLived::issue(&key, "agency", 1_800_000_000).unwrap();
    let federation = FederationId::from_bytes([1; 32]);
    (Envelope::sign_submission(federation, &statement, &key, &leaf).unwrap(), statement)
}

/// The record of a submission at place 5 of 7, and the log's proof of it.
fn logged(envelope: &Envelope, statement: &Statement) -> (String, TlogProof) {
    let record = Record::of(envelope, envelope.sha256(), statement, 1_800_000_060).to_bytes();
    let mut tree = Tree::new();
    for index in 0..7u8 {
        tree.push(if index == 5 { &record } else { std::slice::from_ref(&index) });
    }
    let origin = "potluck/news".parse().unwrap();
    let checkpoint = LogCheckpoint { origin, size: 7, root: tree.root(), state: [3; 32] };
    let checkpoint =
        SignedCheckpoint::open(&checkpoint.sign(&log()), log().verifier_key()).unwrap();
    let proof = TlogProof::new(5, tree.inclusion(5, 7).unwrap(), &checkpoint);
    (String::from_utf8(record).unwrap(), proof)
}

#[test]
fn without_the_logs_entry_it_is_the_stored_bundle() {
    let (envelope, statement) = submission(0);
    let (record, proof) = logged(&envelope, &statement);
    let text = export(&envelope, &record, &proof, log().verifier_key()).unwrap();
    let text = String::from_utf8(text).unwrap();
    let start = text.find(r#","tlogEntries":["#).unwrap();
    let end = start + text[start..].find(r#"},"dsseEnvelope""#).unwrap();
    assert_eq!([&text[..start], &text[end..]].concat().as_bytes(), envelope.as_bytes());
}

#[test]
fn the_entry_is_what_the_log_says() {
    let (envelope, statement) = submission(0);
    let (record, proof) = logged(&envelope, &statement);
    let text = export(&envelope, &record, &proof, log().verifier_key()).unwrap();
    let value: Value = serde_json::from_slice(&text).unwrap();
    let entry = &value["verificationMaterial"]["tlogEntries"][0];
    assert_eq!(entry["canonicalizedBody"], BASE64.encode(&record));
    assert_eq!((&entry["logIndex"], &entry["integratedTime"]), (&"5".into(), &"1800000060".into()));
    let id = BASE64.decode(entry["logId"]["keyId"].as_str().unwrap()).unwrap();
    assert_eq!(id[..4], log().verifier_key().id());
    let inclusion = &entry["inclusionProof"];
    assert_eq!((&inclusion["logIndex"], &inclusion["treeSize"]), (&"5".into(), &"7".into()));
    assert_eq!(inclusion["hashes"].as_array().unwrap().len(), 3);
    let note = inclusion["checkpoint"]["envelope"].as_str().unwrap();
    let checkpoint = SignedCheckpoint::open(note, log().verifier_key()).unwrap();
    assert_eq!(inclusion["rootHash"], BASE64.encode(checkpoint.root().0));
}

#[test]
fn what_is_not_proved_is_not_written() {
    let (envelope, statement) = submission(0);
    let (record, proof) = logged(&envelope, &statement);
    let (other, _) = submission(1);
    let exported = export(&other, &record, &proof, log().verifier_key());
    assert!(matches!(exported, Err(ExportError::Record)));
    let later = record.replace("1800000060", "1800000061");
    let exported = export(&envelope, &later, &proof, log().verifier_key());
    assert!(matches!(exported, Err(ExportError::NotProved(_))));
    let stranger = PrivateKey::from_seed(&[9; 32]);
    let stranger = NoteSigner::new("potluck/news".parse().unwrap(), stranger.as_dalek().clone());
    let exported = export(&envelope, &record, &proof, stranger.verifier_key());
    assert!(matches!(exported, Err(ExportError::NotProved(_))));
}
