//! Files on their way in: any interruption, any damage, and nothing wrong ever kept.

mod faulty;
mod reference;

use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::blob::{SendError, import, outboard, send};
use potluck_wire::ranges::GROUP;

/// Content that differs in every group.
fn content(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    let mut reader = bao_tree::blake3::Hasher::new().finalize_xof();
    reader.fill(&mut bytes);
    bytes
}

/// A folder with a source file, and the name of a stem to receive it at.
struct Setting {
    folder: TempDir,
    source: PathBuf,
    bytes: Vec<u8>,
    blake3: Blake3,
}

impl Setting {
    fn new(size: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let (source, bytes) = (folder.path().join("source"), content(size));
        fs::write(&source, &bytes).unwrap();
        Self { blake3: Blake3::of(&bytes), folder, source, bytes }
    }

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn open(&self) -> Partial {
        Partial::at(&self.path("target"), &self.blake3, self.size()).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn stream(&self, ranges: &Ranges) -> Vec<u8> {
        let mut stream = Vec::new();
        send(&self.source, None, &self.blake3, ranges, &mut stream).unwrap();
        stream
    }

    fn all(&self) -> Ranges {
        Ranges::all(self.size()).unwrap()
    }
}

fn receive(partial: &mut Partial, ranges: &Ranges, mut stream: &[u8]) -> Result<u64, ReceiveError> {
    let mut count = 0;
    partial.receive(ranges, &mut stream, &mut |group| count += group)?;
    assert!(stream.is_empty(), "no byte more or less is read");
    Ok(count)
}

#[test]
fn a_file_comes_in_whole_at_every_size_around_the_bounds_of_groups() {
    let group = GROUP as usize;
    for size in [0, 1, 1024, group - 1, group, group + 1, 2 * group, 5 * group + 1000] {
        let setting = Setting::new(size);
        let mut partial = setting.open();
        assert_eq!(partial.missing(), setting.all());
        let stream = setting.stream(&setting.all());
        assert_eq!(receive(&mut partial, &setting.all(), &stream).unwrap(), size as u64);
        assert!(partial.missing().is_empty());
        partial.finish(&setting.path("data"), &setting.path("hashes")).unwrap();
        assert_eq!(fs::read(setting.path("data")).unwrap(), setting.bytes);
        let mut again = Vec::new();
        let (data, hashes) = (setting.path("data"), setting.path("hashes"));
        send(&data, Some(&hashes), &setting.blake3, &setting.all(), &mut again).unwrap();
        assert_eq!(again, stream, "what came in can be sent on");
        assert!(!setting.path("target.part").exists());
    }
}

#[test]
fn a_flipped_byte_is_refused_at_its_group_and_never_written() {
    let setting = Setting::new(4 * GROUP as usize);
    let mut stream = setting.stream(&setting.all());
    let position = stream.len() - 2 * GROUP as usize + 17;
    let honest = stream[position];
    stream[position] = !honest;
    let mut partial = setting.open();
    let refused = receive(&mut partial, &setting.all(), &stream).unwrap_err();
    assert!(matches!(refused, ReceiveError::Corrupt { offset } if offset == 2 * GROUP));
    assert_eq!(refused.refusal(&setting.blake3).code, Code::ContentCorrupt);
    assert_eq!(partial.missing().to_pairs(), [[2 * GROUP, 4 * GROUP]]);
    drop(partial);
    let kept = fs::read(setting.path("target.part")).unwrap();
    assert_eq!(kept, &setting.bytes[..2 * GROUP as usize]);
}

#[test]
fn a_partial_file_is_held_by_one() {
    let setting = Setting::new(10);
    let held = setting.open();
    let second = Partial::at(&setting.path("target"), &setting.blake3, setting.size());
    assert_eq!(second.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    drop(held);
    setting.open();
}

#[test]
fn what_cannot_be_is_refused() {
    let setting = Setting::new(10);
    let at = |blake3: &Blake3, size| {
        Partial::at(&setting.path("other"), blake3, size).unwrap_err().kind()
    };
    assert_eq!(at(&setting.blake3, 0), io::ErrorKind::InvalidInput);
    assert_eq!(at(&setting.blake3, MAX_SIZE + 1), io::ErrorKind::InvalidInput);
    let unfinished = setting.open();
    let refused = unfinished.finish(&setting.path("data"), &setting.path("hashes")).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    assert!(!setting.path("data").exists());
}

#[test]
fn the_remains_of_another_file_are_overwritten() {
    let setting = Setting::new(3 * GROUP as usize);
    fs::write(setting.path("target.part"), vec![7; 9 * GROUP as usize]).unwrap();
    fs::write(setting.path("target.obao"), vec![7; 999]).unwrap();
    let mut partial = setting.open();
    assert_eq!(partial.missing(), setting.all());
    receive(&mut partial, &setting.all(), &setting.stream(&setting.all())).unwrap();
    partial.finish_data(&setting.path("data")).unwrap();
    assert_eq!(fs::read(setting.path("data")).unwrap(), setting.bytes);
    assert!(!setting.path("target.obao").exists());
}

#[test]
fn a_file_that_lost_its_hashes_between_two_renames_is_still_whole() {
    let setting = Setting::new(3 * GROUP as usize + 1);
    fs::write(setting.path("target.part"), &setting.bytes).unwrap();
    assert!(setting.open().missing().is_empty());
    let mut damaged = setting.bytes.clone();
    damaged[0] ^= 1;
    fs::write(setting.path("target.part"), &damaged).unwrap();
    fs::remove_file(setting.path("target.obao")).unwrap();
    let partial = setting.open();
    assert_eq!(partial.missing(), setting.all(), "hashes of other bytes prove nothing");
}

#[test]
fn stored_files_that_rotted_are_not_sent() {
    let setting = Setting::new(3 * GROUP as usize);
    let (data, hashes) = (setting.path("data"), setting.path("hashes"));
    import(&setting.source, &setting.blake3, setting.size(), &data, &hashes).unwrap();
    assert_eq!(outboard(&data, &setting.path("again")).unwrap(), (setting.blake3, setting.size()));
    assert_eq!(fs::read(&hashes).unwrap(), fs::read(setting.path("again")).unwrap());
    let mut rotten = setting.bytes.clone();
    rotten[GROUP as usize] ^= 1;
    fs::write(&data, &rotten).unwrap();
    let mut sent = Vec::new();
    let all = setting.all();
    let refused = send(&data, Some(&hashes), &setting.blake3, &all, &mut sent).unwrap_err();
    assert!(matches!(refused, SendError::Corrupt { offset } if offset == GROUP));
    assert!(sent.len() < 2 * GROUP as usize, "nothing wrong was sent");
    let refused = send(&data, None, &setting.blake3, &all, &mut sent).unwrap_err();
    assert!(matches!(refused, SendError::Corrupt { .. }));
    fs::write(&data, &rotten[..10]).unwrap();
    let refused = send(&data, Some(&hashes), &setting.blake3, &all, &mut sent).unwrap_err();
    assert!(matches!(refused, SendError::Corrupt { .. }));
}

#[test]
fn an_import_of_other_bytes_leaves_nothing() {
    let setting = Setting::new(100);
    let (data, hashes) = (setting.path("data"), setting.path("hashes"));
    for (blake3, size) in [(Blake3::of(b"other"), setting.size()), (setting.blake3, 99)] {
        let refused = import(&setting.source, &blake3, size, &data, &hashes).unwrap_err();
        assert!(matches!(refused, super::super::ImportError::Differs));
    }
    assert_eq!(fs::read_dir(setting.folder.path()).unwrap().count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Cut anywhere, any number of times: what verified is never sent again, and the end is the file.
    #[test]
    fn interruptions_cost_less_than_a_group(
        size in 1usize..6 * GROUP as usize,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let setting = Setting::new(size);
        let mut sent = 0;
        for cut in &cuts {
            let mut partial = setting.open();
            let missing = partial.missing();
            let stream = setting.stream(&missing);
            let cut = cut.index(stream.len() + 1);
            let before = missing.byte_count();
            match receive(&mut partial, &missing, &stream[..cut]) {
                Ok(_) => prop_assert_eq!(cut, stream.len()),
                Err(error) => prop_assert!(matches!(error, ReceiveError::Cut(_))),
            }
            let kept = before - partial.missing().byte_count();
            sent += kept;
            // A cut loses at most the group that was under way, and the hash pairs on the way to it.
            prop_assert!(kept + GROUP + 64 * 8 >= cut as u64);
        }
        let mut partial = setting.open();
        let missing = partial.missing();
        prop_assert_eq!(missing.byte_count(), setting.size() - sent);
        receive(&mut partial, &missing, &setting.stream(&missing)).unwrap();
        partial.finish_data(&setting.path("data")).unwrap();
        prop_assert_eq!(fs::read(setting.path("data")).unwrap(), setting.bytes);
    }

    /// Rotten anywhere on disk: the rescan finds it, and asks for what it needs to mend it.
    #[test]
    fn damage_on_disk_is_found_and_mended(
        size in 1usize..6 * GROUP as usize,
        at in any::<prop::sample::Index>(),
        in_hashes: bool,
    ) {
        let setting = Setting::new(size);
        let mut partial = setting.open();
        receive(&mut partial, &setting.all(), &setting.stream(&setting.all())).unwrap();
        drop(partial);
        let damaged = setting.path(if in_hashes { "target.obao" } else { "target.part" });
        let mut bytes = fs::read(&damaged).unwrap();
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] ^= 0x40;
            fs::write(&damaged, &bytes).unwrap();
        }
        let mut partial = setting.open();
        let missing = partial.missing();
        prop_assert_eq!(missing.is_empty(), bytes.is_empty());
        receive(&mut partial, &missing, &setting.stream(&missing)).unwrap();
        partial.finish_data(&setting.path("data")).unwrap();
        prop_assert_eq!(fs::read(setting.path("data")).unwrap(), setting.bytes);
    }
}

#[test]
fn a_resume_knows_at_once_what_was_never_written_and_later_what_is_damaged() {
    let group = GROUP as usize;
    let setting = Setting::new(40 * group + 9);
    let part = setting.path("target.part");
    let early = || {
        let (stem, size) = (setting.path("target"), setting.size());
        Partial::early_on(System, &stem, &setting.blake3, size, GROUP).unwrap()
    };
    let ranges = |pairs: &[[u64; 2]]| Ranges::new(setting.size(), pairs).unwrap();
    let head = ranges(&[[0, 10 * GROUP]]);
    let mut partial = setting.open();
    receive(&mut partial, &head, &setting.stream(&head)).unwrap();
    drop(partial);

    let mut partial = early();
    let tail = ranges(&[[10 * GROUP, setting.size()]]);
    assert_eq!(partial.missing(), tail);
    partial.settle().unwrap();
    assert_eq!(partial.missing(), tail);
    drop(partial);

    // A byte of the head is not what it was: the tail comes first, then the group with it.
    let mut bytes = fs::read(&part).unwrap();
    bytes[3 * group + 5] ^= 1;
    fs::write(&part, bytes).unwrap();
    let mut partial = early();
    assert_eq!(partial.missing(), tail);
    receive(&mut partial, &tail, &setting.stream(&tail)).unwrap();
    assert!(partial.missing().is_empty(), "as far as anybody has looked");
    partial.settle().unwrap();
    let damaged = ranges(&[[3 * GROUP, 4 * GROUP]]);
    assert_eq!(partial.missing(), damaged);
    drop(partial);
    let mut partial = early();
    assert_eq!(
        partial.missing(),
        damaged,
        "all is there: then it is looked at before anything is asked for"
    );
    receive(&mut partial, &damaged, &setting.stream(&damaged)).unwrap();
    partial.finish(&setting.path("data"), &setting.path("hashes")).unwrap();
    assert_eq!(fs::read(setting.path("data")).unwrap(), setting.bytes);
}

#[test]
fn what_is_not_settled_is_never_finished_unseen() {
    let setting = Setting::new(4 * GROUP as usize);
    let head = Ranges::new(setting.size(), &[[0, 2 * GROUP]]).unwrap();
    let tail = Ranges::new(setting.size(), &[[2 * GROUP, 4 * GROUP]]).unwrap();
    let mut partial = setting.open();
    receive(&mut partial, &head, &setting.stream(&head)).unwrap();
    drop(partial);
    fs::write(setting.path("target.part"), vec![7; 2 * GROUP as usize]).unwrap();
    let (stem, size) = (setting.path("target"), setting.size());
    let mut partial = Partial::early_on(System, &stem, &setting.blake3, size, GROUP).unwrap();
    receive(&mut partial, &tail, &setting.stream(&tail)).unwrap();
    assert!(partial.missing().is_empty());
    let refused = partial.finish(&setting.path("data"), &setting.path("hashes")).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    assert!(!setting.path("data").exists());
}

#[test]
fn several_ways_lead_into_one_file() {
    let setting = Setting::new(30 * GROUP as usize + 77);
    let partial = setting.open();
    let share = partial.share();
    let bounds: Vec<u64> =
        (0..30).step_by(5).map(|group| group * GROUP).chain([setting.size()]).collect();
    std::thread::scope(|scope| {
        for pair in bounds.windows(2) {
            let (share, ranges) =
                (share.clone(), Ranges::new(setting.size(), &[[pair[0], pair[1]]]));
            let ranges = ranges.unwrap();
            let stream = setting.stream(&ranges);
            scope.spawn(move || {
                let mut count = 0;
                share
                    .receive(&ranges, &mut stream.as_slice(), &mut |group| count += group)
                    .unwrap();
                assert_eq!(count, ranges.byte_count());
            });
        }
    });
    assert!(share.missing().is_empty() && partial.missing().is_empty());
    partial.finish(&setting.path("data"), &setting.path("hashes")).unwrap();
    assert_eq!(fs::read(setting.path("data")).unwrap(), setting.bytes);
    outboard(&setting.source, &setting.path("expected")).unwrap();
    assert_eq!(
        fs::read(setting.path("hashes")).unwrap(),
        fs::read(setting.path("expected")).unwrap()
    );
}

#[test]
fn of_a_file_with_gaps_only_what_was_never_written_is_asked_for_at_once() {
    let setting = Setting::new(64 * GROUP as usize);
    let partial = setting.open();
    let there = Ranges::new(setting.size(), &[[0, 8 * GROUP], [32 * GROUP, 40 * GROUP]]).unwrap();
    let stream = setting.stream(&there);
    partial.share().receive(&there, &mut stream.as_slice(), &mut |_| ()).unwrap();
    let missing = partial.missing();
    drop(partial);
    let (stem, size) = (setting.path("target"), setting.size());
    let mut partial = Partial::early_on(System, &stem, &setting.blake3, size, GROUP).unwrap();
    let at_once = partial.missing();
    // A file system that knows no gaps says that all up to the end was written.
    let tail = Ranges::new(setting.size(), &[[40 * GROUP, 64 * GROUP]]).unwrap();
    assert!(at_once == missing || at_once == tail, "{at_once:?}");
    partial.settle().unwrap();
    assert_eq!(partial.missing(), missing);
}
