//! The verified stream of a file, or of parts of it.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use bao_tree::BaoTree;
use bao_tree::blake3::Hash;
use bao_tree::io::EncodeError;
use bao_tree::io::outboard::{PreOrderMemOutboard, PreOrderOutboard};
use bao_tree::io::sync::encode_ranges_validated;
use potluck_core::Blake3;
use potluck_wire::Ranges;
use potluck_wire::ranges::BLOCK_SIZE;

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

impl From<EncodeError> for SendError {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::ParentHashMismatch(node) => {
                Self::Corrupt { offset: node.chunk_range().start.to_bytes() }
            }
            EncodeError::LeafHashMismatch(chunk) => Self::Corrupt { offset: chunk.to_bytes() },
            EncodeError::SizeMismatch => Self::Corrupt { offset: 0 },
            EncodeError::ParentWrite(_) | EncodeError::LeafWrite(_) => Self::Gone,
            EncodeError::Io(source) => source.into(),
        }
    }
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
/// written.
///
/// Without an outboard the hashes are computed first, which reads the file twice and takes memory for 0.1 %
/// of it.
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
    let file = File::open(data).map_err(SendError::File)?;
    let tree = BaoTree::new(ranges.size(), BLOCK_SIZE);
    let root = Hash::from_bytes(*blake3.as_bytes());
    let chunks = ranges.to_chunks();
    if file.metadata().map_err(SendError::File)?.len() != ranges.size() {
        return Err(SendError::Corrupt { offset: 0 });
    }
    match outboard {
        Some(path) => {
            let hashes = File::open(path).map_err(SendError::File)?;
            let outboard = PreOrderOutboard { root, tree, data: hashes };
            encode_ranges_validated(&file, outboard, &chunks, to)?;
        }
        None => {
            let outboard = hash_in_memory(&file, tree)?;
            if outboard.root != root {
                return Err(SendError::Corrupt { offset: 0 });
            }
            encode_ranges_validated(&file, outboard, &chunks, to)?;
        }
    }
    Ok(())
}

fn hash_in_memory(file: &File, tree: BaoTree) -> Result<PreOrderMemOutboard, SendError> {
    let length = usize::try_from(tree.outboard_size())
        .map_err(|_| SendError::File(io::ErrorKind::OutOfMemory.into()))?;
    let root = Hash::from_bytes([0; 32]);
    let mut outboard = PreOrderMemOutboard { root, tree, data: vec![0; length] };
    outboard.root = bao_tree::io::sync::outboard(file, tree, &mut outboard)?;
    Ok(outboard)
}
