//! Files to send, the same for all seeds: around the bounds of groups, where the tree of hashes changes its shape.

use std::sync::OnceLock;

use potluck_core::{Blake3, FileEntry, Sha256};
use potluck_net::blob;
use potluck_wire::ranges::GROUP;
use support::random::Random;

/// A file, and all that is true of it.
#[derive(Debug)]
pub(crate) struct Content {
    /// What a manifest says of it.
    pub(crate) file: FileEntry,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Its hashes, as they should lie beside it.
    pub(crate) outboard: Vec<u8>,
}

const SIZES: [u64; 13] = [
    0,
    1,
    5000,
    GROUP - 1,
    GROUP,
    GROUP + 1,
    2 * GROUP + 700,
    3 * GROUP,
    5 * GROUP + 1024,
    9 * GROUP + 3,
    2 * GROUP + 700,
    2 * GROUP + 700,
    5 * GROUP + 1024,
];

/// Later versions of other files: whose, and the group of which a byte changed.
const VERSIONS: [(usize, usize, u64); 3] = [(10, BASE, 1), (11, BASE, 2), (12, LONG, 3)];

/// A later version of the base, in its second group.
pub(crate) const NEXT: usize = 10;

/// The file that the server takes in when it first starts; no party sends it.
pub(crate) const BASE: usize = 6;

/// The small file for runs that try every byte.
pub(crate) const SMALL: usize = 2;

/// The file of some groups for runs that try every step.
pub(crate) const LONG: usize = 8;

/// All files.
pub(crate) fn all() -> &'static [Content] {
    static ALL: OnceLock<Vec<Content>> = OnceLock::new();
    ALL.get_or_init(|| SIZES.iter().zip(0..).map(|(size, number)| make(*size, number)).collect())
}

/// The number of the file with this digest.
pub(crate) fn with(blake3: &Blake3) -> Option<usize> {
    all().iter().position(|content| content.file.blake3 == *blake3)
}

fn make(size: u64, number: u64) -> Content {
    let version = VERSIONS.iter().find(|(version, ..)| *version as u64 == number);
    let mut random = Random::new(1000 + version.map_or(number, |(_, of, _)| *of as u64));
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < size {
        bytes.extend_from_slice(&random.bits().to_le_bytes());
    }
    bytes.truncate(size as usize);
    if let Some((.., group)) = version {
        bytes[(group * GROUP) as usize + 5] ^= 1;
    }
    let folder = tempfile::tempdir().unwrap();
    let (data, hashes) = (folder.path().join("data"), folder.path().join("hashes"));
    std::fs::write(&data, &bytes).unwrap();
    let (blake3, size) = blob::outboard(&data, &hashes).unwrap();
    assert_eq!(blake3, Blake3::of(&bytes));
    let file = FileEntry { path: number.to_string(), size, blake3, sha256: Sha256::of(&bytes) };
    Content { file, bytes, outboard: std::fs::read(hashes).unwrap() }
}

impl Content {
    /// How many groups it has.
    pub(crate) fn groups(&self) -> usize {
        self.file.size.div_ceil(GROUP) as usize
    }

    /// Where a group lies in it.
    pub(crate) fn group(&self, number: usize) -> std::ops::Range<usize> {
        let group = GROUP as usize;
        number * group..((number + 1) * group).min(self.bytes.len())
    }

    /// Which groups verify in what lies on a disk.
    pub(crate) fn held(&self, data: &[u8], outboard: &[u8]) -> Vec<bool> {
        (0..self.groups()).map(|number| self.holds(data, outboard, number)).collect()
    }

    /// Whether a group verifies in what lies on a disk: its own bytes are there, and all pairs of hashes from the root
    /// to it. Worked out from the layout of the tree, without the code that is under test: pairs stand in pre-order;
    /// of n groups, the left half has the largest power of two below n.
    pub(crate) fn holds(&self, data: &[u8], outboard: &[u8], number: usize) -> bool {
        let range = self.group(number);
        if data.get(range.clone()) != Some(&self.bytes[range]) {
            return false;
        }
        let (mut at, mut first, mut groups) = (0, 0, self.groups());
        while groups > 1 {
            let pair = at * 64..at * 64 + 64;
            if outboard.get(pair.clone()) != Some(&self.outboard[pair]) {
                return false;
            }
            let left = groups.next_power_of_two() / 2;
            (at, first, groups) = if number < first + left {
                (at + 1, first, left)
            } else {
                (at + left, first + left, groups - left)
            };
        }
        true
    }
}
