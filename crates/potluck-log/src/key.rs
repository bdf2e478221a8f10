//! Keys of signed notes: the verifier key that is handed out, and the signer that is kept.
//!
//! A verifier key travels as one line, `name+hex(key id)+base64(type || public key)`, where the key
//! id is `SHA-256(name || 0x0A || type || public key)[..4]` (C2SP signed-note). The type is 0x01
//! here, a plain Ed25519 signature over the text; a [`CosignerKey`](crate::CosignerKey) has 0x04
//! and shares this file's reading and writing of the line.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::origin::{Origin, OriginError};

/// Signature type byte of plain Ed25519 note signatures (C2SP signed-note, "Signature types").
const ED25519: u8 = 0x01;

/// A named public key, against which notes are checked; never weak, always canonical.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey(KeyLine<ED25519>);

/// A named secret key that signs notes.
#[derive(Clone)]
pub struct NoteSigner {
    key: SigningKey,
    public: VerifierKey,
}

/// Why something is no [`VerifierKey`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifierKeyError {
    /// It is not three parts joined by `+`.
    #[error("a verifier key reads name+id+key")]
    Shape,
    /// The name breaks the rules of key names.
    #[error("the verifier key's name is not allowed")]
    Name(#[source] OriginError),
    /// The id is not eight lower-case hexadecimal digits.
    #[error("a verifier key's id is 8 lower-case hexadecimal digits")]
    Id,
    /// The last part is not canonical base64 of a type byte and 32 bytes.
    #[error("the verifier key's last part is not base64 of 33 bytes")]
    Encoding,
    /// The type byte names another kind of signature: a log's key given for a witness's, say.
    #[error("the key makes signatures of type {found:#04x}, and {expected:#04x} is wanted here")]
    Algorithm {
        /// The type byte.
        found: u8,
        /// The type byte wanted: 0x01 for a log's key, 0x04 for a witness's.
        expected: u8,
    },
    /// The id does not belong to this name and key: the line was altered or mistyped.
    #[error("the verifier key's id does not belong to its name and key")]
    WrongId,
    /// The 32 bytes encode no point, or encode it in a second way.
    #[error("the public key is not a canonical Ed25519 point")]
    NotCanonical,
    /// The key has small order: signatures under it would bind nobody.
    #[error("the public key has small order")]
    Weak,
}

/// What stands in a verifier key's line, for a key whose signatures are of type `TYPE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyLine<const TYPE: u8> {
    name: Origin,
    id: [u8; 4],
    key: VerifyingKey,
}

impl<const TYPE: u8> KeyLine<TYPE> {
    /// Gives a public key its name, unless the key is weak or not canonical.
    pub(crate) fn new(name: Origin, key: VerifyingKey) -> Result<Self, VerifierKeyError> {
        if key.is_weak() {
            return Err(VerifierKeyError::Weak);
        }
        if key.to_edwards().compress().to_bytes() != key.to_bytes() {
            return Err(VerifierKeyError::NotCanonical);
        }
        Ok(Self::named(name, key))
    }

    /// The same for the public half of a secret key: a clamped scalar times the base point is
    /// canonical and never of small order.
    pub(crate) fn of(name: Origin, key: &SigningKey) -> Self {
        Self::named(name, key.verifying_key())
    }

    fn named(name: Origin, key: VerifyingKey) -> Self {
        let [a, b, c, d, ..]: [u8; 32] = Sha256::new()
            .chain_update(name.as_str())
            .chain_update([b'\n', TYPE])
            .chain_update(key.as_bytes())
            .finalize()
            .into();
        Self { name, id: [a, b, c, d], key }
    }

    pub(crate) fn name(&self) -> &Origin {
        &self.name
    }

    pub(crate) fn id(&self) -> [u8; 4] {
        self.id
    }

    pub(crate) fn public_key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Whether `signature` is this key's over `message`, by the strict equation alone.
    pub(crate) fn made(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

impl<const TYPE: u8> FromStr for KeyLine<TYPE> {
    type Err = VerifierKeyError;

    fn from_str(text: &str) -> Result<Self, VerifierKeyError> {
        // No name has a `+`, so the first two divide the parts; base64 may have more of them.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(VerifierKeyError::Shape);
        };
        let name = name.parse().map_err(VerifierKeyError::Name)?;
        let id = parse_id(id).ok_or(VerifierKeyError::Id)?;
        let key = Self::new(name, parse_public_key(key, TYPE)?)?;
        if key.id == id { Ok(key) } else { Err(VerifierKeyError::WrongId) }
    }
}

fn parse_id(text: &str) -> Option<[u8; 4]> {
    let mut id = [0; 4];
    let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
    (lower && hex::decode_to_slice(text, &mut id).is_ok()).then_some(id)
}

fn parse_public_key(text: &str, expected: u8) -> Result<VerifyingKey, VerifierKeyError> {
    // 33 bytes are 44 characters: look before decoding anything longer.
    if text.len() != 44 {
        return Err(VerifierKeyError::Encoding);
    }
    let bytes = STANDARD.decode(text).map_err(|_| VerifierKeyError::Encoding)?;
    match bytes.split_first() {
        Some((&found, key)) if found == expected => {
            let key = key.try_into().map_err(|_| VerifierKeyError::Encoding)?;
            VerifyingKey::from_bytes(key).map_err(|_| VerifierKeyError::NotCanonical)
        }
        Some((&found, _)) => Err(VerifierKeyError::Algorithm { found, expected }),
        None => Err(VerifierKeyError::Encoding),
    }
}

impl<const TYPE: u8> fmt::Display for KeyLine<TYPE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![TYPE];
        key.extend(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id), STANDARD.encode(key))
    }
}

impl VerifierKey {
    /// Gives a public key its name, unless the key is weak or not canonical.
    pub fn new(name: Origin, key: VerifyingKey) -> Result<Self, VerifierKeyError> {
        KeyLine::new(name, key).map(Self)
    }

    /// The key's name; for the key of a log, the log's origin.
    pub fn name(&self) -> &Origin {
        self.0.name()
    }

    /// The four bytes by which signature lines refer to the key.
    pub fn id(&self) -> [u8; 4] {
        self.0.id()
    }

    /// The public key itself.
    pub fn public_key(&self) -> &VerifyingKey {
        self.0.public_key()
    }

    /// Whether `signature` is this key's over `text`, by the strict equation alone.
    pub(crate) fn made(&self, text: &str, signature: &[u8]) -> bool {
        self.0.made(text.as_bytes(), signature)
    }
}

impl FromStr for VerifierKey {
    type Err = VerifierKeyError;

    fn from_str(text: &str) -> Result<Self, VerifierKeyError> {
        text.parse().map(Self)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl NoteSigner {
    /// Gives a secret key its name; for the key of a log, the log's origin.
    pub fn new(name: Origin, key: SigningKey) -> Self {
        let public = VerifierKey(KeyLine::of(name, &key));
        Self { key, public }
    }

    /// The public half, to be handed out.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.public
    }

    /// Signs a note's text. Only [`Note`](crate::Note) calls this, so nothing else is ever signed.
    pub(crate) fn sign(&self, text: &str) -> [u8; 64] {
        self.key.sign(text.as_bytes()).to_bytes()
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({})", self.public)
    }
}

#[cfg(test)]
mod tests;
