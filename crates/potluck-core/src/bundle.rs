//! The bundle of a submission: its envelope, in the form that the world's tools for signed models read.
//!
//! It is a Sigstore bundle (v0.3, JSON) around a DSSE envelope around an in-toto statement, as OpenSSF's
//! model-signing writes it, so that whoever has that tool verifies a party's expert without ours. What this
//! federation needs stands inside the statement, in `predicate.potluck`; tools that do not know it pass it over.
//!
//! ```text
//! bundle ─ verificationMaterial ─ x509CertificateChain ─ the leaf's certificate (P-256, short-lived)
//!        └ dsseEnvelope ─ payload: in-toto statement ─ subject, resources (SHA-256 of every file)
//!                       │                           └ predicate.potluck ─ v, kind, federation, leaf, statement
//!                       └ signatures ─ [0] the leaf's, ECDSA P-256 (for those tools)
//!                                    └ [1] the party's, Ed25519 (the one that counts here)
//! ```
//!
//! Both signatures are over the same pre-authentication encoding of the same bytes. The payload type is not
//! ours, so version, kind and federation, the domain of a signature, stand in the payload and are checked like
//! every other word of it: the whole payload is written again from what it says, and must come out the same.
//!
//! This room verifies the party's signature and no other: replays stay fast, and the verification of
//! certificates stays outside. Whoever takes a bundle in has the rest verified once. The leaf's digest stands in
//! the signed payload, and [`ecdsa`] leaves its signature one spelling, so nobody else can change a bundle
//! afterwards.

pub mod ecdsa;
mod statement;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use self::statement::Payload;
use crate::entry::{Kind, Statement};
use crate::envelope::dsse::pre_authentication_encoding;
use crate::envelope::{Domain, EnvelopeError};
use crate::ids::{FederationId, KeyId, Sha256};
use crate::keys::{SignError, Signer};

/// The media type of a bundle.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The payload type of an in-toto statement.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// The largest certificate of a leaf, in bytes of DER: some five times what ours has.
pub const MAX_LEAF: usize = 2048;

/// A short-lived P-256 key and the certificate by which a party's key vouches for it.
pub trait Leaf {
    /// The certificate in DER.
    fn certificate(&self) -> &[u8];

    /// Signs `message` with ECDSA on P-256 over SHA-256: `r` and `s` in 32 bytes each, `s` in the lower half.
    ///
    /// # Errors
    /// [`SignError`] where it cannot.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError>;
}

/// What a bundle holds beside the party's statement and signature; nothing of it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    payload: Vec<u8>,
    leaf: Vec<u8>,
    leaf_signature: [u8; 64],
}

impl Bundle {
    /// The in-toto statement, as it is signed.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// What both signatures are over: the pre-authentication encoding of the payload.
    pub fn signed_bytes(&self) -> Vec<u8> {
        pre_authentication_encoding(IN_TOTO, &self.payload)
    }

    /// The leaf's certificate in DER; its digest is the one in the payload.
    pub fn leaf(&self) -> &[u8] {
        &self.leaf
    }

    /// The leaf's signature: `r` and `s` in 32 bytes each.
    pub fn leaf_signature(&self) -> &[u8; 64] {
        &self.leaf_signature
    }
}

/// A bundle taken apart, or just made.
pub(crate) struct Parts {
    pub(crate) bytes: Vec<u8>,
    pub(crate) domain: Domain,
    /// The federation's statement: the text that every envelope of ours holds.
    pub(crate) statement: Vec<u8>,
    pub(crate) key: KeyId,
    pub(crate) signature: [u8; 64],
    pub(crate) bundle: Bundle,
}

/// Signs a submission with both keys.
pub(crate) fn sign(
    federation: FederationId,
    statement: &Statement,
    key: &dyn Signer,
    leaf: &dyn Leaf,
) -> Result<Parts, SignError> {
    let refused = |what: &str| SignError { what: what.to_owned() };
    let certificate = leaf.certificate().to_vec();
    if certificate.len() > MAX_LEAF {
        return Err(refused("the leaf's certificate is too large"));
    }
    let payload = Payload::of(federation, Sha256::of(&certificate), statement)
        .ok_or_else(|| refused("only submissions are signed as bundles"))?
        .to_bytes();
    let encoding = pre_authentication_encoding(IN_TOTO, &payload);
    let (signature, leaf_signature) = (key.sign(&encoding)?, leaf.sign(&encoding)?);
    let der = ecdsa::to_der(&leaf_signature)
        .ok_or_else(|| refused("the leaf's signature is not in its one spelling"))?;
    let key = key.public().id();
    let bytes = Text::new(&certificate, &payload, &der, key, &signature).to_bytes();
    Ok(Parts {
        bytes,
        domain: Domain { kind: Kind::Submit, federation: Some(federation) },
        statement: statement.to_payload(),
        key,
        signature,
        bundle: Bundle { payload, leaf: certificate, leaf_signature },
    })
}

/// Takes a bundle apart whose text must be the one that [`sign`] writes.
pub(crate) fn parse(bytes: &[u8]) -> Result<Parts, EnvelopeError> {
    let text: Text = serde_json::from_slice(bytes)
        .map_err(|error| EnvelopeError::Malformed(error.to_string()))?;
    let [Certificate { raw_bytes }] = &text.material.chain.certificates;
    let leaf = decoded(raw_bytes, "the leaf's certificate")?;
    if leaf.len() > MAX_LEAF {
        return Err(malformed("the leaf's certificate is too large"));
    }
    let payload = decoded(&text.envelope.payload, "the payload")?;
    let (der, signature) = text.signatures()?;
    let leaf_signature = ecdsa::from_der(&der)
        .ok_or_else(|| malformed("the leaf's signature is not in its one spelling"))?;
    let key: KeyId = text.envelope.signatures[1]
        .keyid
        .parse()
        .map_err(|_| malformed("the second signature names no key"))?;
    if Text::new(&leaf, &payload, &der, key, &signature).to_bytes() != bytes {
        return Err(malformed(
            "it is not compact JSON with exactly a bundle's fields in their order",
        ));
    }
    let said = Payload::parse(&payload, Sha256::of(&leaf))?;
    Ok(Parts {
        bytes: bytes.to_vec(),
        domain: Domain { kind: Kind::Submit, federation: Some(said.federation()) },
        statement: said.statement().to_payload(),
        key,
        signature,
        bundle: Bundle { payload, leaf, leaf_signature },
    })
}

fn malformed(why: &str) -> EnvelopeError {
    EnvelopeError::Malformed(why.to_owned())
}

fn decoded(base64: &str, what: &str) -> Result<Vec<u8>, EnvelopeError> {
    BASE64.decode(base64).map_err(|_| EnvelopeError::Malformed(format!("{what} is no base64")))
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(rename = "mediaType")]
    media_type: String,
    #[serde(rename = "verificationMaterial")]
    material: Material,
    #[serde(rename = "dsseEnvelope")]
    envelope: Dsse,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Material {
    #[serde(rename = "x509CertificateChain")]
    chain: Chain,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chain {
    certificates: [Certificate; 1],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Certificate {
    #[serde(rename = "rawBytes")]
    raw_bytes: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dsse {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: [SignatureText; 2],
}

/// The first has no key id: model-signing writes none, and the certificate says whose it is.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureText {
    sig: String,
    keyid: String,
}

impl Text {
    fn new(leaf: &[u8], payload: &[u8], der: &[u8], key: KeyId, signature: &[u8; 64]) -> Self {
        let certificates = [Certificate { raw_bytes: BASE64.encode(leaf) }];
        Self {
            media_type: MEDIA_TYPE.to_owned(),
            material: Material { chain: Chain { certificates } },
            envelope: Dsse {
                payload: BASE64.encode(payload),
                payload_type: IN_TOTO.to_owned(),
                signatures: [
                    SignatureText { sig: BASE64.encode(der), keyid: String::new() },
                    SignatureText { sig: BASE64.encode(signature), keyid: key.to_string() },
                ],
            },
        }
    }

    /// The leaf's signature in DER, and the party's.
    fn signatures(&self) -> Result<(Vec<u8>, [u8; 64]), EnvelopeError> {
        let [leaf, party] = &self.envelope.signatures;
        let signature = decoded(&party.sig, "the second signature")?;
        let signature =
            signature.try_into().map_err(|_| malformed("the second signature has not 64 bytes"))?;
        Ok((decoded(&leaf.sig, "the first signature")?, signature))
    }

    /// The one text of a bundle: compact JSON, fields in the order of their definition here.
    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings always have a JSON form")
    }
}

#[cfg(test)]
pub(crate) mod tests;
