//! Many parties at once, with the real client.

use potluck_core::Code;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::toy::{content, envelope};
use super::*;
use crate::{CallError, Content};

const PARTIES: u8 = 200;

/// Uploads, and comes again where the server has no place for now.
async fn push(client: &Client, key: &PrivateKey, files: &[Content]) {
    let envelope = envelope(files, key);
    loop {
        match client.submit(&envelope, files, |_| ()).await {
            Ok(_) => return,
            Err(CallError::Refused(refusal)) if refusal.code == Code::Busy => (),
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_parties_at_once_are_all_served() {
    let keys: Vec<PrivateKey> = (0..PARTIES).map(|seed| key_of(seed).0).collect();
    let toy = Toy::admitting(keys.iter().map(PrivateKey::public));
    // All of them stand at one address here.
    let limits = Limits { per_address: usize::from(PARTIES), ..Limits::default() };
    let running = Running::with(toy, limits);
    let folder = TempDir::new().unwrap();
    let mut parties = JoinSet::new();
    let address = running.address.to_string();
    for (number, key) in keys.into_iter().enumerate() {
        let files = [content(folder.path(), &format!("expert-{number}"), 100_000 + number)];
        let address = address.clone();
        parties.spawn(async move {
            let client = connect(&address, &server_key().public(), &key).await.unwrap();
            push(&client, &key, &files).await;
            client.ledger(0).await.unwrap();
            let target = files[0].path.with_extension("pulled");
            client.fetch(&files[0].file, &target, |_| ()).await.unwrap();
            assert_eq!(std::fs::read(target).unwrap(), std::fs::read(&files[0].path).unwrap());
            client
        });
    }
    let mut clients = Vec::new();
    while let Some(client) = parties.join_next().await {
        clients.push(client.unwrap());
    }
    // All connections still stand, side by side.
    assert_eq!(clients.len(), usize::from(PARTIES));
    for client in &clients {
        client.ledger(1).await.unwrap();
    }
    assert_eq!(running.toy.recorded.lock().unwrap().len(), usize::from(PARTIES));
    drop(clients);
    running.stop().await;
}
