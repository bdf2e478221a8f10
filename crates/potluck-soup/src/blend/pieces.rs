//! Pieces of several inputs, in memory that caches like.

use std::ops::{Index, Range};

/// What the pieces are kept apart by, in bytes: three cache lines. Pieces at equal places in their pages would
/// compete for the same few places of a core's first-level cache.
const STAGGER: usize = 192;
/// A page, in bytes.
const PAGE: usize = 4096;

/// Bytes of several inputs; memory is kept from one use to the next.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Pieces {
    /// Makes room for pieces of these lengths; what stands in it does not matter.
    pub(crate) fn make_room(&mut self, lengths: impl Iterator<Item = usize>) {
        self.places.clear();
        let mut end = 0usize;
        for length in lengths {
            let start = end.next_multiple_of(PAGE) + STAGGER * (self.places.len() + 1);
            end = start + length;
            self.places.push(start..end);
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
    }

    /// The piece of input `index`, to be filled.
    pub(crate) fn piece_mut(&mut self, index: usize) -> &mut [u8] {
        &mut self.bytes[self.places[index].clone()]
    }

    /// The pieces in the order of their inputs.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.places.iter().map(|place| &self.bytes[place.clone()])
    }
}

impl Index<usize> for Pieces {
    type Output = [u8];

    fn index(&self, index: usize) -> &[u8] {
        &self.bytes[self.places[index].clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_stand_apart_and_at_different_places_of_their_pages() {
        let mut pieces = Pieces::default();
        for lengths in [vec![8192; 5], vec![3, 0, 4096], vec![]] {
            pieces.make_room(lengths.iter().copied());
            for (index, length) in lengths.iter().enumerate() {
                pieces.piece_mut(index).fill(index as u8 + 1);
                assert_eq!(pieces[index].len(), *length);
            }
            for (index, piece) in pieces.iter().enumerate() {
                assert!(piece.iter().all(|byte| usize::from(*byte) == index + 1));
            }
            let mut within: Vec<_> = pieces.places.iter().map(|it| it.start % PAGE).collect();
            within.dedup();
            assert_eq!(within.len(), lengths.len());
        }
    }
}
