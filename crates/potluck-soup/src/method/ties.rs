//! `ties/1` and `dare_ties/1`: sparse task vectors, a sign elected for each element, and the mean of those that have it.
//!
//! Prateek Yadav, Derek Tam, Leshem Choshen, Colin Raffel, Mohit Bansal, "TIES-Merging: Resolving interference when
//! merging models", NeurIPS 2023, section 4 and algorithm 1: trim, elect (γ = sgn Σ τ), disjoint mean over
//! Aᵖ = {t : sgn τₜᵖ = γᵖ}, θ = θ₀ + λ·τ. Le Yu, Bowen Yu, Haiyang Yu, Fei Huang, Yongbin Li, "Language models are
//! super Mario: Absorbing abilities from homologous models as a free lunch", ICML 2024, section 3: drop elements at
//! random and rescale the others by one over the part that is kept.
//!
//! ```text
//! xᵢ − θ₀ ──▶ trim or drop ──▶ sign of Σ wᵢδᵢ ──▶ Σ over those of that sign ──▶ θ₀ + it
//! ```

mod trim;

use super::Consensus;
use super::draw::Draw;
use super::share::{Density, Strength};
use super::stream::Found;
use crate::blend::{Bench, BlendError, Input, Pieces, Rule, not_finite};
use crate::kernel;
use crate::layout::Dtype;

/// How many elements are worked on at a time: few enough that those of several experts stay in a core's cache.
const TILE: usize = 1024;

/// Which changes of an expert count.
#[derive(Debug)]
pub(super) enum Keep {
    All,
    /// The so many largest, and those as large as the least of them.
    Largest {
        rank: u64,
        least: Found<f64>,
    },
    Drawn(Draw),
}

impl Keep {
    /// The largest of a tensor of so many elements: the density's part of them, rounded down, but one at least.
    pub(super) fn largest(density: Density, elements: u64) -> Self {
        if density == Density::ONE {
            return Self::All;
        }
        let rank = u128::from(density.ppm()) * u128::from(elements) / 1_000_000;
        let rank = u64::try_from(rank).expect("a part of the elements").max(1);
        Self::Largest { rank, least: Found::default() }
    }
}

/// How sums of the elected changes become a change of the base.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weighing {
    pub(super) consensus: Consensus,
    pub(super) strength: Strength,
    /// What the changes that are kept are divided by.
    pub(super) rescale: Density,
}

/// The rule of one tensor.
#[derive(Debug)]
pub(super) struct Elected {
    /// The experts', and the base's at last.
    inputs: Vec<Input>,
    /// For each expert its weight in parts per million, above zero, and what is kept of it.
    experts: Vec<(f64, Keep)>,
    weighing: Weighing,
    dtype: Dtype,
}

impl Elected {
    pub(super) fn new(
        inputs: Vec<Input>,
        experts: Vec<(f64, Keep)>,
        weighing: Weighing,
        dtype: Dtype,
    ) -> Self {
        Self { inputs, experts, weighing, dtype }
    }

    /// The least magnitude that is kept of each expert; threads that come meanwhile find that of another expert.
    fn find(&self) -> Result<(), BlendError> {
        let (base, inputs) = self.inputs.split_last().expect("the base is there");
        for wait in [false, true] {
            for (input, (_, keep)) in inputs.iter().zip(&self.experts) {
                let Keep::Largest { rank, least } = keep else { continue };
                let find = || trim::magnitude(input, base, *rank);
                if wait {
                    least.get(find)?;
                } else {
                    least.begin(find)?;
                }
            }
        }
        Ok(())
    }
}

impl Rule for Elected {
    fn fill(&self, bench: &mut Bench, offset: u64, output: &mut [u8]) -> Result<(), BlendError> {
        if output.is_empty() {
            return Ok(());
        }
        self.find()?;
        let size = self.dtype.size();
        let first = offset / size as u64;
        bench.read(self.inputs.iter(), first, output.len() / size)?;
        let mut tile = Tile::new(&mut bench.values, self.inputs.len());
        for (index, output) in output.chunks_mut(TILE * size).enumerate() {
            let begin = index * TILE;
            let element = first + begin as u64;
            let range = begin..begin + output.len() / size;
            tile.read(&self.inputs, &bench.inputs, range);
            tile.sparsify(&self.experts, element);
            tile.elect(&self.experts, self.weighing);
            kernel::narrow(self.dtype, tile.result(), output).map_err(|index| {
                not_finite(&self.inputs[0].tensor().name, self.dtype, element * size as u64, index)
            })?;
        }
        Ok(())
    }
}

/// Some elements of all inputs, and what is made of them.
struct Tile<'a> {
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
    fn new(values: &'a mut Vec<f64>, inputs: usize) -> Self {
        values.resize((inputs + 4) * TILE, 0.0);
        let mut rows = values.chunks_exact_mut(TILE);
        let mut row = || rows.next().expect("there are four rows more than inputs");
        let [votes, faults, sums, weights] = [row(), row(), row(), row()];
        Self { inputs: rows.collect(), votes, faults, sums, weights, length: 0 }
    }

    fn read(&mut self, inputs: &[Input], bytes: &Pieces, range: std::ops::Range<usize>) {
        self.length = range.len();
        for ((input, bytes), values) in inputs.iter().zip(bytes.iter()).zip(&mut self.inputs) {
            let size = input.dtype().size();
            let bytes = &bytes[range.start * size..range.end * size];
            kernel::widen(input.dtype(), bytes, &mut values[..range.len()]);
        }
    }

    /// Leaves of each expert its change from the base where that is kept, and 0 elsewhere.
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
                Keep::Drawn(draw) => {
                    for (change, element) in changes.iter_mut().zip(element..) {
                        *change = if draw.keeps(element) { *change } else { 0.0 };
                    }
                }
            }
        }
    }

    fn elect(&mut self, experts: &[(f64, Keep)], weighing: Weighing) {
        let (base, changes) = self.inputs.split_last_mut().expect("the base is there");
        let (votes, sums) = (&mut self.votes[..self.length], &mut self.sums[..self.length]);
        let weights = &mut self.weights[..self.length];
        for row in [&mut *votes, &mut *sums, &mut *weights] {
            row.fill(0.0);
        }
        for ((weight, _), changes) in experts.iter().zip(&*changes) {
            votes.iter_mut().zip(&**changes).for_each(|(vote, change)| *vote += weight * change);
        }
        for ((weight, _), changes) in experts.iter().zip(&*changes) {
            let rows = sums.iter_mut().zip(&mut *weights).zip(&*votes).zip(&**changes);
            for (((sum, total), vote), change) in rows {
                // Not by their product, which may be too small for a sign.
                let agrees = (*vote > 0.0) & (*change > 0.0) | (*vote < 0.0) & (*change < 0.0);
                *sum += if agrees { weight * change } else { 0.0 };
                *total += if agrees { *weight } else { 0.0 };
            }
        }
        let (strength, rescale) =
            (f64::from(weighing.strength.ppm()), f64::from(weighing.rescale.ppm()));
        let rows = sums.iter_mut().zip(&*weights).zip(&**base);
        for (((sum, total), base), (vote, fault)) in rows.zip(votes.iter().zip(&*self.faults)) {
            let divisor = if weighing.consensus == Consensus::Mean { *total } else { 1e6 };
            let mut change = *sum / divisor;
            if strength != rescale {
                change = change * strength / rescale;
            }
            let made = if *total > 0.0 { base + change } else { *base };
            *sum = if fault + vote * 0.0 == 0.0 { made } else { f64::NAN };
        }
    }

    fn result(&self) -> &[f64] {
        &self.sums[..self.length]
    }
}
