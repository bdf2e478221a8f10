//! The server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use potluck_core::PrivateKey;

use crate::service::Service;

/// How much a server takes on at once.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections.
    pub connections: usize,
    /// Connections of one key.
    pub per_key: usize,
    /// Connections of one address.
    pub per_address: usize,
    /// Requests at once on a connection.
    pub streams: u32,
    /// Uploads.
    pub uploads: usize,
    /// Downloads.
    pub downloads: usize,
    /// Within which a peer that is waited for must move 64 KiB.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        unimplemented!()
    }
}

/// A server that was not bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else listens there.
    #[error("{0} is in use: stop the other aggregator, or listen on another port with --listen")]
    AddressInUse(SocketAddr),
    /// The system gives no such socket.
    #[error("cannot listen on {address}")]
    Socket {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A server, bound and not yet running.
#[derive(Debug)]
pub struct Server {}

impl Server {
    /// Binds a UDP socket. Call it within a tokio runtime.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(
        listen: SocketAddr,
        key: &PrivateKey,
        service: Arc<dyn Service>,
        limits: Limits,
    ) -> Result<Self, BindError> {
        let _ = (listen, key, service, limits);
        unimplemented!()
    }

    /// Where it listens: the port that the system chose, where port 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        unimplemented!()
    }

    /// Serves until `shutdown` completes, then lets sessions finish for a while.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let _ = shutdown;
        unimplemented!()
    }
}
