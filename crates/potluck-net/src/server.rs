//! The server: who is let in, and what is done for them, each within a bound.
//!
//! ```text
//! permit ─► accept ─► handshake (roster) ─► doors (per key, per address) ─► greeting ─► streams ─► answers
//!    └─ none: refused at once                  └─ none: closed at once                    └─ too many: `busy` at once
//! ```
//!
//! The greeting is an empty stream from the server: in TLS 1.3 a client has finished its handshake before
//! the server has looked at its key, so that without it a client would not know whether it is in. Every task
//! is owned by the set of its connection or of the server, and is joined. A peer that stalls or talks
//! nonsense loses its stream; nobody else notices.

mod answer;
mod connection;
mod doors;
mod fair;
mod pool;
pub(crate) mod room;
mod shares;
mod sharing;
mod turns;
mod watch;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use potluck_core::{PrivateKey, PublicKey};
use potluck_wire::ranges::GROUP;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, Incoming, VarInt};
use tokio::sync::{Semaphore, watch::channel};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use crate::service::Service;
use crate::stream::Pace;
use crate::throttle::Rates;
use crate::tls;
use crate::tls::identities::Identities;
use crate::tls::x509::{Pki, PkiError};
use crate::transport::{self, IDLE};
use crate::tuning::Tuning;
use connection::Connections;
pub(crate) use connection::FULL;
use doors::Doors;
use pool::Pool;
use room::Room;
pub(crate) use shares::Seat;
use shares::Shares;
use sharing::Sharings;
use turns::Turns;
use watch::Open;
pub use watch::Watch;

/// How long sessions may go on after the shutdown has begun. An upload that takes longer resumes later.
const GRACE: Duration = Duration::from_secs(10);

/// How long the last packets may take to be sent.
const FAREWELL: Duration = Duration::from_secs(2);

/// How much a server takes on at once. The defaults suit an aggregator of some dozen parties.
///
/// A key stands for its owner: the ledger knows each member by one key on the network.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections. Each can make the server keep a few MiB of what it sent; all uploads together have one budget.
    pub connections: usize,
    /// Connections of one key: more than programs that a party runs at once. One more ends the oldest.
    pub per_key: usize,
    /// Connections of one address, behind which a whole organisation may stand.
    pub per_address: usize,
    /// Requests at once on a connection; a client waits with more.
    pub streams: u32,
    /// Requests at once of one key, over all its connections; more are answered by `busy`.
    pub streams_of_key: usize,
    /// Uploads at once. Each holds a thread that mostly waits for the network.
    pub uploads: usize,
    /// Uploads at once of one key.
    pub uploads_of_key: usize,
    /// Downloads at once. Each holds a thread that mostly waits for the network.
    pub downloads: usize,
    /// Downloads at once of one key.
    pub downloads_of_key: usize,
    /// Bytes of content a second of one key, both ways together; nothing for as many as come.
    pub rate: Option<NonZeroU64>,
    /// Within which a peer that is waited for must move [`Self::floor`] of content, or a message.
    pub idle: Duration,
    /// Bytes of content that are progress.
    pub floor: u64,
    /// How it uses its line.
    pub tuning: Tuning,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            per_key: 8,
            per_address: 64,
            streams: 8,
            streams_of_key: 32,
            uploads: 16,
            uploads_of_key: 4,
            downloads: 64,
            downloads_of_key: 16,
            rate: None,
            idle: IDLE,
            floor: GROUP,
            tuning: Tuning::default(),
        }
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
        source: io::Error,
    },
    /// The certificates cannot be used.
    #[error("no connections with certificates")]
    Pki(#[from] PkiError),
}

/// A server, bound and not yet running.
pub struct Server {
    endpoint: Endpoint,
    address: SocketAddr,
    /// Where certificates are asked for: one TLS configuration cannot do both.
    x509: Option<(Endpoint, SocketAddr)>,
    places: Arc<Semaphore>,
    shared: Arc<Shared>,
}

/// What all connections share.
struct Shared {
    service: Arc<dyn Service>,
    limits: Limits,
    pool: Pool,
    doors: Doors,
    turns: Turns,
    sharings: Sharings,
    shares: Shares,
    room: Room,
    rates: Rates,
    open: Open,
}

impl Shared {
    /// What a peer's content must keep up with, and may not outrun.
    fn pace(&self, peer: &PublicKey) -> Pace {
        Pace::new(self.limits.idle).above(self.limits.floor).through(self.rates.of(peer))
    }
}

impl Server {
    /// Binds a UDP socket, where `identities` are proved. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(
        listen: SocketAddr,
        identities: &Identities,
        service: Arc<dyn Service>,
        limits: Limits,
    ) -> Result<Self, BindError> {
        let roster = Arc::clone(&service);
        let crypto = tls::server(identities, Arc::new(move |key| roster.admits(key)));
        let (endpoint, address) = open(listen, crypto, &limits)?;
        let places = Arc::new(Semaphore::new(limits.connections));
        let shared = Shared {
            service,
            pool: Pool::new(&limits),
            doors: Doors::new(&limits),
            turns: Turns::default(),
            sharings: Sharings::default(),
            shares: Shares::new(cores()),
            room: Room::new(limits.tuning.window),
            rates: Rates::new(limits.rate),
            open: Open::default(),
            limits,
        };
        Ok(Self { endpoint, address, x509: None, places, shared: Arc::new(shared) })
    }

    /// Listens at a second address, for those who come with certificates. Limits are one for both.
    ///
    /// # Errors
    /// [`BindError`]; [`BindError::Pki`] where the certificate is not that of `key`.
    pub fn with_x509(
        self,
        listen: SocketAddr,
        key: &PrivateKey,
        pki: &Pki,
    ) -> Result<Self, BindError> {
        let roster = Arc::clone(&self.shared.service);
        let crypto = tls::x509::server(key, pki, Arc::new(move |key| roster.admits(key)))?;
        let opened = open(listen, crypto, &self.shared.limits)?;
        Ok(Self { x509: Some(opened), ..self })
    }

    /// By what it is watched while it runs.
    pub fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.shared))
    }

    /// Where it listens for those who come with certificates, if it does.
    pub fn x509_addr(&self) -> Option<SocketAddr> {
        self.x509.as_ref().map(|(_, address)| *address)
    }

    /// Where it listens: with the port that the system chose, where port 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` completes, then ends in order. Blocking work that is under way, such as a
    /// blend, is not waited for: the runtime's own shutdown does, or sets it a limit.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let (close, closing) = channel(false);
        let serving = Connections::new(Arc::clone(&self.shared), closing);
        let mut connections = JoinSet::new();
        let mut is_full = false;
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                // Polled again until it completes; dropped only with this function.
                () = &mut shutdown => break,
                // Dropped without loss: who knocks keeps waiting in the endpoint.
                knock = self.next() => {
                    let Some(incoming) = knock else { break };
                    let place = Arc::clone(&self.places).try_acquire_owned().ok();
                    if place.is_none() && !is_full {
                        tracing::warn!(self.shared.limits.connections, "full: who knocks is refused");
                    }
                    is_full = place.is_none();
                    match place {
                        Some(place) => serving.take_in(&mut connections, incoming, place),
                        // At once, and for one packet, which is smaller than the one that it answers.
                        None => incoming.refuse(),
                    }
                }
                // Dropped without loss: an ended task stays in the set.
                Some(ended) = connections.join_next() => report(ended),
            }
        }
        // 1. Nobody new. 2. Those who are here finish their requests, and begin none.
        self.endpoints().for_each(|endpoint| endpoint.set_server_config(None));
        close.send_replace(true);
        // 3. Wait, to a deadline.
        let drained = async { while connections.join_next().await.map(report).is_some() {} };
        if timeout(GRACE, drained).await.is_err() {
            tracing::warn!(left = connections.len(), "connections were cut at shutdown");
        }
        // 4. Say goodbye, then end what is left: the other way round its streams would end as if all had been said, and the
        // peer would take that for a broken protocol.
        self.endpoints().for_each(|end| end.close(VarInt::from_u32(0), b"the server stops"));
        connections.shutdown().await;
        // 5. Let the packets go out.
        let said = async {
            for endpoint in self.endpoints() {
                endpoint.wait_idle().await;
            }
        };
        // Past the limit the peers find out by the idle timeout.
        let _ = timeout(FAREWELL, said).await;
    }

    fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        std::iter::once(&self.endpoint).chain(self.x509.as_ref().map(|(endpoint, _)| endpoint))
    }

    /// The next that knocks. It costs nothing until it is accepted, for which it needs a place.
    async fn next(&self) -> Option<Incoming> {
        let Some((x509, _)) = &self.x509 else {
            return self.endpoint.accept().await;
        };
        // Each arm is dropped without loss: who knocks keeps waiting in its endpoint.
        tokio::select! {
            incoming = self.endpoint.accept() => incoming,
            incoming = x509.accept() => incoming,
        }
    }
}

fn open(
    listen: SocketAddr,
    crypto: QuicServerConfig,
    limits: &Limits,
) -> Result<(Endpoint, SocketAddr), BindError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::AddressInUse(listen),
        _ => BindError::Socket { address: listen, source },
    };
    let endpoint = transport::listen(listen, crypto, limits, room::AT_REST).map_err(failed)?;
    let address = endpoint.local_addr().map_err(failed)?;
    Ok((endpoint, address))
}

/// At least two, so that one slow disk read on a small machine stops no other.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2))
}

/// A task that panicked is a bug; it ends its connection, never the process.
fn report(ended: Result<(), JoinError>) {
    match ended {
        Err(error) if error.is_panic() => tracing::error!(%error, "a connection's task panicked"),
        _ => (),
    }
}
