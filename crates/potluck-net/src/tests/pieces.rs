//! Content over several connections at once, up and down.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use potluck_core::{Code, FileEntry};
use potluck_wire::session::client::{BringCall, Ended};
use tempfile::TempDir;

use super::toy::{content, envelope};
use super::weather::{Proxy, Weather};
use super::*;
use crate::{CallError, Transfer};

const MIB: usize = 1 << 20;

async fn clients(running: &Running, count: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(running.client().await);
    }
    clients
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_comes_in_pieces_over_several_connections() {
    let running = Running::start(Limits::default());
    let folder = TempDir::new().unwrap();
    let files = [("a", 20 * MIB + 7), ("b", 10), ("empty", 0), ("c", 9 * MIB)]
        .map(|(name, size)| content(folder.path(), name, size));
    let envelope = envelope(&files, &party_key());
    let clients = clients(&running, 4).await;
    let mut last = None;
    let progress = |at| last = Some(at);
    let receipt = clients[0].submit_over(&clients[1..], &envelope, &files, progress).await.unwrap();
    assert_eq!(receipt.record, envelope.sha256().to_string());
    let total = (29 * MIB + 17) as u64;
    let Transfer { done, total: told, resumed_from } = last.unwrap();
    assert_eq!((done, told, resumed_from), (total, total, 0));
    for each in &files {
        let stored = fs::read(running.toy.data(&each.file.blake3)).unwrap();
        assert!(stored == fs::read(&each.path).unwrap());
    }
    assert_eq!(running.toy.arrived(), total, "no byte came twice");
    let again = clients[0].submit_over(&clients[1..], &envelope, &files, |_| ()).await.unwrap();
    assert_eq!(again, receipt);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_leaves_its_piece_to_the_others() {
    let running = Running::start(Limits::default());
    let folder = TempDir::new().unwrap();
    let files = [content(folder.path(), "expert", 60 * MIB)];
    let envelope = envelope(&files, &party_key());
    let clients = clients(&running, 3).await;
    let broken = clients[1].connection.clone();
    let progress = |at: Transfer| {
        if at.done > at.total / 3 {
            broken.close(0u32.into(), b"");
        }
    };
    clients[0].submit_over(&clients[1..], &envelope, &files, progress).await.unwrap();
    let stored = fs::read(running.toy.data(&files[0].file.blake3)).unwrap();
    assert!(stored == fs::read(&files[0].path).unwrap());
    assert_eq!(running.toy.arrived(), 60 * MIB as u64, "what came before it broke was kept");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_several_left_is_not_sent_again_by_one() {
    let running = Running::start(Limits::default());
    let folder = TempDir::new().unwrap();
    let files = [content(folder.path(), "expert", 60 * MIB)];
    let envelope = envelope(&files, &party_key());
    let clients = clients(&running, 3).await;
    let all: Vec<_> = clients.iter().map(|client| client.connection.clone()).collect();
    let cut = |at: Transfer| {
        if at.done > at.total / 2 {
            all.iter().for_each(|connection| connection.close(0u32.into(), b""));
        }
    };
    let lost = clients[0].submit_over(&clients[1..], &envelope, &files, cut).await.unwrap_err();
    assert!(matches!(lost, CallError::Lost { .. }), "{lost:?}");
    let client = running.client().await;
    let mut resumed_from = 0;
    client.submit(&envelope, &files, |at| resumed_from = at.resumed_from).await.unwrap();
    assert!(resumed_from > 0);
    // What was on its way to the disk when all broke, of three connections, may have been too late to be seen.
    let stored = fs::read(running.toy.data(&files[0].file.blake3)).unwrap();
    assert!(stored == fs::read(&files[0].path).unwrap());
    running.stop().await;
}

/// A small file system over a folder; nothing where this user may not mount one.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path, megabytes: u32) -> Option<Self> {
        let small = Self(at.to_owned());
        let mounted = small.sized("", megabytes);
        if !mounted {
            eprintln!("no small file system here: this user may not mount one");
        }
        mounted.then_some(small)
    }

    fn sized(&self, how: &str, megabytes: u32) -> bool {
        let options = format!("{how}size={megabytes}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "none"]).arg(&self.0);
        mount.output().is_ok_and(|output| output.status.success())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Where it fails the folder stays, for whoever looks.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// What of a connection's content may be on its way to the disk, and is lost where that takes no more.
const UNWRITTEN: u64 = 3 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_under_pieces_keeps_what_came_and_the_next_attempt_sends_the_rest() {
    let toy = Toy::admitting([party_key().public()]);
    let Some(small) = Small::mount(toy.folder.path(), 24) else { return };
    let running = Running::with(toy, Limits::default());
    let folder = TempDir::new().unwrap();
    let stored = content(folder.path(), "stored", MIB);
    running.toy.store(&stored);
    let files = [content(folder.path(), "expert", 40 * MIB)];
    let envelope = envelope(&files, &party_key());
    let clients = clients(&running, 3).await;
    let refused = clients[0].submit_over(&clients[1..], &envelope, &files, |_| ()).await;
    let Err(CallError::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!((refusal.code, refusal.retry_after), (Code::StorageFull, Some(600)));
    assert!(refusal.sentence.contains("is kept"), "{}", refusal.sentence);
    let before = running.toy.arrived();
    assert!(before > 16 << 20, "{before}");

    // The same connections, and who wants no room, go on.
    let target = folder.path().join("pulled");
    clients[1].fetch(&stored.file, &target, |_| ()).await.unwrap();

    assert!(small.sized("remount,", 100));
    let mut first = None;
    let progress = |at: Transfer| _ = first.get_or_insert(at.resumed_from);
    clients[0].submit_over(&clients[1..], &envelope, &files, progress).await.unwrap();
    let (resumed, total) = (first.unwrap(), 40 * MIB as u64);
    assert!(resumed + 3 * UNWRITTEN >= before, "{resumed} of {before} were kept");
    assert_eq!(running.toy.arrived() - before, total - resumed, "only what was missing came");
    let came = fs::read(running.toy.data(&files[0].file.blake3)).unwrap();
    assert!(came == fs::read(&files[0].path).unwrap());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piece_of_no_upload_is_refused_and_a_wrong_one_ends_nothing_else() {
    let running = Running::start(Limits::default());
    let folder = TempDir::new().unwrap();
    let files = [content(folder.path(), "expert", 2 * MIB)];
    let envelope = envelope(&files, &party_key());
    let client = running.client().await;
    let (mut call, request) = BringCall::new(&envelope, vec![files[0].file.clone()]);
    let mut frames = client.ask(&request).await.unwrap();
    let refused = call.on(client.reply(&mut frames).await.unwrap()).unwrap_err();
    let Ended::Refused(refusal) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.code, Code::NotFound);

    // Other bytes than those of the digest.
    let mut changed = fs::read(&files[0].path).unwrap();
    changed[MIB] ^= 1;
    fs::write(&files[0].path, changed).unwrap();
    let outboard = files[0].outboard.clone();
    assert!(outboard.is_none(), "the client finds out by itself");
    let error = client.submit_over(&[], &envelope, &files, |_| ()).await.unwrap_err();
    assert!(matches!(error, CallError::File { .. }), "{error:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_comes_from_several_servers_and_who_lacks_it_is_left_out() {
    let folder = TempDir::new().unwrap();
    let file = content(folder.path(), "soup", 50 * MIB + 3);
    let mut servers = Vec::new();
    for holds in [true, false, true] {
        let running = Running::start(Limits::default());
        if holds {
            let envelope = envelope(std::slice::from_ref(&file), &party_key());
            let all = [file.clone()];
            running.client().await.submit(&envelope, &all, |_| ()).await.unwrap();
        }
        servers.push(running);
    }
    let mut clients = Vec::new();
    for server in &servers {
        clients.push(server.client().await);
    }
    let target = folder.path().join("pulled");
    let mut failed = Vec::new();
    let fetched = Client::fetch_from(
        &clients,
        &file.file,
        &target,
        |_| (),
        |number, error| {
            failed.push((number, error.to_string()));
        },
    );
    fetched.await.unwrap();
    assert!(fs::read(&target).unwrap() == fs::read(&file.path).unwrap());
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].0, 1);

    let nowhere = FileEntry { blake3: potluck_core::Blake3::of(b"else"), ..file.file.clone() };
    let lost: PathBuf = folder.path().join("lost");
    let error = Client::fetch_from(&clients, &nowhere, &lost, |_| (), |_, _| ()).await.unwrap_err();
    assert!(matches!(error, CallError::Refused(_)), "{error:?}");
    for server in servers {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_come_through_a_bad_network() {
    let running = Running::start(Limits::default());
    let weather = Weather { loss: 10, delay: Duration::from_millis(10), ..Weather::default() };
    let mut proxies = Vec::new();
    for seed in 0..3 {
        // A proxy is one client's.
        proxies.push(Proxy::start(running.address, seed, weather).await);
    }
    let mut clients = Vec::new();
    for proxy in &proxies {
        clients.push(proxy.client().await);
    }
    let folder = TempDir::new().unwrap();
    let files = [content(folder.path(), "expert", 6 * MIB)];
    let envelope = envelope(&files, &party_key());
    let transfers = async {
        clients[0].submit_over(&clients[1..], &envelope, &files, |_| ()).await.unwrap();
        let target = folder.path().join("pulled");
        Client::fetch_from(&clients, &files[0].file, &target, |_| (), |_, _| ()).await.unwrap();
        assert!(fs::read(&target).unwrap() == fs::read(&files[0].path).unwrap());
    };
    tokio::time::timeout(Duration::from_secs(120), transfers).await.expect("transfers end");
    running.stop().await;
}
