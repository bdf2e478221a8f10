//! A recorded bundle with the log's proof in it, for whoever has Sigstore's tools.
//!
//! The stored bundle cannot hold its own receipt. The exported one is the stored one with one more member,
//! `verificationMaterial.tlogEntries`; nothing that is signed changes, and taking the member out again gives the
//! stored bytes. The log's leaf stands in it as `canonicalizedBody`, so its place is proved as Rekor's is:
//!
//! ```text
//! logIndex, integratedTime (the record's)   logId.keyId = SHA-256(name "\n" 0x01 key), of which notes show 4 bytes
//! kindVersion = potluck 1                   canonicalizedBody = the record
//! inclusionProof = logIndex, rootHash, treeSize, hashes, checkpoint.envelope (the C2SP note with its signatures)
//! ```
//!
//! The members are those of `TransparencyLogEntry` in Sigstore's protobuf-specs, in their JSON form: 64-bit
//! integers are texts, bytes are base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use potluck_core::entry::{Kind, Record};
use potluck_core::{Envelope, Sha256};
use potluck_log::{Logged, TlogProof, TlogProofError, VerifierKey};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The algorithm's byte of Ed25519 in C2SP's signed notes.
const NOTE_ED25519: u8 = 1;

/// Why a bundle was not exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The envelope is no submission's.
    #[error("only submissions are bundles")]
    NoBundle,
    /// The record is another envelope's, or none.
    #[error("the record is not that of the bundle")]
    Record,
    /// The proof does not hold.
    #[error("the log's proof does not hold")]
    NotProved(#[from] TlogProofError),
}

/// The text of `envelope`'s bundle with the proof that `log` holds `record`.
///
/// # Errors
/// [`ExportError`]: what other tools would refuse is not written.
pub fn export(
    envelope: &Envelope,
    record: &str,
    proof: &TlogProof,
    log: &VerifierKey,
) -> Result<Vec<u8>, ExportError> {
    let stated: Record = serde_json::from_str(record).map_err(|_| ExportError::Record)?;
    if stated.kind != Kind::Submit || envelope.bundle().is_none() {
        return Err(ExportError::NoBundle);
    }
    if stated.envelope != envelope.sha256() {
        return Err(ExportError::Record);
    }
    let logged = proof.verify(record.as_bytes(), log)?;
    let stored: Stored<'_> =
        serde_json::from_slice(envelope.as_bytes()).map_err(|_| ExportError::NoBundle)?;
    let exported = Exported {
        media_type: stored.media_type,
        material: ExportedMaterial {
            chain: stored.material.chain,
            entries: [log_entry(record, &stated, proof, &logged, log)],
        },
        envelope: stored.envelope,
    };
    Ok(serde_json::to_vec(&exported).expect("texts and what was JSON always have a JSON form"))
}

fn log_entry(
    record: &str,
    stated: &Record,
    proof: &TlogProof,
    logged: &Logged,
    log: &VerifierKey,
) -> LogEntry {
    let checkpoint = logged.checkpoint();
    let index = logged.index().to_string();
    LogEntry {
        log_index: index.clone(),
        log_id: LogId { key_id: BASE64.encode(log_id(log)) },
        kind_version: KindVersion { kind: "potluck", version: "1" },
        integrated_time: stated.time.to_string(),
        inclusion_proof: InclusionProof {
            log_index: index,
            root_hash: BASE64.encode(checkpoint.root().0),
            tree_size: checkpoint.size().to_string(),
            hashes: hashes(proof),
            checkpoint: Checkpoint { envelope: checkpoint.note().to_owned() },
        },
        body: BASE64.encode(record),
    }
}

/// The proof's hashes in base64: the lines of its text between the index and the checkpoint.
fn hashes(proof: &TlogProof) -> Vec<String> {
    let text = proof.to_string();
    text.lines().skip(2).take_while(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// The whole digest of which a note's signature lines show the first four bytes (C2SP signed-note).
fn log_id(log: &VerifierKey) -> [u8; 32] {
    let mut named = log.name().to_string().into_bytes();
    named.extend([b'\n', NOTE_ED25519]);
    named.extend_from_slice(log.public_key().as_bytes());
    *Sha256::of(&named).as_bytes()
}

#[derive(Deserialize)]
struct Stored<'b> {
    #[serde(rename = "mediaType", borrow)]
    media_type: &'b RawValue,
    #[serde(rename = "verificationMaterial", borrow)]
    material: StoredMaterial<'b>,
    #[serde(rename = "dsseEnvelope", borrow)]
    envelope: &'b RawValue,
}

#[derive(Deserialize)]
struct StoredMaterial<'b> {
    #[serde(rename = "x509CertificateChain", borrow)]
    chain: &'b RawValue,
}

#[derive(Serialize)]
struct Exported<'b> {
    #[serde(rename = "mediaType")]
    media_type: &'b RawValue,
    #[serde(rename = "verificationMaterial")]
    material: ExportedMaterial<'b>,
    #[serde(rename = "dsseEnvelope")]
    envelope: &'b RawValue,
}

#[derive(Serialize)]
struct ExportedMaterial<'b> {
    #[serde(rename = "x509CertificateChain")]
    chain: &'b RawValue,
    #[serde(rename = "tlogEntries")]
    entries: [LogEntry; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogEntry {
    log_index: String,
    log_id: LogId,
    kind_version: KindVersion,
    integrated_time: String,
    inclusion_proof: InclusionProof,
    #[serde(rename = "canonicalizedBody")]
    body: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogId {
    key_id: String,
}

#[derive(Serialize)]
struct KindVersion {
    kind: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InclusionProof {
    log_index: String,
    root_hash: String,
    tree_size: String,
    hashes: Vec<String>,
    checkpoint: Checkpoint,
}

#[derive(Serialize)]
struct Checkpoint {
    envelope: String,
}

#[cfg(test)]
mod tests;
