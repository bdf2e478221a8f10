//! The transport's settings, as they work out on a line.

use quinn::{Connection, VarInt};

use super::*;
use crate::transport::{self, MAX_MTU, SEGMENTS};
use crate::{Congestion, Tuning, Window, tls};

const MIB: usize = 1 << 20;

/// Both ends of a connection at our settings, without server or client around them.
struct Line {
    client: Connection,
    server: Connection,
    _endpoints: [quinn::Endpoint; 2],
}

async fn line(tuning: Tuning) -> Line {
    let limits = Limits { tuning, ..Limits::default() };
    let crypto = tls::server(&(&server_key()).into(), Arc::new(|_| true));
    let listening =
        transport::listen("127.0.0.1:0".parse().unwrap(), crypto, &limits, u32::MAX).unwrap();
    let address = listening.local_addr().unwrap();
    let crypto = Arc::new(tls::client(&party_key(), server_key().public()));
    let (dialling, _) = transport::dial(address, crypto, &tuning).unwrap();
    let connecting = dialling.connect(address, "potluck").unwrap();
    let accepting = async { listening.accept().await.unwrap().await.unwrap() };
    let (client, server) = within(async { tokio::join!(connecting, accepting) }).await;
    Line { client: client.unwrap(), server, _endpoints: [listening, dialling] }
}

#[test]
fn a_batch_of_the_largest_packets_fits_in_a_datagram() {
    // quinn hands the kernel up to ten packets as one datagram, which holds at most 65,535 bytes; a longer one is refused
    // with EMSGSIZE, which quinn takes for a lost probe of the path's MTU. At 8952 the path then falls back to 1200
    // bytes, at 16,332 nothing arrives any more (quinn 0.11.12 with quinn-udp 0.5.16, on Linux 6.18).
    assert_eq!(usize::from(MAX_MTU) * SEGMENTS, 65_000);
    assert!(usize::from(MAX_MTU) * SEGMENTS <= usize::from(u16::MAX));
    assert!(usize::from(MAX_MTU + 100) * SEGMENTS > usize::from(u16::MAX), "and no more fits");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_packets_get_through() {
    let line = line(Tuning::default()).await;
    let sending = async {
        let (mut send, _recv) = line.client.open_bi().await.unwrap();
        send.write_all(&vec![7; 64 * MIB]).await.unwrap();
        send.finish().unwrap();
        send.stopped().await.unwrap();
    };
    let receiving = async {
        let (_send, mut recv) = line.server.accept_bi().await.unwrap();
        let mut count = 0;
        while let Some(chunk) = recv.read_chunk(MIB, true).await.unwrap() {
            count += chunk.bytes.len();
        }
        assert_eq!(count, 64 * MIB);
    };
    within(async { tokio::join!(sending, receiving) }).await;
    let path = line.client.stats().path;
    // The loopback's own limit is 65,536; discovery stops within some twenty bytes of the bound.
    assert!((MAX_MTU - 32..=MAX_MTU).contains(&path.current_mtu), "{path:?}");
    assert_eq!(path.black_holes_detected, 0, "{path:?}");
}

/// quinn#2809: an assembler that bounded the pieces that it holds ended honest connections whose reader was slow, as
/// thousands of packets lay side by side.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_with_16_mib_windows_gets_it_all() {
    let tuning = Tuning { window: Window::mebibytes(16).unwrap(), ..Tuning::default() };
    let line = line(tuning).await;
    let sent: Vec<u8> = (0..24 * MIB).map(|at| (at / 1000) as u8).collect();
    let sending = async {
        let (mut send, _recv) = line.client.open_bi().await.unwrap();
        send.write_all(&sent).await.unwrap();
        send.finish().unwrap();
        send.stopped().await.unwrap();
    };
    let receiving = async {
        let (_send, mut recv) = line.server.accept_bi().await.unwrap();
        // Nobody reads until the window is full: more than a thousand packets wait.
        while line.server.stats().udp_rx.bytes < 16 * MIB as u64 {
            tokio::task::yield_now().await;
        }
        assert!(line.server.stats().udp_rx.datagrams > 1024);
        // In pieces that are smaller than a packet and divide none.
        let mut got = Vec::new();
        while let Some(chunk) = recv.read_chunk(997, true).await.unwrap() {
            got.extend_from_slice(&chunk.bytes);
        }
        assert!(got == sent);
    };
    within(async { tokio::join!(sending, receiving) }).await;
    assert_eq!(line.server.close_reason(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_side_sends_by_the_rule_that_it_was_given() {
    use quinn::congestion::{Bbr, Cubic};
    let cubic = line(Tuning::default()).await;
    let bbr = line(Tuning { congestion: Congestion::Bbr, ..Tuning::default() }).await;
    for side in [&cubic.client, &cubic.server] {
        assert!(side.congestion_state().into_any().is::<Cubic>());
    }
    for side in [&bbr.client, &bbr.server] {
        assert!(side.congestion_state().into_any().is::<Bbr>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_the_window_is_under_way() {
    let tuning = Tuning { window: Window::mebibytes(1).unwrap(), ..Tuning::default() };
    let line = line(tuning).await;
    let (mut send, _recv) = line.client.open_bi().await.unwrap();
    let mut taken = 0;
    let writing = async {
        while let Ok(count) = send.write(&[7; 1 << 16]).await {
            taken += count;
        }
    };
    let held = async {
        let (_send, recv) = line.server.accept_bi().await.unwrap();
        while line.server.stats().udp_rx.bytes < MIB as u64 {
            tokio::task::yield_now().await;
        }
        line.server.close(VarInt::from_u32(0), b"");
        drop(recv);
    };
    within(async { tokio::join!(writing, held) }).await;
    // The receiver's window, and what the sender's own holds beyond it.
    assert!(taken <= 2 * MIB, "{taken}");
}
