//! Node and leaf hashes of the tree, RFC 6962 §2.1 over SHA-256.
//!
//! Content elsewhere is named by BLAKE3; this type is only ever a hash *inside* the log.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

/// A SHA-256 hash of a leaf, of an inner node, or of a whole tree (its root).
///
/// As text, and in serde, it is 64 lower-case hexadecimal digits; in notes and proofs, where C2SP
/// wants it so, standard base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

/// Hashes a record into its leaf, `SHA-256(0x00 || record)` (RFC 6962 §2.1).
pub fn leaf_hash(record: &[u8]) -> Hash {
    Hash(Sha256::new_with_prefix([0x00]).chain_update(record).finalize().into())
}

/// Hashes two children into their parent, `SHA-256(0x01 || left || right)` (RFC 6962 §2.1).
pub(crate) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let hasher = Sha256::new_with_prefix([0x01]).chain_update(left.0).chain_update(right.0);
    Hash(hasher.finalize().into())
}

impl Hash {
    /// The root of a tree with no leaves: SHA-256 of the empty string (RFC 6962 §2.1).
    pub fn empty_root() -> Self {
        Self(Sha256::digest([]).into())
    }

    /// The form in which checkpoints and proofs write a hash.
    pub(crate) fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }

    /// Reads canonical, padded base64 of exactly 32 bytes.
    pub(crate) fn from_base64(text: &str) -> Option<Self> {
        // 32 bytes are 44 characters: look before decoding anything longer.
        if text.len() != 44 {
            return None;
        }
        STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

/// Why a text is no [`struct@Hash`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a log hash is 64 lower-case hexadecimal digits")]
pub struct ParseHashError;

impl FromStr for Hash {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<Self, ParseHashError> {
        // One text per value: upper-case digits, which `hex` would take, are refused.
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(ParseHashError);
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseHashError)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn known_leaf_and_empty_root() {
        // RFC 6962 test vectors of the Certificate Transparency reference implementation.
        assert_eq!(Hash::empty_root().to_string(), EMPTY);
        assert_eq!(
            leaf_hash(b"").to_string(),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
    }

    #[test]
    fn text_and_serde_are_one_form() {
        let hash: Hash = EMPTY.parse().unwrap();
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(json, format!("\"{EMPTY}\""));
        assert_eq!(serde_json::from_str::<Hash>(&json).unwrap(), hash);
        assert_eq!(EMPTY.to_uppercase().parse::<Hash>(), Err(ParseHashError));
        assert_eq!(EMPTY[2..].parse::<Hash>(), Err(ParseHashError));
    }

    #[test]
    fn base64_is_canonical() {
        let text = Hash([0; 32]).to_base64();
        assert_eq!(Hash::from_base64(&text), Some(Hash([0; 32])));
        // The same bytes with a stray bit in the last digit, and without padding.
        assert_eq!(Hash::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB="), None);
        assert_eq!(Hash::from_base64(text.trim_end_matches('=')), None);
    }
}
