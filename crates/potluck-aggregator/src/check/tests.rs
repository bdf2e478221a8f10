//! Stores that rotted, and what becomes of them.

use std::fs;

use super::*;
use crate::fixture::*;
use potluck_net::Service as _;

fn run(aggregator: &Aggregator) -> Report {
    check(aggregator, NonZeroUsize::new(3).unwrap(), &mut |_, _| {}).unwrap()
}

fn digest(turn: u8) -> Blake3 {
    Blake3::of(&expert(turn))
}

/// Changes one byte of a blob's file.
fn flip(path: &std::path::Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

async fn repaired(aggregator: &Aggregator, report: &mut Report, from: &Elsewhere) {
    repair(aggregator, report, from, (&log_key().public(), &operator())).await.unwrap();
}

#[test]
fn a_sound_store_is_found_to_be_sound() {
    let folder = Folder::new();
    let aggregator = folder.open();
    aggregator.agree();
    let publish = aggregator.publication();
    aggregator.say(potluck_core::Author::Operator, potluck_core::Body::Publish(publish)).unwrap();
    let mut last = (0, 0);
    let two = NonZeroUsize::new(2).unwrap();
    let report = check(&aggregator, two, &mut |done, total| last = (done, total)).unwrap();
    assert!(report.is_sound() && report.damage.is_empty(), "{report:?}");
    // The base's two, two experts, a soup.
    assert_eq!((report.files, report.entries), (5, aggregator.size()));
    assert_eq!(last, (report.bytes, report.bytes));
}

#[tokio::test]
async fn each_kind_of_damage_is_named_and_mended() {
    let folder = Folder::new();
    let aggregator = folder.open();
    aggregator.agree();
    aggregator.push_expert("readers", &expert(3)).unwrap();
    let blobs = &aggregator.store.blobs;
    flip(&blobs.data(digest(1)), 150_000);
    fs::remove_file(blobs.data(digest(2))).unwrap();
    flip(&blobs.outboard(digest(3)), 70);

    let mut report = run(&aggregator);
    let problem = |report: &Report, turn| {
        let damage = report.damage.iter().find(|damage| damage.blake3 == digest(turn)).unwrap();
        assert_eq!(damage.role, Role::Expert);
        damage.problem.clone()
    };
    assert_eq!(report.damage.len(), 3, "{report:?}");
    assert_eq!(problem(&report, 1), Problem::Corrupt { offset: 131_072 });
    assert_eq!(problem(&report, 2), Problem::Missing);
    assert_eq!(problem(&report, 3), Problem::Hashes);
    assert!(!report.is_sound());
    let aside = report.damage.iter().find_map(|damage| damage.aside.clone()).unwrap();
    assert!(
        aside.is_file() && !blobs.contains(digest(1)),
        "corrupt bytes are kept, and served no more"
    );
    aggregator.fetch(&operator().public(), &digest(1)).unwrap_err();

    // The tree of hashes was mended from the bytes; what is gone is missing now, and comes from a mirror's folder,
    // in which other files of the same size stand too.
    report = run(&aggregator);
    assert_eq!([1, 2].map(|turn| problem(&report, turn)), [Problem::Missing, Problem::Missing]);
    assert_eq!(report.damage.len(), 2);
    let mirror = tempfile::tempdir().unwrap();
    let shelf = mirror.path().join("blob/xx");
    fs::create_dir_all(&shelf).unwrap();
    fs::write(shelf.join("a"), expert(9)).unwrap();
    fs::write(shelf.join(digest(2).to_string()), expert(8)).unwrap();
    fs::write(shelf.join("whatever.safetensors"), expert(1)).unwrap();
    let from = Elsewhere::of(mirror.path().to_str().unwrap());
    repaired(&aggregator, &mut report, &from).await;
    assert!(blobs.contains(digest(1)) && !blobs.contains(digest(2)), "only right bytes count");
    assert!(!report.is_sound());
    fs::write(shelf.join("b"), expert(2)).unwrap();
    repaired(&aggregator, &mut report, &from).await;
    assert!(report.is_sound() && run(&aggregator).damage.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_aggregator_of_the_federation_has_the_bytes() {
    let (folder, other) = (Folder::new(), Folder::new());
    let (aggregator, source) = (folder.open(), other.open());
    for aggregator in [&aggregator, &source] {
        aggregator.say(potluck_core::Author::Operator, admit("agency")).unwrap();
        aggregator.push_expert("agency", &expert(1)).unwrap();
    }
    let any = "127.0.0.1:0".parse().unwrap();
    let service = std::sync::Arc::new(source);
    let server =
        potluck_net::Server::bind(any, &(&log_key()).into(), service, Default::default()).unwrap();
    let address = server.local_addr().to_string();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async { drop(stopped.await) }));

    fs::remove_file(aggregator.store.blobs.data(digest(1))).unwrap();
    let mut report = run(&aggregator);
    repaired(&aggregator, &mut report, &Elsewhere::of(&address)).await;
    assert_eq!(report.damage[0].repaired_from.as_ref(), Some(&address), "{report:?}");
    assert!(run(&aggregator).damage.is_empty());
    assert_eq!(fs::read_dir(folder.store().join("quarantine")).unwrap().count(), 0);
    stop.send(()).unwrap();
    serving.await.unwrap();
}

#[test]
fn strays_are_verified_and_what_was_swept_is_not_missed() {
    let folder = Folder::new();
    let aggregator = folder.open();
    aggregator.say(potluck_core::Author::Operator, admit("agency")).unwrap();
    for turn in [1, 2] {
        aggregator.push_expert("agency", &expert(turn)).unwrap();
    }
    let blobs = &aggregator.store.blobs;
    assert!(blobs.remove(digest(1), &|| true).unwrap());
    let source = folder.path().join("stray");
    fs::write(&source, expert(5)).unwrap();
    blobs.import(&source, &entry_of("x", &expert(5))).unwrap();
    assert_eq!(run(&aggregator).damage, []);
    flip(&blobs.data(digest(5)), 0);
    let report = run(&aggregator);
    assert_eq!((report.damage.len(), report.damage[0].role), (1, Role::Stray));
    assert_eq!(report.damage[0].problem, Problem::Corrupt { offset: 0 });
    assert_eq!(run(&aggregator).damage, [], "it is aside now, and nobody misses it");
}
