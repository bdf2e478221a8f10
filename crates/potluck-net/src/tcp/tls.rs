//! TLS for callers over TCP, by a certificate of the operator's own; HTTP/2 or HTTP/1.1 is agreed on within it (ALPN).
//!
//! The certificate can be replaced while connections last: each handshake takes the one that is in force when it begins, and
//! nobody who is in notices. TLS 1.3 alone, by the same ciphers as everywhere here; whoever cannot speak that is refused in
//! the handshake.

mod certificate;
mod own;

use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub use self::certificate::{Certificate, CertificateError, Fault};
use crate::tls::cipher::{has_aes, provider};

/// A caller's connection once it is under TLS.
pub type Secured<S> = tokio_rustls::server::TlsStream<S>;

const CONFIG: &str = "the provider has TLS 1.3";

/// By ALPN.
const H2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// In which version of HTTP a caller is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.1, also where nothing was said.
    Http1,
    /// HTTP/2.
    Http2,
}

/// The server's side of TLS. Clones are handles to the same one.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    shown: Arc<Shown>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Shows `certificate` to whoever calls.
    pub fn new(certificate: &Certificate) -> Self {
        let shown = Arc::new(Shown(RwLock::new(Arc::clone(certificate.certified()))));
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .expect(CONFIG)
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![H2.to_vec(), HTTP_1.to_vec()];
        config.ignore_client_order = !has_aes();
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), shown }
    }

    /// Shows another one from the next handshake on.
    pub fn replace(&self, certificate: &Certificate) {
        let mut shown = self.shown.0.write().unwrap_or_else(PoisonError::into_inner);
        *shown = Arc::clone(certificate.certified());
    }

    /// Shakes hands with a caller. The time that this may take is the caller's own.
    ///
    /// # Errors
    /// Where the caller speaks no TLS 1.3, or is gone.
    pub async fn accept<S>(&self, caller: S) -> io::Result<(Secured<S>, Version)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = self.acceptor.accept(caller).await?;
        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(H2);
        Ok((stream, if is_h2 { Version::Http2 } else { Version::Http1 }))
    }
}

/// The certificate in force.
struct Shown(RwLock<Arc<CertifiedKey>>);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

impl ResolvesServerCert for Shown {
    /// There is one, whatever name is asked for: a proxy, a health check and an address have none.
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Asks a server of one's own, over a connection to an address of this very machine, in HTTP/1.1.
///
/// The server must hold the key of the certificate that it shows, but whose that is and until when is not looked at:
/// the one who asks is on the same machine, sends nothing that is secret, and must be told that a server is
/// ready whose certificate names the host by which others know it.
///
/// # Errors
/// Where it speaks no TLS.
pub async fn call_own<S>(stream: S) -> io::Result<tokio_rustls::client::TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .expect(CONFIG)
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(own::Whoever))
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP_1.to_vec()];
    let name = rustls::pki_types::ServerName::try_from("localhost").map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[cfg(test)]
mod tests;
