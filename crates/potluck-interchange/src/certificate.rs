//! A party's key as a certificate authority, and the short-lived keys that it vouches for.
//!
//! OpenSSF's model-signing verifies P-256 alone, and a party signs with Ed25519. So the party's key signs a
//! certificate for a P-256 key that lives for one submission and is forgotten then. Its own certificate, which
//! auditors hand to those tools as their root of trust, is a function of the key: made again, it is the same.
//!
//! ```text
//! authority: O=Potluck, CN=<key id, 64 hex digits>; Ed25519; CA, no CA below it; signs certificates only
//! leaf:      O=Potluck, CN=<who>; P-256; digital signatures, code signing; ten minutes ago until a day from now
//! ```

use std::cell::RefCell;

use potluck_core::bundle::{Leaf, ecdsa};
use potluck_core::{KeyId, SignError, Signer};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyUsagePurpose, PublicKeyData, SignatureAlgorithm, SigningKey,
};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use time::{Date, Month, OffsetDateTime, Time};

use crate::pem::{CERTIFICATE_WIDTH, armoured};

/// The organisation in every name.
pub(crate) const ORGANISATION: &str = "Potluck";

/// From how long before its making a short-lived key is valid, in seconds: clocks differ.
pub const BACKDATED: u64 = 600;

/// Until how long after its making a short-lived key is valid, in seconds: an upload may take hours.
pub const LIFETIME: u64 = 24 * 3600;

/// How often a signature is made anew until its `s` is low. Each is by chance one half.
const ATTEMPTS: usize = 128;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The party's key was not used.
    #[error("the party's key signed no certificate")]
    Signer(#[source] SignError),
    /// The system gave no randomness, or none that makes a key.
    #[error("no short-lived key could be made")]
    NoKey,
    /// The time is not one that certificates can state.
    #[error("{0} s since 1970 is no time that a certificate can state; set the clock")]
    Time(u64),
    /// The certificate could not be written.
    #[error("the certificate could not be written: {0}")]
    Write(String),
}

/// A certificate in both its forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
}

impl Certificate {
    /// Its bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its text, as other tools read it.
    pub fn pem(&self) -> String {
        armoured("CERTIFICATE", &self.der, CERTIFICATE_WIDTH)
    }
}

/// The certificate of a party's own key: the root of trust of everything that the party signs.
///
/// # Errors
/// [`IssueError::Signer`] where the signer does not sign.
pub fn authority(key: &dyn Signer) -> Result<Certificate, IssueError> {
    let signer = PartyKey::new(key);
    let certificate = authority_params(key.public().id()).self_signed(&signer);
    signer.written(certificate)
}

/// A P-256 key that a party's key vouches for. It signs until it is dropped, and is kept nowhere.
pub struct ShortLived {
    key: EcdsaKeyPair,
    certificate: Vec<u8>,
    random: SystemRandom,
}

impl ShortLived {
    /// Makes a key and has `key` certify it for `who`; `now` is in seconds since 1970.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn issue(key: &dyn Signer, who: &str, now: u64) -> Result<Self, IssueError> {
        let random = SystemRandom::new();
        let leaf = fresh(&random).ok_or(IssueError::NoKey)?;
        let mut params = CertificateParams::default();
        params.not_before = moment(now.saturating_sub(BACKDATED))?;
        params.not_after = moment(now.saturating_add(LIFETIME))?;
        params.distinguished_name = name(who);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        params.use_authority_key_identifier_extension = true;
        let signer = PartyKey::new(key);
        let issuer = authority_params(key.public().id());
        let certificate = params.signed_by(&LeafKey(&leaf), &Issuer::from_params(&issuer, &signer));
        let certificate = signer.written(certificate)?.der;
        Ok(Self { key: leaf, certificate, random })
    }
}

impl Leaf for ShortLived {
    fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        let failed = |what: &str| SignError { what: what.to_owned() };
        for _ in 0..ATTEMPTS {
            let signature = self.key.sign(&self.random, message);
            let signature = signature.map_err(|_| failed("the system gives no randomness"))?;
            let signature: Result<[u8; 64], _> = signature.as_ref().try_into();
            match signature {
                Ok(signature) if ecdsa::is_low(&signature) => return Ok(signature),
                _ => {}
            }
        }
        Err(failed("the short-lived key made no signature with a low s"))
    }
}

fn fresh(random: &SystemRandom) -> Option<EcdsaKeyPair> {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, random).ok()?;
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), random).ok()
}

fn authority_params(key: KeyId) -> CertificateParams {
    let mut params = CertificateParams::default();
    // Its end is the key's, which the ledger knows: RFC 5280 §4.1.2.5 writes "no end" so.
    params.not_before = OffsetDateTime::UNIX_EPOCH;
    params.not_after = end_of_time();
    params.distinguished_name = name(&key.to_string());
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, ORGANISATION);
    name.push(DnType::CommonName, common);
    name
}

fn end_of_time() -> OffsetDateTime {
    let (date, time) =
        (Date::from_calendar_date(9999, Month::December, 31), Time::from_hms(23, 59, 59));
    OffsetDateTime::new_utc(
        date.expect("a day of the calendar"),
        time.expect("a second of the day"),
    )
}

fn moment(seconds: u64) -> Result<OffsetDateTime, IssueError> {
    let stated = i64::try_from(seconds).ok();
    let stated = stated.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    stated.filter(|time| time.year() <= 9999).ok_or(IssueError::Time(seconds))
}

/// A party's key as rcgen asks for it. What a signer says when it refuses has no way through rcgen, so it waits
/// here.
struct PartyKey<'s> {
    signer: &'s dyn Signer,
    public: [u8; 32],
    refused: RefCell<Option<SignError>>,
}

impl<'s> PartyKey<'s> {
    fn new(signer: &'s dyn Signer) -> Self {
        Self { signer, public: *signer.public().as_bytes(), refused: RefCell::new(None) }
    }

    fn written(
        &self,
        certificate: Result<rcgen::Certificate, rcgen::Error>,
    ) -> Result<Certificate, IssueError> {
        certificate.map(|certificate| Certificate { der: certificate.der().to_vec() }).map_err(
            |error| match self.refused.take() {
                Some(refusal) => IssueError::Signer(refusal),
                None => IssueError::Write(error.to_string()),
            },
        )
    }
}

impl PublicKeyData for PartyKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl SigningKey for PartyKey<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.signer.sign(message).map(Vec::from).map_err(|refusal| {
            *self.refused.borrow_mut() = Some(refusal);
            rcgen::Error::RemoteKeyError
        })
    }
}

struct LeafKey<'k>(&'k EcdsaKeyPair);

impl PublicKeyData for LeafKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_core::{PrivateKey, PublicKey};

    /// A key in an agent that its owner told to stop.
    struct Refusing(PublicKey);

    impl Signer for Refusing {
        fn public(&self) -> PublicKey {
            self.0
        }

        fn sign(&self, _: &[u8]) -> Result<[u8; 64], SignError> {
            Err(SignError { what: "the agent said no".to_owned() })
        }
    }

    #[test]
    fn the_authority_is_a_function_of_the_key() {
        let key = PrivateKey::from_seed(&[7; 32]);
        let first = authority(&key).unwrap();
        assert_eq!(first, authority(&key).unwrap());
        assert_ne!(first, authority(&PrivateKey::from_seed(&[8; 32])).unwrap());
        assert!(first.pem().starts_with("-----BEGIN CERTIFICATE-----\nMII"));
    }

    #[test]
    fn a_refusal_comes_through() {
        let refusing = Refusing(PrivateKey::from_seed(&[7; 32]).public());
        let refused = ShortLived::issue(&refusing, "agency", 1_800_000_000).err();
        assert!(
            matches!(refused, Some(IssueError::Signer(SignError { what })) if what.contains("no"))
        );
        assert!(matches!(authority(&refusing), Err(IssueError::Signer(_))));
    }

    #[test]
    fn signatures_have_their_one_spelling() {
        let key = PrivateKey::from_seed(&[7; 32]);
        let leaf = ShortLived::issue(&key, "agency", 1_800_000_000).unwrap();
        for turn in 0..20 {
            assert!(ecdsa::to_der(&leaf.sign(&[turn]).unwrap()).is_some());
        }
    }

    #[test]
    fn times_that_no_certificate_states_are_refused() {
        let key = PrivateKey::from_seed(&[7; 32]);
        for now in [u64::MAX, 253_402_300_799] {
            assert!(matches!(ShortLived::issue(&key, "agency", now), Err(IssueError::Time(_))));
        }
        assert!(ShortLived::issue(&key, "agency", 0).is_ok());
    }
}
