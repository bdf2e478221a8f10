//! Whether a running aggregator takes work: asked of it over HTTP, as whoever routes to it asks.
//!
//! What a container's health check runs, where there is no other program that could ask. It asks `/readyz`, and
//! `/healthz` of a server that does not know that name yet.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use potluck_net::tcp::tls::call_own;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::exchange::{ExchangeError, exchange};

/// Within which it must have answered: less than a health check usually waits, so that the reason is told.
const PATIENCE: Duration = Duration::from_secs(3);

/// The longest answer, in bytes: it is a few sentences.
const MAX_ANSWER: usize = 64 << 10;

/// Asked in this order, until one is known.
const PATHS: [&str; 2] = ["/readyz", "/healthz"];

/// Why it cannot be taken for ready.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// Nobody answers at its address.
    #[error("no aggregator answers at {0}")]
    Unreached(SocketAddr, #[source] io::Error),
    /// What answers does not speak HTTP as it should.
    #[error("the exchange with {0} broke off")]
    Broken(SocketAddr, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// It takes connections, and does not answer.
    #[error("the aggregator at {0} did not answer in time")]
    Late(SocketAddr),
    /// It says so itself.
    #[error("not ready: {0}")]
    Refused(String),
}

/// In what it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// As it is.
    Http,
    /// Under TLS; its certificate is that of the host by which others know it, and is not looked at.
    Https,
}

/// Asks the server that listens on `listen`; its own words where it is ready.
///
/// # Errors
/// [`NotReady`].
pub async fn ask(listen: SocketAddr, scheme: Scheme) -> Result<String, NotReady> {
    let address = reachable(listen);
    timeout(PATIENCE, ask_at(address, scheme)).await.unwrap_or(Err(NotReady::Late(address)))
}

async fn ask_at(address: SocketAddr, scheme: Scheme) -> Result<String, NotReady> {
    let mut answer = (StatusCode::NOT_FOUND, String::new());
    for path in PATHS {
        answer = get(address, scheme, path).await?;
        if answer.0 != StatusCode::NOT_FOUND {
            break;
        }
    }
    let (status, words) = answer;
    if status.is_success() { Ok(words) } else { Err(NotReady::Refused(words)) }
}

/// Where a server that listens on all addresses of the machine can be reached from the machine itself.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn get(
    address: SocketAddr,
    scheme: Scheme,
    path: &str,
) -> Result<(StatusCode, String), NotReady> {
    let unreached = |error| NotReady::Unreached(address, error);
    let stream = TcpStream::connect(address).await.map_err(unreached)?;
    let request =
        Request::get(path).header(HOST, address.to_string()).body(Full::new(Bytes::new()));
    let request = request.map_err(|error| NotReady::Broken(address, error.into()))?;
    let broken = |error: ExchangeError| NotReady::Broken(address, error.into());
    let answer = match scheme {
        Scheme::Http => exchange(stream, request, MAX_ANSWER).await,
        Scheme::Https => {
            let no_tls = |error: io::Error| NotReady::Broken(address, error.into());
            exchange(call_own(stream).await.map_err(no_tls)?, request, MAX_ANSWER).await
        }
    };
    let (status, body) = answer.map_err(broken)?;
    Ok((status, String::from_utf8_lossy(&body).trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_asked_at_the_machines_own() {
        let at = |listen: &str| reachable(listen.parse().unwrap()).to_string();
        assert_eq!(at("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(at("[::]:8080"), "[::1]:8080");
        assert_eq!(at("192.0.2.7:80"), "192.0.2.7:80");
    }
}
