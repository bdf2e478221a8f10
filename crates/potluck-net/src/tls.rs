//! TLS 1.3 with raw Ed25519 keys on both sides (RFC 7250, RFC 8446): no certificates, no names; and with
//! certificates of an organisation's own, where it asks for them ([`x509`]).
//!
//! The server proves the one key that the client pinned; the client proves a key that the service admits,
//! and a stranger is refused within the handshake. Signatures are judged by the same strict rule as the
//! ledger's. What is not asked anew in each handshake does not exist here: no resumption, no tickets, no
//! early data. A server's name is its key's id, by which a server that had several knows which one is meant
//! ([`identities`]).

pub(crate) mod cipher;
pub(crate) mod identities;
pub(crate) mod x509;

use std::fmt;
use std::sync::Arc;

use potluck_core::{PrivateKey, PublicKey};
use potluck_wire::version;
use quinn::crypto::rustls::{HandshakeData, QuicClientConfig, QuicServerConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, ResolvesClientCert, Resumption};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{Signer, SigningKey};
use rustls::version::TLS13;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible,
    SignatureAlgorithm, SignatureScheme,
};

use self::cipher::{has_aes, provider};
use self::identities::{Identities, proving};

const CONFIG: &str =
    "the provider has TLS 1.3, and AES-128-GCM with SHA-256 for QUIC's first packets";

/// Whether a key may connect.
pub(crate) type Admits = Arc<dyn Fn(&PublicKey) -> bool + Send + Sync>;

/// The server's side: proves one of its keys, and lets in whom `admits` knows.
pub(crate) fn server(own: &Identities, admits: Admits) -> QuicServerConfig {
    server_config(Arc::new(Roster(admits)), Arc::new(own.clone()))
}

fn server_config(
    clients: Arc<dyn ClientCertVerifier>,
    own: Arc<dyn ResolvesServerCert>,
) -> QuicServerConfig {
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .expect(CONFIG)
        .with_client_cert_verifier(clients)
        .with_cert_resolver(own);
    config.alpn_protocols = version::offered();
    // A resumed session would skip the roster.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    // The client's order holds, unless it is this side that lacks the instructions.
    config.ignore_client_order = !has_aes();
    QuicServerConfig::try_from(config).expect(CONFIG)
}

/// The client's side: proves `key` to the owner of `server`, and to nobody else.
pub(crate) fn client(key: &PrivateKey, server: PublicKey) -> QuicClientConfig {
    let own = AlwaysResolvesClientRawPublicKeys::new(proving(key));
    client_config(Arc::new(Pinned(server)), Arc::new(own))
}

/// As [`client`], of versions that this one is not.
pub(crate) fn client_speaking(
    key: &PrivateKey,
    server: PublicKey,
    names: Vec<Vec<u8>>,
) -> QuicClientConfig {
    let own = AlwaysResolvesClientRawPublicKeys::new(proving(key));
    client_offering(Arc::new(Pinned(server)), Arc::new(own), names)
}

fn client_config(
    server: Arc<dyn ServerCertVerifier>,
    own: Arc<dyn ResolvesClientCert>,
) -> QuicClientConfig {
    client_offering(server, own, version::offered())
}

fn client_offering(
    server: Arc<dyn ServerCertVerifier>,
    own: Arc<dyn ResolvesClientCert>,
    names: Vec<Vec<u8>>,
) -> QuicClientConfig {
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .expect(CONFIG)
        .dangerous()
        .with_custom_certificate_verifier(server)
        .with_client_cert_resolver(own);
    config.alpn_protocols = names;
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    QuicClientConfig::try_from(config).expect(CONFIG)
}

/// Whether a finished handshake agreed on our version, and not on the name alone that all versions share.
pub(crate) fn is_ours(connection: &quinn::Connection) -> bool {
    let data = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
    data.and_then(|data| data.protocol).as_deref() == Some(version::ALPN)
}

/// The key that the peer of a finished handshake proved.
pub(crate) fn peer_key(connection: &quinn::Connection) -> Option<PublicKey> {
    let identity = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    let own = identity.first()?;
    // Verified as the one or as the other; neither can be read as the other.
    PublicKey::from_spki(own).ok().or_else(|| x509::leaf_key(own).ok())
}

#[derive(Debug, Clone)]
struct Own(Arc<PrivateKey>);

impl Own {
    /// `PrivateKey` is no `Clone`, on purpose; this copy lives as long as the endpoint, and is wiped too.
    fn copy(key: &PrivateKey) -> Self {
        Self(Arc::new(PrivateKey::from_seed(&key.as_dalek().to_bytes())))
    }
}

impl SigningKey for Own {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&SignatureScheme::ED25519).then(|| Box::new(self.clone()) as Box<_>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.0.public().spki().to_vec()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for Own {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.0.sign(message).to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// The key in a Certificate message (RFC 7250 §3): one SubjectPublicKeyInfo, sound, and nothing beside it.
fn raw_key(spki: &CertificateDer<'_>, rest: &[CertificateDer<'_>]) -> Result<PublicKey, Error> {
    match PublicKey::from_spki(spki) {
        Ok(key) if rest.is_empty() => Ok(key),
        _ => Err(CertificateError::BadEncoding.into()),
    }
}

fn verify(
    message: &[u8],
    key: &PublicKey,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let bad = || Error::from(CertificateError::BadSignature);
    let signature: &[u8; 64] = signed.signature().try_into().map_err(|_| bad())?;
    if signed.scheme != SignatureScheme::ED25519 {
        return Err(bad());
    }
    key.verify(message, signature).map_err(|_| bad())?;
    Ok(HandshakeSignatureValid::assertion())
}

/// What a verifier says to what only TLS 1.2 would ask.
pub(crate) fn no_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(PeerIncompatible::ServerDoesNotSupportTls12Or13.into())
}

/// Lets in the keys that the service admits.
struct Roster(Admits);

impl fmt::Debug for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Roster")
    }
}

impl ClientCertVerifier for Roster {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        spki: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let key = raw_key(spki, rest)?;
        if (self.0)(&key) {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _spki: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        spki: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify(message, &raw_key(spki, &[])?, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// Accepts one server.
#[derive(Debug)]
struct Pinned(PublicKey);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        spki: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if raw_key(spki, rest)? == self.0 {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _spki: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        spki: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify(message, &raw_key(spki, &[])?, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use rustls::sign::CertifiedKey;

    use super::*;

    fn config() -> rustls::ConfigBuilder<rustls::ClientConfig, rustls::WantsVerifier> {
        rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .unwrap()
    }

    /// Clients that must not get in: one without a key, one with a weak key, one that speaks another
    /// protocol, one that speaks none.
    pub(crate) fn bad_clients(key: &PrivateKey, server: PublicKey) -> Vec<QuicClientConfig> {
        let pinned = || Arc::new(Pinned(server));
        let keyless =
            config().dangerous().with_custom_certificate_verifier(pinned()).with_no_client_auth();
        let with = |spki: Vec<u8>| {
            let own = Own::copy(key);
            let key = CertifiedKey::new(vec![spki.into()], Arc::new(own));
            config()
                .dangerous()
                .with_custom_certificate_verifier(pinned())
                .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
                    Arc::new(key),
                )))
        };
        let mut neutral = key.public().spki().to_vec();
        neutral[12..].fill(0);
        neutral[12] = 1;
        let (weak, honest) = (with(neutral), with(key.public().spki().to_vec()));
        let mut clients = Vec::new();
        for (mut config, protocol) in [
            (keyless, Some(version::ALPN)),
            (weak, Some(version::ALPN)),
            (honest.clone(), Some(&b"h3"[..])),
            (honest, None),
        ] {
            config.alpn_protocols = protocol.iter().map(|name| name.to_vec()).collect();
            clients.push(QuicClientConfig::try_from(config).unwrap());
        }
        clients
    }

    #[test]
    fn one_sound_key_and_nothing_beside_it_is_an_identity() {
        let key = PrivateKey::from_seed(&[1; 32]).public();
        let spki = CertificateDer::from(key.spki().to_vec());
        assert_eq!(raw_key(&spki, &[]).unwrap(), key);
        assert!(raw_key(&spki, std::slice::from_ref(&spki)).is_err());
        let mut weak = key.spki().to_vec();
        weak[12..].fill(0);
        assert!(raw_key(&CertificateDer::from(weak), &[]).is_err());
        assert!(raw_key(&CertificateDer::from(key.as_bytes().to_vec()), &[]).is_err());
    }
}
