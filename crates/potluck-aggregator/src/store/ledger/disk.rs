//! A disk for tests: in memory, with its operations counted, and dead after as many as it is told.

use std::io;
use std::sync::{Arc, Mutex};

use redb::{Database, StorageBackend};

use super::RedbLedger;

/// A disk in memory that dies at its n-th operation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Image>>);

#[derive(Debug, Default)]
struct Image {
    written: Vec<u8>,
    synced: Vec<u8>,
    operations: u64,
    syncs: u64,
    dies_at: Option<u64>,
}

impl Disk {
    pub(crate) fn of(written: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Image { synced: written.clone(), written, ..Image::default() })))
    }

    /// One that holds an empty ledger, as [`make`] leaves it.
    pub(crate) fn empty() -> Self {
        let disk = Self::default();
        Database::builder().create_with_backend(disk.clone()).unwrap().close().unwrap();
        Self::of(disk.image().0)
    }

    pub(crate) fn dying_at(self, operation: u64) -> Self {
        self.0.lock().unwrap().dies_at = Some(operation);
        self
    }

    /// How many operations there were.
    pub(crate) fn operations(&self) -> u64 {
        self.0.lock().unwrap().operations
    }

    /// How many of them made something durable.
    pub(crate) fn syncs(&self) -> u64 {
        self.0.lock().unwrap().syncs
    }

    /// What was written, and what of it was synced.
    pub(crate) fn image(&self) -> (Vec<u8>, Vec<u8>) {
        let image = self.0.lock().unwrap();
        (image.written.clone(), image.synced.clone())
    }

    fn operate<T>(&self, operation: impl FnOnce(&mut Image) -> T) -> io::Result<T> {
        let mut image = self.0.lock().unwrap();
        image.operations += 1;
        if image.dies_at.is_some_and(|last| image.operations > last) {
            return Err(io::Error::other("the disk is dead"));
        }
        Ok(operation(&mut image))
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().written.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let image = self.0.lock().unwrap();
        let bytes = image.written.get(offset as usize..).and_then(|rest| rest.get(..out.len()));
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.operate(|image| image.written.resize(len as usize, 0))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.operate(|image| {
            image.synced = image.written.clone();
            image.syncs += 1;
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.operate(|image| {
            let end = offset as usize + data.len();
            if image.written.len() < end {
                image.written.resize(end, 0);
            }
            image.written[offset as usize..end].copy_from_slice(data);
        })
    }
}

/// The ledger on a disk.
pub(crate) fn open_on(disk: Disk) -> Result<RedbLedger, redb::DatabaseError> {
    Database::builder().create_with_backend(disk).map(RedbLedger::on)
}
