//! Ed25519 keys as `ssh-keygen` writes them (`BEGIN OPENSSH PRIVATE KEY`), plain or under a passphrase.

use potluck_core::PrivateKey;
use ssh_key::Kdf;
use ssh_key::private::KeypairData;
use zeroize::Zeroizing;

use super::super::passphrase::{Passphrase, PassphraseError};
use super::FormatError;

/// The most rounds of bcrypt: `ssh-keygen` takes 24, people who ask for more take 100. Some seconds.
const MAX_ROUNDS: u32 = 512;

/// The largest salt, in bytes: `ssh-keygen` takes 16.
const MAX_SALT: usize = 64;

/// Reads a key; `ask` is asked only where it is encrypted.
pub(super) fn open(
    pem: &str,
    ask: impl FnOnce() -> Result<Passphrase, PassphraseError>,
) -> Result<Result<PrivateKey, FormatError>, PassphraseError> {
    let Ok(key) = ssh_key::PrivateKey::from_openssh(pem) else { return Ok(Err(FormatError::Text)) };
    if key.key_data().encrypted().is_none() {
        return Ok(plain(&key));
    }
    match key.kdf() {
        Kdf::Bcrypt { salt, rounds } if *rounds <= MAX_ROUNDS && salt.len() <= MAX_SALT => {}
        Kdf::Bcrypt { .. } => return Ok(Err(FormatError::Costly)),
        _ => return Ok(Err(FormatError::Scheme)),
    }
    let passphrase = ask()?;
    // The two check numbers inside tell another passphrase from this one.
    let opened = key.decrypt(passphrase.as_bytes()).map_err(|_| FormatError::Passphrase);
    Ok(opened.and_then(|key| plain(&key)))
}

fn plain(key: &ssh_key::PrivateKey) -> Result<PrivateKey, FormatError> {
    let KeypairData::Ed25519(pair) = key.key_data() else { return Err(FormatError::Algorithm) };
    let key = PrivateKey::from_seed(&Zeroizing::new(pair.private.to_bytes()));
    // Without its `ed25519` feature the reader takes the public half on trust.
    if key.public().as_bytes() == pair.public.as_ref() {
        Ok(key)
    } else {
        Err(FormatError::Mismatch)
    }
}
