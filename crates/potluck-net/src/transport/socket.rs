//! The UDP socket, and what the system gives less than was asked for.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Once};

use quinn::{AsyncUdpSocket, Runtime as _, TokioRuntime};
use socket2::{Domain, Protocol, Socket, Type};

/// What the kernel is asked for, each way: what arrives in 2 ms on loopback at 2 GB/s, while the reader's thread waits
/// for its turn. What does not fit is dropped, and sent again.
const BUFFER: usize = 4 << 20;

/// What the kernel gave less than it was asked for. It costs speed, not correctness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortfall {
    /// For receiving, in bytes, where that is too little.
    receive: Option<usize>,
    /// For sending, likewise.
    send: Option<usize>,
}

impl Shortfall {
    fn of(socket: &Socket) -> io::Result<Option<Self>> {
        let lacking = |reported: usize| Some(usable(reported)).filter(|given| *given < BUFFER);
        let receive = lacking(socket.recv_buffer_size()?);
        let send = lacking(socket.send_buffer_size()?);
        Ok((receive.is_some() || send.is_some()).then_some(Self { receive, send }))
    }
}

/// Linux reports the double of what it grants: the other half is for its own bookkeeping (socket(7)).
fn usable(reported: usize) -> usize {
    if cfg!(target_os = "linux") { reported / 2 } else { reported }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("small UDP buffers make fast transfers slow: the system gives")?;
        let ways = [("receiving", self.receive), ("sending", self.send)];
        let given = ways.iter().filter_map(|(way, given)| Some((way, (*given)?)));
        for (number, (way, bytes)) in given.enumerate() {
            let and = if number > 0 { " and" } else { "" };
            write!(f, "{and} {} KiB for {way}", bytes >> 10)?;
        }
        write!(f, " of {} KiB", BUFFER >> 10)?;
        if cfg!(target_os = "linux") {
            let keys = [("rmem_max", self.receive), ("wmem_max", self.send)];
            f.write_str("; as root:")?;
            for (key, _) in keys.iter().filter(|(_, given)| given.is_some()) {
                write!(f, " sysctl -w net.core.{key}={BUFFER};")?;
            }
        }
        Ok(())
    }
}

/// Binds an address and leaves it again: what the system gives less than is wanted there.
///
/// # Errors
/// Where it cannot be bound: in use, not this machine's, or a port that needs privileges.
pub fn probe(address: SocketAddr) -> io::Result<Option<Shortfall>> {
    bind(address).map(|(_, shortfall)| shortfall)
}

fn bind(address: SocketAddr) -> io::Result<(Socket, Option<Shortfall>)> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // `[::]` means everywhere, on every system.
        socket.set_only_v6(false)?;
    }
    let (receive, send) =
        (socket.set_recv_buffer_size(BUFFER), socket.set_send_buffer_size(BUFFER));
    if let Err(error) = receive.and(send) {
        // Linux cuts to its limit and says nothing; others refuse.
        tracing::debug!(%error, "no larger socket buffers");
    }
    let shortfall = Shortfall::of(&socket)?;
    socket.bind(&address.into())?;
    Ok((socket, shortfall))
}

/// Opens a socket, and says once in this process what the system lacks.
pub(super) fn open(
    address: SocketAddr,
) -> io::Result<(Arc<dyn AsyncUdpSocket>, Option<Shortfall>)> {
    let (socket, shortfall) = bind(address)?;
    let socket = TokioRuntime.wrap_udp_socket(socket.into())?;
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        if let Some(shortfall) = shortfall {
            tracing::warn!("{shortfall}");
        }
        if socket.max_transmit_segments() == 1 {
            tracing::info!(
                "the system has no generic segmentation offload for UDP (Linux has since 4.18): each packet costs \
                 a system call, about four times the processor time"
            );
        }
    });
    Ok((socket, shortfall))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortfall_is_what_was_granted_and_not_what_is_reported() {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
        socket.set_recv_buffer_size(64 << 10).unwrap();
        socket.set_send_buffer_size(32 << 10).unwrap();
        let shortfall = Shortfall::of(&socket).unwrap().unwrap();
        assert_eq!((shortfall.receive, shortfall.send), (Some(64 << 10), Some(32 << 10)));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_sentence_names_the_keys_to_set() {
        let both = Shortfall { receive: Some(212_992), send: Some(212_992) }.to_string();
        assert_eq!(
            both,
            "small UDP buffers make fast transfers slow: the system gives 208 KiB for receiving and 208 KiB for \
             sending of 4096 KiB; as root: sysctl -w net.core.rmem_max=4194304; \
             sysctl -w net.core.wmem_max=4194304;"
        );
        let one = Shortfall { receive: None, send: Some(1 << 20) }.to_string();
        assert!(one.contains("1024 KiB for sending") && !one.contains("rmem"), "{one}");
    }
}
