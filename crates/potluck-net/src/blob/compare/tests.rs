//! Only what changed is missing; nothing that does not verify is kept, whatever tree or other file is given.

use std::fs;
use std::path::PathBuf;

use potluck_core::{Blake3, Code};
use potluck_wire::Ranges;
use potluck_wire::ranges::GROUP;
use proptest::prelude::*;
use tempfile::TempDir;

use super::super::{Hashed, outboard};
use super::*;

const GROUP_LENGTH: usize = GROUP as usize;

fn content(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    bao_tree::blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

/// A file as it was, with its hashes, and as it is now.
struct Setting {
    folder: TempDir,
    now: Vec<u8>,
    blake3: Blake3,
}

impl Setting {
    /// `changed`: one byte in each of these places.
    fn new(size: usize, changed: &[usize]) -> Self {
        let folder = TempDir::new().unwrap();
        let before = content(size);
        fs::write(folder.path().join("before"), &before).unwrap();
        outboard(&folder.path().join("before"), &folder.path().join("before.obao")).unwrap();
        let mut now = before;
        changed.iter().for_each(|at| now[*at] ^= 1);
        fs::write(folder.path().join("now"), &now).unwrap();
        let blake3 = Blake3::of(&now);
        Self { folder, now, blake3 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn size(&self) -> u64 {
        self.now.len() as u64
    }

    fn open(&self) -> Partial {
        Partial::at(&self.path("target"), &self.blake3, self.size()).unwrap()
    }

    fn source(&self) -> Hashed {
        Hashed::new(&self.path("now"), &self.blake3, self.size()).unwrap()
    }

    fn copy(&self, partial: &mut Partial) -> u64 {
        let (mut copied, mut last) = (0, 0);
        let mut on_group = |span: Range<u64>| {
            assert!(span.start >= last, "in their order");
            last = span.end;
            copied += span.end - span.start;
        };
        partial.copy_equal(&self.path("before"), &self.path("before.obao"), &mut on_group).unwrap();
        copied
    }

    /// Sends what is missing, and looks at what came of it.
    fn complete(&self, mut partial: Partial) -> Ranges {
        let (missing, mut stream) = (partial.missing(), Vec::new());
        self.source().send(&missing, &mut stream).unwrap();
        partial.receive(&missing, &mut &stream[..], &mut |_| ()).unwrap();
        partial.finish(&self.path("data"), &self.path("data.obao")).unwrap();
        assert!(fs::read(self.path("data")).unwrap() == self.now);
        assert_eq!(fs::read(self.path("data.obao")).unwrap(), self.source().outboard().to_vec());
        missing
    }
}

#[test]
fn what_did_not_change_is_not_missing() {
    let size = 40 * GROUP_LENGTH + 700;
    let changed = [3 * GROUP_LENGTH, 3 * GROUP_LENGTH + 9, 17 * GROUP_LENGTH - 1, size - 1];
    let setting = Setting::new(size, &changed);
    let mut partial = setting.open();
    assert!(!partial.has_hashes().unwrap());
    assert_eq!(setting.copy(&mut partial), 0, "nothing is known of the file yet");
    let tree = setting.source().outboard().to_vec();
    let mut from = &[&tree[..], b"the next"].concat()[..];
    partial.take_hashes(&mut from).unwrap();
    assert_eq!(from, b"the next", "no byte more is read");
    assert!(partial.has_hashes().unwrap());
    assert_eq!(setting.copy(&mut partial), setting.size() - 2 * GROUP - 700);
    assert_eq!(setting.copy(&mut partial), 0, "it is there");
    drop(partial);

    // Killed here: both the tree and what was copied are found again.
    let partial = setting.open();
    assert!(partial.has_hashes().unwrap());
    let missing = setting.complete(partial);
    let groups =
        [[3, 4], [16, 17], [40, 41]].map(|span| span.map(|at| (at * GROUP).min(setting.size())));
    assert_eq!(missing.to_pairs(), groups);
}

#[test]
fn content_that_lost_its_hashes_is_found_by_the_tree() {
    let setting = Setting::new(5 * GROUP_LENGTH, &[]);
    fs::write(setting.path("target.part"), &setting.now[..4 * GROUP_LENGTH]).unwrap();
    let mut partial = setting.open();
    assert_eq!(partial.missing().byte_count(), setting.size());
    partial.take_hashes(&mut &setting.source().outboard()[..]).unwrap();
    assert_eq!(setting.complete(partial).byte_count(), GROUP);
}

#[test]
fn a_tree_that_is_not_of_the_digest_is_refused_at_its_pair() {
    let setting = Setting::new(9 * GROUP_LENGTH, &[0]);
    let tree = setting.source().outboard().to_vec();
    for at in 0..tree.len() {
        let mut wrong = tree.clone();
        wrong[at] ^= 0x10;
        let mut partial = setting.open();
        let refused = partial.take_hashes(&mut &wrong[..]).unwrap_err();
        assert!(matches!(refused, ReceiveError::Corrupt { .. }));
        assert_eq!(refused.refusal(&setting.blake3).code, Code::ContentCorrupt);
        assert!(!partial.has_hashes().unwrap());
        let before = at / PAIR * PAIR;
        assert_eq!(fs::read(setting.path("target.obao")).unwrap(), &tree[..before]);
        fs::remove_file(setting.path("target.obao")).unwrap();
    }
    let mut partial = setting.open();
    let cut = partial.take_hashes(&mut &tree[..tree.len() - 1]).unwrap_err();
    assert!(matches!(cut, ReceiveError::Cut(_)));
    setting.complete(partial);
}

#[test]
fn neither_the_other_file_nor_its_hashes_are_believed() {
    let size = 12 * GROUP_LENGTH;
    let setting = Setting::new(size, &[5 * GROUP_LENGTH]);
    let tree = setting.source().outboard().to_vec();
    let (before, hashes) = (setting.path("before"), setting.path("before.obao"));
    // Its disk lies about one group, and its hashes say that all is equal.
    let mut rotten = fs::read(&before).unwrap();
    rotten[2 * GROUP_LENGTH] ^= 1;
    fs::write(&before, &rotten).unwrap();
    fs::write(&hashes, &tree).unwrap();
    let mut partial = setting.open();
    partial.take_hashes(&mut &tree[..]).unwrap();
    assert_eq!(setting.copy(&mut partial), 10 * GROUP);
    assert_eq!(partial.missing().to_pairs(), [[2 * GROUP, 3 * GROUP], [5 * GROUP, 6 * GROUP]]);

    // Another length, hashes that end early, and no file at all: nothing is equal, and nobody fails.
    for (data, obao) in [(&rotten[1..], &tree[..]), (&rotten[..], &[]), (&[], &tree[..])] {
        fs::write(&before, data).unwrap();
        fs::write(&hashes, obao).unwrap();
        assert_eq!(setting.copy(&mut partial), 0);
    }
    fs::remove_file(&before).unwrap();
    assert_eq!(setting.copy(&mut partial), 0);
    setting.complete(partial);
}

#[test]
fn a_file_of_one_group_has_no_tree() {
    for size in [0, 1, GROUP_LENGTH] {
        let setting = Setting::new(size, &[]);
        let mut partial = setting.open();
        partial.take_hashes(&mut &[][..]).unwrap();
        assert!(partial.has_hashes().unwrap());
        assert_eq!(setting.copy(&mut partial), 0);
        setting.complete(partial);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Any bytes as a tree, after any true beginning: refused or the tree, and the file comes in all the same.
    #[test]
    fn no_tree_does_harm(
        size in 1usize..20 * GROUP_LENGTH,
        honest in any::<prop::sample::Index>(),
        rest in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let setting = Setting::new(size, &[size / 2]);
        let tree = setting.source().outboard().to_vec();
        let sent = [&tree[..honest.index(tree.len() + 1)], &rest[..]].concat();
        let mut partial = setting.open();
        let taken = partial.take_hashes(&mut &sent[..]);
        prop_assert_eq!(taken.is_ok(), sent.starts_with(&tree));
        prop_assert_eq!(partial.has_hashes().unwrap(), sent.starts_with(&tree));
        setting.copy(&mut partial);
        setting.complete(partial);
    }

    /// Whatever changed, exactly its groups are missing, after an interruption too.
    #[test]
    fn exactly_what_changed_is_missing(
        size in 2usize..30 * GROUP_LENGTH,
        changed in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        came in any::<prop::sample::Index>(),
    ) {
        let places: Vec<usize> = changed.iter().map(|at| at.index(size)).collect();
        let setting = Setting::new(size, &places);
        let mut partial = setting.open();
        // Some of it came before.
        let mut stream = Vec::new();
        setting.source().send(&partial.missing(), &mut stream).unwrap();
        let cut = &stream[..came.index(stream.len())];
        let _ = partial.receive(&partial.missing(), &mut &cut[..], &mut |_| ());
        let there = setting.size() - partial.missing().byte_count();
        partial.take_hashes(&mut &setting.source().outboard()[..]).unwrap();
        let copied = setting.copy(&mut partial);
        let missing = partial.missing();
        prop_assert_eq!(there + copied + missing.byte_count(), setting.size());
        if size > GROUP_LENGTH {
            for span in missing.spans() {
                for group in span.start / GROUP..span.end.div_ceil(GROUP) {
                    prop_assert!(places.iter().any(|at| *at as u64 / GROUP == group));
                }
            }
        }
        setting.complete(partial);
    }
}
