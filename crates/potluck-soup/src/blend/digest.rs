//! Digests of a file whose blocks are made in any order.
//!
//! BLAKE3 is a tree: each block is hashed where it was made, while it is in that core's cache, and the chaining
//! values are joined in order ([`Tree`]). SHA-256 is a chain: blocks are hashed in order by whichever worker
//! brings the next one; the others leave theirs and go on ([`Chain`]).

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use blake3::hazmat::{
    ChainingValue, HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root,
};
use potluck_core::{Blake3, Sha256};
use sha2::Digest as _;

/// Blocks that may wait for an earlier one: enough that a worker who hashes is not waited for at once.
const WAITING: usize = 8;

/// Whoever panicked while it held the lock has ended the whole work, so what it left is never looked at.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The BLAKE3 of a file from its blocks, all of one length that is a power of two chunks but the last.
#[derive(Debug, Default)]
pub(crate) struct Tree(Mutex<Subtrees>);

#[derive(Debug, Default)]
struct Subtrees {
    /// Blocks that are joined: a stack of complete subtrees, the largest first.
    stack: Vec<ChainingValue>,
    joined: u64,
    /// Blocks that came before their turn; at most one a worker.
    early: BTreeMap<u64, ChainingValue>,
}

impl Tree {
    /// Takes block `index`, which begins at `offset`.
    pub(crate) fn take(&self, index: u64, offset: u64, block: &[u8]) {
        let value =
            blake3::Hasher::new().set_input_offset(offset).update(block).finalize_non_root();
        let mut subtrees = lock(&self.0);
        subtrees.early.insert(index, value);
        subtrees.join();
    }

    /// The digest, once all blocks are taken; at least two, since a single one is hashed as a whole.
    pub(crate) fn finish(self) -> Blake3 {
        let mut stack = self.0.into_inner().unwrap_or_else(PoisonError::into_inner).stack;
        let mut right = stack.pop().expect("a tree has blocks");
        while stack.len() > 1 {
            let left = stack.pop().expect("two are left");
            right = merge_subtrees_non_root(&left, &right, Mode::Hash);
        }
        let left = stack.pop().expect("a tree has two blocks");
        Blake3::from_bytes(*merge_subtrees_root(&left, &right, Mode::Hash).as_bytes())
    }
}

impl Subtrees {
    /// Joins late: two equal subtrees only when another block follows, since the last join of all is the root.
    fn join(&mut self) {
        while let Some(value) = self.early.remove(&self.joined) {
            while self.stack.len() > self.joined.count_ones() as usize {
                let right = self.stack.pop().expect("more than one is left");
                let left = self.stack.pop().expect("more than one is left");
                self.stack.push(merge_subtrees_non_root(&left, &right, Mode::Hash));
            }
            self.stack.push(value);
            self.joined += 1;
        }
    }
}

/// The SHA-256 of a file, fed in order by workers that run ahead of one another.
#[derive(Debug, Default)]
pub(super) struct Chain {
    state: Mutex<Links>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Links {
    hasher: sha2::Sha256,
    next: u64,
    /// Somebody hashes, with the hasher in hand.
    is_busy: bool,
    is_given_up: bool,
    early: BTreeMap<u64, Vec<u8>>,
}

impl Chain {
    /// Takes block `index`. May hash it and those that wait for it, leave a copy, or wait for room.
    pub(super) fn take(&self, index: u64, block: &[u8]) {
        let mut links = lock(&self.state);
        loop {
            if links.is_given_up {
                return;
            }
            if links.next == index && !links.is_busy {
                return self.hash(links, block);
            }
            if links.early.len() < WAITING {
                links.early.insert(index, block.to_vec());
                return;
            }
            links = self.moved.wait(links).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn hash(&self, mut links: MutexGuard<'_, Links>, block: &[u8]) {
        links.is_busy = true;
        let mut hasher = mem::take(&mut links.hasher);
        drop(links);
        hasher.update(block);
        loop {
            let mut links = lock(&self.state);
            links.next += 1;
            let next = links.next;
            let early = links.early.remove(&next);
            if early.is_none() {
                links.hasher = mem::take(&mut hasher);
                links.is_busy = false;
            }
            drop(links);
            self.moved.notify_all();
            match early {
                Some(block) => hasher.update(&block),
                None => return,
            }
        }
    }

    /// Lets nobody wait for a block that will not come.
    pub(super) fn give_up(&self) {
        lock(&self.state).is_given_up = true;
        self.moved.notify_all();
    }

    /// The digest, once all blocks are taken.
    pub(super) fn finish(self) -> Sha256 {
        let links = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        Sha256::from_bytes(links.hasher.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn file(blocks: usize, block: usize, last: usize) -> Vec<u8> {
        (0..(blocks - 1) * block + last).map(|i| (i / 7 % 251) as u8).collect()
    }

    #[test]
    fn a_tree_of_blocks_in_any_order_is_the_files_hash() {
        for count in 2..=17 {
            for last in [1, 1024, 1500, 2048] {
                let bytes = file(count, 2048, last);
                let mut order: Vec<_> = bytes.chunks(2048).enumerate().collect();
                order.reverse();
                order.rotate_left(count / 3);
                let tree = Tree::default();
                for (index, block) in order {
                    tree.take(index as u64, index as u64 * 2048, block);
                }
                assert_eq!(tree.finish(), Blake3::of(&bytes), "{count} {last}");
            }
        }
    }

    #[test]
    fn a_chain_fed_by_many_threads_is_the_files_hash() {
        let bytes = file(200, 512, 100);
        let chain = Chain::default();
        thread::scope(|scope| {
            for worker in 0..4 {
                let (chain, bytes) = (&chain, &bytes);
                scope.spawn(move || {
                    for (index, block) in bytes.chunks(512).enumerate().skip(worker).step_by(4) {
                        chain.take(index as u64, block);
                    }
                });
            }
        });
        assert_eq!(chain.finish(), Sha256::of(&bytes));
    }

    #[test]
    fn whoever_waits_for_a_block_that_never_comes_is_let_go() {
        let chain = Chain::default();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| (1..20).for_each(|index| chain.take(index, b"x")));
            chain.give_up();
            waiting.join().unwrap();
        });
    }
}
