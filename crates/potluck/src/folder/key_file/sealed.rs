//! PKCS#8 under a passphrase (RFC 5958 §3, PBES2 of RFC 8018): `BEGIN ENCRYPTED PRIVATE KEY`.
//!
//! Written with scrypt and AES-256-CBC, at costs that OpenSSL reads as well. Read with scrypt or PBKDF2 and any
//! AES, within [`MAX_WORK`], [`MAX_MEMORY`] and [`MAX_ITERATIONS`]: the costs stand in the file, whoever wrote it.

use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{Decode as _, SecretDocument};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{self, Kdf, Salt, ScryptParams};
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding};
use potluck_core::PrivateKey;
use zeroize::Zeroizing;

use super::super::passphrase::Passphrase;
use super::FormatError;

const LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// scrypt's N, r and p: the strongest of OWASP's equivalent choices that OpenSSL reads with its default limit of
/// 32 MiB. About a quarter of a second.
const COST: (u64, u16, u16) = (1 << 14, 8, 5);

/// The most that N·r·p may be: about six times what is written here.
const MAX_WORK: u64 = 1 << 22;

/// The most memory that scrypt may take, in bytes.
const MAX_MEMORY: u64 = 256 << 20;

/// The most rounds of PBKDF2, which RFC 8018 §4.2 calls fit for critical keys: some seconds.
const MAX_ITERATIONS: u32 = 10_000_000;

/// The salt and the initialization vector, fresh for each key that is written.
pub(super) type Fresh = [u8; 32];

/// The text of a key under a passphrase. Fails nowhere, except where the costs above were chosen wrongly.
pub(super) fn seal(
    key: &PrivateKey,
    passphrase: &Passphrase,
    fresh: &Fresh,
) -> Result<Zeroizing<String>, pkcs8::Error> {
    let (salt, iv) = fresh.split_at(16);
    let (cost_parameter, block_size, parallelization) = COST;
    let salt = Salt::new(salt)?;
    let kdf = ScryptParams { salt, cost_parameter, block_size, parallelization, key_length: None };
    let mut vector = [0; 16];
    vector.copy_from_slice(iv);
    let encryption = pbes2::EncryptionScheme::Aes256Cbc { iv: vector };
    let scheme = pbes2::Parameters { kdf: Kdf::Scrypt(kdf), encryption };
    let data = scheme.encrypt(passphrase.as_bytes(), &key.to_der())?;
    let info = EncryptedPrivateKeyInfoRef {
        encryption_algorithm: scheme.into(),
        encrypted_data: OctetStringRef::new(&data)?,
    };
    let document = SecretDocument::try_from(info)?;
    Ok(document.to_pem(LABEL, LineEnding::LF)?)
}

/// Reads the key in a text, if the passphrase is its own.
pub(super) fn open(pem: &str, passphrase: &Passphrase) -> Result<PrivateKey, FormatError> {
    let (label, document) = SecretDocument::from_pem(pem).map_err(|_| FormatError::Text)?;
    if label != LABEL {
        return Err(FormatError::Text);
    }
    let info = EncryptedPrivateKeyInfoRef::from_der(document.as_bytes());
    let info = info.map_err(|_| FormatError::Scheme)?;
    is_affordable(&info.encryption_algorithm)?;
    // CBC proves nothing: another passphrase leads to wrong padding, or to bytes that are no key.
    let opened = info.decrypt(passphrase.as_bytes()).map_err(|_| FormatError::Passphrase)?;
    PrivateKey::from_der(opened.as_bytes()).map_err(|_| FormatError::Passphrase)
}

fn is_affordable(scheme: &EncryptionScheme) -> Result<(), FormatError> {
    let parameters = scheme.pbes2().ok_or(FormatError::Scheme)?;
    let affordable = match &parameters.kdf {
        Kdf::Pbkdf2(pbkdf2) => pbkdf2.iteration_count <= MAX_ITERATIONS,
        Kdf::Scrypt(scrypt) => {
            let (n, r) = (scrypt.cost_parameter, u64::from(scrypt.block_size));
            let p = u64::from(scrypt.parallelization);
            // RFC 7914 §2: N is a power of two above 1. §5: the tables take 128·r·(N + p) bytes.
            let work = n.checked_mul(r).and_then(|work| work.checked_mul(p));
            let memory = n.checked_add(p).and_then(|sum| sum.checked_mul(r)?.checked_mul(128));
            if n < 2 || !n.is_power_of_two() || r == 0 || p == 0 {
                return Err(FormatError::Scheme);
            }
            work.is_some_and(|work| work <= MAX_WORK)
                && memory.is_some_and(|memory| memory <= MAX_MEMORY)
        }
        _ => return Err(FormatError::Scheme),
    };
    if affordable { Ok(()) } else { Err(FormatError::Costly) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pkcs8::pkcs5::pbes2::Pbkdf2Params;

    fn scrypt(cost_parameter: u64, block_size: u16, parallelization: u16) -> Kdf {
        let salt = Salt::new([1; 16]).unwrap();
        Kdf::Scrypt(ScryptParams {
            salt,
            cost_parameter,
            block_size,
            parallelization,
            key_length: None,
        })
    }

    fn judged(kdf: Kdf) -> Result<(), FormatError> {
        let encryption = pbes2::EncryptionScheme::Aes256Cbc { iv: [0; 16] };
        is_affordable(&pbes2::Parameters { kdf, encryption }.into())
    }

    #[test]
    fn what_a_file_makes_us_spend_is_bounded() {
        let (n, r, p) = COST;
        assert_eq!(judged(scrypt(n, r, p)), Ok(()));
        for (n, r, p) in [
            (1 << 20, 8, 1),
            (1 << 63, 8, 1),
            (1 << 63, u16::MAX, u16::MAX),
            (2, u16::MAX, u16::MAX),
            (1 << 14, 8, 1000),
            (1 << 5, u16::MAX, 4),
        ] {
            assert_eq!(judged(scrypt(n, r, p)), Err(FormatError::Costly), "{n} {r} {p}");
        }
        for (n, r, p) in [(0, 8, 1), (1, 8, 1), (3, 8, 1), (16, 0, 1), (16, 8, 0)] {
            assert_eq!(judged(scrypt(n, r, p)), Err(FormatError::Scheme), "{n} {r} {p}");
        }
        let pbkdf2 = |rounds| Kdf::Pbkdf2(Pbkdf2Params::hmac_sha256(rounds, &[1; 16]).unwrap());
        assert_eq!(judged(pbkdf2(MAX_ITERATIONS)), Ok(()));
        assert_eq!(judged(pbkdf2(MAX_ITERATIONS + 1)), Err(FormatError::Costly));
    }
}
