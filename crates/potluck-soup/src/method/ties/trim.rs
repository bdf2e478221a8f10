//! How small a change may be and still be kept: the k-th largest magnitude of a tensor's changes, exactly, in memory
//! that does not grow with the tensor.
//!
//! A radix selection. Magnitudes of binary64 stand in the order of their bits; each pass over the tensor counts the
//! next 16 of them among those elements whose higher bits are already known to be the answer's. Two passes do for
//! most tensors of 16 bits an element, whose changes have few significant bits.

use crate::blend::{BlendError, Input};
use crate::method::stream::stream;

/// So many magnitudes are held rather than counted.
const HELD: u64 = 1 << 16;

/// How many bits one pass decides.
const DIGIT: u32 = 16;

/// The `rank`-th largest |expert − base|, from 1; 0 where there are not so many elements.
///
/// Memory: one MiB.
///
/// # Errors
/// [`BlendError`].
pub(super) fn magnitude(expert: &Input, base: &Input, rank: u64) -> Result<f64, BlendError> {
    let elements = expert.tensor().elements();
    if rank == 0 || rank > elements {
        return Ok(0.0);
    }
    let mut sought = Sought { known: 0, low: 64, rank, among: elements };
    let mut used = 0;
    while sought.among > HELD && sought.low > 0 {
        let mut counts = vec![0u64; 1 << DIGIT];
        let (low, now) = (sought.low - DIGIT, sought);
        magnitudes(expert, base, |all| {
            used |= all.iter().fold(0, |used, bits| used | bits);
            for bits in all.iter().filter(|bits| now.holds(**bits)) {
                counts[(bits >> low) as usize & ((1 << DIGIT) - 1)] += 1;
            }
        })?;
        sought = sought.narrowed(&counts, low);
        if used & ((1 << low) - 1) == 0 {
            // No element has any of the bits that are left.
            sought.low = 0;
        }
    }
    if sought.low == 0 {
        return Ok(f64::from_bits(sought.known));
    }
    let mut held = Vec::new();
    magnitudes(expert, base, |all| held.extend(all.iter().filter(|bits| sought.holds(**bits))))?;
    let from_below = usize::try_from(sought.among - sought.rank).expect("few are held");
    let (_, bits, _) = held.select_nth_unstable(from_below);
    Ok(f64::from_bits(*bits))
}

/// What is known of the bits of the magnitude sought.
#[derive(Debug, Clone, Copy)]
struct Sought {
    /// Its bits from `low` up; the others are zero.
    known: u64,
    low: u32,
    /// It is the `rank`-th largest, from 1, …
    rank: u64,
    /// … of so many elements whose bits from `low` up are these.
    among: u64,
}

impl Sought {
    fn holds(&self, bits: u64) -> bool {
        // In two steps, since before anything is known it is a shift by 64.
        (bits ^ self.known) >> (self.low / 2) >> (self.low - self.low / 2) == 0
    }

    /// The bits from `low` to those known, from how many elements have each value of them.
    fn narrowed(self, counts: &[u64], low: u32) -> Self {
        let mut rank = self.rank;
        for (digit, &among) in (0u64..1 << DIGIT).rev().zip(counts.iter().rev()) {
            if rank <= among {
                return Self { known: self.known | digit << low, low, rank, among };
            }
            rank -= among;
        }
        unreachable!("the rank is at most the number of elements counted")
    }
}

/// Calls `each` with the bits of the magnitudes of one tile after the other.
fn magnitudes(
    expert: &Input,
    base: &Input,
    mut each: impl FnMut(&[u64]),
) -> Result<(), BlendError> {
    let mut all = Vec::new();
    stream(&[expert, base], |values| {
        let [expert, base] = values else { unreachable!("two inputs were given") };
        all.clear();
        all.extend(expert.iter().zip(&*base).map(|(x, base)| (x - base).abs().to_bits()));
        each(&all);
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::samples::{experts, f32s};

    /// The answer by sorting.
    fn sorted(changes: &[f64], rank: usize) -> f64 {
        let mut magnitudes: Vec<_> = changes.iter().map(|it| it.abs()).collect();
        magnitudes.sort_by(|a, b| b.total_cmp(a));
        magnitudes[rank - 1]
    }

    fn inputs(expert: crate::samples::Sample, base: crate::samples::Sample) -> [Input; 2] {
        let folder = tempfile::tempdir().unwrap();
        let given = experts(folder.path(), &[vec![expert], vec![base]]);
        let open = |at: usize| Checkpoint::open(&given[at].1).unwrap().input("w").unwrap();
        [open(0), open(1)]
    }

    /// More elements than are held, so that digits are counted: of all magnitudes, or many of one.
    #[test]
    fn many_elements_are_counted_digit_by_digit() {
        let count = 3 * HELD as usize + 5;
        let mixed = |i: usize| f32::from_bits((i as u32).wrapping_mul(0x9e37_79b9) & 0x7f7f_ffff);
        let narrow = |i: usize| 1.0 + (i % 1000) as f32 * 1e-4;
        let equal = |i: usize| if i.is_multiple_of(10) { -2.0 } else { 1.0 };
        let all: [&dyn Fn(usize) -> f32; 3] = [&mixed, &narrow, &equal];
        for values in all {
            let values: Vec<f32> = (0..count).map(values).collect();
            let changes: Vec<_> = values.iter().map(|it| f64::from(*it) - 0.25).collect();
            let [expert, base] = inputs(f32s("w", &values), f32s("w", &vec![0.25; count]));
            for rank in [1, 2, count / 10, count / 2, count - 1, count] {
                let found = magnitude(&expert, &base, rank as u64).unwrap();
                assert_eq!(found, sorted(&changes, rank), "{rank}");
            }
        }
    }

    proptest! {
        #[test]
        fn few_elements_are_sorted(values in proptest::collection::vec(-2.0f32..2.0, 1..40), at in 0.0f64..1.0) {
            let rank = 1 + (at * values.len() as f64) as usize;
            let [expert, base] = inputs(f32s("w", &values), f32s("w", &vec![0.0; values.len()]));
            let changes: Vec<_> = values.iter().map(|it| f64::from(*it)).collect();
            prop_assert_eq!(magnitude(&expert, &base, rank as u64).unwrap(), sorted(&changes, rank));
        }
    }
}
