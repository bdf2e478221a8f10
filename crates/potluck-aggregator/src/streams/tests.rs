//! Streams over a content that counts, and over soups of a real store.

use std::sync::atomic::Ordering;

use potluck_core::Lambda;
use potluck_core::recipe::Arithmetic;

use super::content::tests::Counted;
use super::*;
use crate::fixture::{Folder, expert};
use crate::server::Aggregator;

fn streams(aggregator: &Aggregator, folder: &Folder, cache_bytes: u64) -> Arc<Streams> {
    let two = NonZeroUsize::new(2).unwrap();
    let store = Arc::clone(&aggregator.store);
    Arc::new(Streams::new(store, two, &folder.path().join("kept"), cache_bytes))
}

async fn read(mut stream: Stream) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(next) = stream.next().await {
        bytes.extend_from_slice(&next?);
    }
    assert_eq!(stream.left(), 0);
    Ok(bytes)
}

fn recipe(aggregator: &Aggregator, lambda: &str) -> Recipe {
    let standing = aggregator.standing();
    let experts = standing.federation.experts();
    let lambda: Lambda = lambda.parse().unwrap();
    let manifest = |party: &_| experts.get(party).map(|expert| expert.manifest.digest());
    Recipe::new(Arithmetic::Linear1, standing.federation.base().digest(), &lambda, manifest)
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn any_range_is_that_of_the_content() {
    let folder = Folder::new();
    let streams = streams(&folder.open(), &folder, 0);
    let content: Arc<dyn Content> = Arc::new(Counted::default());
    let (length, tile) = (content.length(), TILE as u64);
    let whole = read(streams.stream(Arc::clone(&content), 0, length)).await.unwrap();
    assert_eq!((whole.len() as u64, whole[0], whole[whole.len() - 1]), (length, 0, 3));
    for (begin, end) in
        [(0, 1), (tile - 1, tile + 1), (tile, 2 * tile), (5, length), (length - 1, length), (7, 7)]
    {
        let part = read(streams.stream(Arc::clone(&content), begin, end)).await.unwrap();
        assert_eq!(part, whole[begin as usize..end as usize], "{begin} to {end}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_at_once_shares_the_work() {
    let folder = Folder::new();
    let streams = streams(&folder.open(), &folder, 0);
    let counted = Arc::new(Counted::default());
    let content: Arc<dyn Content> = Arc::<Counted>::clone(&counted);
    let mut all: Vec<_> =
        (0..8).map(|_| streams.stream(Arc::clone(&content), 0, content.length())).collect();
    // What one has asked for, the others find, for as long as one of them still needs it.
    all.iter_mut().for_each(Stream::ask);
    for tile in 0..4 {
        let mut made = Vec::new();
        for stream in &mut all {
            made.push(stream.next().await.unwrap().unwrap());
        }
        assert!(made.iter().all(|bytes| bytes[0] == tile));
    }
    assert_eq!(counted.made.load(Ordering::Relaxed), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_soup_is_the_soup_whether_it_is_kept_or_not() {
    let folder = Folder::new();
    let aggregator = folder.open();
    aggregator.agree();
    let standing = aggregator.standing();
    let streams = streams(&aggregator, &folder, 1 << 20);
    for lambda in ["agency=0.25,readers=0.75", "agency=1"] {
        let recipe = recipe(&aggregator, lambda);
        let experts: Vec<_> = (recipe.experts().iter())
            .map(|it| {
                let file = standing.catalogue.expert(it.manifest).unwrap();
                (it.party.clone(), aggregator.store.blobs.data(file.blake3))
            })
            .collect();
        let path = folder.path().join("blended");
        potluck_soup::blend(&recipe, &experts, &path, NonZeroUsize::MIN, &mut |_, _| {}).unwrap();
        let blended = std::fs::read(path).unwrap();
        // The first is mixed only, the second kept, and the third read from what was kept.
        for _ in 0..3 {
            let content = streams.soup(&recipe, &standing.catalogue).unwrap();
            let length = content.length();
            assert_eq!(length, blended.len() as u64);
            assert_eq!(read(streams.stream(content, 0, length)).await.unwrap(), blended);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_of_a_soup_comes_before_its_weights() {
    let folder = Folder::new();
    let aggregator = folder.open();
    aggregator.agree();
    let (standing, streams) = (aggregator.standing(), streams(&aggregator, &folder, 0));
    let recipe = recipe(&aggregator, "agency=0.5,readers=0.5");
    let content: Arc<dyn Content> = streams.soup(&recipe, &standing.catalogue).unwrap();
    let length = content.length();
    let whole = read(streams.stream(Arc::clone(&content), 0, length)).await.unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap());

    let mut stream = streams.stream(Arc::clone(&content), 0, length);
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!((first.len() as u64, stream.left()), (header, length - header));
    assert_eq!(first, whole[..first.len()]);
    for (begin, end) in
        [(0, 1), (3, header), (header - 1, header + 1), (header, header + 1), (5, length)]
    {
        let part = read(streams.stream(Arc::clone(&content), begin, end)).await.unwrap();
        assert_eq!(part, whole[begin as usize..end as usize], "{begin} to {end}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_that_the_disk_changed_is_never_sent() {
    let folder = Folder::new();
    let aggregator = folder.open();
    aggregator.agree();
    let standing = aggregator.standing();
    let recipe = recipe(&aggregator, "agency=0.5,readers=0.5");
    let file = standing.catalogue.expert(recipe.experts()[0].manifest).unwrap().clone();
    let path = aggregator.store.blobs.data(file.blake3);
    let mut bytes = expert(1);
    let last = bytes.len() - 1;
    bytes[last - 2] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let streams = streams(&aggregator, &folder, 0);
    let length = bytes.len() as u64;

    let stored = streams.stored(&file).unwrap();
    let error = read(streams.stream(stored, 0, length)).await.unwrap_err().to_string();
    assert!(error.contains("not those that the ledger names"), "{error}");
    // Its header is in order, and what the soup is planned by.
    let soup = streams.soup(&recipe, &standing.catalogue).unwrap();
    let error = read(streams.stream(soup, 0, length)).await.unwrap_err().to_string();
    assert!(error.contains("not those that the ledger names"), "{error}");
    // What is put right is served again, also where it is another file by now.
    for is_another in [true, false] {
        let whole = match is_another {
            true => path.with_extension("mended"),
            false => path.clone(),
        };
        std::fs::write(&whole, expert(1)).unwrap();
        std::fs::rename(&whole, &path).unwrap();
        let content = streams.soup(&recipe, &standing.catalogue).unwrap();
        let length = content.length();
        assert!(read(streams.stream(content, 0, length)).await.is_ok());
    }
}
