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
mod template;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use self::statement::Said;
use self::template::Fields;
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
    /// What the payload says, read already; as unverified as the rest.
    statement: Statement,
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

    /// The statement in the payload.
    pub(crate) fn statement(&self) -> &Statement {
        &self.statement
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
    let payload = statement::write(federation, Sha256::of(&certificate), statement)
        .ok_or_else(|| refused("only submissions are signed as bundles"))?;
    let encoding = pre_authentication_encoding(IN_TOTO, &payload);
    let (signature, leaf_signature) = (key.sign(&encoding)?, leaf.sign(&encoding)?);
    let der = ecdsa::to_der(&leaf_signature)
        .ok_or_else(|| refused("the leaf's signature is not in its one spelling"))?;
    let key = key.public().id();
    let bytes = Fields {
        leaf: &BASE64.encode(&certificate),
        payload: &BASE64.encode(&payload),
        leaf_signature: &BASE64.encode(der),
        signature: &BASE64.encode(signature),
        key: &key.to_string(),
    }
    .write();
    Ok(Parts {
        bytes,
        domain: Domain { kind: Kind::Submit, federation: Some(federation) },
        statement: statement.to_payload(),
        key,
        signature,
        bundle: Bundle { payload, leaf: certificate, leaf_signature, statement: statement.clone() },
    })
}

/// Takes a bundle apart whose text must be the one that [`sign`] writes.
pub(crate) fn parse(bytes: &[u8]) -> Result<Parts, EnvelopeError> {
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
    let Fields { leaf, payload, leaf_signature, signature, key } =
        Fields::find(text).ok_or_else(|| {
            malformed("it is not compact JSON with exactly a bundle's fields in their order")
        })?;
    let leaf = decoded(leaf, "the leaf's certificate")?;
    if leaf.len() > MAX_LEAF {
        return Err(malformed("the leaf's certificate is too large"));
    }
    let payload = decoded(payload, "the payload")?;
    let leaf_signature = ecdsa::from_der(&decoded(leaf_signature, "the first signature")?)
        .ok_or_else(|| malformed("the leaf's signature is not in its one spelling"))?;
    let signature = decoded(signature, "the second signature")?
        .try_into()
        .map_err(|_| malformed("the second signature has not 64 bytes"))?;
    let key: KeyId = key.parse().map_err(|_| malformed("the second signature names no key"))?;
    let Said { federation, statement, text } = statement::read(&payload, Sha256::of(&leaf))?;
    Ok(Parts {
        bytes: bytes.to_vec(),
        domain: Domain { kind: Kind::Submit, federation: Some(federation) },
        statement: text,
        key,
        signature,
        bundle: Bundle { payload, leaf, leaf_signature, statement },
    })
}

fn malformed(why: &str) -> EnvelopeError {
    EnvelopeError::Malformed(why.to_owned())
}

fn decoded(base64: &str, what: &str) -> Result<Vec<u8>, EnvelopeError> {
    BASE64.decode(base64).map_err(|_| EnvelopeError::Malformed(format!("{what} is no base64")))
}

#[cfg(test)]
pub(crate) mod tests;
