//! What is written is read back, wherever the writing stopped, and damage is mended.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use potluck_core::entry::Record;
use potluck_core::envelope::Domain;
use potluck_core::{Entry, Envelope, Kind, PrivateKey};
use potluck_log::{Checkpoint, NoteSigner, Tree};

use super::*;

fn entry(number: u64) -> Entry {
    let domain = Domain { kind: Kind::Genesis, federation: None };
    let key = PrivateKey::from_seed(&[1; 32]);
    let envelope = Envelope::sign(domain, number.to_be_bytes().to_vec(), &key).unwrap();
    let (kind, key, digest) = (Kind::Genesis, envelope.key(), envelope.sha256());
    let record = Record { v: 1, time: number, kind, key, envelope: digest, content: None };
    Entry::parse(&record.to_bytes(), envelope.as_bytes()).unwrap()
}

fn entries(count: u64) -> Vec<Entry> {
    (0..count).map(entry).collect()
}

fn note(entries: &[Entry]) -> String {
    let mut tree = Tree::new();
    entries.iter().for_each(|entry| _ = tree.push(entry.record()));
    let key = PrivateKey::from_seed(&[2; 32]).as_dalek().clone();
    let signer = NoteSigner::new("potluck/test".parse().unwrap(), key);
    let origin = signer.verifier_key().name().clone();
    Checkpoint { origin, size: tree.len(), root: tree.root(), state: [7; 32] }.sign(&signer)
}

fn add<F: Files>(writer: &mut ArchiveWriter<F>, entries: &[Entry]) -> Result<(), ArchiveError> {
    let from = usize::try_from(writer.size()).unwrap();
    entries[from..].iter().try_for_each(|entry| writer.push(entry))?;
    writer.seal(&note(entries))
}

fn invariant_all_is_read_back<F: Files>(reader: &ArchiveReader<F>, entries: &[Entry]) {
    assert_eq!(reader.checkpoint(), note(entries));
    let read: Result<Vec<Entry>, _> = reader.entries(0).collect();
    assert!(read.unwrap() == entries);
    assert_eq!(
        reader.tiles().unwrap().root().unwrap(),
        Claim::of(reader.checkpoint()).unwrap().root
    );
}

/// Every file of a folder, by its path.
fn files_of(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}

#[test]
fn what_is_sealed_is_read_back_and_goes_on_after_every_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let all = entries(600);
    assert!(matches!(ArchiveReader::open(&path), Err(ArchiveError::NoCheckpoint)));
    for size in [1, 2, 200, 255, 256, 257, 511, 600] {
        add(&mut ArchiveWriter::open(&path).unwrap(), &all[..size]).unwrap();
        invariant_all_is_read_back(&ArchiveReader::open(&path).unwrap(), &all[..size]);
    }
    let reader = ArchiveReader::open(&path).unwrap();
    for from in [1, 255, 256, 599] {
        let read: Vec<Entry> = reader.entries(from).map(Result::unwrap).collect();
        assert!(read == all[from as usize..]);
    }
    assert_eq!(reader.entries(600).count() + reader.entries(u64::MAX).count(), 0);
    // The partial tiles of full ones are gone, those of the growing ones stay.
    let files = files_of(&path);
    let partials: Vec<&str> =
        files.keys().filter(|name| name.contains(".p/")).map(String::as_str).collect();
    assert_eq!(
        partials,
        ["tile/0/002.p/88", "tile/1/000.p/1", "tile/1/000.p/2", "tile/entries/002.p/88"]
    );
    for name in files.keys() {
        assert_eq!(name.parse::<ArchiveFile>().unwrap().to_string(), *name);
    }
}

#[test]
fn a_checkpoint_over_other_entries_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = ArchiveWriter::open(dir.path()).unwrap();
    let all = entries(3);
    add(&mut writer, &all[..2]).unwrap();
    writer.push(&all[2]).unwrap();
    let others = [entry(0), entry(1), entry(9)];
    for wrong in [note(&all[..2]), note(&others)] {
        assert!(matches!(writer.seal(&wrong), Err(ArchiveError::OtherTree { .. })));
    }
    assert!(matches!(writer.seal("no note"), Err(ArchiveError::Checkpoint)));
    writer.seal(&note(&all)).unwrap();
}

#[test]
fn a_damaged_file_is_found_or_mended() {
    let dir = tempfile::tempdir().unwrap();
    let all = entries(260);
    for size in [100, 258, 260] {
        add(&mut ArchiveWriter::open(dir.path()).unwrap(), &all[..size]).unwrap();
    }
    let good = files_of(dir.path());
    let names: Vec<&String> =
        good.keys().filter(|name| !name.starts_with("envelope/") || name.contains("/a")).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        let damages: [&dyn Fn(); 3] = [
            &|| fs::remove_file(&path).unwrap(),
            &|| fs::write(&path, &whole[..whole.len() / 2]).unwrap(),
            &|| fs::write(&path, vec![0; whole.len()]).unwrap(),
        ];
        for damage in damages {
            damage();
            fs::write(path.with_extension("unfinished"), b"left by a kill").unwrap();
            let mut writer = ArchiveWriter::begin(dir.path());
            add(&mut writer, &all).unwrap();
            fs::remove_file(path.with_extension("unfinished")).ok();
            let mut mended = files_of(dir.path());
            // A smaller partial tile that is gone is not missed: its beginning of the larger one serves.
            let (key, file) = (name.to_string(), &good[name]);
            if name.ends_with(".p/2") || name.ends_with(".p/1") {
                mended.entry(key).or_insert_with(|| file.clone());
            }
            assert!(mended == good, "{name}");
        }
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn a_folder_that_is_not_what_its_checkpoint_says_is_not_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let all = entries(5);
    add(&mut ArchiveWriter::open(dir.path()).unwrap(), &all).unwrap();
    let tile = dir.path().join("tile/0/000.p/5");
    let mut hashes = fs::read(&tile).unwrap();
    hashes[0] ^= 1;
    fs::write(&tile, hashes).unwrap();
    let refused = ArchiveWriter::open(dir.path()).unwrap_err();
    assert!(matches!(refused, ArchiveError::OtherTree { size: 5 }));
    fs::write(&tile, b"short").unwrap();
    assert!(matches!(ArchiveWriter::open(dir.path()), Err(ArchiveError::Tiles(_))));
    fs::write(dir.path().join("checkpoint"), vec![b'x'; 2 * MAX_NOTE_BYTES]).unwrap();
    assert!(matches!(ArchiveWriter::open(dir.path()), Err(ArchiveError::Checkpoint)));

    let reader = {
        add(&mut ArchiveWriter::begin(dir.path()), &all).unwrap();
        ArchiveReader::open(dir.path()).unwrap()
    };
    let envelope = ArchiveFile::Envelope(all[2].envelope().sha256()).to_string();
    fs::remove_file(dir.path().join(envelope)).unwrap();
    let read: Vec<_> = reader.entries(0).collect();
    assert!(matches!(read.as_slice(), [Ok(_), Ok(_), Err(ArchiveError::Missing { index: 2, .. })]));
}

/// Files in memory that are gone after so many changes.
#[derive(Default)]
struct Dying {
    files: RefCell<BTreeMap<String, Vec<u8>>>,
    left: Cell<u64>,
}

impl Dying {
    fn change(&self) -> io::Result<()> {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.ok_or_else(|| io::Error::other("killed"))?);
        Ok(())
    }
}

impl Files for &Dying {
    fn read(&self, name: &str, _limit: usize) -> io::Result<Option<Vec<u8>>> {
        Ok(self.files.borrow().get(name).cloned())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.change()?;
        self.files.borrow_mut().insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let files = self.files.borrow();
        let inside = files.keys().filter_map(|name| name.strip_prefix(folder)?.strip_prefix('/'));
        Ok(inside.map(str::to_owned).collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change()?;
        let inside = |other: &str| other.strip_prefix(name).is_some_and(|r| r.starts_with('/'));
        self.files.borrow_mut().retain(|other, _| other != name && !inside(other));
        Ok(())
    }
}

#[test]
fn a_kill_at_any_change_leaves_the_checkpoint_before_or_the_one_after() {
    let all = entries(300);
    let sizes = [254, 256, 257, 300];
    let mut ended = false;
    for limit in (0..).step_by(7) {
        let disk = Dying::default();
        disk.left.set(u64::MAX);
        add(&mut ArchiveWriter::over(&disk), &all[..250]).unwrap();
        disk.left.set(limit);
        let mut sealed = 250;
        let mut writer = ArchiveWriter::continued(&disk).unwrap();
        ended = sizes.iter().all(|&size| {
            let added = add(&mut writer, &all[..size]).is_ok();
            sealed = if added { size } else { sealed };
            added
        });
        disk.left.set(u64::MAX);
        let reader = ArchiveReader::over(&disk).unwrap();
        let size = usize::try_from(reader.size()).unwrap();
        let next = sizes.into_iter().find(|&next| next > sealed);
        assert!(size == sealed || Some(size) == next, "{size} after {sealed}");
        invariant_all_is_read_back(&reader, &all[..size]);
        // And it goes on from there.
        add(&mut ArchiveWriter::continued(&disk).unwrap(), &all).unwrap();
        invariant_all_is_read_back(&ArchiveReader::over(&disk).unwrap(), &all);
        if ended {
            break;
        }
    }
    assert!(ended);
}

#[test]
fn only_the_files_of_a_log_have_names() {
    let hex = "ab".repeat(32);
    let envelope = format!("envelope/ab/{hex}");
    for good in ["checkpoint", "tile/0/000", "tile/entries/x001/002.p/3", &envelope] {
        assert_eq!(good.parse::<ArchiveFile>().unwrap().to_string(), good);
    }
    let (upper, other) = (envelope.to_uppercase(), format!("envelope/ac/{hex}"));
    for bad in [
        "",
        "/checkpoint",
        "checkpoint/",
        "checkpoint.unfinished",
        "../checkpoint",
        "tile/../checkpoint",
        "tile/0/000.unfinished",
        "envelope/ab",
        "envelope/é/x",
        ".hidden",
        &upper,
        &other,
        &format!("{envelope}/"),
    ] {
        assert!(bad.parse::<ArchiveFile>().is_err(), "{bad:?}");
    }
}
