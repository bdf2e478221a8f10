//! New versions of what is stored: what did not change is not sent; peers that know nothing of this are served as before.

use std::fs;
use std::sync::atomic::Ordering;

use potluck_core::{Blake3, Code, FileEntry, Sha256};
use potluck_wire::Reply;
use potluck_wire::frame::MAX_REPLY;
use potluck_wire::ranges::GROUP;
use potluck_wire::session::client::SubmitCall;
use tempfile::TempDir;

use super::toy::{content, envelope};
use super::upload::{by_hand, reply, stream_of};
use super::*;
use crate::stream::Frames;
use crate::{CallError, Content};

const MIB: usize = 1 << 20;

/// Stored content, and the same with a mebibyte changed that begins within a group.
struct Versions {
    folder: TempDir,
    former: Content,
    new: Content,
}

impl Versions {
    fn of(size: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let former = content(folder.path(), "former", size);
        let mut bytes = fs::read(&former.path).unwrap();
        bytes[10 * MIB + 5..11 * MIB + 5].iter_mut().for_each(|byte| *byte ^= 0xff);
        let path = folder.path().join("new");
        fs::write(&path, &bytes).unwrap();
        let (blake3, sha256) = (Blake3::of(&bytes), Sha256::of(&bytes));
        let file = FileEntry { path: "new".into(), size: size as u64, blake3, sha256 };
        Self { folder, former, new: Content { file, path, outboard: None } }
    }

    fn stored(&self, puzzled: usize) -> Running {
        let mut toy = Toy::admitting([party_key().public()]);
        toy.store(&self.former);
        toy.formers.push(self.former.file.blake3);
        toy.puzzled = puzzled.into();
        Running::with(toy, impatient())
    }

    fn arrived_whole(&self, running: &Running) {
        let stored = fs::read(running.toy.data(&self.new.file.blake3)).unwrap();
        assert!(stored == fs::read(&self.new.path).unwrap());
    }
}

/// Waits for no peer longer than a moment.
fn impatient() -> Limits {
    Limits { idle: Duration::from_millis(700), ..Limits::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_new_version_only_what_changed_travels() {
    let versions = Versions::of(64 * MIB);
    let running = versions.stored(0);
    let files = [versions.new.clone()];
    let client = running.client().await;
    let before = client.connection.stats().udp_tx.bytes;
    let mut first = None;
    let envelope = envelope(&files, &party_key());
    client.submit(&envelope, &files, |at| first = first.or(Some(at))).await.unwrap();
    let sent = client.connection.stats().udp_tx.bytes - before;
    versions.arrived_whole(&running);
    let first = first.unwrap();
    assert_eq!(first.total - first.resumed_from, 17 * GROUP);
    // The tree is a thousandth of the file; acknowledgements and headers are a few in a hundred of what is sent.
    let most = 17 * GROUP + first.total / 1000 + 17 * GROUP / 10;
    assert!(sent < most, "{sent} bytes on the line, at most {most}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_from_before_is_asked_as_before() {
    let versions = Versions::of(12 * MIB);
    let running = versions.stored(1);
    let files = [versions.new.clone()];
    let client = running.client().await;
    client.submit(&envelope(&files, &party_key()), &files, |_| ()).await.unwrap();
    versions.arrived_whole(&running);
    assert!(running.toy.arrived() > 12 * MIB as u64, "the second request compares nothing");
    // Whoever refuses both is not asked a third time.
    running.toy.puzzled.store(2, Ordering::Relaxed);
    let other = [content(versions.folder.path(), "other", 10)];
    let refused = client.submit(&envelope(&other, &party_key()), &other, |_| ()).await.unwrap_err();
    let CallError::Refused(refusal) = refused else { panic!("{refused:?}") };
    assert_eq!(
        (refusal.code, running.toy.puzzled.load(Ordering::Relaxed)),
        (Code::ProtocolError, 0)
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_from_before_is_asked_for_content_alone() {
    let versions = Versions::of(12 * MIB);
    let running = versions.stored(0);
    let (_endpoint, connection) = running.raw().await;
    let envelope = envelope(std::slice::from_ref(&versions.new), &party_key());
    // Its offer is `wanted`.
    let stream = stream_of(&versions.new);
    let (_send, mut frames) = within(by_hand(&connection, &envelope, &stream)).await;
    assert_eq!(within(reply(&mut frames)).await.name(), "receipt");
    versions.arrived_whole(&running);
    running.stop().await;
}

/// Says that it compares, and sends `hashes` when it is asked.
async fn compared_by_hand(
    running: &Running,
    versions: &Versions,
    hashes: &[u8],
) -> (quinn::Endpoint, quinn::SendStream, Frames) {
    let (endpoint, connection) = running.raw().await;
    let envelope = envelope(std::slice::from_ref(&versions.new), &party_key());
    let (_, request) = SubmitCall::comparing(&envelope, vec![]);
    let (mut send, recv) = connection.open_bi().await.unwrap();
    send.write_all(&request.to_frame().unwrap()).await.unwrap();
    let mut frames = Frames::new(recv, LIMIT);
    let asked = frames.next(MAX_REPLY).await.unwrap();
    assert_eq!(Reply::parse(&asked).unwrap().name(), "compare");
    // A server that has refused stops the stream.
    let _ = send.write_all(hashes).await;
    (endpoint, send, frames)
}

async fn refused(frames: &mut Frames) -> Code {
    match within(reply(frames)).await {
        Reply::Refused(refusal) => refusal.code,
        other => panic!("{} where a refusal is due", other.name()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hashes_that_are_wrong_or_do_not_come_end_the_upload_and_harm_nobody() {
    let versions = Versions::of(12 * MIB);
    let running = versions.stored(0);
    let FileEntry { blake3, size, .. } = versions.new.file;
    let hashed = crate::blob::Hashed::new(&versions.new.path, &blake3, size).unwrap();
    let tree = hashed.outboard().to_vec();
    let mut wrong = tree.clone();
    wrong[6400] ^= 1;
    let (_endpoint, _send, mut frames) =
        compared_by_hand(&running, &versions, &[wrong, vec![7; MIB]].concat()).await;
    assert_eq!(refused(&mut frames).await, Code::ContentCorrupt);
    let (_endpoint, _send, mut frames) = compared_by_hand(&running, &versions, &tree[..5000]).await;
    assert_eq!(refused(&mut frames).await, Code::TooSlow);
    let (_endpoint, mut send, mut frames) =
        compared_by_hand(&running, &versions, &tree[..5000]).await;
    send.finish().unwrap();
    assert_eq!(refused(&mut frames).await, Code::ProtocolError);
    // Content in place of what is wanted is no content of anything.
    let (_endpoint, _send, mut frames) =
        compared_by_hand(&running, &versions, &[tree, vec![7; 12 * MIB]].concat()).await;
    assert_eq!(within(reply(&mut frames)).await.name(), "wanted");
    assert_eq!(refused(&mut frames).await, Code::ContentCorrupt);
    assert_eq!(running.toy.recorded.lock().unwrap().len(), 0);

    let files = [versions.new.clone()];
    let client = running.client().await;
    client.submit(&envelope(&files, &party_key()), &files, |_| ()).await.unwrap();
    versions.arrived_whole(&running);
    running.stop().await;
}
