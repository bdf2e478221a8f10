//! Files that are here already: their hashes, and their way into a store.

use std::fs::File;
use std::io;
use std::path::Path;

use bao_tree::BaoTree;
use bao_tree::blake3::Hash;
use bao_tree::io::outboard::{EmptyOutboard, PreOrderOutboard};
use bao_tree::io::sync::{CreateOutboard as _, ReadAt, WriteAt};
use potluck_core::Blake3;
use potluck_wire::ranges::BLOCK_SIZE;

use super::disk::{self, Disk, DiskFile as _, FromStart, System};

/// A file that was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Its bytes are not those of the digest.
    #[error("the file's bytes are not those of the digest and size that it should have")]
    Differs,
    /// It could not be read or written.
    #[error("the file could not be copied")]
    Io(#[from] io::Error),
}

/// Copies `source` to `data_target` and writes its outboard to `outboard_target`, both durably, if its bytes
/// are those of `blake3` and `size`.
///
/// # Errors
/// [`ImportError`]; neither target is made then.
pub fn import(
    source: &Path,
    blake3: &Blake3,
    size: u64,
    data_target: &Path,
    outboard_target: &Path,
) -> Result<(), ImportError> {
    import_on(&System, source, (blake3, size), data_target, outboard_target)
}

/// As [`import`], on a disk of the caller's.
///
/// # Errors
/// As [`import`].
pub fn import_on(
    disk: &impl Disk,
    source: &Path,
    expected: (&Blake3, u64),
    data_target: &Path,
    outboard_target: &Path,
) -> Result<(), ImportError> {
    let part = disk::with_suffix(data_target, ".part");
    disk.copy(source, &part)?;
    let copied = disk.open(&part)?;
    let obao = disk::with_suffix(outboard_target, ".part");
    let (blake3, size) = hash_to(disk, &copied, &obao)?;
    if (&blake3, size) != expected {
        disk::remove(disk, &part)?;
        disk::remove(disk, &obao)?;
        return Err(ImportError::Differs);
    }
    disk::publish(disk, &obao, outboard_target)?;
    Ok(disk::publish(disk, &part, data_target)?)
}

/// Writes the outboard of a file that stays where it is to `outboard_target`, durably, and says the file's
/// digest and size. The file itself is neither synced nor changed.
///
/// # Errors
/// What the file system says; the target is not made then.
pub fn outboard(data: &Path, outboard_target: &Path) -> io::Result<(Blake3, u64)> {
    let obao = disk::with_suffix(outboard_target, ".part");
    let hashed = hash_to(&System, &File::open(data)?, &obao)?;
    disk::publish(&System, &obao, outboard_target)?;
    Ok(hashed)
}

/// The digest of a file's bytes.
pub(crate) fn root_of(data: &File) -> io::Result<Blake3> {
    let tree = BaoTree::new(data.metadata()?.len(), BLOCK_SIZE);
    let outboard = EmptyOutboard { tree, root: Hash::from_bytes([0; 32]) };
    let root = bao_tree::io::sync::outboard(data, tree, outboard)?;
    Ok(Blake3::from_bytes(*root.as_bytes()))
}

/// Computes the hashes of `data` into `outboard`, whose tree says how much there is.
pub(super) fn write_outboard(
    data: &impl ReadAt,
    outboard: &mut PreOrderOutboard<impl WriteAt>,
) -> io::Result<()> {
    outboard.init_from(FromStart::of(data))
}

fn hash_to<D: Disk>(disk: &D, data: &D::File, obao: &Path) -> io::Result<(Blake3, u64)> {
    let size = data.length()?;
    let tree = BaoTree::new(size, BLOCK_SIZE);
    let root = Hash::from_bytes([0; 32]);
    let mut outboard = PreOrderOutboard { root, tree, data: disk.create(obao)? };
    write_outboard(data, &mut outboard)?;
    outboard.data.sync()?;
    Ok((Blake3::from_bytes(*outboard.root.as_bytes()), size))
}
