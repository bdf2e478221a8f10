//! Peers that take their time on purpose: a byte now and then, half a handshake, first packets by the hundred.

use std::collections::BTreeMap;

use potluck_core::Code;
use potluck_wire::Reply;
use tempfile::TempDir;
use tokio::net::UdpSocket;
use tokio::time::interval;

use super::toy::{content, envelope};
use super::upload::{by_hand, reply, stream_of};
use super::*;
use crate::ConnectError;

const MIB: usize = 1 << 20;

/// How often a byte comes: far more often than a peer must be heard of, and far too little.
const TRICKLE: Duration = Duration::from_millis(10);

fn impatient() -> Limits {
    Limits { idle: Duration::from_millis(300), ..Limits::default() }
}

/// Sends byte after byte until the peer wants no more.
async fn trickle(send: &mut quinn::SendStream, bytes: &[u8]) {
    let mut beat = interval(TRICKLE);
    for byte in bytes.iter().cycle() {
        beat.tick().await;
        if send.write_all(&[*byte]).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_trickles_is_given_up() {
    let running = Running::start(Limits { streams: 1, ..impatient() });
    let (_endpoint, connection) = running.raw().await;
    // A long frame is announced, and comes byte by byte. More than may be open at once: each must have ended.
    for _ in 0..2 {
        let (mut send, mut recv) = within(connection.open_bi()).await.unwrap();
        send.write_all(b"\0\0\x10\0{\"v\":").await.unwrap();
        let ended = async {
            tokio::select! {
                answer = recv.read_to_end(1000) => {
                    let answer = String::from_utf8(answer.unwrap()).unwrap();
                    assert!(answer.contains("too-slow"), "{answer}");
                }
                () = trickle(&mut send, b" ") => (),
            }
        };
        within(ended).await;
    }
    running.client().await.ledger(0).await.unwrap();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_trickles_is_given_up_and_what_came_is_kept() {
    let running = Running::start(impatient());
    let folder = TempDir::new().unwrap();
    let files = [content(folder.path(), "expert", 5 * MIB)];
    let envelope = envelope(&files, &party_key());
    let stream = stream_of(&files[0]);
    let (_endpoint, connection) = running.raw().await;
    let (mut send, mut frames) = within(by_hand(&connection, &envelope, &stream[..MIB])).await;
    let answered = async {
        tokio::select! {
            answer = reply(&mut frames) => answer,
            () = trickle(&mut send, &stream[MIB..]) => reply(&mut frames).await,
        }
    };
    let Reply::Refused(refusal) = within(answered).await else { panic!("a refusal") };
    assert_eq!(refusal.code, Code::TooSlow);
    let mut first = None;
    let client = running.client().await;
    client.submit(&envelope, &files, |at| first = first.or(Some(at))).await.unwrap();
    assert!(first.unwrap().resumed_from > 0, "what came before is kept");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_ends_early_is_refused_and_kept() {
    let running = Running::start(Limits::default());
    let folder = TempDir::new().unwrap();
    let files = [content(folder.path(), "expert", 5 * MIB)];
    let envelope = envelope(&files, &party_key());
    let stream = stream_of(&files[0]);
    let (_endpoint, connection) = running.raw().await;
    let (mut send, mut frames) = within(by_hand(&connection, &envelope, &stream[..MIB])).await;
    send.finish().unwrap();
    let Reply::Refused(refusal) = within(reply(&mut frames)).await else { panic!("a refusal") };
    assert_eq!(refusal.code, Code::ProtocolError);
    let mut first = None;
    let client = running.client().await;
    client.submit(&envelope, &files, |at| first = first.or(Some(at))).await.unwrap();
    assert!(first.unwrap().resumed_from > 0, "what came before is kept");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_goes_on_too_long_is_not_read() {
    let running = Running::start(Limits::default());
    let folder = TempDir::new().unwrap();
    let files = [content(folder.path(), "expert", MIB)];
    let envelope = envelope(&files, &party_key());
    let stream = stream_of(&files[0]);
    let longer = [stream.clone(), vec![7; 40 * MIB]].concat();
    let (_endpoint, connection) = running.raw().await;
    let (_send, mut frames) = within(by_hand(&connection, &envelope, &longer)).await;
    let Reply::Receipt(_) = within(reply(&mut frames)).await else { panic!("a receipt") };
    assert_eq!(running.toy.arrived(), stream.len() as u64);
    running.stop().await;
}

/// First packets of so many handshakes, as a client would send them to `server`.
async fn first_packets(count: usize) -> Vec<Vec<u8>> {
    let sink = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = sink.local_addr().unwrap();
    let crypto = Arc::new(crate::tls::client(&party_key(), server_key().public()));
    let (endpoint, _) = crate::transport::dial(address, crypto, &crate::Tuning::default()).unwrap();
    // Dropped, a handshake would end before its first packet is sent.
    let mut connecting = Vec::new();
    let mut packets = BTreeMap::new();
    let mut buffer = vec![0; 1 << 16];
    while packets.len() < count {
        connecting.push(endpoint.connect(address, "potluck").unwrap());
        let length = within(sink.recv(&mut buffer)).await.unwrap();
        // The destination's connection id stands behind the first byte, the version and its own length.
        let id = buffer[6..6 + usize::from(buffer[5])].to_vec();
        packets.insert(id, buffer[..length].to_vec());
    }
    packets.into_values().collect()
}

/// Sends each packet from an address of its own.
async fn knock(server: SocketAddr, packets: &[Vec<u8>]) -> Vec<UdpSocket> {
    let mut sockets = Vec::new();
    for packet in packets {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.send_to(packet, server).await.unwrap();
        sockets.push(socket);
    }
    sockets
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_go_no_further_free_their_places() {
    let running = Running::start(Limits { connections: 2, ..Limits::default() });
    let sockets = knock(running.address, &first_packets(2).await).await;
    for socket in &sockets {
        // Both hold a place now: the server has answered them.
        within(socket.recv(&mut [0; 1 << 16])).await.unwrap();
    }
    // Others are told at once that there is no place, and get one when the handshakes have had their time.
    let address = running.address.to_string();
    let (key, server) = (party_key(), server_key().public());
    let refused = connect(&address, &server, &key).await.err();
    assert!(matches!(refused, Some(ConnectError::Full { .. })), "{refused:?}");
    running.client_when_there_is_room().await.ledger(0).await.unwrap();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_floods_with_first_packets_must_show_an_address_and_others_get_in() {
    let running = Running::start(Limits::default());
    let sockets = knock(running.address, &first_packets(150).await).await;
    running.client().await.ledger(0).await.unwrap();
    let mut retries = 0;
    for socket in &sockets {
        let mut answer = [0; 1 << 16];
        within(socket.recv(&mut answer)).await.unwrap();
        // RFC 9000, 17.2.5: a long header of type 3.
        retries += usize::from(answer[0] & 0xf0 == 0xf0);
    }
    assert!(retries >= 150 - 64 - 1, "{retries} of 150 were asked for their address");
    running.stop().await;
}
