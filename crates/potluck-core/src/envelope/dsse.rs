//! The one text of a DSSE envelope with one signature, and what is signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::EnvelopeError;
use crate::ids::KeyId;

/// An envelope taken apart; nothing of it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) payload_type: String,
    pub(crate) payload: Vec<u8>,
    /// The key that it claims to be signed with.
    pub(crate) key: KeyId,
    pub(crate) signature: [u8; 64],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: [SignatureText; 1],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureText {
    keyid: KeyId,
    sig: String,
}

impl Parts {
    /// The one text: compact JSON, fields in the order of their definition here.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let text = Text {
            payload: BASE64.encode(&self.payload),
            payload_type: self.payload_type.clone(),
            signatures: [SignatureText { keyid: self.key, sig: BASE64.encode(self.signature) }],
        };
        serde_json::to_vec(&text).expect("strings always have a JSON form")
    }

    /// Takes apart what [`Self::to_bytes`] wrote.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let malformed = |why: &str| EnvelopeError::Malformed(why.to_owned());
        let text: Text = serde_json::from_slice(bytes)
            .map_err(|error| EnvelopeError::Malformed(error.to_string()))?;
        let [SignatureText { keyid, sig }] = text.signatures;
        let signature = BASE64.decode(sig).map_err(|_| malformed("the signature is no base64"))?;
        let parts = Self {
            payload_type: text.payload_type,
            payload: BASE64
                .decode(text.payload)
                .map_err(|_| malformed("the payload is no base64"))?,
            key: keyid,
            signature: signature
                .try_into()
                .map_err(|_| malformed("the signature has not 64 bytes"))?,
        };
        if parts.to_bytes() != bytes {
            return Err(malformed("it is not compact JSON with its fields in their order"));
        }
        Ok(parts)
    }

    /// What the signature is over.
    pub(crate) fn signed_bytes(&self) -> Vec<u8> {
        pre_authentication_encoding(&self.payload_type, &self.payload)
    }
}

/// DSSE v1.0, "Signature Definition": PAE(type, body).
pub(crate) fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut encoding =
        format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    encoding.extend_from_slice(payload);
    encoding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        // The example of DSSE's protocol.md.
        assert_eq!(
            pre_authentication_encoding("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }
}
