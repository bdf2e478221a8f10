//! Fetches: whole, interrupted, of content that rotted.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use potluck_core::Code;
use tempfile::TempDir;

use super::toy::content;
use super::*;
use crate::blob::{self, Partial};
use crate::{CallError, Content, Ranges, Transfer};

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_whole_and_is_not_fetched_twice() {
    let running = Running::start(Limits::default());
    let folder = TempDir::new().unwrap();
    let client = running.client().await;
    for size in [0, 1, 64 << 10, 3 * MIB + 1] {
        let source = content(folder.path(), "source", size);
        running.toy.store(&source);
        let target = folder.path().join(format!("target-{size}"));
        let mut last = None;
        client.fetch(&source.file, &target, |at| last = Some(at)).await.unwrap();
        let total = size as u64;
        assert_eq!(last, Some(Transfer { done: total, total, resumed_from: 0 }));
        assert_eq!(fs::read(&target).unwrap(), fs::read(&source.path).unwrap());
        let fetches = running.toy.fetches.load(Ordering::Relaxed);
        client.fetch(&source.file, &target, |at| last = Some(at)).await.unwrap();
        assert_eq!(last.unwrap().resumed_from, total);
        assert_eq!(running.toy.fetches.load(Ordering::Relaxed), fetches);
    }
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 5, "no parts are left behind");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_fetch_goes_on_where_it_was() {
    let running = Running::start(Limits::default());
    let folder = TempDir::new().unwrap();
    let source = content(folder.path(), "source", 64 * MIB);
    running.toy.store(&source);
    let target = folder.path().join("target");
    let client = running.client().await;
    let connection = client.connection.clone();
    let cut = |at: Transfer| {
        if at.done > 0 {
            connection.close(0u32.into(), b"");
        }
    };
    let lost = client.fetch(&source.file, &target, cut).await.unwrap_err();
    assert!(matches!(lost, CallError::Lost { .. }), "{lost:?}");
    assert!(!target.exists());

    let client = running.client().await;
    let mut first = None;
    client.fetch(&source.file, &target, |at| first = first.or(Some(at))).await.unwrap();
    assert!(first.unwrap().resumed_from > 0);
    assert!(fs::read(&target).unwrap() == fs::read(&source.path).unwrap());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_asks_only_for_what_is_missing() {
    let running = Running::start(Limits::default());
    let folder = TempDir::new().unwrap();
    let source = content(folder.path(), "source", 5 * MIB + 1);
    running.toy.store(&source);
    let (target, file) = (folder.path().join("target"), &source.file);
    // The second and the fourth mebibyte are there, and nothing that verifies of the rest.
    let mut partial = Partial::at(&target, &file.blake3, file.size).unwrap();
    let mib = MIB as u64;
    let there = Ranges::new(file.size, &[[mib, 2 * mib], [3 * mib, 4 * mib]]).unwrap();
    let mut stream = Vec::new();
    blob::send(&source.path, None, &file.blake3, &there, &mut stream).unwrap();
    partial.receive(&there, &mut stream.as_slice(), &mut |_| ()).unwrap();
    drop(partial);
    let client = running.client().await;
    let mut first = None;
    client.fetch(file, &target, |at| first = first.or(Some(at))).await.unwrap();
    assert_eq!(first.unwrap().resumed_from, 2 * mib);
    assert_eq!(fs::read(&target).unwrap(), fs::read(&source.path).unwrap());
    running.stop().await;
}

/// The head of a file, long enough not to be read before anything is asked for, and of one group of it other bytes.
fn leave_damaged(source: &Content, target: &Path, head: u64) {
    let file = &source.file;
    let there = Ranges::new(file.size, &[[0, head]]).unwrap();
    let mut stream = Vec::new();
    blob::send(&source.path, None, &file.blake3, &there, &mut stream).unwrap();
    let mut partial = Partial::at(target, &file.blake3, file.size).unwrap();
    partial.receive(&there, &mut stream.as_slice(), &mut |_| ()).unwrap();
    drop(partial);
    let part = target.with_extension("part");
    let mut bytes = fs::read(&part).unwrap();
    bytes[3 * MIB + 5] ^= 1;
    fs::write(&part, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_fetch_asks_at_once_for_what_was_never_written_and_later_for_what_is_damaged() {
    let running = Running::start(Limits::default());
    let folder = TempDir::new().unwrap();
    let source = content(folder.path(), "source", 40 * MIB + 1);
    running.toy.store(&source);
    let clients = [running.client().await, running.client().await];
    for several in [false, true] {
        let (target, file) = (folder.path().join(format!("target-{several}")), &source.file);
        let head = 34 * MIB as u64;
        leave_damaged(&source, &target, head);
        let before = running.toy.fetches.load(Ordering::Relaxed);
        let mut told = Vec::new();
        let progress = |at: Transfer| told.push(at);
        if several {
            let failed = |_, error: &CallError| panic!("{error}");
            Client::fetch_from(&clients, file, &target, progress, failed).await.unwrap();
        } else {
            clients[0].fetch(file, &target, progress).await.unwrap();
            let asked = running.toy.fetches.load(Ordering::Relaxed) - before;
            assert_eq!(asked, 2, "the tail, and then the damaged group");
        }
        assert_eq!(told[0].resumed_from, head, "nobody had looked yet");
        let last = told.last().unwrap();
        let damaged = blob::GROUP;
        assert_eq!((last.done, last.resumed_from), (file.size, head - damaged));
        assert!(fs::read(&target).unwrap() == fs::read(&source.path).unwrap());
        let left = [target.with_extension("part"), target.with_extension("obao")];
        assert!(left.iter().all(|left| !left.exists()));
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_rotted_in_the_store_is_not_served() {
    let running = Running::start(Limits::default());
    let folder = TempDir::new().unwrap();
    let source = content(folder.path(), "source", 5 * MIB);
    running.toy.store(&source);
    let client = running.client().await;
    for at in [0, 3 * MIB] {
        let mut bytes = fs::read(&source.path).unwrap();
        bytes[at] ^= 1;
        fs::write(running.toy.data(&source.file.blake3), &bytes).unwrap();
        let target = folder.path().join("target");
        let refused = client.fetch(&source.file, &target, |_| ()).await.unwrap_err();
        let CallError::Refused(refusal) = refused else { panic!("{refused:?}") };
        assert_eq!(refusal.code, Code::StoredContentCorrupt);
        assert!(!target.exists());
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_of_another_size_is_said() {
    let running = Running::start(Limits::default());
    let folder = TempDir::new().unwrap();
    let source = content(folder.path(), "source", 100);
    let target = folder.path().join("target");
    let client = running.client().await;
    let refused = client.fetch(&source.file, &target, |_| ()).await.unwrap_err();
    assert!(matches!(refused, CallError::Refused(refusal) if refusal.code == Code::NotFound));
    running.toy.store(&source);
    let longer = potluck_core::FileEntry { size: 101, ..source.file };
    let refused = client.fetch(&longer, &target, |_| ()).await.unwrap_err();
    assert!(matches!(refused, CallError::Refused(refusal) if refusal.code == Code::ProtocolError));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stalls_loses_its_stream_and_harms_nobody() {
    // Longer than a busy machine keeps an honest reader from its turn.
    let limits = Limits { idle: Duration::from_secs(2), downloads: 1, ..Limits::default() };
    let running = Running::start(limits);
    let folder = TempDir::new().unwrap();
    let source = content(folder.path(), "source", 64 * MIB);
    running.toy.store(&source);
    let (_endpoint, connection) = running.raw().await;
    let ask = potluck_wire::message::Ask::Fetch { blake3: source.file.blake3, ranges: None };
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    let request = potluck_wire::Request::new(ask).to_frame().unwrap();
    send.write_all(&request).await.unwrap();
    // The windows fill, and nobody reads.
    let code = within(recv.received_reset()).await.unwrap();
    assert_eq!(code, Some(potluck_wire::TOO_SLOW.into()));
    let client = running.client().await;
    client.fetch(&source.file, &folder.path().join("target"), |_| ()).await.unwrap();
    running.stop().await;
}
