//! A file, and what the fuzzer has done to a stream of it on the way.

use potluck_core::Blake3;
use potluck_net::blob::Hashed;
use potluck_wire::Ranges;
use potluck_wire::ranges::GROUP;

use super::disk::Memory;

/// Groups of the largest file: trees of all shapes up to three levels and a half.
const MOST: u64 = 12;

/// Where the source stands.
const SOURCE: &str = "source";

/// A file of some length, and the disk on which it is to come together.
pub(super) struct Played {
    pub(super) disk: Memory,
    pub(super) bytes: Vec<u8>,
    pub(super) blake3: Blake3,
    source: Hashed<<Memory as potluck_net::blob::disk::Disk>::File>,
}

impl Played {
    /// Takes the length from 4 bytes: groups, and how much the last one has.
    pub(super) fn of(steps: &mut Steps<'_>) -> Self {
        let length = u64::from(steps.word()) % MOST * GROUP + u64::from(steps.word());
        let bytes: Vec<u8> = (0..length).map(|at| (at * 7 / 5 + at / GROUP) as u8).collect();
        let (disk, blake3) = (Memory::default(), Blake3::of(&bytes));
        disk.place(SOURCE, &bytes);
        let source = Hashed::on(&disk, SOURCE.as_ref(), &blake3, length).unwrap();
        Self { disk, bytes, blake3, source }
    }

    /// Its length in bytes.
    pub(super) fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Its tree of hashes, as it is sent.
    pub(super) fn tree(&self) -> Vec<u8> {
        self.source.outboard().to_vec()
    }

    /// The verified stream of these ranges.
    pub(super) fn stream(&self, ranges: &Ranges) -> Vec<u8> {
        let mut stream = Vec::new();
        self.source.send(ranges, &mut stream).unwrap();
        stream
    }

    /// Whole groups that a bit mask names.
    pub(super) fn groups(&self, mask: u16) -> Ranges {
        let size = self.size();
        let mut pairs: Vec<[u64; 2]> = Vec::new();
        for number in (0..size.div_ceil(GROUP)).filter(|number| mask & (1 << number) != 0) {
            let (start, end) = (number * GROUP, ((number + 1) * GROUP).min(size));
            match pairs.last_mut() {
                Some(last) if last[1] == start => last[1] = end,
                _ => pairs.push([start, end]),
            }
        }
        Ranges::new(size, &pairs).unwrap()
    }
}

/// Numbers out of the fuzzer's bytes; zeros where they end.
pub(super) struct Steps<'a>(pub(super) &'a [u8]);

impl Steps<'_> {
    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(super) fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// What arrives of a stream: bytes of it are changed, left out or put in, and its end may be missing.
    pub(super) fn spoil(&mut self, mut stream: Vec<u8>) -> Vec<u8> {
        while !self.0.is_empty() {
            let (what, at) =
                (self.byte(), usize::from(self.word()) << 4 | usize::from(self.byte()));
            if stream.is_empty() {
                return stream;
            }
            // Near the beginning stand hashes, which matter most: half of the places are there.
            let at = if what & 4 == 0 { at % stream.len() } else { at % stream.len().min(1024) };
            match what & 3 {
                0 => stream[at] ^= self.byte(),
                1 => stream.truncate(at),
                2 => drop(stream.remove(at)),
                _ => stream.insert(at, self.byte()),
            }
        }
        stream
    }
}
