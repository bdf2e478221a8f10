//! Overload, greed and sloth: who causes it bears it, and everybody is told at once.

use std::num::NonZeroU64;
use std::time::Instant;

use potluck_core::{Code, Refusal};
use potluck_wire::Reply;
use potluck_wire::frame::MAX_REPLY;
use tempfile::TempDir;

use super::toy::{content, envelope};
use super::*;
use crate::stream::Frames;
use crate::{CallError, ConnectError};

const MIB: usize = 1 << 20;

async fn refusal(frames: &mut Frames) -> Refusal {
    match Reply::parse(&frames.next(MAX_REPLY).await.unwrap()).unwrap() {
        Reply::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_is_full_says_so_at_once() {
    let running = Running::start(Limits { connections: 1, ..Limits::default() });
    let first = running.client().await;
    let address = running.address.to_string();
    let refused = connect(&address, &server_key().public(), &party_key()).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Full { retry_after: 10, .. }), "{refused:?}");
    first.ledger(0).await.unwrap();
    first.close().await;
    // The place is free once the server has seen the goodbye.
    running.client_when_there_is_room().await.ledger(0).await.unwrap();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_too_many_is_answered_at_once_with_when_to_come_back() {
    let running = Running::start(Limits { streams_of_key: 3, ..Limits::default() });
    // Two connections: the bound is the key's.
    let (_ends, connections): (Vec<_>, Vec<_>) =
        [running.raw().await, running.raw().await].into_iter().unzip();
    let mut held = Vec::new();
    for connection in [&connections[0], &connections[0], &connections[1]] {
        let (mut send, recv) = connection.open_bi().await.unwrap();
        // The beginning of a request, whose rest does not come.
        send.write_all(b"\0").await.unwrap();
        held.push((send, recv));
    }
    let one_more = async {
        loop {
            let (mut send, recv) = connections[1].open_bi().await.unwrap();
            // A server that has refused stops the stream.
            let _ = send.write_all(b"\0\0\0\x02{}").await;
            let refusal = refusal(&mut Frames::new(recv, LIMIT)).await;
            if refusal.code == Code::Busy {
                break refusal;
            }
            // The server had not seen all of the first three yet: this one was read, and was no request.
            assert_eq!(refusal.code, Code::ProtocolError);
        }
    };
    assert_eq!(within(one_more).await.retry_after, Some(10));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_party_that_takes_all_it_can_leaves_others_their_places() {
    let (greedy, modest) = (party_key(), key_of(7).0);
    let toy = Toy::admitting([greedy.public(), modest.public()]);
    let limits = Limits { uploads: 4, uploads_of_key: 3, ..Limits::default() };
    let running = Running::with(toy, limits);
    let folder = TempDir::new().unwrap();
    let (_endpoint, connection) = running.raw().await;
    let mut stalled = Vec::new();
    for number in 0..3 {
        let files = [content(folder.path(), &format!("slow-{number}"), MIB)];
        let envelope = envelope(&files, &greedy);
        stalled.push(within(super::upload::by_hand(&connection, &envelope, &[])).await);
    }
    let files = [content(folder.path(), "one too many", MIB)];
    let client = running.client_as(&greedy).await;
    let refused = client.submit(&envelope(&files, &greedy), &files, |_| ()).await.unwrap_err();
    let CallError::Refused(refusal) = refused else { panic!("{refused:?}") };
    assert_eq!((refusal.code, refusal.retry_after), (Code::Busy, Some(10)));

    let files = [content(folder.path(), "modest", 5 * MIB)];
    let client = running.client_as(&modest).await;
    client.submit(&envelope(&files, &modest), &files, |_| ()).await.unwrap();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_holds_for_all_that_a_party_moves_both_ways() {
    let rate = NonZeroU64::new(8_000_000);
    let running = Running::start(Limits { rate, ..Limits::default() });
    let folder = TempDir::new().unwrap();
    let (up, down) =
        (content(folder.path(), "up", 2 * MIB), content(folder.path(), "down", 2 * MIB));
    running.toy.store(&down);
    let client = running.client().await;
    let begun = Instant::now();
    let files = [up];
    let envelope = envelope(&files, &party_key());
    let target = folder.path().join("target");
    let (sent, fetched) = tokio::join!(
        client.submit(&envelope, &files, |_| ()),
        client.fetch(&down.file, &target, |_| ())
    );
    sent.unwrap();
    fetched.unwrap();
    // 4 MiB at 8 MB a second, less what is credited; slower is no failure.
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    running.stop().await;
}

/// Uploads whose content is at the server already when the first of it is read: what is served first is then the
/// server's choice alone.
#[tokio::test(flavor = "multi_thread")]
async fn who_sends_one_file_is_served_as_many_bytes_as_who_sends_many() {
    let (greedy, honest) = (party_key(), key_of(7).0);
    let gate = Arc::new(super::toy::Gate::default());
    let toy = Toy::admitting([greedy.public(), honest.public()]);
    let toy = Toy { gate: Some(Arc::clone(&gate)), ..toy };
    let limits = Limits { uploads_of_key: 6, ..Limits::default() };
    let running = Running::with(toy, limits);
    let folder = TempDir::new().unwrap();
    // The windows of seven uploads at once hold it, and its hashes.
    const EACH: usize = 8 * MIB;
    let files: Vec<_> =
        (0..7).map(|file| [content(folder.path(), &file.to_string(), EACH)]).collect();
    let mut uploads = Vec::new();
    for (number, files) in files.iter().enumerate() {
        // A connection each: one connection's window would hold less.
        let key = if number == 0 { &honest } else { &greedy };
        let (endpoint, connection) = running.raw_as(key).await;
        let (stream, envelope) = (super::upload::stream_of(&files[0]), envelope(files, key));
        let sending = super::upload::by_hand(&connection, &envelope, &stream);
        let (mut send, frames) = within(sending).await;
        send.finish().unwrap();
        // Acknowledged to its end: all of it is on the other side.
        assert!(within(send.stopped()).await.unwrap().is_none());
        uploads.push((frames, connection, endpoint));
    }
    gate.open();
    for (frames, ..) in &mut uploads {
        assert_eq!(within(super::upload::reply(frames)).await.name(), "receipt");
    }
    // When the one file was read: served by their number, the six would be six times as far.
    let (mut of_honest, mut of_greedy) = (0, 0);
    for (peer, bytes) in running.toy.served.lock().unwrap().iter() {
        *if *peer == honest.public() { &mut of_honest } else { &mut of_greedy } += bytes;
        if of_honest >= EACH as u64 {
            break;
        }
    }
    println!("{of_greedy} beside {of_honest}");
    // Twice as far is what a loaded machine was seen to make of equal shares, and thrice at the worst.
    assert!(of_greedy < 4 * of_honest, "{of_greedy} beside {of_honest}");
    running.stop().await;
}
