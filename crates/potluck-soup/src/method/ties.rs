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

mod tile;
mod trim;

use self::tile::{TILE, Tile};
use super::Consensus;
use super::draw::Draw;
use super::share::{Density, Strength};
use super::stream::Found;
use crate::blend::{Bench, BlendError, Input, Rule, not_finite};
use crate::kernel;
use crate::layout::Dtype;

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
            tile.make(&self.experts, self.weighing, element);
            kernel::narrow(self.dtype, tile.result(), output).map_err(|index| {
                not_finite(&self.inputs[0].tensor().name, self.dtype, element * size as u64, index)
            })?;
        }
        Ok(())
    }
}
