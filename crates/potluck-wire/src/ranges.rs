//! Which bytes of a file are meant: checked byte ranges, and the chunk ranges that verify them.
//!
//! Content is verified in groups of 64 KiB (64 chunks of BLAKE3 under one node of its tree), so a range
//! begins at a group and ends at one, or at the file's end. Anything else is refused where it is parsed.

use std::ops::Range;

use bao_tree::{BlockSize, ChunkNum, ChunkRanges, ChunkRangesRef};

/// How much content is verified at once, in bytes. Smaller groups cost more hash pairs (0.1 % here), larger
/// ones lose more at an interruption.
pub const GROUP: u64 = 64 * 1024;

/// [`GROUP`] as BLAKE3's tree counts it: 2^6 chunks of 1024 bytes.
pub const BLOCK_SIZE: BlockSize = BlockSize::from_chunk_log(6);

/// The most ranges in one list. An upload goes through a file from its beginning, so that an interruption
/// leaves one gap; bit rot leaves more, and so do tensors that changed among others that did not.
pub const MAX_RANGES: usize = 256;

/// The largest file that is spoken of, in bytes: 64 TiB, far below where tree arithmetic could overflow.
pub const MAX_SIZE: u64 = 1 << 46;

const CHUNK: u64 = 1024;

/// Why a list of ranges was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RangesError {
    /// Larger than [`MAX_SIZE`].
    #[error("a file of {0} bytes; at most {MAX_SIZE} are spoken of")]
    Size(u64),
    /// More than [`MAX_RANGES`].
    #[error("{0} ranges; at most {MAX_RANGES} are allowed")]
    Count(usize),
    /// Empty, past the file's end, or not at the bounds of groups.
    #[error("[{0}, {1}) is no range of whole 64 KiB groups of a file of {2} bytes")]
    Bounds(u64, u64, u64),
    /// The ranges overlap, touch, or do not ascend.
    #[error("the ranges do not ascend with gaps between them, at [{0}, {1})")]
    Order(u64, u64),
}

/// Ranges of whole groups in a file of a known size: ascending, with gaps between them, at most
/// [`MAX_RANGES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranges {
    size: u64,
    spans: Vec<Range<u64>>,
}

impl Ranges {
    /// The whole file; no range where it is empty.
    ///
    /// # Errors
    /// [`RangesError::Size`].
    pub fn all(size: u64) -> Result<Self, RangesError> {
        if size == 0 { Self::new(size, &[]) } else { Self::new(size, &[[0, size]]) }
    }

    /// Checks pairs of start and end, in bytes.
    ///
    /// # Errors
    /// [`RangesError`] names the first pair that is refused.
    pub fn new(size: u64, pairs: &[[u64; 2]]) -> Result<Self, RangesError> {
        if size > MAX_SIZE {
            return Err(RangesError::Size(size));
        }
        if pairs.len() > MAX_RANGES {
            return Err(RangesError::Count(pairs.len()));
        }
        let mut spans: Vec<Range<u64>> = Vec::with_capacity(pairs.len());
        for &[start, end] in pairs {
            let whole = start % GROUP == 0 && (end % GROUP == 0 || end == size);
            if start >= end || end > size || !whole {
                return Err(RangesError::Bounds(start, end, size));
            }
            if spans.last().is_some_and(|before| before.end >= start) {
                return Err(RangesError::Order(start, end));
            }
            spans.push(start..end);
        }
        Ok(Self { size, spans })
    }

    /// The ranges of `chunks`, widened to whole groups. Where there would be more than [`MAX_RANGES`], the narrowest
    /// gaps between them are closed, the first of equals: some bytes are then meant that need not be.
    ///
    /// # Errors
    /// [`RangesError::Size`].
    pub fn of_chunks(size: u64, chunks: &ChunkRangesRef) -> Result<Self, RangesError> {
        if size > MAX_SIZE {
            return Err(RangesError::Size(size));
        }
        let mut spans: Vec<Range<u64>> = Vec::new();
        for pair in chunks.boundaries().chunks(2) {
            let start = pair[0].0.saturating_mul(CHUNK) / GROUP * GROUP;
            let end = pair.get(1).map_or(size, |end| end.0.saturating_mul(CHUNK));
            let end = end.min(size).div_ceil(GROUP).saturating_mul(GROUP).min(size);
            if start >= end {
                continue;
            }
            match spans.last_mut() {
                Some(last) if last.end >= start => last.end = end,
                _ => spans.push(start..end),
            }
        }
        Ok(Self { size, spans: close_gaps(spans) })
    }

    /// The ranges as the tree counts them. One that ends with the file is left open, which is how the
    /// encoder knows that the last group is wanted whole.
    pub fn to_chunks(&self) -> ChunkRanges {
        let mut chunks = ChunkRanges::empty();
        for span in &self.spans {
            let start = ChunkNum(span.start / CHUNK);
            chunks |= match span.end {
                end if end == self.size => ChunkRanges::from(start..),
                end => ChunkRanges::from(start..ChunkNum(end / CHUNK)),
            };
        }
        chunks
    }

    /// The ranges as pairs of start and end, in bytes: what is sent.
    pub fn to_pairs(&self) -> Vec<[u64; 2]> {
        self.spans.iter().map(|span| [span.start, span.end]).collect()
    }

    /// The ranges, ascending, in bytes.
    pub fn spans(&self) -> &[Range<u64>] {
        &self.spans
    }

    /// The file's size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether nothing is meant.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// How many bytes of content are meant.
    pub fn byte_count(&self) -> u64 {
        // The spans are disjoint parts of one file, so that the sum is at most its size.
        self.spans.iter().map(|span| span.end - span.start).sum()
    }
}

/// Joins neighbours with the narrowest gaps between them until there are [`MAX_RANGES`].
fn close_gaps(spans: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let too_many = spans.len().saturating_sub(MAX_RANGES);
    if too_many == 0 {
        return spans;
    }
    let gap = |pair: &[Range<u64>]| pair[1].start - pair[0].end;
    let mut narrow: Vec<(u64, usize)> = spans.windows(2).map(gap).zip(1..).collect();
    narrow.select_nth_unstable(too_many - 1);
    narrow.truncate(too_many);
    let mut closed: Vec<usize> = narrow.into_iter().map(|(_, at)| at).collect();
    closed.sort_unstable();
    let mut closed = closed.into_iter().peekable();
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(MAX_RANGES);
    for (at, span) in spans.into_iter().enumerate() {
        match joined.last_mut() {
            Some(last) if closed.next_if_eq(&at).is_some() => last.end = span.end,
            _ => joined.push(span),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_whole_groups_in_ascending_order_pass() {
        let size = 3 * GROUP + 5;
        for good in [&[][..], &[[0, size]], &[[GROUP, 2 * GROUP], [3 * GROUP, size]]] {
            let ranges = Ranges::new(size, good).unwrap();
            assert_eq!(ranges.to_pairs(), good);
        }
        for bad in [
            &[[0, 0]][..],
            &[[1, GROUP]],
            &[[0, GROUP + 1]],
            &[[0, 4 * GROUP]],
            &[[GROUP, 0]],
            &[[0, GROUP], [GROUP, size]],
            &[[GROUP, 2 * GROUP], [0, GROUP]],
            &[[0, u64::MAX]],
        ] {
            assert!(Ranges::new(size, bad).is_err(), "{bad:?}");
        }
        assert_eq!(Ranges::all(u64::MAX), Err(RangesError::Size(u64::MAX)));
        let many = vec![[0, GROUP]; MAX_RANGES + 1];
        assert_eq!(Ranges::new(size, &many), Err(RangesError::Count(MAX_RANGES + 1)));
    }

    #[test]
    fn an_empty_file_has_no_ranges() {
        assert!(Ranges::all(0).unwrap().is_empty());
        assert!(Ranges::of_chunks(0, &ChunkRanges::all()).unwrap().is_empty());
    }

    #[test]
    fn of_too_many_gaps_the_narrowest_are_closed() {
        // Every second group, and after each fiftieth of them a gap of ten more.
        let count = 2 * MAX_RANGES as u64;
        let begin = |number: u64| 2 * number + number / 50 * 10;
        let mut chunks = ChunkRanges::empty();
        for number in 0..count {
            let chunk = 64 * begin(number);
            chunks |= ChunkRanges::from(ChunkNum(chunk)..ChunkNum(chunk + 64));
        }
        let size = (begin(count) + 1) * GROUP;
        let ranges = Ranges::of_chunks(size, &chunks).unwrap();
        assert_eq!(ranges.spans().len(), MAX_RANGES);
        assert!(ranges.to_chunks().is_superset(&chunks));
        // One group for each gap that had to be closed, and no wide one.
        assert_eq!(ranges.byte_count(), (count + count - MAX_RANGES as u64) * GROUP);
        assert_eq!(Ranges::new(size, &ranges.to_pairs()).unwrap(), ranges);
    }

    proptest! {
        #[test]
        fn ranges_survive_the_tree_and_the_wire(
            size in 1u64..40 * GROUP,
            groups in prop::collection::btree_set(0u64..40, 0..20),
        ) {
            let mut chunks = ChunkRanges::empty();
            for group in groups {
                chunks |= ChunkRanges::from(ChunkNum(group * 64)..ChunkNum((group + 1) * 64));
            }
            let ranges = Ranges::of_chunks(size, &chunks).unwrap();
            prop_assert_eq!(&Ranges::of_chunks(size, &ranges.to_chunks()).unwrap(), &ranges);
            prop_assert_eq!(&Ranges::new(size, &ranges.to_pairs()).unwrap(), &ranges);
            prop_assert!(ranges.byte_count() <= size);
        }

        #[test]
        fn no_pairs_panic(size: u64, pairs: Vec<[u64; 2]>) {
            let _ = Ranges::new(size, &pairs).map(|ranges| (ranges.to_chunks(), ranges.byte_count()));
        }
    }
}
