//! Certificates of an organisation's own authority, where it wants its connections to be seen to come from it.
//!
//! They add a demand and nothing else: the chain must lead to the authority that was given and be in its time, and
//! the leaf's key must still be one that is pinned, or in the roster. An authority cannot add a party, nor stand in for
//! the server. Leaves are Ed25519, as all keys here; the authorities above them may be RSA or ECDSA. Names are
//! not looked at, as everywhere here; revocation is the roster's.

use std::fmt;
use std::sync::Arc;

use potluck_core::keys::KeyError;
use potluck_core::{PrivateKey, PublicKey};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};

use super::{Admits, Own, client_config, no_tls12, server_config, verify};

/// The most certificates in a file: an authority's bundle, or a chain.
const MAX_CERTIFICATES: usize = 64;

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The authority's text.
    #[error("the authority's certificates are no PEM with 1 to {MAX_CERTIFICATES} certificates")]
    AuthorityText(#[source] Option<pem::Error>),
    /// One of the authority's certificates.
    #[error("an authority's certificate cannot be used")]
    Authority(#[source] Error),
    /// The own certificate's text.
    #[error("the certificate is no PEM with 1 to {MAX_CERTIFICATES} certificates, the own first")]
    CertificateText(#[source] Option<pem::Error>),
    /// The own certificate.
    #[error("the certificate cannot be used")]
    Certificate(#[source] Error),
    /// The key in the own certificate.
    #[error("the certificate's key cannot be used")]
    Key(#[source] KeyError),
    /// The own certificate is another key's.
    #[error("the certificate is not the key's own: it certifies {certified}, the key is {key}")]
    OtherKey {
        /// What the certificate says.
        certified: Box<PublicKey>,
        /// Whose it should be.
        key: Box<PublicKey>,
    },
}

/// An authority, and the certificate that it gave to a key.
#[derive(Clone)]
pub struct Pki {
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    certified: PublicKey,
}

impl Pki {
    /// Reads the authority's certificates, and the chain of a key, its own certificate first; both in PEM.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn new(authority: &[u8], certificate: &[u8]) -> Result<Self, PkiError> {
        let mut roots = RootCertStore::empty();
        for root in certificates(authority).map_err(PkiError::AuthorityText)? {
            roots.add(root).map_err(PkiError::Authority)?;
        }
        let chain = certificates(certificate).map_err(PkiError::CertificateText)?;
        // `certificates` gives one at least.
        let own = chain.first().ok_or(PkiError::CertificateText(None))?;
        let parsed = ParsedCertificate::try_from(own).map_err(PkiError::Certificate)?;
        let certified = PublicKey::from_spki(&parsed.subject_public_key_info());
        Ok(Self { roots: Arc::new(roots), certified: certified.map_err(PkiError::Key)?, chain })
    }

    /// Whether the certificate is that of `key`.
    ///
    /// # Errors
    /// [`PkiError::OtherKey`].
    pub fn certifies(&self, key: &PublicKey) -> Result<(), PkiError> {
        if self.certified == *key {
            return Ok(());
        }
        Err(PkiError::OtherKey { certified: Box::new(self.certified), key: Box::new(*key) })
    }

    fn identity(&self, key: &PrivateKey) -> Arc<SingleCertAndKey> {
        let certified = CertifiedKey::new(self.chain.clone(), Arc::new(Own::copy(key)));
        Arc::new(SingleCertAndKey::from(certified))
    }
}

impl fmt::Debug for Pki {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pki(of {:?})", self.certified)
    }
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Option<pem::Error>> {
    let read = CertificateDer::pem_slice_iter(text).take(MAX_CERTIFICATES + 1);
    let read: Vec<_> = read.collect::<Result<_, _>>().map_err(Some)?;
    if (1..=MAX_CERTIFICATES).contains(&read.len()) { Ok(read) } else { Err(None) }
}

/// The server's side: proves `key` by its certificate, and lets in whom both the authority and `admits` know.
pub(crate) fn server(
    key: &PrivateKey,
    pki: &Pki,
    admits: Admits,
) -> Result<QuicServerConfig, PkiError> {
    pki.certifies(&key.public())?;
    let provider = super::provider();
    let chain = WebPkiClientVerifier::builder_with_provider(Arc::clone(&pki.roots), provider);
    // It fails without roots, of which there is one, or with lists of revocations, of which there are none.
    let chain = chain.clear_root_hint_subjects().build();
    let chain = chain.map_err(|error| PkiError::Authority(Error::General(error.to_string())))?;
    Ok(server_config(Arc::new(Members { admits, chain }), pki.identity(key)))
}

/// The client's side: proves `key` by its certificate to the owner of `server`, if the authority knows it too.
pub(crate) fn client(
    key: &PrivateKey,
    pki: &Pki,
    server: PublicKey,
) -> Result<QuicClientConfig, PkiError> {
    pki.certifies(&key.public())?;
    let algorithms = ring::default_provider().signature_verification_algorithms;
    let pinned = Certified { server, roots: Arc::clone(&pki.roots), algorithms };
    Ok(client_config(Arc::new(pinned), pki.identity(key)))
}

/// The key that a certificate is of.
pub(super) fn leaf_key(certificate: &CertificateDer<'_>) -> Result<PublicKey, Error> {
    let spki = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
    PublicKey::from_spki(&spki).map_err(|_| CertificateError::BadEncoding.into())
}

fn known(is_known: bool) -> Result<(), Error> {
    let stranger = CertificateError::ApplicationVerificationFailure;
    if is_known { Ok(()) } else { Err(stranger.into()) }
}

/// Lets in the keys that the service admits, if the authority certifies them.
struct Members {
    admits: Admits,
    chain: Arc<dyn ClientCertVerifier>,
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Members")
    }
}

impl ClientCertVerifier for Members {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chain.verify_client_cert(leaf, rest, now)?;
        known((self.admits)(&leaf_key(leaf)?))?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify(message, &leaf_key(leaf)?, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// Accepts one server, if the authority certifies it.
#[derive(Debug)]
struct Certified {
    server: PublicKey,
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Certified {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(leaf)?;
        let (roots, algorithms) = (&self.roots, self.algorithms.all);
        verify_server_cert_signed_by_trust_anchor(&parsed, roots, rest, now, algorithms)?;
        known(leaf_key(leaf)? == self.server)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify(message, &leaf_key(leaf)?, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A client that shows no certificate.
    pub(crate) fn keyless(pki: &Pki, server: PublicKey) -> QuicClientConfig {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        let pinned = Certified { server, roots: Arc::clone(&pki.roots), algorithms };
        let mut config = rustls::ClientConfig::builder_with_provider(super::super::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(pinned))
            .with_no_client_auth();
        config.alpn_protocols = vec![potluck_wire::ALPN.to_vec()];
        QuicClientConfig::try_from(config).unwrap()
    }
}
