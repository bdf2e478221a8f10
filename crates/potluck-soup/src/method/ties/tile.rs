//! The arithmetic of `ties/1` and `dare_ties/1` on a few elements at a time, in plain loops that the compiler turns into
//! whatever vectors the processor has. No operation is fused or reordered by that, so the bytes do not change.

use std::ops::Range;

use super::{Keep, Weighing};
use crate::blend::{Input, Pieces};
use crate::kernel;
use crate::method::Consensus;

/// How many elements are worked on at a time: few enough that those of several experts stay in a core's first cache.
pub(super) const TILE: usize = 512;

/// From one row of elements to the next: not by whole pages, where a load waits for a store of another row.
const STRIDE: usize = TILE + 40;

/// Some elements of all inputs, and what is made of them.
pub(super) struct Tile<'a> {
    /// The changes of one expert after the other, then the base.
    inputs: Vec<&'a mut [f64]>,
    /// Σ wᵢδᵢ.
    votes: &'a mut [f64],
    /// 0, or NaN where an input or a change is not finite.
    faults: &'a mut [f64],
    /// Σ wᵢδᵢ over the elected, which becomes the result.
    sums: &'a mut [f64],
    /// Σ wᵢ over the elected.
    weights: &'a mut [f64],
    length: usize,
}

impl<'a> Tile<'a> {
    /// `values` is where it all stands; what it holds does not matter.
    pub(super) fn new(values: &'a mut Vec<f64>, inputs: usize) -> Self {
        values.resize((inputs + 4) * STRIDE, 0.0);
        let mut rows = values.chunks_exact_mut(STRIDE);
        let mut row = || rows.next().expect("there are four rows more than inputs");
        let [votes, faults, sums, weights] = [row(), row(), row(), row()];
        Self { inputs: rows.collect(), votes, faults, sums, weights, length: 0 }
    }

    /// Takes the elements in `range` of those whose bytes are given.
    pub(super) fn read(&mut self, inputs: &[Input], bytes: &Pieces, range: Range<usize>) {
        self.length = range.len();
        for ((input, bytes), values) in inputs.iter().zip(bytes.iter()).zip(&mut self.inputs) {
            let size = input.dtype().size();
            let bytes = &bytes[range.start * size..range.end * size];
            kernel::widen(input.dtype(), bytes, &mut values[..range.len()]);
        }
    }

    /// Makes the result; the first element has this index in the tensor.
    pub(super) fn make(&mut self, experts: &[(f64, Keep)], weighing: Weighing, element: u64) {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
            {
                // SAFETY: the processor has what the function is compiled for.
                return unsafe { self.make_with_avx512(experts, weighing, element) };
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: as above.
                return unsafe { self.make_with_avx2(experts, weighing, element) };
            }
        }
        self.make_plainly(experts, weighing, element);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl")]
    fn make_with_avx512(&mut self, experts: &[(f64, Keep)], weighing: Weighing, element: u64) {
        self.make_plainly(experts, weighing, element);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn make_with_avx2(&mut self, experts: &[(f64, Keep)], weighing: Weighing, element: u64) {
        self.make_plainly(experts, weighing, element);
    }

    #[inline(always)]
    fn make_plainly(&mut self, experts: &[(f64, Keep)], weighing: Weighing, element: u64) {
        self.sparsify(experts, element);
        self.elect(experts);
        self.settle(weighing);
    }

    /// Leaves of each expert its change from the base where that is kept, and 0 elsewhere.
    #[inline(always)]
    fn sparsify(&mut self, experts: &[(f64, Keep)], element: u64) {
        let (base, changes) = self.inputs.split_last_mut().expect("the base is there");
        let base = &base[..self.length];
        let faults = &mut self.faults[..self.length];
        faults.fill(0.0);
        for ((_, keep), changes) in experts.iter().zip(changes) {
            let changes = &mut changes[..self.length];
            for ((change, base), fault) in changes.iter_mut().zip(base).zip(&mut *faults) {
                *change -= base;
                *fault += *change * 0.0;
            }
            match keep {
                Keep::All => {}
                Keep::Largest { least, .. } => {
                    let least = *least.known().expect("it is found before any tile is made");
                    for change in changes {
                        *change = if change.abs() >= least { *change } else { 0.0 };
                    }
                }
                Keep::Drawn(draw) => draw.drop_from(changes, element),
            }
        }
    }

    /// The sums over those that have the elected sign.
    #[inline(always)]
    fn elect(&mut self, experts: &[(f64, Keep)]) {
        let (_, changes) = self.inputs.split_last_mut().expect("the base is there");
        let (votes, sums) = (&mut self.votes[..self.length], &mut self.sums[..self.length]);
        let weights = &mut self.weights[..self.length];
        for row in [&mut *votes, &mut *sums, &mut *weights] {
            row.fill(0.0);
        }
        for ((weight, _), changes) in experts.iter().zip(&*changes) {
            let weight = *weight;
            votes.iter_mut().zip(&**changes).for_each(|(vote, change)| *vote += weight * change);
        }
        for ((weight, _), changes) in experts.iter().zip(&*changes) {
            let weight = *weight;
            let rows = sums.iter_mut().zip(&mut *weights).zip(&*votes).zip(&**changes);
            for (((sum, total), &vote), &change) in rows {
                // Not by their product, which may be too small for a sign.
                let agrees = (vote > 0.0) & (change > 0.0) | (vote < 0.0) & (change < 0.0);
                let weighed = weight * change;
                *sum += if agrees { weighed } else { 0.0 };
                *total += if agrees { weight } else { 0.0 };
            }
        }
    }

    /// The base and the elected change.
    #[inline(always)]
    fn settle(&mut self, weighing: Weighing) {
        let base = self.inputs.last().expect("the base is there");
        let strength = f64::from(weighing.strength.ppm());
        let rescale = f64::from(weighing.rescale.ppm());
        let (is_mean, is_scaled) = (weighing.consensus == Consensus::Mean, strength != rescale);
        let sums = &mut self.sums[..self.length];
        let rows = sums.iter_mut().zip(&*self.weights).zip(&**base);
        for (((sum, total), base), (vote, fault)) in rows.zip(self.votes.iter().zip(&*self.faults))
        {
            let change = *sum / if is_mean { *total } else { 1e6 };
            let change = if is_scaled { change * strength / rescale } else { change };
            let made = if *total > 0.0 { base + change } else { *base };
            *sum = if fault + vote * 0.0 == 0.0 { made } else { f64::NAN };
        }
    }

    /// What was made; NaN where an input, a change or a vote is not finite.
    pub(super) fn result(&self) -> &[f64] {
        &self.sums[..self.length]
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::method::draw::Draw;
    use crate::method::{Density, Strength};

    type Make = fn(&mut Tile<'_>, &[(f64, Keep)], Weighing, u64);

    /// Changes of every size and sign, some of them none, of three experts and a base.
    fn number(row: usize, at: usize) -> f64 {
        let bits = (row * TILE + at + 1) as u64;
        let mixed = bits.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if mixed >> 61 == 0 { 1.0 } else { f64::from_bits(mixed >> 12 | 0x3ff << 52) - 1.5 }
    }

    #[test]
    fn every_processor_makes_the_same_bits() {
        let mut ways: Vec<Make> =
            vec![|tile, experts, weighing, at| tile.make_plainly(experts, weighing, at)];
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            ways.push(|tile, experts, weighing, at| unsafe {
                tile.make_with_avx2(experts, weighing, at);
            });
        }
        ways.push(|tile, experts, weighing, at| tile.make(experts, weighing, at));
        let density = Density::new(400_000).unwrap();
        let party = "a".parse().unwrap();
        for (consensus, strength) in [(Consensus::Mean, 1_000_000), (Consensus::Sum, 700_000)] {
            let made = ways.iter().map(|make| {
                let draw = Keep::Drawn(Draw::new(5, &party, "w", density));
                let experts = [(3e5, Keep::All), (7e5, draw), (1.0, Keep::All)];
                let mut values = Vec::new();
                let mut tile = Tile::new(&mut values, experts.len() + 1);
                tile.length = TILE - 3;
                for (row, values) in tile.inputs.iter_mut().enumerate() {
                    values.iter_mut().enumerate().for_each(|(at, it)| *it = number(row, at));
                }
                let strength = Strength::new(strength).unwrap();
                let weighing = Weighing { consensus, strength, rescale: density };
                make(&mut tile, &experts, weighing, 77);
                tile.result().iter().map(|it| it.to_bits()).collect::<Vec<_>>()
            });
            let made: Vec<_> = made.collect();
            assert!(made.windows(2).all(|pair| pair[0] == pair[1]));
        }
    }
}
