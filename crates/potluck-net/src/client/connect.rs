//! How a connection comes about, and the sentences for when it does not.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use potluck_core::{PrivateKey, PublicKey};
use potluck_wire::version::{self, UNSPOKEN};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, ConnectionError, Endpoint, TransportErrorCode, VarInt};
use rustls::AlertDescription;
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::timeout;

use super::Client;
use crate::server::FULL;
use crate::tls::identities::name_of;
use crate::tls::x509::{Pki, PkiError};
use crate::tuning::Tuning;
use crate::{tls, transport};

/// How long connecting may take, over all addresses of a host.
const DEADLINE: Duration = Duration::from_secs(10);

/// When to come back to a server that is full. QUIC has no place for a number in the packet that says so.
const RETRY_AFTER: u32 = 10;

/// How many of a host's addresses are tried: both families, and one to spare.
const ADDRESSES: usize = 3;

/// A connection that was not made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not a host and port, or a host that does not exist.
    #[error("'{address}' is no address: write host:port, with a host that exists")]
    Address {
        /// What was given.
        address: String,
        /// What the resolver says.
        #[source]
        source: io::Error,
    },
    /// Nobody answers.
    #[error("nobody answers at {address}: is the aggregator running, and is UDP let through?")]
    Unreachable {
        /// Where.
        address: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The server holds another key than the one that is pinned.
    #[error("the server at {address} is not the one whose log key is pinned")]
    WrongServer {
        /// Where.
        address: String,
    },
    /// The server does not admit this key.
    #[error("the server at {address} does not admit this key: is the party admitted?")]
    Rejected {
        /// Where.
        address: String,
    },
    /// The authority does not stand behind the server, as we see it.
    #[error("the certificate of the server at {address} is refused here: {reason}")]
    ServerCertificate {
        /// Where.
        address: String,
        /// Why.
        reason: &'static str,
    },
    /// The authority does not stand behind us, as the server sees it.
    #[error("the server at {address} refuses our certificate: {reason}")]
    OurCertificate {
        /// Where.
        address: String,
        /// Why.
        reason: &'static str,
    },
    /// Our own certificates cannot be used.
    #[error("no connection with certificates")]
    Pki(#[from] PkiError),
    /// The server has no place for another connection.
    #[error(
        "the server at {address} has no place for another connection; try again in {retry_after} s"
    )]
    Full {
        /// Where.
        address: String,
        /// After how many seconds a place may be free.
        retry_after: u32,
    },
    /// The server speaks other versions of the protocol, and none that we do.
    #[error("the server at {address} speaks {spoken}, and this program {}", version::spoken())]
    Version {
        /// Where.
        address: String,
        /// Which, as far as it says.
        spoken: String,
    },
    /// The server turned the connection away because it stops, or the handshake failed.
    #[error("the server at {address} ended the handshake: {reason}")]
    Handshake {
        /// Where.
        address: String,
        /// What the transport says.
        reason: String,
    },
    /// This machine gives no socket.
    #[error("no socket")]
    Socket(#[source] io::Error),
}

/// Connects to `address` (`host:port`) as the owner of `identity`, if the owner of `server` answers there and
/// admits it.
///
/// # Errors
/// [`ConnectError`], within 10 seconds.
pub async fn connect(
    address: &str,
    server: &PublicKey,
    identity: &PrivateKey,
) -> Result<Client, ConnectError> {
    connect_tuned(address, server, identity, None, &Tuning::default()).await
}

/// As [`connect`], at an address where the server asks for certificates: the authority must stand behind the
/// server, and behind `identity`, beside all else.
///
/// # Errors
/// [`ConnectError`], within 10 seconds.
pub async fn connect_x509(
    address: &str,
    server: &PublicKey,
    identity: &PrivateKey,
    pki: &Pki,
) -> Result<Client, ConnectError> {
    connect_tuned(address, server, identity, Some(pki), &Tuning::default()).await
}

/// As [`connect`], or as [`connect_x509`] where there is a `pki`, over a line that its user knows.
///
/// # Errors
/// [`ConnectError`], within 10 seconds.
pub async fn connect_tuned(
    address: &str,
    server: &PublicKey,
    identity: &PrivateKey,
    pki: Option<&Pki>,
    tuning: &Tuning,
) -> Result<Client, ConnectError> {
    let crypto = match pki {
        Some(pki) => tls::x509::client(identity, pki, *server)?,
        None => tls::client(identity, *server),
    };
    reach(address, server, Arc::new(crypto), tuning).await
}

async fn reach(
    address: &str,
    server: &PublicKey,
    crypto: Arc<QuicClientConfig>,
    tuning: &Tuning,
) -> Result<Client, ConnectError> {
    let resolved = resolve(address).await?;
    // No division by zero: a host that resolves has an address.
    let each = DEADLINE / u32::try_from(resolved.len()).unwrap_or(1).max(1);
    let mut failed = unreachable(address, io::ErrorKind::NotFound.into());
    for socket_address in resolved {
        let (endpoint, shortfall) = transport::dial(socket_address, Arc::clone(&crypto), tuning)
            .map_err(ConnectError::Socket)?;
        match timeout(each, greet(&endpoint, socket_address, server, address)).await {
            Ok(Ok(connection)) => {
                return Ok(Client::new(address, endpoint, connection, shortfall));
            }
            // Another address of the host may do, where nobody answers at this one; a server that answered
            // has said its word.
            Ok(Err(error @ ConnectError::Unreachable { .. })) => failed = error,
            Ok(Err(error)) => return Err(error),
            Err(_) => failed = unreachable(address, io::ErrorKind::TimedOut.into()),
        }
    }
    Err(failed)
}

async fn resolve(address: &str) -> Result<Vec<SocketAddr>, ConnectError> {
    let failed = |source| ConnectError::Address { address: address.to_owned(), source };
    let looking = timeout(DEADLINE, lookup_host(address)).await;
    let found: Vec<_> =
        looking.map_err(|slow| failed(slow.into()))?.map_err(failed)?.take(ADDRESSES).collect();
    if found.is_empty() { Err(failed(io::ErrorKind::NotFound.into())) } else { Ok(found) }
}

/// The handshake, and the server's greeting after it: in TLS 1.3 a client is through before the server has
/// looked at its key.
async fn greet(
    endpoint: &Endpoint,
    to: SocketAddr,
    server: &PublicKey,
    address: &str,
) -> Result<Connection, ConnectError> {
    let connecting =
        endpoint.connect(to, &name_of(server)).map_err(|error| ConnectError::Address {
            address: address.to_owned(),
            source: io::Error::new(io::ErrorKind::InvalidInput, error),
        })?;
    let greeted = async {
        let connection = connecting.await?;
        connection.accept_uni().await?;
        Ok(connection)
    };
    let greeted = async {
        match greeted.await {
            // A server of another version says so instead of greeting.
            Ok(connection) if !tls::is_ours(&connection) => Err(other_version(address, b"")),
            Ok(connection) => Ok(connection),
            Err(error) => Err(explain(error, address)),
        }
    };
    tokio::select! {
        // Dropped where nobody listens: the attempt ends with it.
        greeted = greeted => greeted,
        // Dropped without loss: it only listens.
        refusal = refused(to) => Err(unreachable(address, refusal)),
    }
}

/// Completes if the host says that nobody listens on the port. QUIC itself does not hear of that and would
/// wait; a connected UDP socket does. The byte that it sends is no QUIC packet, and is dropped.
async fn refused(to: SocketAddr) -> io::Error {
    let knock = async {
        let any: SocketAddr = match to {
            SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(to).await?;
        socket.send(&[0]).await?;
        socket.recv(&mut [0]).await
    };
    match knock.await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => error,
        // Whatever else it finds, the handshake finds out better.
        _ => std::future::pending().await,
    }
}

fn other_version(address: &str, reason: &[u8]) -> ConnectError {
    let spoken = version::read_spoken(reason);
    let spoken = spoken.unwrap_or_else(|| "another version of the protocol".to_owned());
    ConnectError::Version { address: address.to_owned(), spoken }
}

fn unreachable(address: &str, source: io::Error) -> ConnectError {
    ConnectError::Unreachable { address: address.to_owned(), source }
}

/// Sorts by who said no: our own verifier, or theirs.
pub(crate) fn explain(error: ConnectionError, address: &str) -> ConnectError {
    let denied = TransportErrorCode::crypto(AlertDescription::AccessDenied.into());
    let no_shared = TransportErrorCode::crypto(AlertDescription::NoApplicationProtocol.into());
    let address = address.to_owned();
    match &error {
        ConnectionError::TransportError(ours) => {
            if let Some(reason) = certificate_fault(ours.code) {
                return ConnectError::ServerCertificate { address, reason };
            }
        }
        // From before there was a name that all versions share.
        ConnectionError::ConnectionClosed(theirs) if theirs.error_code == no_shared => {
            return other_version(&address, b"");
        }
        ConnectionError::ApplicationClosed(theirs)
            if theirs.error_code == VarInt::from_u32(UNSPOKEN) =>
        {
            return other_version(&address, &theirs.reason);
        }
        ConnectionError::ConnectionClosed(theirs) => {
            if let Some(reason) = certificate_fault(theirs.error_code) {
                return ConnectError::OurCertificate { address, reason };
            }
        }
        _ => {}
    }
    match error {
        ConnectionError::TimedOut => unreachable(&address, io::ErrorKind::TimedOut.into()),
        ConnectionError::TransportError(ours) if ours.code == denied => {
            ConnectError::WrongServer { address }
        }
        ConnectionError::ConnectionClosed(theirs) if theirs.error_code == denied => {
            ConnectError::Rejected { address }
        }
        ConnectionError::ConnectionClosed(theirs)
            if theirs.error_code == TransportErrorCode::CONNECTION_REFUSED =>
        {
            ConnectError::Full { address, retry_after: RETRY_AFTER }
        }
        ConnectionError::ApplicationClosed(theirs)
            if theirs.error_code == VarInt::from_u32(FULL) =>
        {
            ConnectError::Full { address, retry_after: RETRY_AFTER }
        }
        other => ConnectError::Handshake { address, reason: other.to_string() },
    }
}

/// What an alert says of a certificate (RFC 8446 §6.2), if it speaks of one.
fn certificate_fault(code: TransportErrorCode) -> Option<&'static str> {
    use AlertDescription as Alert;
    let faults = [
        (Alert::UnknownCA, "another authority signed it"),
        (Alert::CertificateExpired, "it is out of its time"),
        (Alert::CertificateRequired, "none was shown"),
        (Alert::UnsupportedCertificate, "it is not made for this"),
        (Alert::BadCertificate, "it is not sound"),
        (Alert::DecryptError, "a signature in its chain does not verify"),
        (Alert::CertificateUnknown, "it cannot be accepted"),
    ];
    let fault =
        faults.into_iter().find(|(alert, _)| TransportErrorCode::crypto((*alert).into()) == code);
    fault.map(|(_, reason)| reason)
}
