//! Disks that fill up or die at any change: nothing wrong is kept, and what was verified is not asked for again.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::blob::disk::{DiskFile, ReadAt, WriteAt};

/// What a disk refuses, once its time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// To hold more.
    Full,
    /// Everything that changes it.
    Dead,
}

/// The system's disk, with its changes counted; from the n-th on it fails.
#[derive(Debug, Clone)]
struct Faulty {
    fault: Fault,
    changes: Arc<AtomicU64>,
    good: u64,
}

impl Faulty {
    fn new(fault: Fault, good: u64) -> Self {
        Self { fault, changes: Arc::default(), good }
    }

    fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Counts a change that a full disk allows or not.
    fn change(&self, grows: bool) -> io::Result<()> {
        let number = self.changes.fetch_add(1, Ordering::Relaxed);
        match self.fault {
            _ if number < self.good => Ok(()),
            Fault::Full if grows => Err(io::ErrorKind::StorageFull.into()),
            Fault::Full => Ok(()),
            Fault::Dead => Err(io::Error::other("input/output error")),
        }
    }

    fn file(&self, file: File) -> FaultyFile {
        FaultyFile { file, disk: self.clone() }
    }
}

impl Disk for Faulty {
    type File = FaultyFile;

    fn open(&self, path: &Path) -> io::Result<FaultyFile> {
        Ok(self.file(System.open(path)?))
    }

    fn edit(&self, path: &Path) -> io::Result<FaultyFile> {
        self.change(!path.exists())?;
        Ok(self.file(System.edit(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<FaultyFile> {
        self.change(true)?;
        Ok(self.file(System.create(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(false)?;
        System.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(false)?;
        System.remove(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.change(false)?;
        System.sync_folder(folder)
    }

    fn copy(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(true)?;
        System.copy(from, to)
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: File,
    disk: Faulty,
}

impl ReadAt for FaultyFile {
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(at, buffer)
    }
}

impl WriteAt for FaultyFile {
    /// A disk that is nearly full takes the first half.
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<usize> {
        let before = self.disk.changes();
        self.disk.change(true)?;
        let last = before + 1 == self.disk.good;
        let fits = if last { bytes.len().div_ceil(2) } else { bytes.len() };
        WriteAt::write_at(&mut self.file, at, &bytes[..fits])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for FaultyFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.disk.change(length > self.file.length()?)?;
        self.file.set_length(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.change(false)?;
        self.file.sync()
    }

    fn lock(&self) -> io::Result<()> {
        DiskFile::lock(&self.file)
    }

    fn again(&self) -> io::Result<Self> {
        Ok(self.disk.file(self.file.again()?))
    }
}

/// Receives the whole file and finishes it. Says how many bytes verified, and whether all went well.
fn take_in(setting: &Setting, disk: &Faulty, stream: &[u8]) -> (u64, bool) {
    let stem = setting.path("target");
    let opened = Partial::on(disk.clone(), &stem, &setting.blake3, setting.size());
    let Ok(mut partial) = opened else { return (0, false) };
    let (mut verified, mut from) = (0, stream);
    match partial.receive(&setting.all(), &mut from, &mut |bytes| verified += bytes) {
        Ok(()) => (),
        Err(error @ ReceiveError::File(_)) => {
            let is_full = disk.fault == Fault::Full;
            let code = if is_full { Code::StorageFull } else { Code::Internal };
            assert_eq!(error.refusal(&setting.blake3).code, code);
            return (verified, false);
        }
        Err(error) => panic!("the sender is not to blame: {error}"),
    }
    let finished = partial.finish(&setting.path("data"), &setting.path("hashes"));
    (verified, finished.is_ok())
}

fn at_every_change(fault: Fault) {
    let size = 5 * GROUP as usize + 1000;
    let setting = Setting::new(size);
    let stream = setting.stream(&setting.all());
    let healthy = Faulty::new(fault, u64::MAX);
    assert_eq!(take_in(&setting, &healthy, &stream), (setting.size(), true));
    assert!(healthy.changes() > 15, "{}", healthy.changes());
    for good in 0..healthy.changes() {
        let setting = Setting::new(size);
        let (verified, well) = take_in(&setting, &Faulty::new(fault, good), &stream);
        assert!(!well || fault == Fault::Full, "change {good} failed, and nobody was told");
        let data = setting.path("data");
        if data.exists() {
            assert_eq!(fs::read(&data).unwrap(), setting.bytes, "change {good}");
            continue;
        }
        // There is room again, or another disk: what verified is there.
        let mut partial = setting.open();
        let missing = partial.missing();
        assert!(missing.byte_count() <= setting.size() - verified, "change {good}");
        receive(&mut partial, &missing, &setting.stream(&missing)).unwrap();
        partial.finish(&data, &setting.path("hashes")).unwrap();
        assert_eq!(fs::read(&data).unwrap(), setting.bytes, "change {good}");
    }
}

#[test]
fn a_disk_that_is_full_at_any_write_costs_nothing_that_was_verified() {
    at_every_change(Fault::Full);
}

#[test]
fn a_disk_that_dies_at_any_change_publishes_nothing_that_is_not_whole() {
    at_every_change(Fault::Dead);
}

/// Has the pieces of a file brought by one way after the other, each once, whatever becomes of it. Says what verified.
fn take_pieces(setting: &Setting, disk: &Faulty, pieces: &[Ranges]) -> Option<(Ranges, u64)> {
    let stem = setting.path("target");
    let partial = Partial::on(disk.clone(), &stem, &setting.blake3, setting.size()).ok()?;
    let (ways, mut verified) = ([partial.share(), partial.share()], 0);
    for (piece, way) in pieces.iter().zip(ways.iter().cycle()) {
        let stream = setting.stream(piece);
        match way.receive(piece, &mut stream.as_slice(), &mut |bytes| verified += bytes) {
            Ok(()) | Err(ReceiveError::File(_)) => (),
            Err(error) => panic!("the sender is not to blame: {error}"),
        }
    }
    Some((partial.missing(), verified))
}

#[test]
fn of_pieces_that_a_disk_refuses_all_that_was_verified_and_written_counts() {
    let size = 11 * GROUP + 1000;
    let bounds = [0, 4 * GROUP, 7 * GROUP, 10 * GROUP, size];
    for fault in [Fault::Full, Fault::Dead] {
        let mut good = 0;
        loop {
            let setting = Setting::new(size as usize);
            let piece = |ends: &[u64]| Ranges::new(size, &[[ends[0], ends[1]]]).unwrap();
            let pieces: Vec<_> = bounds.windows(2).map(piece).collect();
            let disk = Faulty::new(fault, good);
            let taken = take_pieces(&setting, &disk, &pieces);
            let there = setting.open().missing();
            if let Some((missing, verified)) = taken {
                // No more and no less than what a look at the disk finds: whoever asks next asks for no group twice.
                assert_eq!(missing, there, "{fault:?} from change {good} on");
                assert_eq!(missing.byte_count(), size - verified, "change {good}");
            }
            if disk.changes() <= good {
                assert!(there.is_empty());
                break;
            }
            let mut partial = setting.open();
            receive(&mut partial, &there, &setting.stream(&there)).unwrap();
            partial.finish(&setting.path("data"), &setting.path("hashes")).unwrap();
            assert_eq!(fs::read(setting.path("data")).unwrap(), setting.bytes, "change {good}");
            good += 1;
        }
        assert!(good > 20, "{good}");
    }
}
