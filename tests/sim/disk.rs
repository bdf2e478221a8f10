//! A machine's disk: what programs see, and what a power cut leaves of it.
//!
//! Bytes are durable once their file is synced, names once their folder is. A power cut keeps any part of the rest:
//! of written bytes some blocks, of a block some sectors, of changed names the first few. A rename from one folder
//! into another is two changes, of which the second may be lost alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use potluck_net::blob::disk::{Disk, DiskFile, ReadAt, WriteAt};
use support::random::Random;

use crate::program::Cpu;

const BLOCK: usize = 4096;
const SECTOR: u64 = 512;

type Inode = u64;

/// The disk of one machine.
#[derive(Debug, Default)]
pub(crate) struct Platters {
    inodes: BTreeMap<Inode, Bytes>,
    names: BTreeMap<PathBuf, Inode>,
    durable_names: BTreeMap<PathBuf, Inode>,
    /// Changes of names that are not durable yet, with the folder whose sync makes them so.
    pending: Vec<(PathBuf, Change)>,
    /// How many bytes all files may have together, where the disk is full beyond that.
    pub(crate) capacity: Option<u64>,
    came: u64,
}

#[derive(Debug, Default)]
struct Bytes {
    now: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
    resized: bool,
    held_by: Option<u64>,
}

#[derive(Debug, Clone)]
enum Change {
    Set(PathBuf, Inode),
    Clear(PathBuf),
    Move(PathBuf, PathBuf, Inode),
}

fn folder(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("/")).to_owned()
}

fn apply(names: &mut BTreeMap<PathBuf, Inode>, change: &Change) {
    match change {
        Change::Set(path, inode) => drop(names.insert(path.clone(), *inode)),
        Change::Clear(path) => drop(names.remove(path)),
        Change::Move(from, to, inode) => {
            names.remove(from);
            names.insert(to.clone(), *inode);
        }
    }
}

impl Platters {
    /// Puts a file there, durably, before anything begins.
    pub(crate) fn place(&mut self, path: &Path, bytes: &[u8]) {
        let inode = self.make();
        let file = self.inodes.entry(inode).or_default();
        (file.now, file.durable) = (bytes.to_vec(), bytes.to_vec());
        self.names.insert(path.to_owned(), inode);
        self.durable_names.insert(path.to_owned(), inode);
    }

    /// What programs read in a file.
    pub(crate) fn seen(&self, path: &Path) -> Option<&[u8]> {
        Some(&self.inodes.get(self.names.get(path)?)?.now)
    }

    /// What is sure to be left of a file by a power cut.
    pub(crate) fn durable(&self, path: &Path) -> Option<&[u8]> {
        Some(&self.inodes.get(self.durable_names.get(path)?)?.durable)
    }

    /// The bytes of all files that have a name.
    pub(crate) fn used(&self) -> u64 {
        self.names.values().filter_map(|inode| self.inodes.get(inode)).map(Bytes::length).sum()
    }

    /// The power goes: some of what was not synced is lost.
    pub(crate) fn power_cut(&mut self, random: &mut Random) {
        let kept = random.below(self.pending.len() as u64 + 1) as usize;
        for (_, change) in self.pending.drain(..).take(kept) {
            apply(&mut self.durable_names, &change);
        }
        self.names = self.durable_names.clone();
        // One disk writes back eagerly, another lazily.
        let eagerness = random.below(4);
        for file in self.inodes.values_mut() {
            file.power_cut(random, eagerness);
        }
    }

    /// The power goes, or only the programs: nobody holds a file any more.
    pub(crate) fn let_go(&mut self) {
        self.inodes.values_mut().for_each(|file| file.held_by = None);
    }

    fn make(&mut self) -> Inode {
        self.came += 1;
        self.inodes.insert(self.came, Bytes::default());
        self.came
    }

    fn find(&self, path: &Path) -> io::Result<Inode> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change(&mut self, folder: PathBuf, change: Change) {
        apply(&mut self.names, &change);
        self.pending.push((folder, change));
    }

    fn find_or_make(&mut self, path: &Path) -> Inode {
        self.find(path).unwrap_or_else(|_| {
            let inode = self.make();
            self.change(folder(path), Change::Set(path.to_owned(), inode));
            inode
        })
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let inode = self.find(from)?;
        if folder(from) == folder(to) {
            self.change(folder(to), Change::Move(from.to_owned(), to.to_owned(), inode));
        } else {
            self.change(folder(to), Change::Set(to.to_owned(), inode));
            self.change(folder(from), Change::Clear(from.to_owned()));
        }
        Ok(())
    }

    fn sync_folder(&mut self, folder: &Path) {
        let Self { pending, durable_names, .. } = self;
        pending.retain(|(of, change)| {
            let due = of == folder;
            if due {
                apply(durable_names, change);
            }
            !due
        });
    }

    fn file(&mut self, inode: Inode) -> &mut Bytes {
        self.inodes.entry(inode).or_default()
    }

    fn write(&mut self, inode: Inode, at: u64, bytes: &[u8]) -> io::Result<usize> {
        let room = self.capacity.map(|capacity| capacity.saturating_sub(self.used()));
        let file = self.file(inode);
        let end = at as usize + bytes.len();
        let grown = end.saturating_sub(file.now.len()) as u64;
        let lacking = room.map_or(0, |room| grown.saturating_sub(room)) as usize;
        if lacking >= bytes.len() && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let fitting = &bytes[..bytes.len() - lacking];
        file.write(at as usize, fitting);
        Ok(fitting.len())
    }
}

impl Bytes {
    fn length(&self) -> u64 {
        self.now.len() as u64
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        if self.now.len() < end {
            self.resize(end);
        }
        self.now[at..end].copy_from_slice(bytes);
        self.dirty.extend(at / BLOCK..end.div_ceil(BLOCK));
    }

    fn resize(&mut self, length: usize) {
        self.resized |= self.now.len() != length;
        // Zeros that fill it up are written, too: older bytes may stand there.
        self.dirty.extend(self.now.len() / BLOCK..length.div_ceil(BLOCK));
        self.now.resize(length, 0);
    }

    fn write_back(&mut self, block: usize, sectors: u64) {
        let begin = block * BLOCK;
        let end = (begin + (sectors * SECTOR) as usize).min(self.now.len()).min(self.durable.len());
        if begin < end {
            self.durable[begin..end].copy_from_slice(&self.now[begin..end]);
        }
    }

    fn sync(&mut self) {
        self.durable.resize(self.now.len(), 0);
        for block in std::mem::take(&mut self.dirty) {
            self.write_back(block, BLOCK as u64 / SECTOR);
        }
        self.resized = false;
    }

    fn power_cut(&mut self, random: &mut Random, eagerness: u64) {
        if self.resized && eagerness > 0 && !random.once_in(1 + eagerness) {
            self.durable.resize(self.now.len(), 0);
        }
        for block in std::mem::take(&mut self.dirty) {
            match random.below(1 + 2 * eagerness) {
                0 => (),
                1 => self.write_back(block, random.below(BLOCK as u64 / SECTOR)),
                _ => self.write_back(block, BLOCK as u64 / SECTOR),
            }
        }
        self.resized = false;
        self.now.clone_from(&self.durable);
    }
}

/// A program's view of its machine's disk. Each change takes a moment, before which the program can be killed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SimDisk<'c> {
    /// The program.
    pub(crate) cpu: &'c Cpu<'c>,
    /// The number of its machine.
    pub(crate) machine: usize,
}

impl<'c> SimDisk<'c> {
    fn with<T>(&self, act: impl FnOnce(&mut Platters) -> T) -> T {
        self.cpu.world(|world| act(&mut world.machines[self.machine]))
    }

    fn change<T>(&self, what: &'static str, act: impl FnOnce(&mut Platters) -> T) -> T {
        self.cpu.step();
        self.cpu.note(what, self.machine as u64, 0);
        self.with(act)
    }

    fn file(&self, inode: Inode) -> SimFile<'c> {
        let handle = self.with(|disk| {
            disk.came += 1;
            disk.came
        });
        SimFile { disk: *self, inode, handle }
    }
}

impl<'c> Disk for SimDisk<'c> {
    type File = SimFile<'c>;

    fn open(&self, path: &Path) -> io::Result<SimFile<'c>> {
        Ok(self.file(self.with(|disk| disk.find(path))?))
    }

    fn edit(&self, path: &Path) -> io::Result<SimFile<'c>> {
        Ok(self.file(self.change("disk: edit", |disk| disk.find_or_make(path))))
    }

    fn create(&self, path: &Path) -> io::Result<SimFile<'c>> {
        let file = self.edit(path)?;
        file.set_length(0)?;
        Ok(file)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change("disk: rename", |disk| disk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change("disk: remove", |disk| {
            disk.find(path)?;
            disk.change(folder(path), Change::Clear(path.to_owned()));
            Ok(())
        })
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.change("disk: sync folder", |disk| disk.sync_folder(folder));
        Ok(())
    }

    fn copy(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, mut to) = (self.open(from)?, self.create(to)?);
        let (mut piece, mut at) = ([0; BLOCK], 0);
        loop {
            match from.read_at(at, &mut piece)? {
                0 => return to.sync(),
                count => to.write_all_at(at, &piece[..count])?,
            }
            at += BLOCK as u64;
        }
    }
}

/// An open file. It stands for the file itself, whatever becomes of its name.
#[derive(Debug)]
pub(crate) struct SimFile<'c> {
    disk: SimDisk<'c>,
    inode: Inode,
    handle: u64,
}

impl ReadAt for SimFile<'_> {
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.disk.with(|disk| {
            let bytes = &disk.file(self.inode).now;
            let rest = bytes.get(at as usize..).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            count
        }))
    }
}

impl WriteAt for SimFile<'_> {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<usize> {
        self.disk.change("disk: write", |disk| disk.write(self.inode, at, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for SimFile<'_> {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.with(|disk| disk.file(self.inode).length()))
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.disk.change("disk: set length", |disk| disk.file(self.inode).resize(length as usize));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.change("disk: sync", |disk| disk.file(self.inode).sync());
        Ok(())
    }

    fn lock(&self) -> io::Result<()> {
        self.disk.with(|disk| match &mut disk.file(self.inode).held_by {
            Some(other) if *other != self.handle => Err(io::ErrorKind::WouldBlock.into()),
            free => {
                *free = Some(self.handle);
                Ok(())
            }
        })
    }

    fn again(&self) -> io::Result<Self> {
        Ok(self.disk.file(self.inode))
    }
}

impl Drop for SimFile<'_> {
    fn drop(&mut self) {
        let (inode, handle) = (self.inode, self.handle);
        self.disk.with(|disk| {
            let held = &mut disk.file(inode).held_by;
            if *held == Some(handle) {
                *held = None;
            }
        });
    }
}
