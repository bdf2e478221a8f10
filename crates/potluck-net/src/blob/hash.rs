//! A file hashed once, for all that is asked of it: SHA-256 and BLAKE3 for its manifest, and the tree by which it is sent.
//!
//! Each tile is read once. This thread hashes its groups into the tree; another, while the bytes are still in the processor's
//! cache, takes the SHA-256, which costs several times as much.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use bao_tree::blake3::Hash;
use bao_tree::io::outboard::PreOrderMemOutboard;
use bao_tree::iter::BaoChunk;
use bao_tree::{BaoTree, TreeNode};
use potluck_core::{Blake3, Sha256};
use potluck_wire::ranges::{BLOCK_SIZE, GROUP, MAX_SIZE};
use sha2::Digest as _;

use super::send::Hashed;
use super::tree::{self, PAIR};

/// Bytes read at a time: groups enough that threads seldom change, few enough to stay in the processor's cache.
const TILE: usize = 4 * GROUP as usize;

/// Tiles under way: one for each thread, and one between them.
const TILES: usize = 3;

/// What a manifest says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// Its length in bytes.
    pub size: u64,
    /// Of its bytes.
    pub blake3: Blake3,
    /// Of its bytes.
    pub sha256: Sha256,
}

impl Hashed {
    /// Reads a file from its beginning to its end, and computes all of its hashes. `progress` hears of bytes hashed and in
    /// all. The tree takes memory of 0.1 % of the file's size.
    ///
    /// # Errors
    /// What the file system says; [`io::ErrorKind::UnexpectedEof`] and [`io::ErrorKind::InvalidData`] where the file
    /// became shorter or longer meanwhile, or is larger than any that is spoken of.
    pub fn of(file: File, progress: &mut dyn FnMut(u64, u64)) -> io::Result<(Digests, Self)> {
        let size = file.metadata()?.len();
        if size > MAX_SIZE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is too large"));
        }
        let tree = BaoTree::new(size, BLOCK_SIZE);
        let (root, data, sha256) = thread::scope(|scope| {
            let ((full, to_hash), (hashed, empty)) = (sync_channel(TILES), sync_channel(TILES));
            let hashing = thread::Builder::new()
                .name("sha-256".into())
                .spawn_scoped(scope, move || sha256(&to_hash, &hashed))?;
            let tiles = Tiles { file: &file, full, empty, count: 0, tile: Vec::new(), at: 0 };
            let (root, data) = of_groups(tree, tiles, &mut |done| progress(done, size))?;
            let sha256 = hashing.join().map_err(|_| io::Error::other("hashing panicked"))?;
            Ok::<_, io::Error>((root, data, sha256))
        })?;
        let digests = Digests { size, blake3: Blake3::from_bytes(*root.as_bytes()), sha256 };
        Ok((digests, Self::made(file, PreOrderMemOutboard { root, tree, data })))
    }
}

/// The root over all groups, and the pairs below it in pre-order.
fn of_groups(
    tree: BaoTree,
    mut tiles: Tiles<'_>,
    progress: &mut dyn FnMut(u64),
) -> io::Result<(Hash, Vec<u8>)> {
    let size = tree.size();
    let length = usize::try_from(tree.outboard_size()).map_err(io::Error::other)?;
    let mut data = vec![0; length];
    let mut below = Vec::new();
    let mut done = 0;
    progress(done);
    for item in tree.post_order_chunks_iter() {
        match item {
            BaoChunk::Leaf { size: length, is_root, start_chunk, .. } => {
                let group = tiles.next(length, size - done)?;
                below.push(tree::of_group(group, start_chunk.to_bytes(), is_root));
                done += length as u64;
                progress(done);
            }
            BaoChunk::Parent { node, is_root, .. } => {
                let (right, left) = (below.pop(), below.pop());
                let (Some(left), Some(right)) = (left, right) else { return Err(no_tree()) };
                put(tree, &mut data, node, (&left, &right)).ok_or_else(no_tree)?;
                below.push(tree::parent(left.as_bytes(), right.as_bytes(), is_root));
            }
        }
    }
    tiles.end()?;
    Ok((below.pop().ok_or_else(no_tree)?, data))
}

/// Writes a node's pair into its place.
fn put(
    tree: BaoTree,
    data: &mut [u8],
    node: TreeNode,
    (left, right): (&Hash, &Hash),
) -> Option<()> {
    let at = usize::try_from(tree.pre_order_offset(node)?).ok()?.checked_mul(PAIR)?;
    let (to_left, to_right) = data.get_mut(at..)?.get_mut(..PAIR)?.split_at_mut(PAIR / 2);
    to_left.copy_from_slice(left.as_bytes());
    to_right.copy_from_slice(right.as_bytes());
    Some(())
}

/// A traversal in post-order has both hashes below a node before the node.
fn no_tree() -> io::Error {
    io::Error::other("the tree of hashes is not as it should be: this is a bug")
}

/// A file's bytes in tiles, which are given on to the other thread.
struct Tiles<'a> {
    file: &'a File,
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    /// How many there are.
    count: usize,
    tile: Vec<u8>,
    at: usize,
}

impl Tiles<'_> {
    /// The next `length` bytes, which divide a tile; `left`: how many there are yet, these included.
    fn next(&mut self, length: usize, left: u64) -> io::Result<&[u8]> {
        if self.at == self.tile.len() && left > 0 {
            self.give_on()?;
            self.tile = if self.count < TILES {
                self.count += 1;
                Vec::new()
            } else {
                self.empty.recv().map_err(|_| io::Error::other("hashing stopped"))?
            };
            self.tile.resize(usize::try_from(left).map_or(TILE, |left| left.min(TILE)), 0);
            self.file.read_exact(&mut self.tile)?;
            self.at = 0;
        }
        let begin = self.at;
        self.at += length;
        Ok(&self.tile[begin..self.at])
    }

    fn give_on(&mut self) -> io::Result<()> {
        let tile = std::mem::take(&mut self.tile);
        if tile.is_empty() {
            return Ok(());
        }
        self.full.send(tile).map_err(|_| io::Error::other("hashing stopped"))
    }

    /// Gives the last tile on, and makes sure that it is.
    fn end(mut self) -> io::Result<()> {
        self.give_on()?;
        match self.file.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the file became longer")),
        }
    }
}

/// Of all tiles that come; each goes back to be filled again.
fn sha256(tiles: &Receiver<Vec<u8>>, back: &SyncSender<Vec<u8>>) -> Sha256 {
    let mut hasher = sha2::Sha256::new();
    while let Ok(tile) = tiles.recv() {
        hasher.update(&tile);
        // Nobody waits for it where the other side failed.
        let _ = back.send(tile);
    }
    Sha256::from_bytes(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use potluck_wire::Ranges;

    use super::*;

    #[test]
    fn one_pass_finds_what_several_do() {
        let folder = tempfile::tempdir().unwrap();
        let (path, hashes) = (folder.path().join("file"), folder.path().join("hashes"));
        let group = GROUP as usize;
        for size in [0, 1, group - 1, group, group + 1, 2 * group, TILE, TILE + 1, 9 * group + 7] {
            let bytes: Vec<u8> = (0..size).map(|at| (at * 7 % 251) as u8).collect();
            fs::write(&path, &bytes).unwrap();
            let mut heard = Vec::new();
            let file = File::open(&path).unwrap();
            let (digests, hashed) = Hashed::of(file, &mut |done, _| heard.push(done)).unwrap();
            let (blake3, sha256) = (Blake3::of(&bytes), Sha256::of(&bytes));
            assert_eq!(digests, Digests { size: size as u64, blake3, sha256 });
            assert!(heard.is_sorted());
            assert_eq!(heard.last(), Some(&(size as u64)));
            super::super::outboard(&path, &hashes).unwrap();
            assert_eq!(hashed.outboard().to_vec(), fs::read(&hashes).unwrap(), "{size}");

            let known = hashed.outboard().to_vec();
            let again = Hashed::known(&path, &blake3, size as u64, known.clone()).unwrap();
            let (mut first, mut second) = (Vec::new(), Vec::new());
            let all = Ranges::all(size as u64).unwrap();
            hashed.send(&all, &mut first).unwrap();
            again.send(&all, &mut second).unwrap();
            assert_eq!(first, second);
            if let Some(last) = known.len().checked_sub(1) {
                for at in [0, last / 2, last] {
                    let mut damaged = known.clone();
                    damaged[at] ^= 1;
                    assert!(Hashed::known(&path, &blake3, size as u64, damaged).is_err());
                }
                let shorter = known[..last].to_vec();
                assert!(Hashed::known(&path, &blake3, size as u64, shorter).is_err());
            }
        }
    }
}
