//! An Ed25519 signature inside a statement: 128 lower-case hexadecimal digits.

use std::fmt;

use serde::{Deserialize, Serialize};

/// 64 bytes that somebody calls a signature; whose, and over what, is for whoever verifies it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signature([u8; 64]);

/// Not 128 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signature is 128 lower-case hexadecimal digits")]
pub struct NoSignature;

impl Signature {
    /// Takes 64 bytes as they are.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl TryFrom<String> for Signature {
    type Error = NoSignature;
    fn try_from(text: String) -> Result<Self, NoSignature> {
        let mut bytes = [0; 64];
        hex::decode_to_slice(&text, &mut bytes).map_err(|_| NoSignature)?;
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(NoSignature);
        }
        Ok(Self(bytes))
    }
}

impl From<Signature> for String {
    fn from(signature: Signature) -> Self {
        hex::encode(signature.0)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", hex::encode(&self.0[..4]))
    }
}
