//! The promises of frames, messages and sessions.

use bytes::Bytes;
use potluck_core::{Blake3, FileEntry, Sha256};
use potluck_wire::frame::{Decoder, MAX_REPLY, MAX_REQUEST};
use potluck_wire::session::client::{
    AppendCall, BlendCall, BringCall, BringingCall, ComparedCall, CosignCall, Ended, FetchCall,
    LedgerCall, Offered, Step, SubmitCall,
};
use potluck_wire::session::server::{Asked, accept};
use potluck_wire::{Ranges, Reply, Request, Wanted};

use super::world::story;

/// Reads a byte that says how the stream is split, and all others as a stream.
pub fn message(bytes: &[u8]) {
    let Some((split, stream)) = bytes.split_first() else { return };
    let frames = frames(stream, usize::MAX);
    assert_eq!(frames, self::frames(stream, usize::from(*split) + 1), "where it is split matters");
    for body in &frames.0 {
        request(body);
        reply(body);
    }
    let replies: Vec<_> = frames.0.iter().map_while(|body| Reply::parse(body).ok()).collect();
    ledger(&replies);
    submission(&replies);
    content(&replies);
    drain(&replies, AppendCall::new(story().entries[1].envelope()).0, AppendCall::on);
    drain(&replies, BlendCall::new(1).0, BlendCall::on);
    drain(&replies, CosignCall::new(String::new()).0, CosignCall::on);
}

/// The frames of a stream, whether it broke off, and what is left.
fn frames(stream: &[u8], split: usize) -> (Vec<Bytes>, bool, Option<Bytes>) {
    let mut decoder = Decoder::default();
    let mut frames = Vec::new();
    let mut at = 0;
    while at < stream.len() {
        let end = at.saturating_add(split).min(stream.len());
        decoder.feed(&stream[at..end]);
        at = end;
        loop {
            match decoder.next(MAX_REPLY) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, true, None),
            }
        }
    }
    let length: usize = frames.iter().map(|frame| frame.len() + 4).sum();
    let rest = decoder.into_rest();
    assert_eq!(rest, &stream[length..], "a byte is lost");
    (frames, false, Some(rest))
}

fn request(body: &[u8]) {
    let Ok(request) = Request::parse(body) else {
        return assert!(accept(body).is_err());
    };
    if body.len() <= MAX_REQUEST {
        let frame = request.to_frame().unwrap();
        assert_eq!(Request::parse(&frame[4..]).unwrap(), request);
    }
    let Ok(asked) = accept(body) else { return };
    if let Asked::Fetch(_, state) = asked {
        for size in [0, 1, 65_537, 1 << 40, u64::MAX] {
            let Asked::Fetch(_, state) = accept(body).unwrap() else { unreachable!() };
            if let Ok((ranges, _)) = state.found(size) {
                assert!(ranges.size() == size && ranges.byte_count() <= size);
            }
        }
        let _ = state;
    }
}

fn reply(body: &[u8]) {
    let Ok(reply) = Reply::parse(body) else { return };
    let frame = reply.to_frame().unwrap();
    assert_eq!(Reply::parse(&frame[4..]).unwrap(), reply);
    assert!(frame[4..].starts_with(format!("{{\"{}\"", reply.name()).as_bytes()));
}

/// Gives a call the replies until it ends, and returns its answer.
fn drain<C, T>(
    replies: &[Reply],
    mut call: C,
    on: impl Fn(&mut C, Reply) -> Result<Step<T>, Ended>,
) -> Option<T> {
    for reply in replies {
        match on(&mut call, reply.clone()) {
            Ok(Step::Done(answer)) => return Some(answer),
            Ok(Step::More | Step::Progress(..)) => (),
            Err(_) => return None,
        }
    }
    None
}

fn ledger(replies: &[Reply]) {
    let Some(page) = drain(replies, LedgerCall::new(0).0, LedgerCall::on) else { return };
    let [Reply::Ledger { checkpoint, count, .. }, entries @ ..] = replies else { unreachable!() };
    assert_eq!((page.entries.len() as u64, &page.checkpoint), (*count, checkpoint));
    for (entry, reply) in page.entries.iter().zip(entries) {
        let Reply::Entry { record, envelope } = reply else { unreachable!() };
        assert_eq!(
            (entry.record(), entry.envelope().as_bytes()),
            (record.as_bytes(), envelope.as_bytes())
        );
    }
}

fn submission(replies: &[Reply]) {
    let file = |content: u8, size| FileEntry {
        path: format!("f{content}"),
        size,
        blake3: Blake3::from_bytes([content; 32]),
        sha256: Sha256::from_bytes([0; 32]),
    };
    let files = vec![file(1, 5), file(2, 65_537), file(2, 65_537)];
    let check = |asked: Vec<(Blake3, u64)>| {
        let mut seen = Vec::new();
        for blob in asked {
            let offered = |file: &FileEntry| (file.blake3, file.size) == blob;
            assert!(files.iter().any(offered), "what was not offered is asked for");
            assert!(!seen.contains(&blob.0), "it is asked for twice");
            seen.push(blob.0);
        }
    };
    let wants = |wanted: Vec<Wanted>| {
        check(wanted.iter().map(|blob| (blob.blake3, blob.ranges.size())).collect());
    };
    let envelope = story().entries[1].envelope();
    match drain(replies, SubmitCall::new(envelope, files.clone()).0, SubmitCall::on) {
        Some(Offered::Wanted(wanted)) => wants(wanted),
        Some(Offered::Compare(_)) => panic!("nobody said that they compare"),
        Some(Offered::Recorded(_)) | None => (),
    }
    match drain(replies, SubmitCall::comparing(envelope, files.clone()).0, SubmitCall::on) {
        Some(Offered::Wanted(wanted)) => wants(wanted),
        Some(Offered::Compare(blobs)) => {
            check(blobs.iter().map(|blob| (blob.blake3, blob.size)).collect());
        }
        Some(Offered::Recorded(_)) | None => (),
    }
    let (call, _) = SubmitCall::comparing(envelope, files.clone());
    if let Some(wanted) = drain(replies, call.compared(), ComparedCall::on) {
        wants(wanted);
    }
    if let Some(wanted) = drain(replies, BringCall::new(envelope, files.clone()).0, BringCall::on) {
        wants(wanted);
    }
    let (call, _) = BringCall::new(envelope, files.clone());
    drain(replies, call.sending(), BringingCall::on);
    let (call, _) = SubmitCall::new(story().entries[1].envelope(), files);
    drain(replies, call.sending(), |call, reply| call.on(reply));
}

fn content(replies: &[Reply]) {
    let ranges = Ranges::all(65_537).unwrap();
    let (call, _) = FetchCall::new(Blake3::from_bytes([1; 32]), &ranges);
    if drain(replies, call, FetchCall::on).is_some() {
        assert_eq!(replies[0], Reply::Found { size: 65_537 });
    }
}
