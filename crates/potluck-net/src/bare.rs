//! Bare connections at our settings, so that a bench can hold the protocol against the transport below it, and tests can
//! say what no client of ours says. Nothing of the product calls this.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use potluck_core::{PrivateKey, PublicKey};
use quinn::{Connection, ConnectionError, Endpoint};

use crate::server::Limits;
use crate::tuning::Tuning;
use crate::{tls, transport};

/// An endpoint on the loopback that lets anybody in who shows a key.
///
/// # Errors
/// What the system says to the socket.
pub fn listen(key: &PrivateKey, tuning: Tuning) -> io::Result<Endpoint> {
    let crypto = tls::server(&key.into(), Arc::new(|_| true));
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    transport::listen(any, crypto, &Limits { tuning, ..Limits::default() }, u32::MAX)
}

/// A connection to an endpoint of [`listen`].
///
/// # Errors
/// What the system or the transport says.
pub async fn dial(
    to: SocketAddr,
    server: PublicKey,
    key: &PrivateKey,
    tuning: &Tuning,
) -> io::Result<(Endpoint, Connection)> {
    let (endpoint, _) = transport::dial(to, Arc::new(tls::client(key, server)), tuning)?;
    let connecting =
        endpoint.connect(to, &tls::identities::name_of(&server)).map_err(io::Error::other)?;
    let connection = connecting.await?;
    Ok((endpoint, connection))
}

/// What a server tells a client that offers other names in the handshake: the reason with which it closes.
///
/// # Errors
/// What the system or the transport says, where that is something else.
pub async fn told(
    to: SocketAddr,
    server: PublicKey,
    key: &PrivateKey,
    names: &[&[u8]],
) -> io::Result<String> {
    let names = names.iter().map(|name| name.to_vec()).collect();
    let crypto = tls::client_speaking(key, server, names);
    let (endpoint, _) = transport::dial(to, Arc::new(crypto), &Tuning::default())?;
    let connecting =
        endpoint.connect(to, &tls::identities::name_of(&server)).map_err(io::Error::other)?;
    let told = match connecting.await?.closed().await {
        ConnectionError::ApplicationClosed(theirs) => theirs.reason,
        other => return Err(other.into()),
    };
    Ok(String::from_utf8_lossy(&told).into_owned())
}
