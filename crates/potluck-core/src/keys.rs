//! Ed25519 keys: who may sign, and the evidence that somebody did.
//!
//! Verification is `verify_strict` (cofactorless, RFC 8032 §5.1.7 with canonical S, A and R of large order):
//! other rules disagree on adversarial signatures, and a ledger must be read alike by everyone. Key material
//! comes in as text or bytes; reading files and drawing random seeds is the caller's.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use ed25519_dalek::{Signature, Signer as _};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::ids::KeyId;

/// What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410 §4).
const SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The length of a SubjectPublicKeyInfo that holds an Ed25519 key, in bytes.
pub const SPKI_LENGTH: usize = 44;

const TEXT_PREFIX: &str = "ed25519:";

/// Why a key or signature was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is no public key.
    #[error("no public key: write ed25519: and 64 lower-case hexadecimal digits")]
    Text,
    /// The bytes are no SubjectPublicKeyInfo of an Ed25519 key.
    #[error("no Ed25519 SubjectPublicKeyInfo")]
    Spki,
    /// The bytes are no point, or one written in a way that is not canonical.
    #[error("the public key is no canonical point of the curve")]
    NotCanonical,
    /// A key of small order, for which anyone can make signatures.
    #[error("the public key is weak: it has small order")]
    Weak,
    /// The private key cannot be read.
    #[error(
        "no private key: a PKCS#8 PEM text with an Ed25519 key is expected (BEGIN PRIVATE KEY)"
    )]
    Private,
}

/// A signature that does not verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

/// A public key that may be trusted to identify its owner: canonical and of large order.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(ed25519_dalek::VerifyingKey);

impl PublicKey {
    /// Checks 32 bytes.
    ///
    /// # Errors
    /// [`KeyError::NotCanonical`] and [`KeyError::Weak`].
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key =
            ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotCanonical)?;
        if key.to_edwards().compress().as_bytes() != bytes {
            return Err(KeyError::NotCanonical);
        }
        if key.is_weak() { Err(KeyError::Weak) } else { Ok(Self(key)) }
    }

    /// Reads a SubjectPublicKeyInfo in DER, as raw public keys in TLS carry it (RFC 7250).
    ///
    /// # Errors
    /// [`KeyError::Spki`], or as [`Self::from_bytes`].
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let key = der.strip_prefix(&SPKI_PREFIX).ok_or(KeyError::Spki)?;
        Self::from_bytes(key.try_into().map_err(|_| KeyError::Spki)?)
    }

    /// The key as a SubjectPublicKeyInfo in DER.
    pub fn spki(&self) -> [u8; SPKI_LENGTH] {
        let mut der = [0; SPKI_LENGTH];
        der[..SPKI_PREFIX.len()].copy_from_slice(&SPKI_PREFIX);
        der[SPKI_PREFIX.len()..].copy_from_slice(self.0.as_bytes());
        der
    }

    /// The key's 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The key in the form in which the log names those of its witnesses.
    pub fn as_dalek(&self) -> &ed25519_dalek::VerifyingKey {
        &self.0
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    pub fn id(&self) -> KeyId {
        KeyId::of_spki(&self.spki())
    }

    /// Checks a signature over `message`, strictly.
    ///
    /// # Errors
    /// [`BadSignature`] where it does not verify.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).map_err(|_| BadSignature)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{TEXT_PREFIX}{}", hex::encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id().short())
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let digits = text.strip_prefix(TEXT_PREFIX).ok_or(KeyError::Text)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| KeyError::Text)?;
        if digits.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(KeyError::Text);
        }
        Self::from_bytes(&bytes)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;
    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

/// A private key. Its bytes are wiped when it is dropped, and it has no `Debug` that shows them.
pub struct PrivateKey(ed25519_dalek::SigningKey);

impl PrivateKey {
    /// The key that grows from a 32-byte seed (RFC 8032 §5.1.5). The seed must be random and secret.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Reads a PKCS#8 text in PEM (RFC 8410).
    ///
    /// # Errors
    /// [`KeyError::Private`]; the text itself is never repeated.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        ed25519_dalek::SigningKey::from_pkcs8_pem(pem).map(Self).map_err(|_| KeyError::Private)
    }

    /// Reads PKCS#8 in DER (RFC 8410).
    ///
    /// # Errors
    /// [`KeyError::Private`]; the bytes themselves are never repeated.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        ed25519_dalek::SigningKey::from_pkcs8_der(der).map(Self).map_err(|_| KeyError::Private)
    }

    /// The key as a PKCS#8 text in PEM. Keep it where nobody else can read it.
    pub fn to_pem(&self) -> Zeroizing<String> {
        self.pkcs8()
            .to_pkcs8_pem(Default::default())
            .expect("an Ed25519 key always has a PKCS#8 form")
    }

    /// The key as PKCS#8 in DER, for TLS. Keep it where nobody else can read it.
    pub fn to_der(&self) -> Zeroizing<Vec<u8>> {
        self.pkcs8().to_pkcs8_der().expect("an Ed25519 key always has a PKCS#8 form").to_bytes()
    }

    /// Without its public half: OpenSSL 3.0 reads no PKCS#8 that has one (RFC 5958's second version).
    fn pkcs8(&self) -> KeypairBytes {
        KeypairBytes { secret_key: self.0.to_bytes(), public_key: None }
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs `message`, deterministically (RFC 8032).
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// The key in the form that the log's note signer takes.
    pub fn as_dalek(&self) -> &ed25519_dalek::SigningKey {
        &self.0
    }
}

/// Why nothing was signed: an agent that is gone, locked, or said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nothing was signed: {what}")]
pub struct SignError {
    /// What stood in the way, for the key's owner.
    pub what: String,
}

/// What signs with one Ed25519 key: the key itself, or something that holds it and never shows it.
pub trait Signer: Send + Sync {
    /// The public half.
    fn public(&self) -> PublicKey;

    /// Signs `message` (RFC 8032).
    ///
    /// # Errors
    /// [`SignError`] where whatever holds the key does not sign.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError>;
}

impl Signer for PrivateKey {
    fn public(&self) -> PublicKey {
        Self::public(self)
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(Self::sign(self, message))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {})", self.public().id().short())
    }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032 §7.1, test 2.
    const SEED: &str = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
    const PUBLIC: &str = "ed25519:3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    const SIGNATURE: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

    fn private() -> PrivateKey {
        PrivateKey::from_seed(&hex::decode(SEED).unwrap().try_into().unwrap())
    }

    #[test]
    fn signatures_are_those_of_the_rfc() {
        let signature: [u8; 64] = hex::decode(SIGNATURE).unwrap().try_into().unwrap();
        assert_eq!(private().public().to_string(), PUBLIC);
        assert_eq!(private().sign(&[0x72]), signature);
        assert_eq!(private().public().verify(&[0x72], &signature), Ok(()));
        assert_eq!(private().public().verify(&[0x73], &signature), Err(BadSignature));
    }

    #[test]
    fn keys_round_trip_through_their_texts() {
        let key = private();
        assert_eq!(PrivateKey::from_pem(&key.to_pem()).unwrap().public(), key.public());
        // The second version, with the public half, as other tools write it, is read too.
        let second = key.as_dalek().to_pkcs8_der().unwrap();
        assert_eq!(PrivateKey::from_der(second.as_bytes()).unwrap().public(), key.public());
        // RFC 8410 §7: a key without its public half is 48 bytes long.
        assert_eq!(key.to_der().len(), 48);
        assert_eq!(PrivateKey::from_der(&key.to_der()).unwrap().public(), key.public());
        assert_eq!(PUBLIC.parse::<PublicKey>().unwrap(), key.public());
        assert_eq!(PublicKey::from_spki(&key.public().spki()).unwrap(), key.public());
    }

    #[test]
    fn weak_and_misspelt_keys_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::from_bytes(&identity), Err(KeyError::Weak));
        // y = p + 1 is another spelling of y = 1.
        let mut misspelt = [0xff; 32];
        (misspelt[0], misspelt[31]) = (0xee, 0x7f);
        assert_eq!(PublicKey::from_bytes(&misspelt), Err(KeyError::NotCanonical));
        assert_eq!(PUBLIC.to_uppercase().parse::<PublicKey>(), Err(KeyError::Text));
        assert_eq!(PublicKey::from_spki(&[0; 44]), Err(KeyError::Spki));
    }

    #[test]
    fn a_private_key_does_not_print_itself() {
        assert!(!format!("{:?}", private()).contains(&SEED[..8]));
        assert_eq!(PrivateKey::from_pem("nonsense").unwrap_err(), KeyError::Private);
    }
}
