//! The in-toto statement of a bundle: what a file is called and hashes to, and what a party says of it.
//!
//! Field by field it is what OpenSSF's model-signing 1.1 writes for a model serialised by files, with
//! `predicate.potluck` added, which its specification tells verifiers to ignore. One submission has one text:
//! everything outside `potluck` follows from the statement inside.

use serde::Serialize;

use super::malformed;
use crate::entry::{Body, Kind, Statement};
use crate::envelope::EnvelopeError;
use crate::ids::{FederationId, Sha256};

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE: &str = "https://model_signing/signature/v1.0";
const SHA256: &str = "sha256";
const VERSION: u8 = 1;

/// The statement as it is written.
#[derive(Serialize)]
struct Payload<'s> {
    #[serde(rename = "_type")]
    statement_type: &'static str,
    subject: [Subject; 1],
    #[serde(rename = "predicateType")]
    predicate_type: &'static str,
    predicate: Predicate<'s>,
}

#[derive(Serialize)]
struct Subject {
    /// The party: a name for people.
    name: String,
    digest: Digest,
}

#[derive(Serialize)]
struct Digest {
    /// SHA-256 of the resources' raw digests, one after another.
    sha256: Sha256,
}

#[derive(Serialize)]
struct Predicate<'s> {
    serialization: Serialization,
    resources: Vec<Resource<'s>>,
    potluck: Potluck<'s>,
}

#[derive(Serialize)]
struct Serialization {
    method: &'static str,
    hash_type: &'static str,
    allow_symlinks: bool,
    ignore_paths: [String; 0],
}

#[derive(Serialize)]
struct Resource<'s> {
    name: &'s str,
    algorithm: &'static str,
    digest: Sha256,
}

/// What is ours.
#[derive(Serialize)]
struct Potluck<'s> {
    v: u8,
    kind: Kind,
    federation: FederationId,
    /// SHA-256 of the leaf's certificate in DER.
    leaf: Sha256,
    statement: &'s Statement,
}

/// What stands before the federation's id: nowhere else, since no name and no path holds a quotation mark.
const BEFORE_FEDERATION: &str = "\"potluck\":{\"v\":1,\"kind\":\"submit\",\"federation\":\"";
const BEFORE_LEAF: &str = "\",\"leaf\":\"";
const BEFORE_STATEMENT: &str = "\",\"statement\":";
/// The ends of `potluck`, of the predicate and of the whole.
const AFTER_STATEMENT: &str = "}}}";

/// What a payload says.
pub(super) struct Said {
    pub(super) federation: FederationId,
    pub(super) statement: Statement,
    /// The statement as it stands there.
    pub(super) text: Vec<u8>,
}

/// The payload of a submission in its one text: compact JSON, fields in the order of their definition here.
/// Nothing for any other statement.
pub(super) fn write(
    federation: FederationId,
    leaf: Sha256,
    statement: &Statement,
) -> Option<Vec<u8>> {
    let Body::Submit(submission) = &statement.body else { return None };
    let files = submission.manifest.files();
    let digests: Vec<u8> = files.iter().flat_map(|file| *file.sha256.as_bytes()).collect();
    let resources = files
        .iter()
        .map(|file| Resource { name: &file.path, algorithm: SHA256, digest: file.sha256 })
        .collect();
    let payload = Payload {
        statement_type: STATEMENT_TYPE,
        subject: [Subject {
            name: statement.author.to_string(),
            digest: Digest { sha256: Sha256::of(&digests) },
        }],
        predicate_type: PREDICATE_TYPE,
        predicate: Predicate {
            serialization: Serialization {
                method: "files",
                hash_type: SHA256,
                allow_symlinks: false,
                ignore_paths: [],
            },
            resources,
            potluck: Potluck { v: VERSION, kind: Kind::Submit, federation, leaf, statement },
        },
    };
    let text = serde_json::to_vec(&payload);
    Some(text.expect("strings, integers and lists always have a JSON form"))
}

/// Reads what must be the payload of a submission, bound to this leaf, in its one text: only what is ours is read, and
/// the whole is written again from it.
pub(super) fn read(bytes: &[u8], leaf: Sha256) -> Result<Said, EnvelopeError> {
    let (federation, text) = std::str::from_utf8(bytes)
        .ok()
        .and_then(parts)
        .ok_or_else(|| malformed("the payload is no statement of ours"))?;
    let statement: Statement = serde_json::from_str(text).map_err(|error| {
        EnvelopeError::Malformed(format!("the payload is no statement of ours: {error}"))
    })?;
    if write(federation, leaf, &statement).is_none_or(|written| written != bytes) {
        return Err(malformed(
            "the payload is bound to another certificate, or its resources and names do not follow from the \
             submission in it, or it is not compact JSON with its fields in their order",
        ));
    }
    Ok(Said { federation, text: text.as_bytes().to_vec(), statement })
}

/// The federation's id, and the text of the statement.
fn parts(payload: &str) -> Option<(FederationId, &str)> {
    let (_, rest) = payload.split_once(BEFORE_FEDERATION)?;
    let (federation, rest) = rest.split_at_checked(64)?;
    let (_leaf, rest) = rest.strip_prefix(BEFORE_LEAF)?.split_at_checked(64)?;
    let text = rest.strip_prefix(BEFORE_STATEMENT)?.strip_suffix(AFTER_STATEMENT)?;
    Some((federation.parse().ok()?, text))
}
