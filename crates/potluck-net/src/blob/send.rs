//! The verified stream of a file, or of parts of it.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use bao_tree::BaoTree;
use bao_tree::blake3::Hash;
use bao_tree::io::outboard::PreOrderMemOutboard;
use potluck_core::Blake3;
use potluck_wire::Ranges;
use potluck_wire::ranges::BLOCK_SIZE;

use super::disk::{Disk, DiskFile, FromStart, System};
use super::encode::{Check, Pairs, Sink, Through, Window, encode};
use super::tree;

/// Content that could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The file, or its outboard, is not that of the digest. Nothing wrong was sent.
    #[error("the file's bytes are not those of the digest, at byte {offset}")]
    Corrupt {
        /// Where the group begins that did not verify, in bytes.
        offset: u64,
    },
    /// The receiver takes no more.
    #[error("the receiver is gone")]
    Gone,
    /// The file could not be read.
    #[error("the file could not be read")]
    File(#[source] io::Error),
}

impl From<io::Error> for SendError {
    fn from(source: io::Error) -> Self {
        match source.kind() {
            // A file that became shorter is another one.
            io::ErrorKind::UnexpectedEof => Self::Corrupt { offset: 0 },
            _ => Self::File(source),
        }
    }
}

/// Writes the verified stream of `ranges` of the file `data` to `to`. Each group is checked before it is
/// written. Without an outboard the hashes are computed first, as by [`Hashed::new`].
///
/// # Errors
/// [`SendError`]. A writer says that its receiver is gone by [`io::ErrorKind::ConnectionReset`].
pub fn send(
    data: &Path,
    outboard: Option<&Path>,
    blake3: &Blake3,
    ranges: &Ranges,
    to: &mut dyn Write,
) -> Result<(), SendError> {
    let Some(outboard) = outboard else {
        let hashed = Hashed::new(data, blake3, ranges.size())?;
        return hashed.encode(ranges, Check::Groups, &mut Through::of(to));
    };
    send_on(&System, data, outboard, blake3, ranges, to)
}

/// As [`send`] with an outboard, on a disk of the caller's.
///
/// # Errors
/// As [`send`].
pub fn send_on(
    disk: &impl Disk,
    data: &Path,
    outboard: &Path,
    blake3: &Blake3,
    ranges: &Ranges,
    to: &mut dyn Write,
) -> Result<(), SendError> {
    send_into(disk, (data, outboard), blake3, ranges, &mut Through::of(to))
}

/// As [`send_on`], into what takes each group where it lies.
pub(crate) fn send_into(
    disk: &impl Disk,
    (data, outboard): (&Path, &Path),
    blake3: &Blake3,
    ranges: &Ranges,
    to: &mut dyn Sink,
) -> Result<(), SendError> {
    let file = open(disk, data, ranges.size())?;
    let outboard = disk.open(outboard).map_err(SendError::File)?;
    let root = Hash::from_bytes(*blake3.as_bytes());
    encode(&file, &mut Window::of(&outboard), root, Check::Groups, ranges, to)
}

/// A file and its outboard, held open, of which any part can be verified at any time.
#[derive(Debug)]
pub struct Verifier {
    file: File,
    outboard: File,
    root: Hash,
    size: u64,
}

impl Verifier {
    /// Opens both. Looks at no byte of them.
    ///
    /// # Errors
    /// [`SendError::Corrupt`] where the file is not of `size`, and [`SendError::File`].
    pub fn open(
        data: &Path,
        outboard: &Path,
        blake3: &Blake3,
        size: u64,
    ) -> Result<Self, SendError> {
        let (file, outboard) = (open(&System, data, size)?, File::open(outboard)?);
        Ok(Self { file, outboard, root: Hash::from_bytes(*blake3.as_bytes()), size })
    }

    /// The file, of which this verifies.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Its length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether the bytes of `ranges`, which are of a file of this size, are still those of the digest.
    ///
    /// # Errors
    /// [`SendError::Corrupt`] where they are not, and [`SendError::File`].
    pub fn check(&self, ranges: &Ranges) -> Result<(), SendError> {
        let mut outboard = Window::of(&self.outboard);
        let to = &mut io::sink();
        encode(&self.file, &mut outboard, self.root, Check::Groups, ranges, &mut Through::of(to))
    }
}

/// A file that has no outboard on disk, with its hashes in memory: 0.1 % of its size.
#[derive(Debug)]
pub struct Hashed<F = File> {
    file: F,
    root: Hash,
    tree: BaoTree,
    outboard: Arc<[u8]>,
}

impl Hashed {
    /// A file whose hashes are known from before. They are checked against each other and the digest; that the
    /// file has not changed since is what its receiver will see.
    ///
    /// # Errors
    /// [`SendError::Corrupt`] where they are not those of a file of `blake3` and `size`, or the file is of another size,
    /// and [`SendError::File`].
    pub fn known(
        data: &Path,
        blake3: &Blake3,
        size: u64,
        outboard: impl Into<Arc<[u8]>>,
    ) -> Result<Self, SendError> {
        let (file, tree) = (open(&System, data, size)?, BaoTree::new(size, BLOCK_SIZE));
        let root = Hash::from_bytes(*blake3.as_bytes());
        let outboard: Arc<[u8]> = outboard.into();
        let is_whole = outboard.len() as u64 == tree.outboard_size();
        if !is_whole || !tree::agrees(tree, root, &mut Pairs::of(&outboard))? {
            return Err(SendError::Corrupt { offset: 0 });
        }
        Ok(Self { file, root, tree, outboard })
    }

    /// Reads the file at `data` once and computes its hashes.
    ///
    /// # Errors
    /// [`SendError::Corrupt`] where it is not the file of `blake3` and `size`, and [`SendError::File`].
    pub fn new(data: &Path, blake3: &Blake3, size: u64) -> Result<Self, SendError> {
        Self::on(&System, data, blake3, size)
    }
}

impl<F: DiskFile> Hashed<F> {
    /// As [`Hashed::new`], on a disk of the caller's.
    ///
    /// # Errors
    /// As [`Hashed::new`].
    pub fn on<D: Disk<File = F>>(
        disk: &D,
        data: &Path,
        blake3: &Blake3,
        size: u64,
    ) -> Result<Self, SendError> {
        let file = open(disk, data, size)?;
        let tree = BaoTree::new(size, BLOCK_SIZE);
        let length = usize::try_from(tree.outboard_size())
            .map_err(|_| SendError::File(io::ErrorKind::OutOfMemory.into()))?;
        let root = Hash::from_bytes(*blake3.as_bytes());
        let mut outboard = PreOrderMemOutboard { root, tree, data: vec![0; length] };
        if bao_tree::io::sync::outboard(FromStart::of(&file), tree, &mut outboard)? != root {
            return Err(SendError::Corrupt { offset: 0 });
        }
        Ok(Self::made(file, outboard))
    }

    /// From what was computed.
    pub(super) fn made(file: F, outboard: PreOrderMemOutboard) -> Self {
        let PreOrderMemOutboard { root, tree, data } = outboard;
        Self { file, root, tree, outboard: data.into() }
    }

    /// The file's hashes, as they lie in an outboard's file.
    pub fn outboard(&self) -> &Arc<[u8]> {
        &self.outboard
    }

    /// Writes the stream of `ranges` to `to`. What is read is not hashed again, as the receiver does it; where the file
    /// changed meanwhile, the receiver refuses it, and [`Self::check`] says so.
    ///
    /// # Errors
    /// As [`send`]; [`SendError::Corrupt`] where the file became shorter.
    pub fn send(&self, ranges: &Ranges, to: &mut dyn Write) -> Result<(), SendError> {
        self.send_into(ranges, &mut Through::of(to))
    }

    /// As [`Self::send`], into what takes each group where it lies.
    pub(crate) fn send_into(&self, ranges: &Ranges, to: &mut dyn Sink) -> Result<(), SendError> {
        self.encode(ranges, Check::Nothing, to)
    }

    /// Reads the file once more and compares.
    ///
    /// # Errors
    /// [`SendError::Corrupt`] where it is another by now, and [`SendError::File`].
    pub fn check(&self) -> Result<(), SendError> {
        let all = Ranges::all(self.tree.size()).map_err(io::Error::other)?;
        self.encode(&all, Check::Groups, &mut Through::of(&mut io::sink()))
    }

    fn encode(&self, ranges: &Ranges, check: Check, to: &mut dyn Sink) -> Result<(), SendError> {
        encode(&self.file, &mut Pairs::of(&self.outboard), self.root, check, ranges, to)
    }
}

fn open<D: Disk>(disk: &D, data: &Path, size: u64) -> Result<D::File, SendError> {
    let file = disk.open(data).map_err(SendError::File)?;
    match file.length().map_err(SendError::File)? {
        length if length == size => Ok(file),
        _ => Err(SendError::Corrupt { offset: 0 }),
    }
}
