//! QUIC as we want it: every number with its reason. Quinn's own defaults are for other uses; several of
//! them are without bound.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    AckFrequencyConfig, ClientConfig, Endpoint, EndpointConfig, IdleTimeout, MtuDiscoveryConfig,
    ServerConfig, TokioRuntime, TransportConfig, VarInt,
};
use socket2::{Domain, Protocol, Socket, Type};

use crate::server::Limits;

/// A peer of which nothing is heard for so long is gone. It is also how long a peer that is waited for may
/// go without progress.
pub(crate) const IDLE: Duration = Duration::from_secs(30);

/// A third of [`IDLE`], so that two lost packets end no connection.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// 128 MB/s over 125 ms: one stream can fill a gigabit path between continents.
const STREAM_WINDOW: u32 = 16 << 20;

/// Two streams' worth, so that one that nobody reads stops no other; and all that one connection can make
/// its peer keep.
const CONNECTION_WINDOW: u32 = 32 << 20;

/// quinn sends up to 10 segments in one system call, which takes at most 65,535 bytes: above a tenth of that,
/// packets vanish. Within it larger is better: on loopback and jumbo frames a third of the CPU per byte.
const MAX_MTU: u16 = 6500;

/// One acknowledgement for ten packets, of which a bulk receiver otherwise sends one for two.
const PACKETS_PER_ACK: u32 = 10;

/// What the kernel is asked for: 4 ms of loopback traffic. Its default of 208 KiB drops packets.
const SOCKET_BUFFER: usize = 4 << 20;

/// Handshakes that wait to be looked at; each costs a packet's memory.
const MAX_INCOMING: usize = 1024;

/// A client has nothing to say before the handshake is answered but one or two packets.
const INCOMING_BUFFER: u64 = 64 << 10;
const INCOMING_BUFFER_TOTAL: u64 = 16 << 20;

/// The server's endpoint.
///
/// # Errors
/// What the system says to the socket.
pub(crate) fn listen(
    address: SocketAddr,
    crypto: QuicServerConfig,
    limits: &Limits,
) -> io::Result<Endpoint> {
    let mut transport = common();
    transport.max_concurrent_bidi_streams(VarInt::from_u32(limits.streams));
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(transport));
    config.max_incoming(MAX_INCOMING);
    config.incoming_buffer_size(INCOMING_BUFFER);
    config.incoming_buffer_size_total(INCOMING_BUFFER_TOTAL);
    endpoint(address, Some(config))
}

/// A client's endpoint, of the address family of `server`.
///
/// # Errors
/// What the system says to the socket.
pub(crate) fn dial(server: SocketAddr, crypto: Arc<QuicClientConfig>) -> io::Result<Endpoint> {
    let mut transport = common();
    transport.max_concurrent_bidi_streams(VarInt::from_u32(0));
    // The greeting: see `server`.
    transport.max_concurrent_uni_streams(VarInt::from_u32(1));
    let mut config = ClientConfig::new(crypto);
    config.transport_config(Arc::new(transport));
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let mut endpoint = endpoint(any, None)?;
    endpoint.set_default_client_config(config);
    Ok(endpoint)
}

fn common() -> TransportConfig {
    let mut mtu = MtuDiscoveryConfig::default();
    mtu.upper_bound(MAX_MTU);
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(VarInt::from_u32(PACKETS_PER_ACK));
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        // Datagrams are no part of the protocol.
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .send_window(u64::from(STREAM_WINDOW))
        .max_idle_timeout(Some(idle_timeout()))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .mtu_discovery_config(Some(mtu))
        .ack_frequency_config(Some(acks));
    transport
}

fn idle_timeout() -> IdleTimeout {
    IdleTimeout::try_from(IDLE).expect("30 s in milliseconds fit in a QUIC integer")
}

fn endpoint(address: SocketAddr, server: Option<ServerConfig>) -> io::Result<Endpoint> {
    let mut config = EndpointConfig::default();
    config.max_udp_payload_size(MAX_MTU).expect("6500 lies between 1200 and 65,527");
    Endpoint::new(config, server, socket(address)?, Arc::new(TokioRuntime))
}

fn socket(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // `[::]` means everywhere, on every system.
        socket.set_only_v6(false)?;
    }
    // The kernel gives what its limits allow; less costs speed, not correctness.
    let (receive, send) =
        (socket.set_recv_buffer_size(SOCKET_BUFFER), socket.set_send_buffer_size(SOCKET_BUFFER));
    if let Err(error) = receive.and(send) {
        tracing::debug!(%error, "no larger socket buffers");
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}
