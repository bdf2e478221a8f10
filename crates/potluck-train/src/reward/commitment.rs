//! The nonce that hides a reward within its commitment, which an expert's card and its submission state.
//!
//! The commitment itself is [`potluck_core::reward::commitment`]: published with an expert, opened to an agreed
//! auditor or never.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use potluck_core::Blake3;
use potluck_core::reward::commitment;

use crate::files::write_secret;

/// 32 secret bytes that hide a reward within its commitment.
#[derive(Clone, PartialEq, Eq)]
pub struct Nonce([u8; 32]);

impl Nonce {
    /// A nonce of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The nonce kept at `path`; drawn from the operating system and written there at first, for its owner alone.
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
                write_secret(path, &bytes)?;
                Ok(Self(bytes))
            }
            Err(error) => Err(error),
        }
    }

    /// Binds to the bytes of a definition.
    pub fn commit(&self, definition: &[u8]) -> Blake3 {
        commitment(definition, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_known_answer() {
        let commitment = Nonce([7; 32]).commit(b"kind = \"brevity\"\n");
        assert_eq!(
            commitment.to_string(),
            "3e8d7e9c201eeb812fd746fbc561bbc1777780a482a77c9531cd52ebc3653212"
        );
    }

    #[test]
    fn the_nonce_is_drawn_once_and_kept_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("private/nonce");
        // What a killed run left, for anyone to read.
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(path.with_extension("part"), b"half").unwrap();
        let first = Nonce::kept_at(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(first == Nonce::kept_at(&path).unwrap());
        assert!(first != Nonce::kept_at(&folder.path().join("other")).unwrap());
        fs::write(&path, b"short").unwrap();
        assert!(Nonce::kept_at(&path).is_err());
    }
}
