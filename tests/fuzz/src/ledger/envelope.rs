//! The promises of the readers of envelopes, bundles and records.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use potluck_core::Envelope;
use potluck_core::entry::{Entry, MAX_RECORD, Record};
use potluck_core::envelope::MAX_ENVELOPE;
use serde_json::Value;

use super::world::{NAMES, key, story};

/// Reads an envelope, and a record.
pub fn envelope(bytes: &[u8]) {
    if let Ok(record) = Record::parse(bytes) {
        let text = record.to_bytes();
        assert!(bytes.len() <= MAX_RECORD);
        let again = Record::parse(&text).unwrap();
        assert_eq!((&again, again.to_bytes()), (&record, text));
    }
    let Ok(envelope) = Envelope::parse(bytes) else { return };
    assert!(bytes.len() <= MAX_ENVELOPE);
    assert_eq!(envelope.as_bytes(), bytes);
    let theirs: Value = serde_json::from_slice(bytes).unwrap();
    match envelope.bundle() {
        None => plain(&envelope, &theirs),
        Some(_) => bundled(&envelope, &theirs),
    }
    respelt(bytes);
    opened(&envelope);
    let entry = Entry::parse(b"{}", bytes).unwrap();
    assert_eq!(entry.envelope(), &envelope);
}

/// The bytes of a field, which has one spelling.
fn decoded(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    let bytes = BASE64.decode(text).unwrap();
    assert_eq!(BASE64.encode(&bytes), text);
    bytes
}

/// A reader without suspicion finds the same.
fn plain(envelope: &Envelope, theirs: &Value) {
    assert_eq!(theirs["payloadType"], envelope.domain().payload_type());
    assert_eq!(theirs["signatures"][0]["keyid"], envelope.key().to_string());
    assert_eq!(decoded(&theirs["signatures"][0]["sig"]).len(), 64);
    decoded(&theirs["payload"]);
    assert_eq!(theirs.as_object().unwrap().len(), 3);
}

fn bundled(envelope: &Envelope, theirs: &Value) {
    let bundle = envelope.bundle().unwrap();
    let chain = &theirs["verificationMaterial"]["x509CertificateChain"]["certificates"];
    assert_eq!(decoded(&chain[0]["rawBytes"]), bundle.leaf());
    let dsse = &theirs["dsseEnvelope"];
    let payload = decoded(&dsse["payload"]);
    assert_eq!(payload, bundle.payload());
    assert_eq!(dsse["signatures"][1]["keyid"], envelope.key().to_string());
    decoded(&dsse["signatures"][0]["sig"]);
    // What other tools read of the statement is what we read of it.
    let statement: Value = serde_json::from_slice(&payload).unwrap();
    let potluck = &statement["predicate"]["potluck"];
    let federation = envelope.domain().federation.unwrap();
    assert_eq!(potluck["federation"], federation.to_string());
    let files = potluck["statement"]["body"]["submit"]["manifest"].as_array().unwrap();
    let resources = statement["predicate"]["resources"].as_array().unwrap();
    assert_eq!(files.len(), resources.len());
    for (file, resource) in files.iter().zip(resources) {
        assert_eq!((&file["path"], &file["sha256"]), (&resource["name"], &resource["digest"]));
    }
}

/// One signed statement has one text.
fn respelt(bytes: &[u8]) {
    for other in [[bytes, b" "].concat(), [b"\n", bytes].concat(), [bytes, bytes].concat()] {
        assert!(Envelope::parse(&other).is_err());
    }
}

/// Only what the committed ledger holds opens: nobody else signed with these keys.
fn opened(envelope: &Envelope) {
    for name in NAMES {
        if let Ok(payload) = envelope.open(&key(name).public()) {
            let known = story().entries.iter().any(|entry| {
                entry.envelope().open(&key(name).public()).is_ok_and(|it| it == payload)
            });
            assert!(known, "a forged envelope of {name}");
        }
    }
}
