//! Audit: whatever the aggregator changes behind the parties' backs, a stranger finds.

use std::fs;
use std::path::{Path, PathBuf};

use support::checkpoint::SMALL;
use support::federation::Federation;

fn blobs(federation: &Federation) -> Vec<PathBuf> {
    let shelves = fs::read_dir(federation.operator_dir().join("store/blobs")).unwrap();
    let files = shelves.flat_map(|shelf| fs::read_dir(shelf.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

fn blob(federation: &Federation, bytes: &[u8]) -> PathBuf {
    let same = |path: &PathBuf| fs::read(path).unwrap() == bytes;
    blobs(federation).into_iter().find(same).expect("the store holds it")
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_changed_expert_on_disk_is_found() {
    let federation = Federation::agreed(SMALL).unwrap();
    federation.operator(&["publish"], &[]).succeeded();
    let expert = federation.expert("agency").unwrap().join("model.safetensors");
    flip(&blob(&federation, &fs::read(expert).unwrap()));
    let ended = federation.stranger(&["audit"], &[]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let verdict = ended.json();
    assert_eq!(
        (&verdict["ok"], &verdict["failed"]["code"]),
        (&false.into(), &"stored-content-corrupt".into())
    );
}

#[test]
fn another_log_key_is_another_federation() {
    let (one, two) = (Federation::found(SMALL).unwrap(), Federation::found(SMALL).unwrap());
    let args = ["audit", "--address", &one.address, "--log-key", &two.log_key];
    let ended = support::potluck(&args);
    assert_eq!(ended.code, Some(5), "{ended:?}");
}

#[test]
fn a_shortened_history_is_refused_by_who_saw_the_longer_one() {
    let mut federation = Federation::with_parties(SMALL).unwrap();
    let (store, kept) = (federation.operator_dir().join("store"), federation.path("kept"));
    federation.kill();
    copy(&store, &kept);
    federation.restart().unwrap();
    federation.push("agency", &federation.expert("agency").unwrap()).succeeded();
    federation.kill();
    fs::remove_dir_all(&store).unwrap();
    copy(&kept, &store);
    federation.restart().unwrap();
    let ended = federation.push("agency", &federation.expert("agency").unwrap());
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.stdout.contains("roll") || ended.stderr.contains("roll"), "{ended:?}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
