//! Bytes as the steps of a play: each decision takes some, and past their end every decision is the first one.

use potluck_log::Hash;

/// What is left of the bytes.
pub(super) struct Steps<'b>(pub(super) &'b [u8]);

impl Steps<'_> {
    pub(super) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        u64::from(self.byte()) % end
    }

    /// Eight bytes, big-endian.
    pub(super) fn word(&mut self) -> u64 {
        (0..8).fold(0, |word, _| word << 8 | u64::from(self.byte()))
    }

    /// Changes a list of hashes in up to three places; mostly not at all.
    pub(super) fn tamper(&mut self, hashes: &mut Vec<Hash>, others: &[Hash]) {
        for _ in 0..self.below(4) {
            let at = self.below(hashes.len() as u64 + 1) as usize;
            let other = others[self.below(others.len() as u64) as usize];
            match (self.below(5), hashes.get_mut(at)) {
                (0, Some(hash)) => hash.0[self.below(32) as usize] ^= 1 << self.below(8),
                (1, Some(hash)) => *hash = other,
                (2, Some(_)) => _ = hashes.remove(at),
                (3, Some(_)) => hashes.truncate(at),
                _ => hashes.insert(at, other),
            }
        }
    }
}
