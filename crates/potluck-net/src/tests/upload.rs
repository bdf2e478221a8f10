//! Submissions: whole, interrupted, corrupted, slow.

use std::fs;

use potluck_core::Code;
use potluck_wire::ranges::GROUP;
use tempfile::TempDir;

use super::toy::{Gate, content, envelope};
use super::*;
use crate::{CallError, Content, Transfer};

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_arrives_whole_and_is_not_sent_twice() {
    let running = Running::start(Limits::default());
    let folder = TempDir::new().unwrap();
    let files = [("a", 3 * MIB + 7), ("b", 10), ("empty", 0), ("c", GROUP as usize)]
        .map(|(name, size)| content(folder.path(), name, size));
    // The same content under a second name goes over once.
    let twice = Content { path: folder.path().join("a"), ..files[0].clone() };
    let all = [files.to_vec(), vec![twice]].concat();
    let envelope = envelope(&files, &party_key());

    let client = running.client().await;
    let mut last = None;
    client.submit(&envelope, &all, |at| last = Some(at)).await.unwrap();
    let total = (3 * MIB + 7 + 10 + GROUP as usize) as u64;
    assert_eq!(last, Some(Transfer { done: total, total, resumed_from: 0 }));
    for each in &files {
        let stored = fs::read(running.toy.data(&each.file.blake3)).unwrap();
        assert_eq!(stored, fs::read(&each.path).unwrap());
    }
    let arrived = running.toy.arrived();
    client.submit(&envelope, &all, |_| ()).await.unwrap();
    let again = toy::envelope(&files[..2], &party_key());
    client.submit(&again, &files[..2], |_| ()).await.unwrap();
    assert_eq!(running.toy.arrived(), arrived, "what is there is not sent again");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_upload_sends_only_what_is_missing() {
    let running = Running::start(Limits::default());
    let folder = TempDir::new().unwrap();
    let files = [content(folder.path(), "expert", 40 * MIB)];
    let envelope = envelope(&files, &party_key());
    let total = files[0].file.size;

    let client = running.client().await;
    let connection = client.connection.clone();
    let cut = |at: Transfer| {
        if at.done > total / 2 {
            connection.close(0u32.into(), b"");
        }
    };
    let lost = client.submit(&envelope, &files, cut).await.unwrap_err();
    assert!(matches!(lost, CallError::Lost { .. }), "{lost:?}");

    let client = running.client().await;
    let (mut first, mut last, mut before) = (None, None, 0);
    client
        .submit(&envelope, &files, |at| {
            // By the time of the offer the older upload has ended.
            if first.is_none() {
                (first, before) = (Some(at), running.toy.arrived());
            }
            last = Some(at);
        })
        .await
        .unwrap();
    let resumed_from = first.unwrap().resumed_from;
    assert!(resumed_from > 0, "the first half is kept");
    assert_eq!(last.unwrap().done, total);
    let missing = total - resumed_from;
    let hashes = running.toy.arrived() - before - missing;
    // 64 bytes for each inner node of the tree over the missing groups, and for those on the way to them.
    assert!(
        hashes <= 64 * (missing / GROUP + 32),
        "{hashes} bytes beside the {missing} missing ones"
    );
    let stored = fs::read(running.toy.data(&files[0].file.blake3)).unwrap();
    assert!(stored == fs::read(&files[0].path).unwrap());
    running.stop().await;
}

/// Takes the client's part by hand: asks, waits for the offer, and sends a stream of its own making.
pub(super) async fn by_hand(
    connection: &quinn::Connection,
    envelope: &potluck_core::Envelope,
    stream: &[u8],
) -> (quinn::SendStream, crate::stream::Frames) {
    let (_, request) = potluck_wire::session::client::SubmitCall::new(envelope, vec![]);
    let (mut send, recv) = connection.open_bi().await.unwrap();
    send.write_all(&request.to_frame().unwrap()).await.unwrap();
    let mut frames = crate::stream::Frames::new(recv, LIMIT);
    let offer = reply(&mut frames).await;
    assert_eq!(offer.name(), "wanted");
    // A server that has refused stops the stream: what could not be written is of no use.
    let _ = send.write_all(stream).await;
    (send, frames)
}

pub(super) async fn reply(frames: &mut crate::stream::Frames) -> potluck_wire::Reply {
    loop {
        let body = frames.next(potluck_wire::frame::MAX_REPLY).await.unwrap();
        match potluck_wire::Reply::parse(&body).unwrap() {
            potluck_wire::Reply::Progress { .. } => (),
            other => return other,
        }
    }
}

pub(super) fn stream_of(content: &Content) -> Vec<u8> {
    let all = crate::Ranges::all(content.file.size).unwrap();
    let mut stream = Vec::new();
    crate::blob::send(&content.path, None, &content.file.blake3, &all, &mut stream).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_is_refused_at_once_and_kept_nowhere() {
    let running = Running::start(Limits::default());
    let folder = TempDir::new().unwrap();
    let files = [content(folder.path(), "expert", 64 * MIB)];
    let envelope = envelope(&files, &party_key());
    let mut stream = stream_of(&files[0]);
    stream[3 * MIB] ^= 1;
    let (_endpoint, connection) = running.raw().await;
    let (send, mut frames) = within(by_hand(&connection, &envelope, &stream)).await;
    let potluck_wire::Reply::Refused(refusal) = within(reply(&mut frames)).await else {
        panic!("a refusal")
    };
    assert_eq!(refusal.code, Code::ContentCorrupt);
    within(send.stopped()).await.unwrap().expect("the rest is not read");
    assert!(running.toy.arrived() < 4 * MIB as u64);
    let kept = fs::read(running.toy.data(&files[0].file.blake3).with_extension("part")).unwrap();
    assert!(kept.len() < 3 * MIB);
    assert!(kept == fs::read(&files[0].path).unwrap()[..kept.len()]);
    // And the honest client goes on from there.
    let client = running.client().await;
    client.submit(&envelope, &files, |_| ()).await.unwrap();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_reads_the_refusal_of_an_upload_that_is_stopped() {
    let toy = Toy { refusing: true, ..Toy::admitting([party_key().public()]) };
    let running = Running::with(toy, Limits::default());
    let folder = TempDir::new().unwrap();
    let files = [content(folder.path(), "expert", 64 * MIB)];
    let envelope = envelope(&files, &party_key());
    let client = running.client().await;
    let refused = within(client.submit(&envelope, &files, |_| ())).await.unwrap_err();
    let CallError::Refused(refusal) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.code, Code::ExpertTooLarge);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_while_it_is_sent_fails_its_call_alone() {
    let running = Running::start(Limits::default());
    let folder = TempDir::new().unwrap();
    let files = [content(folder.path(), "expert", 64 * MIB)];
    let envelope = envelope(&files, &party_key());
    let client = running.client().await;
    let mut damaged = false;
    let change = |at: Transfer| {
        // Its hashes are known by then, and nothing is sent yet.
        if at.done == 0 && !damaged {
            damaged = true;
            let mut bytes = fs::read(&files[0].path).unwrap();
            bytes[40 * MIB] ^= 1;
            fs::write(&files[0].path, &bytes).unwrap();
        }
    };
    let failed = client.submit(&envelope, &files, change).await.unwrap_err();
    assert!(matches!(failed, CallError::File { .. }), "{failed:?}");
    client.ledger(0).await.unwrap();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_its_entrys_is_not_even_offered() {
    let running = Running::start(Limits::default());
    let folder = TempDir::new().unwrap();
    let files = [content(folder.path(), "expert", 1000)];
    let envelope = envelope(&files, &party_key());
    fs::write(&files[0].path, vec![0; 1000]).unwrap();
    let client = running.client().await;
    let refused = client.submit(&envelope, &files, |_| ()).await.unwrap_err();
    assert!(matches!(refused, CallError::File { path, .. } if path == files[0].path));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_begins_when_the_windows_are_full_gets_it_all() {
    let gate = Arc::new(Gate::default());
    let toy = Toy { gate: Some(Arc::clone(&gate)), ..Toy::admitting([party_key().public()]) };
    let running = Running::with(toy, Limits::default());
    let folder = TempDir::new().unwrap();
    let files = [content(folder.path(), "expert", 40 * MIB)];
    let envelope = envelope(&files, &party_key());
    let client = running.client().await;
    let submitting = client.submit(&envelope, &files, |at| {
        // Nearly a window: the server holds thousands of packets that nobody reads.
        if at.done >= 11 * MIB as u64 {
            gate.open();
        }
    });
    within(submitting).await.unwrap();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_upload_is_given_up_and_harms_nobody() {
    let running = Running::start(Limits { idle: Duration::from_millis(300), ..Limits::default() });
    let folder = TempDir::new().unwrap();
    let files = [content(folder.path(), "expert", 5 * MIB)];
    let envelope = envelope(&files, &party_key());
    let stream = stream_of(&files[0]);
    let (_endpoint, connection) = running.raw().await;
    let (_send, mut frames) = within(by_hand(&connection, &envelope, &stream[..MIB])).await;
    let client = running.client().await;
    client.ledger(0).await.unwrap();
    let potluck_wire::Reply::Refused(refusal) = within(reply(&mut frames)).await else {
        panic!("a refusal")
    };
    assert_eq!(refusal.code, Code::TooSlow);
    let mut first = None;
    client.submit(&envelope, &files, |at| first = first.or(Some(at))).await.unwrap();
    assert!(first.unwrap().resumed_from > 0, "what came before the stall is kept");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_upload_of_an_envelope_wins() {
    let running = Running::start(Limits::default());
    let folder = TempDir::new().unwrap();
    let files = [content(folder.path(), "expert", 5 * MIB)];
    let envelope = envelope(&files, &party_key());
    let stream = stream_of(&files[0]);
    // Somebody who was killed: the connection stands, and nothing comes any more.
    let (_endpoint, connection) = running.raw().await;
    let (_send, _frames) = within(by_hand(&connection, &envelope, &stream[..MIB])).await;
    let client = running.client().await;
    let begun = std::time::Instant::now();
    client.submit(&envelope, &files, |_| ()).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "it does not wait for the silence to end");
    running.stop().await;
}
