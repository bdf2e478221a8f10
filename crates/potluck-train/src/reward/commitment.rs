//! A commitment to a reward: published with an expert, opened to an agreed auditor or never.
//!
//! ```text
//! commitment = BLAKE3 derive_key("potluck 1 reward commitment",
//!              nonce (32 bytes) ‖ length of the definition (u64, little-endian) ‖ definition)
//! ```
//! Without the nonce, nobody can try out definitions against it.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use crate::files::write_whole;

const CONTEXT: &str = "potluck 1 reward commitment";

/// 32 secret bytes that hide a reward within its commitment.
#[derive(Clone, PartialEq, Eq)]
pub struct Nonce([u8; 32]);

/// What an expert's card says of the reward it was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commitment(blake3::Hash);

impl Nonce {
    /// A nonce of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The nonce kept at `path`; drawn from the operating system and written there at first.
    ///
    /// # Errors
    /// Where the file cannot be read or written, has another length than 32 bytes, or the system
    /// has no randomness.
    pub fn kept_at(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(bytes) => bytes
                .try_into()
                .map(Self)
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a nonce has 32 bytes")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut bytes = [0; 32];
                fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
                write_whole(path, &bytes)?;
                Ok(Self(bytes))
            }
            Err(error) => Err(error),
        }
    }
}

impl Commitment {
    /// Binds to the bytes of a definition.
    pub fn to(definition: &[u8], nonce: &Nonce) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&nonce.0).update(&(definition.len() as u64).to_le_bytes()).update(definition);
        Self(hasher.finalize())
    }

    /// 64 hexadecimal digits.
    pub fn to_hex(&self) -> String {
        self.0.to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_answer() {
        let commitment = Commitment::to(b"kind = \"brevity\"\n", &Nonce([7; 32]));
        assert_eq!(
            commitment.to_hex(),
            "3e8d7e9c201eeb812fd746fbc561bbc1777780a482a77c9531cd52ebc3653212"
        );
    }

    #[test]
    fn the_nonce_is_drawn_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("private/nonce");
        let first = Nonce::kept_at(&path).unwrap();
        assert!(first == Nonce::kept_at(&path).unwrap());
        assert!(first != Nonce::kept_at(&folder.path().join("other")).unwrap());
        fs::write(&path, b"short").unwrap();
        assert!(Nonce::kept_at(&path).is_err());
    }
}
