use std::os::unix::fs::FileExt as _;

use super::*;

#[test]
fn a_file_appears_complete_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("soup.safetensors");
    let entries = || std::fs::read_dir(folder.path()).unwrap().count();

    let part = Part::create(&target, 4).unwrap();
    part.file().write_all_at(b"half", 0).unwrap();
    assert!(!target.exists());
    drop(part);
    assert_eq!(entries(), 0);

    for durability in [Durability::Synced, Durability::Cached] {
        let part = Part::create(&target, 4).unwrap();
        part.file().write_all_at(b"full", 0).unwrap();
        part.finish(durability).unwrap();
        assert_eq!((entries(), fs::read(&target).unwrap()), (1, b"full".to_vec()));
    }
}

#[test]
fn what_a_kill_left_is_removed_and_what_grows_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("soup");
    let names =
        [".soup.1-7.part", ".soup.1-x.part", ".soup.part", ".other.1-7.part", "soup.1-7.part"];
    for name in names {
        std::fs::write(folder.path().join(name), b"half").unwrap();
    }
    let first = Part::create(&target, 0).unwrap();
    let second = Part::create(&target, 0).unwrap();
    let there = names.map(|name| folder.path().join(name).exists());
    assert_eq!(there, [false, true, true, true, true]);
    assert!(first.part.as_ref().unwrap().exists());
    second.finish(Durability::Cached).unwrap();
    drop(first);
    assert!(target.exists());
}

#[test]
fn a_target_that_cannot_be_is_refused_and_nothing_stays() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Part::create(&folder.path().join("missing/soup"), 1).is_err());
    assert!(Part::create(Path::new(".."), 1).is_err());
    // A folder stands where the soup should: the rename fails.
    let taken = folder.path().join("taken");
    std::fs::create_dir(&taken).unwrap();
    assert!(Part::create(&taken, 1).unwrap().finish(Durability::Cached).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn room_that_is_not_there_is_missed_before_the_first_byte() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("soup");
    for absurd in [1 << 60, u64::MAX] {
        assert!(Part::create(&target, absurd).is_err(), "{absurd}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
