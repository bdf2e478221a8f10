//! The in-toto statement of a bundle: what a file is called and hashes to, and what a party says of it.
//!
//! Field by field it is what OpenSSF's model-signing 1.1 writes for a model serialised by files, with
//! `predicate.potluck` added, which its specification tells verifiers to ignore. One submission has one text:
//! everything outside `potluck` follows from the statement inside.

use serde::{Deserialize, Serialize};

use super::malformed;
use crate::entry::{Body, Kind, Statement};
use crate::envelope::EnvelopeError;
use crate::ids::{FederationId, Sha256};

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE: &str = "https://model_signing/signature/v1.0";
const SHA256: &str = "sha256";
const VERSION: u8 = 1;

/// The statement as it is written and read.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Payload {
    #[serde(rename = "_type")]
    statement_type: String,
    subject: [Subject; 1],
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Predicate,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    /// The party: a name for people.
    name: String,
    digest: Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Digest {
    /// SHA-256 of the resources' raw digests, one after another.
    sha256: Sha256,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Predicate {
    serialization: Serialization,
    resources: Vec<Resource>,
    potluck: Potluck,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Serialization {
    method: String,
    hash_type: String,
    allow_symlinks: bool,
    ignore_paths: [String; 0],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resource {
    name: String,
    algorithm: String,
    digest: Sha256,
}

/// What is ours.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Potluck {
    v: u8,
    kind: Kind,
    federation: FederationId,
    /// SHA-256 of the leaf's certificate in DER.
    leaf: Sha256,
    statement: Statement,
}

impl Payload {
    /// The payload of a submission; nothing for any other statement.
    pub(super) fn of(
        federation: FederationId,
        leaf: Sha256,
        statement: &Statement,
    ) -> Option<Self> {
        let Body::Submit(submission) = &statement.body else { return None };
        let files = submission.manifest.files();
        let digests: Vec<u8> = files.iter().flat_map(|file| *file.sha256.as_bytes()).collect();
        let resource = |file: &crate::FileEntry| Resource {
            name: file.path.clone(),
            algorithm: SHA256.to_owned(),
            digest: file.sha256,
        };
        Some(Self {
            statement_type: STATEMENT_TYPE.to_owned(),
            subject: [Subject {
                name: statement.author.to_string(),
                digest: Digest { sha256: Sha256::of(&digests) },
            }],
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate: Predicate {
                serialization: Serialization {
                    method: "files".to_owned(),
                    hash_type: SHA256.to_owned(),
                    allow_symlinks: false,
                    ignore_paths: [],
                },
                resources: files.iter().map(resource).collect(),
                potluck: Potluck {
                    v: VERSION,
                    kind: Kind::Submit,
                    federation,
                    leaf,
                    statement: statement.clone(),
                },
            },
        })
    }

    /// Reads what must be the payload of a submission, bound to this leaf, in its one text.
    pub(super) fn parse(bytes: &[u8], leaf: Sha256) -> Result<Self, EnvelopeError> {
        let read: Self = serde_json::from_slice(bytes).map_err(|error| {
            EnvelopeError::Malformed(format!("the payload is no statement of ours: {error}"))
        })?;
        if read.predicate.potluck.leaf != leaf {
            return Err(malformed("the payload is bound to another certificate"));
        }
        let written = Self::of(read.federation(), leaf, read.statement());
        if written.is_none_or(|written| written.to_bytes() != bytes) {
            return Err(malformed(
                "the payload's resources and names do not follow from the submission in it, \
                 or it is not compact JSON with its fields in their order",
            ));
        }
        Ok(read)
    }

    pub(super) fn federation(&self) -> FederationId {
        self.predicate.potluck.federation
    }

    pub(super) fn statement(&self) -> &Statement {
        &self.predicate.potluck.statement
    }

    /// The one text of this statement: compact JSON, fields in the order of their definition here.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, integers and lists always have a JSON form")
    }
}
