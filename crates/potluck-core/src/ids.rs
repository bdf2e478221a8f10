//! Names and digests: the words by which entries speak of parties, federations and bytes.
//!
//! Each type checks its text once, when it is parsed; one that exists is well formed.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

/// Why a name or digest was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not a lower-case name.
    #[error("'{0}' is no name: use 1 to 32 of a-z, 0-9 and '-', beginning with a letter")]
    Name(String),
    /// Not 64 lower-case hexadecimal digits.
    #[error("'{0}' is no digest: 64 lower-case hexadecimal digits are expected")]
    Digest(String),
}

/// The longest name of a party or federation, in bytes.
pub const MAX_NAME: usize = 32;

fn check_name(text: &str) -> Result<(), IdError> {
    let bytes = text.as_bytes();
    let well_formed = (1..=MAX_NAME).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
    if well_formed { Ok(()) } else { Err(IdError::Name(excerpt(text))) }
}

/// What of a refused text is repeated in an error: enough to find it, never a megabyte.
fn excerpt(text: &str) -> String {
    text.chars().take(80).filter(|c| !c.is_control()).collect()
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                check_name(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $type {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                check_name(&text)?;
                Ok(Self(text))
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name! {
    /// A party's name, unique in its federation. Soups mix experts in ascending byte order of it.
    PartyId
}
name! {
    /// A federation's name. For people; what signatures bind is the [`FederationId`].
    FederationName
}

macro_rules! digest {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type([u8; 32]);

        impl $type {
            /// Takes 32 bytes as they are.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first eight hexadecimal digits, for logs and tables.
            pub fn short(&self) -> String {
                hex::encode(&self.0[..4])
            }
        }

        impl FromStr for $type {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let refused = || IdError::Digest(excerpt(text));
                if text.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(refused());
                }
                let mut bytes = [0; 32];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| refused())?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(digits(&self.0, &mut [0; 64]))
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Parsed(PhantomData))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(digits(&self.0, &mut [0; 64]))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($type), self.short())
            }
        }
    };
}

/// The lower-case digits of 32 bytes, with nothing allocated: replay writes and reads a dozen for each entry.
fn digits<'a>(bytes: &[u8; 32], room: &'a mut [u8; 64]) -> &'a str {
    hex::encode_to_slice(bytes, room).expect("the room is twice the bytes");
    str::from_utf8(room).expect("hexadecimal digits are ASCII")
}

/// Reads a value from text as it parses.
struct Parsed<T>(PhantomData<T>);

impl<T: FromStr<Err = IdError>> Visitor<'_> for Parsed<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string of 64 hexadecimal digits")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

digest! {
    /// BLAKE3 of content: files, manifests, recipes, states.
    Blake3
}
digest! {
    /// SHA-256, where an outside format demands it: envelopes in the log, files for other tools.
    Sha256
}
digest! {
    /// A federation's identity: BLAKE3 of its genesis statement, under a context of its own.
    FederationId
}
digest! {
    /// A key's identity: SHA-256 of its SubjectPublicKeyInfo in DER.
    KeyId
}

impl Blake3 {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl Sha256 {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl FederationId {
    /// The identity of the federation that begins with this genesis payload.
    pub fn of_genesis(payload: &[u8]) -> Self {
        Self(blake3::derive_key("potluck/1 federation id: genesis payload", payload))
    }

    /// A number that all parties know, and nobody chose: the seed of a common factor A, for parties that train
    /// adapters and share one (FFA-LoRA, Sun et al. 2024), so that the mean of their B's is the mean of their changes.
    pub fn adapter_seed(&self) -> u32 {
        let key = blake3::derive_key("potluck/1 seed of a shared adapter factor", &self.0);
        let [a, b, c, d, ..] = key;
        u32::from_le_bytes([a, b, c, d])
    }
}

impl KeyId {
    /// Hashes a SubjectPublicKeyInfo.
    pub(crate) fn of_spki(spki: &[u8]) -> Self {
        Self(sha2::Sha256::digest(spki).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_lower_case_words() {
        for good in ["readers", "a", "team-2", &"x".repeat(32)] {
            assert_eq!(good.parse::<PartyId>().unwrap().as_str(), good);
        }
        for bad in ["", "2nd", "Readers", "a b", "é", "../x", "a\0", &"x".repeat(33)] {
            assert!(bad.parse::<PartyId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_adapter_seed_follows_from_the_federation() {
        let seed = |payload: &[u8]| FederationId::of_genesis(payload).adapter_seed();
        assert_eq!(seed(b"one"), seed(b"one"));
        assert_ne!(seed(b"one"), seed(b"two"));
    }

    #[test]
    fn digests_have_one_spelling() {
        let digest = Blake3::of(b"potluck");
        assert_eq!(digest.to_string().parse::<Blake3>().unwrap(), digest);
        assert!(digest.to_string().to_uppercase().parse::<Blake3>().is_err());
        assert!("00".parse::<Blake3>().is_err());
    }

    #[test]
    fn digests_are_the_published_functions() {
        // The empty-input vectors of BLAKE3's test file and of FIPS 180-4's examples.
        assert_eq!(
            Blake3::of(b"").to_string(),
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
        );
        assert_eq!(
            Sha256::of(b"").to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
