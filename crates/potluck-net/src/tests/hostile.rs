//! Peers that got in and then talk nonsense.

use potluck_core::Code;
use potluck_wire::Reply;
use potluck_wire::frame::{MAX_REPLY, MAX_REQUEST, encode};

use super::*;
use crate::stream::Frames;

/// Sends `bytes` as a stream, and returns the code of the refusal.
async fn refusal_of(connection: &quinn::Connection, bytes: &[u8]) -> Code {
    let (mut send, recv) = connection.open_bi().await.unwrap();
    send.write_all(bytes).await.unwrap();
    let mut frames = Frames::new(recv, LIMIT);
    match Reply::parse(&frames.next(MAX_REPLY).await.unwrap()).unwrap() {
        Reply::Refused(refusal) => refusal.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_refused_stream_by_stream() {
    let running = Running::start(Limits::default());
    let (_endpoint, connection) = running.raw().await;
    let frame = |body: &[u8]| encode(body, MAX_REQUEST).unwrap().to_vec();
    let ledger = br#"{"v":1,"ask":{"ledger":{"from":0}}}"#;
    for bytes in [
        b"\0\0\0\0".to_vec(),
        b"\xff\xff\xff\xff".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        frame(b"\xff\xfe"),
        frame(b"{}"),
        frame(br#"{"v":2,"ask":{"ledger":{"from":0}}}"#),
        frame(br#"{"v":1,"ask":{"ledger":{"from":0,"x":0}}}"#),
        frame(&[b'['; 100_000]),
        [frame(ledger), frame(ledger)].concat(),
    ] {
        let code = within(refusal_of(&connection, &bytes)).await;
        assert_eq!(code, Code::ProtocolError, "{:?}", &bytes[..bytes.len().min(40)]);
    }
    let broken = frame(br#"{"v":1,"ask":{"submit":{"envelope":"{}"}}}"#);
    assert_eq!(within(refusal_of(&connection, &broken)).await, Code::EnvelopeMalformed);
    running.client().await.ledger(0).await.unwrap();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_say_nothing_end_and_free_their_places() {
    let limits = Limits { idle: Duration::from_millis(200), streams: 2, ..Limits::default() };
    let running = Running::start(limits);
    let (_endpoint, connection) = running.raw().await;
    for bytes in [&b"\0"[..], b"\0\0\x10\0{\"v\":"] {
        // More than may be open at once, so that each must have ended for the next to begin.
        for _ in 0..3 {
            let (mut send, mut recv) = within(connection.open_bi()).await.unwrap();
            send.write_all(bytes).await.unwrap();
            let answer = within(recv.read_to_end(1000)).await.unwrap();
            assert!(String::from_utf8_lossy(&answer).contains("too-slow"), "{answer:?}");
        }
    }
    running.client().await.ledger(0).await.unwrap();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_vanish_in_the_middle_of_a_request_keep_nobody_out() {
    let running = Running::start(Limits { per_key: 2, ..Limits::default() });
    for bytes in [&b"\0"[..], b"\0\0", b"\0\0\0\x05{\"v", b"\0\0\0\x05"] {
        let (endpoint, connection) = running.raw().await;
        let (mut send, _recv) = connection.open_bi().await.unwrap();
        send.write_all(bytes).await.unwrap();
        connection.close(0u32.into(), b"");
        within(endpoint.wait_idle()).await;
    }
    running.client().await.ledger(0).await.unwrap();
    running.stop().await;
}
