//! The one text of a bundle, read without JSON: what stands between its fields never changes.
//!
//! A ledger of a hundred thousand submissions is replayed by whoever audits it, and their texts are the longest there
//! are. The fields are base64 and hexadecimal digits, which hold no quotation mark; so whatever fits the template
//! has the one spelling, and nothing need be written again to compare.

use super::{IN_TOTO, MEDIA_TYPE};

/// A bundle's fields as they stand in its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields<'t> {
    /// The leaf's certificate, in base64.
    pub(super) leaf: &'t str,
    /// The in-toto statement, in base64.
    pub(super) payload: &'t str,
    /// The leaf's signature, in base64.
    pub(super) leaf_signature: &'t str,
    /// The party's signature, in base64.
    pub(super) signature: &'t str,
    /// The id of the party's key.
    pub(super) key: &'t str,
}

impl<'t> Fields<'t> {
    /// Finds the fields in a text that fits; nothing in any other.
    pub(super) fn find(text: &'t str) -> Option<Self> {
        let rest = text.strip_prefix("{\"mediaType\":\"")?.strip_prefix(MEDIA_TYPE)?;
        let rest = rest.strip_prefix(concat!(
            "\",\"verificationMaterial\":{\"x509CertificateChain\":{\"certificates\":",
            "[{\"rawBytes\":\""
        ))?;
        let (leaf, rest) = field(rest)?;
        let rest = rest.strip_prefix("}]}},\"dsseEnvelope\":{\"payload\":\"")?;
        let (payload, rest) = field(rest)?;
        let rest = rest.strip_prefix(",\"payloadType\":\"")?.strip_prefix(IN_TOTO)?;
        let rest = rest.strip_prefix("\",\"signatures\":[{\"sig\":\"")?;
        let (leaf_signature, rest) = field(rest)?;
        let rest = rest.strip_prefix(",\"keyid\":\"\"},{\"sig\":\"")?;
        let (signature, rest) = field(rest)?;
        let rest = rest.strip_prefix(",\"keyid\":\"")?;
        let (key, rest) = field(rest)?;
        (rest == "}]}}").then_some(Self { leaf, payload, leaf_signature, signature, key })
    }

    /// The text that holds them.
    pub(super) fn write(&self) -> Vec<u8> {
        let Self { leaf, payload, leaf_signature, signature, key } = self;
        format!(
            "{{\"mediaType\":\"{MEDIA_TYPE}\",\"verificationMaterial\":{{\"x509CertificateChain\":\
             {{\"certificates\":[{{\"rawBytes\":\"{leaf}\"}}]}}}},\"dsseEnvelope\":\
             {{\"payload\":\"{payload}\",\"payloadType\":\"{IN_TOTO}\",\"signatures\":\
             [{{\"sig\":\"{leaf_signature}\",\"keyid\":\"\"}},{{\"sig\":\"{signature}\",\"keyid\":\"{key}\"}}]}}}}"
        )
        .into_bytes()
    }
}

/// What stands before the next quotation mark, and what follows it.
fn field(text: &str) -> Option<(&str, &str)> {
    text.split_once('"')
}
