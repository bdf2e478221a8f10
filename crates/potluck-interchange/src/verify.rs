//! The half of a bundle that the federation's rules leave out: the certificate, and the leaf's signature.
//!
//! Whoever takes a submission in asks once, before it is logged, so that no party can log what its auditors'
//! tools would refuse. The certificate must be signed by the party's own key, as an authority of the name that
//! this key has (RFC 5280 §6.1, by webpki); it must be for code signing, be no authority itself, and be valid at
//! the time given, which is the log's. The key in it must be on P-256, and its signature must hold over what the
//! party signed. That this signature has its one spelling, core saw to when it parsed the bundle.

use std::time::Duration;

use potluck_core::bundle::{Bundle, ecdsa};
use potluck_core::{Envelope, KeyId, PublicKey};
use rustls_pki_types::{CertificateDer, Der, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use crate::certificate::ORGANISATION;

/// 1.3.6.1.5.5.7.3.3, code signing (RFC 5280 §4.2.1.12), as DER holds it.
const CODE_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];

/// Why other tools would refuse a bundle.
#[derive(Debug, thiserror::Error)]
pub enum InterchangeError {
    /// The envelope is no submission's.
    #[error("the envelope is no bundle")]
    NoBundle,
    /// The certificate cannot be read.
    #[error("the short-lived key's certificate is malformed")]
    Certificate(#[source] webpki::Error),
    /// The party's key does not vouch for the leaf, not for this, or not at this time.
    #[error("the short-lived key is not one that the party's key vouches for at this time")]
    NotVouchedFor(#[source] webpki::Error),
    /// The leaf did not sign the statement.
    #[error("the signature of the short-lived key does not verify")]
    Signature(#[source] webpki::Error),
}

/// Checks what `envelope` holds for other tools: that `key`, the author's, vouches for the leaf at `time`, in
/// seconds since 1970, and that the leaf signed the statement.
///
/// # Errors
/// [`InterchangeError`]. The author's own signature is not looked at here: that is [`Envelope::open`].
pub fn verify_interchange(
    envelope: &Envelope,
    key: &PublicKey,
    time: u64,
) -> Result<(), InterchangeError> {
    let bundle = envelope.bundle().ok_or(InterchangeError::NoBundle)?;
    let der = CertificateDer::from(bundle.leaf());
    let leaf = EndEntityCert::try_from(&der).map_err(InterchangeError::Certificate)?;
    check_chain(&leaf, key, time).map_err(InterchangeError::NotVouchedFor)?;
    check_signature(&leaf, bundle).map_err(InterchangeError::Signature)
}

fn check_chain(leaf: &EndEntityCert<'_>, key: &PublicKey, time: u64) -> Result<(), webpki::Error> {
    let (subject, spki) = (subject_of(key.id()), key.spki());
    let anchor = TrustAnchor {
        subject: Der::from_slice(&subject),
        // Without the outer tag and length, two bytes.
        subject_public_key_info: Der::from_slice(&spki[2..]),
        name_constraints: None,
    };
    let time = UnixTime::since_unix_epoch(Duration::from_secs(time));
    let usage = KeyUsage::required(CODE_SIGNING);
    leaf.verify_for_usage(&[webpki::ring::ED25519], &[anchor], &[], time, usage, None, None)?;
    Ok(())
}

fn check_signature(leaf: &EndEntityCert<'_>, bundle: &Bundle) -> Result<(), webpki::Error> {
    let signature = ecdsa::to_der(bundle.leaf_signature())
        .ok_or(webpki::Error::InvalidSignatureForPublicKey)?;
    leaf.verify_signature(webpki::ring::ECDSA_P256_SHA256, &bundle.signed_bytes(), &signature)
}

/// The content of the authority's name (RFC 5280 §4.1.2.4): each part is a set of one pair of an OID and a text.
///
/// ```text
/// 31 len  30 len  06 03 55 04 0a  0c len "Potluck"     2.5.4.10, organisation
/// 31 len  30 len  06 03 55 04 03  0c len <key id>      2.5.4.3, common name
/// ```
fn subject_of(key: KeyId) -> Vec<u8> {
    let part = |attribute: u8, text: &str| {
        let length = u8::try_from(text.len()).expect("seven letters, or 64 digits");
        let mut part = vec![0x31, length + 9, 0x30, length + 7, 0x06, 0x03, 0x55, 0x04, attribute];
        part.extend([0x0c, length]);
        part.extend_from_slice(text.as_bytes());
        part
    };
    [part(0x0a, ORGANISATION), part(0x03, &key.to_string())].concat()
}

#[cfg(test)]
mod tests;
