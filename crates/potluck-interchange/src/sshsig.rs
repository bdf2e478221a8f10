//! Signatures that `ssh-keygen -Y verify` checks (OpenSSH, PROTOCOL.sshsig).
//!
//! The same statement that a bundle holds, signed once more by the party's Ed25519 key: whoever has OpenSSH has
//! a verifier, and `allowed_signers` has revocation and periods of validity without any code of ours. The
//! namespace keeps such a signature from being shown as one for a login, a commit or a mail.
//!
//! ```text
//! signed  = "SSHSIG" str(namespace) str("") str("sha512") str(SHA-512(message))
//! written = "SSHSIG" u32(1) str(key) str(namespace) str("") str("sha512") str(str("ssh-ed25519") str(signature))
//! key     = str("ssh-ed25519") str(32 bytes)              str(x) = u32(length, big-endian) x
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use potluck_core::{PublicKey, SignError, Signer};
use sha2::{Digest as _, Sha512};

use crate::pem::{SSH_WIDTH, armoured};

/// The namespace of a submission's statement.
pub const MANIFEST: &str = "potluck-manifest@v1";

const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;
const HASH: &str = "sha512";
const ED25519: &str = "ssh-ed25519";

/// Signs `message` in `namespace`; the text is what `ssh-keygen -Y sign` writes.
///
/// # Errors
/// [`SignError`] where the signer does not sign.
pub fn sign(key: &dyn Signer, namespace: &str, message: &[u8]) -> Result<String, SignError> {
    let digest = Sha512::digest(message);
    let common = [string(namespace), string(""), string(HASH)].concat();
    let signature = key.sign(&[MAGIC, &common, &string(digest)].concat())?;
    let signature = [string(ED25519), string(signature)].concat();
    let key = string(public_key(&key.public()));
    let blob = [MAGIC, &VERSION.to_be_bytes(), &key, &common, &string(signature)].concat();
    Ok(armoured("SSH SIGNATURE", &blob, SSH_WIDTH))
}

/// A line of an `allowed_signers` file: that `who` signs with `key`, in `namespace` and nowhere else.
pub fn allowed_signer(who: &str, namespace: &str, key: &PublicKey) -> String {
    let key = BASE64.encode(public_key(key));
    format!("{who} namespaces=\"{namespace}\" {ED25519} {key}\n")
}

fn public_key(key: &PublicKey) -> Vec<u8> {
    [string(ED25519), string(key.as_bytes())].concat()
}

fn string(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let length = u32::try_from(bytes.len()).expect("names, keys and digests are short");
    [&length.to_be_bytes(), bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_core::PrivateKey;

    #[test]
    fn a_known_signature_keeps_its_bytes() {
        let key = PrivateKey::from_seed(&[7; 32]);
        let text = sign(&key, MANIFEST, b"a statement\n").unwrap();
        // `ssh-keygen -Y sign` (OpenSSH 9.2) wrote the same text with the same key.
        assert_eq!(
            potluck_core::Sha256::of(text.as_bytes()).to_string(),
            "d1ec8bc42a0758bec2c2f58d486a1e89c67d3eaf574b63e1339ac505d727d636"
        );
    }

    #[test]
    fn a_signer_is_allowed_in_one_namespace() {
        let key = PrivateKey::from_seed(&[7; 32]).public();
        assert_eq!(
            allowed_signer("agency@news", MANIFEST, &key),
            "agency@news namespaces=\"potluck-manifest@v1\" ssh-ed25519 \
             AAAAC3NzaC1lZDI1NTE5AAAAIOpKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs\n"
        );
    }
}
