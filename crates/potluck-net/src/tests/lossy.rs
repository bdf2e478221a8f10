//! Bad networks between the real client and the real server ([`weather`](super::weather)).

use std::fs;
use std::sync::atomic::Ordering;

use tempfile::TempDir;

use super::toy::{content, envelope};
use super::weather::{Proxy, Weather};
use super::*;
use crate::{CallError, Content, Receipt, Transfer};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The longest that a transfer over a bad network is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

impl Proxy {
    /// Connects through it. A handshake has a deadline on both sides, so that a bad network may need several.
    pub(super) async fn client(&self) -> Client {
        for _ in 0..20 {
            let address = self.address.to_string();
            match connect(&address, &server_key().public(), &party_key()).await {
                Ok(client) => return client,
                Err(error) => eprintln!("{error}"),
            }
        }
        panic!("no handshake in twenty came through");
    }
}

/// Uploads until it is through: each attempt goes on where the one before ended.
async fn push(proxy: &Proxy, files: &[Content]) -> Receipt {
    let envelope = envelope(files, &party_key());
    for _ in 0..20 {
        match proxy.client().await.submit(&envelope, files, |_| ()).await {
            Ok(receipt) => return receipt,
            Err(CallError::Lost { reason, .. }) => eprintln!("lost: {reason}"),
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("no upload in twenty came through");
}

/// Downloads until it is through.
async fn pull(proxy: &Proxy, file: &Content, target: &std::path::Path) {
    for _ in 0..20 {
        match proxy.client().await.fetch(&file.file, target, |_| ()).await {
            Ok(()) => return,
            Err(CallError::Lost { reason, .. }) => eprintln!("lost: {reason}"),
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("no download in twenty came through");
}

/// Sends so many bytes up and down again through `weather`, and compares.
async fn there_and_back(seed: u64, weather: Weather, size: usize) -> Proxy {
    let running = Running::start(Limits::default());
    let proxy = Proxy::start(running.address, seed, weather).await;
    let folder = TempDir::new().unwrap();
    let files = [content(folder.path(), "expert", size)];
    let transfers = async {
        push(&proxy, &files).await;
        let stored = fs::read(running.toy.data(&files[0].file.blake3)).unwrap();
        assert!(stored == fs::read(&files[0].path).unwrap());
        let target = folder.path().join("pulled");
        pull(&proxy, &files[0], &target).await;
        assert!(fs::read(&target).unwrap() == stored);
    };
    tokio::time::timeout(PATIENCE, transfers).await.expect("transfers end on a bad network");
    running.stop().await;
    proxy
}

#[tokio::test(flavor = "multi_thread")]
async fn one_datagram_in_a_hundred_is_lost() {
    let weather = Weather { loss: 10, ..Weather::default() };
    let proxy = there_and_back(1, weather, 8 * MIB).await;
    assert!(proxy.lost() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_in_twenty_is_lost_over_a_long_way() {
    let delay = Duration::from_millis(25);
    let weather = Weather { loss: 50, delay, ..Weather::default() };
    let proxy = there_and_back(2, weather, MIB).await;
    assert!(proxy.lost() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_in_five_is_lost() {
    let weather = Weather { loss: 200, ..Weather::default() };
    let proxy = there_and_back(3, weather, 512 * KIB).await;
    assert!(proxy.lost() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_come_twice_and_out_of_order() {
    let jitter = Duration::from_millis(5);
    let weather = Weather { duplication: 200, jitter, ..Weather::default() };
    let proxy = there_and_back(4, weather, 4 * MIB).await;
    assert!(proxy.sky.doubled.load(Ordering::Relaxed) > 0);
}

/// Uploads in one attempt, and lets `trouble` come once when half of it is sent.
async fn troubled_half_way(trouble: impl Fn(&Proxy) + Send + Sync) -> Proxy {
    let running = Running::start(Limits::default());
    let proxy = Proxy::start(running.address, 5, Weather::default()).await;
    let folder = TempDir::new().unwrap();
    let files = [content(folder.path(), "expert", 40 * MIB)];
    let envelope = envelope(&files, &party_key());
    let client = proxy.client().await;
    let mut troubled = false;
    let submitting = client.submit(&envelope, &files, |at: Transfer| {
        if at.done > at.total / 2 && !troubled {
            troubled = true;
            trouble(&proxy);
        }
    });
    tokio::time::timeout(PATIENCE, submitting).await.unwrap().unwrap();
    let stored = fs::read(running.toy.data(&files[0].file.blake3)).unwrap();
    assert!(stored == fs::read(&files[0].path).unwrap());
    running.stop().await;
    proxy
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_address_changes_keeps_its_connection() {
    let proxy = troubled_half_way(Proxy::move_client).await;
    assert_eq!(proxy.sky.moves.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_of_silence_ends_no_connection() {
    let proxy = troubled_half_way(|proxy| proxy.fall_silent(Duration::from_secs(1))).await;
    assert!(proxy.lost() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_becomes_narrow_ends_no_connection() {
    // Until then packets have up to 6500 bytes.
    let proxy = troubled_half_way(|proxy| proxy.narrow(1300)).await;
    assert!(proxy.lost() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_takes_no_long_packets_at_all_is_found_out() {
    let weather = Weather { longest: Some(1252), ..Weather::default() };
    let proxy = there_and_back(6, weather, 4 * MIB).await;
    assert!(proxy.lost() > 0, "longer ones were tried");
}
