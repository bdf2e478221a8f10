//! Records in frames: LevelDB's log format, behind seven bytes that say whose file it is.
//!
//! ```text
//! block of 32 KiB: [ CRC-32 u32 LE of kind and bytes | length u16 LE | kind | bytes ].. 0..6 zeros
//! kind: 1 a whole record, 2 its first part, 3 one between, 4 its last
//! ```
//! LevelDB masks its checksums, which are CRC-32C; these are plain CRC-32.

/// How a file begins: a name, a magic number, version 0.
pub(super) const FILE_HEADER: [u8; 7] = *b":W&B\xE1\xBE\0";

const BLOCK: usize = 32 << 10;
const HEADER: usize = 7;

const WHOLE: u8 = 1;
const FIRST: u8 = 2;
const MIDDLE: u8 = 3;
const LAST: u8 = 4;

/// The place in a file where the next frame goes.
#[derive(Debug)]
pub(super) struct Frames(usize);

impl Frames {
    /// At the end of a file of this length.
    pub(super) fn at(length: usize) -> Self {
        Self(length)
    }

    /// The bytes that hold `record` at this place.
    pub(super) fn frame(&mut self, record: &[u8]) -> Vec<u8> {
        let (mut out, mut rest, mut is_first) = (Vec::new(), record, true);
        loop {
            let left = BLOCK - (self.0 + out.len()) % BLOCK;
            if left < HEADER {
                out.extend(std::iter::repeat_n(0, left));
                continue;
            }
            let (part, after) = rest.split_at(rest.len().min(left - HEADER));
            let kind = match (is_first, after.is_empty()) {
                (true, true) => WHOLE,
                (true, false) => FIRST,
                (false, false) => MIDDLE,
                (false, true) => LAST,
            };
            out.extend(crc32(kind, part).to_le_bytes());
            out.extend((part.len() as u16).to_le_bytes());
            out.push(kind);
            out.extend(part);
            (rest, is_first) = (after, false);
            if after.is_empty() {
                self.0 += out.len();
                return out;
            }
        }
    }
}

/// The whole records of a file and where each ends; up to the first that is torn or damaged.
pub(super) fn read(bytes: &[u8]) -> Vec<(Vec<u8>, usize)> {
    let mut records = Vec::new();
    if !bytes.starts_with(&FILE_HEADER) {
        return records;
    }
    let (mut at, mut begun) = (FILE_HEADER.len(), None::<Vec<u8>>);
    loop {
        let left = BLOCK - at % BLOCK;
        if left < HEADER {
            at += left;
            continue;
        }
        let Some((kind, part)) = read_frame(bytes, at, left) else { return records };
        at += HEADER + part.len();
        match (kind, begun.take()) {
            (WHOLE, None) => records.push((part.to_vec(), at)),
            (FIRST, None) => begun = Some(part.to_vec()),
            (MIDDLE, Some(before)) => begun = Some([&before, part].concat()),
            (LAST, Some(before)) => records.push(([&before, part].concat(), at)),
            _ => return records,
        }
    }
}

fn read_frame(bytes: &[u8], at: usize, left: usize) -> Option<(u8, &[u8])> {
    let header = bytes.get(at..at + HEADER)?;
    let length = usize::from(u16::from_le_bytes([header[4], header[5]]));
    let part = bytes.get(at + HEADER..at + HEADER + length).filter(|_| HEADER + length <= left)?;
    let is_whole = header[..4] == crc32(header[6], part).to_le_bytes();
    is_whole.then_some((header[6], part))
}

/// CRC-32 (IEEE) of a frame's kind and bytes.
fn crc32(kind: u8, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = crate::journal::crc::table(0xEDB8_8320);
    crate::journal::crc::crc(&TABLE, [kind].iter().chain(bytes))
}
