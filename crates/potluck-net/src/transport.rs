//! QUIC as we want it: every number with its reason. Quinn's own defaults are for other uses; several of
//! them are without bound.

mod socket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    AckFrequencyConfig, ClientConfig, Endpoint, EndpointConfig, IdleTimeout, MtuDiscoveryConfig,
    ServerConfig, TokioRuntime, TransportConfig, VarInt,
};

use crate::server::Limits;
use crate::tuning::Tuning;

pub use socket::{Shortfall, probe};

/// A peer of which nothing is heard for so long is gone. It is also how long a peer that is waited for may
/// go without progress.
pub(crate) const IDLE: Duration = Duration::from_secs(30);

/// A third of [`IDLE`], so that two lost packets end no connection.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How many packets quinn sends in one system call at most (its `MAX_TRANSMIT_SEGMENTS`).
#[cfg(test)]
pub(crate) const SEGMENTS: usize = 10;

/// quinn sends up to 10 segments in one system call, which takes at most 65,535 bytes: above a tenth of that,
/// packets vanish. Within it larger is better: on loopback and jumbo frames a third of the CPU per byte.
pub(crate) const MAX_MTU: u16 = 6500;

/// One acknowledgement for ten packets, of which a bulk receiver otherwise sends one for two.
const PACKETS_PER_ACK: u32 = 10;

/// Handshakes that wait to be looked at; each costs a packet's memory.
const MAX_INCOMING: usize = 1024;

/// A client has nothing to say before the handshake is answered but one or two packets.
const INCOMING_BUFFER: u64 = 64 << 10;
const INCOMING_BUFFER_TOTAL: u64 = 16 << 20;

/// The server's endpoint. A connection begins with a window of `at_rest` bytes, if the usual one is not smaller.
///
/// # Errors
/// What the system says to the socket.
pub(crate) fn listen(
    address: SocketAddr,
    crypto: QuicServerConfig,
    limits: &Limits,
    at_rest: u32,
) -> io::Result<Endpoint> {
    let config = server_config(crypto, limits, at_rest);
    endpoint(address, Some(config)).map(|(endpoint, _)| endpoint)
}

/// What a server is like, whatever its socket.
pub(crate) fn server_config(
    crypto: QuicServerConfig,
    limits: &Limits,
    at_rest: u32,
) -> ServerConfig {
    let mut transport = common(&limits.tuning);
    let window = at_rest.min(limits.tuning.window.of_connection());
    transport.receive_window(VarInt::from_u32(window));
    transport.max_concurrent_bidi_streams(VarInt::from_u32(limits.streams));
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(transport));
    config.max_incoming(MAX_INCOMING);
    config.incoming_buffer_size(INCOMING_BUFFER);
    config.incoming_buffer_size_total(INCOMING_BUFFER_TOTAL);
    config
}

/// A client's endpoint, of the address family of `server`, and what the system lacks.
///
/// # Errors
/// What the system says to the socket.
pub(crate) fn dial(
    server: SocketAddr,
    crypto: Arc<QuicClientConfig>,
    tuning: &Tuning,
) -> io::Result<(Endpoint, Option<Shortfall>)> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let (mut endpoint, shortfall) = endpoint(any, None)?;
    endpoint.set_default_client_config(client_config(crypto, tuning));
    Ok((endpoint, shortfall))
}

/// What a client is like, whatever its socket.
pub(crate) fn client_config(crypto: Arc<QuicClientConfig>, tuning: &Tuning) -> ClientConfig {
    let mut transport = common(tuning);
    transport.max_concurrent_bidi_streams(VarInt::from_u32(0));
    // The greeting: see `server`.
    transport.max_concurrent_uni_streams(VarInt::from_u32(1));
    let mut config = ClientConfig::new(crypto);
    config.transport_config(Arc::new(transport));
    config
}

fn common(tuning: &Tuning) -> TransportConfig {
    let mut mtu = MtuDiscoveryConfig::default();
    mtu.upper_bound(MAX_MTU);
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(VarInt::from_u32(PACKETS_PER_ACK));
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        // Datagrams are no part of the protocol.
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(tuning.window.of_stream()))
        .receive_window(VarInt::from_u32(tuning.window.of_connection()))
        .send_window(u64::from(tuning.window.of_stream()))
        .congestion_controller_factory(tuning.congestion.controller())
        .max_idle_timeout(Some(idle_timeout()))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .mtu_discovery_config(Some(mtu))
        .ack_frequency_config(Some(acks));
    transport
}

fn idle_timeout() -> IdleTimeout {
    IdleTimeout::try_from(IDLE).expect("30 s in milliseconds fit in a QUIC integer")
}

fn endpoint(
    address: SocketAddr,
    server: Option<ServerConfig>,
) -> io::Result<(Endpoint, Option<Shortfall>)> {
    let mut config = EndpointConfig::default();
    config.max_udp_payload_size(MAX_MTU).expect("6500 lies between 1200 and 65,527");
    let (socket, shortfall) = socket::open(address)?;
    let endpoint =
        Endpoint::new_with_abstract_socket(config, server, socket, Arc::new(TokioRuntime))?;
    Ok((endpoint, shortfall))
}
