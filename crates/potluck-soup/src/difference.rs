//! How two checkpoints differ, tensor by tensor: how far each is from the base they share, and whether they went the
//! same way; without a base, how far they are from one another.
//!
//! A tensor that not all have, or that has another shape in one of them, is listed and never left out in silence.
//! Both, and the base, are read once, on all threads, in bounded memory. Sums are binary64 and their order is fixed:
//! `measure` says how a tile of `TILE` elements is summed; tiles are added in order. Called by `potluck diff`.

mod measure;

use std::num::NonZeroUsize;

pub use self::measure::Moved;
use self::measure::{Desk, count_different};
use crate::blend::{BlendError, Input};
use crate::checkpoint::{Checkpoint, Kind};
use crate::float_state::{self, FloatState};
use crate::in_turn::in_turn;
use crate::layout::Dtype;
use crate::source::SourceError;

/// Elements of a tensor that are summed by themselves.
pub(crate) const TILE: u64 = 16 << 10;

/// Why two checkpoints cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum DifferenceError {
    /// An adapter and a model.
    #[error("one is an adapter and another a model: their tensors mean different things")]
    Kinds,
    /// A file could not be read, or changed meanwhile.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// This process changed how floating-point numbers are rounded.
    #[error("the processor's floating-point mode makes sums irreproducible")]
    FloatState(#[from] FloatState),
}

/// One of the checkpoints that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
    /// What both began with.
    Base,
}

/// What two checkpoints make of one tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// Its name.
    pub name: String,
    /// Its elements, where the first of A, B and the base that has it says so.
    pub elements: u64,
    /// Its format there.
    pub dtype: Dtype,
    /// What was found.
    pub outcome: Outcome,
}

/// How a tensor compares.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Not all have it: these do not.
    Lacking(Vec<Side>),
    /// All have it, in different shapes.
    Shapes,
    /// All have it, but numbers of one kind cannot be compared with those of another.
    Dtypes,
    /// Integers or truth values, of which so many differ between A and B.
    Constants {
        /// How many.
        different: u64,
    },
    /// Floating-point numbers.
    Moved(Moved),
}

/// Compares `a` with `b`, and each with `base` where there is one.
///
/// Formats may differ where all are of floating-point numbers. The result is in byte order of names. `progress`
/// hears of bytes read and in all, on the caller's thread. Memory: three tiles a thread.
///
/// # Errors
/// [`DifferenceError`].
pub fn difference(
    a: &Checkpoint,
    b: &Checkpoint,
    base: Option<&Checkpoint>,
    threads: NonZeroUsize,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Vec<Compared>, DifferenceError> {
    let all: Vec<_> = [a, b].into_iter().chain(base).collect();
    let adapters = all.iter().filter(|it| it.kind() == Kind::Adapter).count();
    if adapters != 0 && adapters != all.len() {
        return Err(DifferenceError::Kinds);
    }
    let mut compared = Vec::new();
    let mut work = Vec::new();
    let (mut jobs, mut bytes) = (0, 0);
    for name in names(&all) {
        let inputs: Vec<_> = all.iter().map(|it| it.input(&name)).collect();
        let (tensor, ready) = planned(name, inputs);
        if let Some(inputs) = ready {
            jobs += tensor.elements.div_ceil(TILE);
            bytes += inputs.iter().map(|it| it.tensor().bytes()).sum::<u64>();
            work.push(Work { tensor: compared.len(), inputs, end: jobs });
        }
        compared.push(tensor);
    }
    in_turn(
        jobs,
        threads,
        Desk::default,
        |desk, job| {
            let at = work.partition_point(|it| it.end <= job);
            let first = at.checked_sub(1).map_or(0, |before| work[before].end);
            Ok::<_, DifferenceError>((work[at].tensor, work[at].tile(desk, job - first)?))
        },
        |(tensor, tile)| compared[tensor].outcome.add(&tile),
        // No file has so many bytes that this overflows.
        &mut |done| progress(((done as f64 / jobs as f64) * bytes as f64) as u64, bytes),
    )?;
    for source in all.iter().flat_map(|it| it.sources()) {
        source.check_unchanged()?;
    }
    Ok(compared)
}

/// The names of all tensors, each once, in byte order.
fn names(all: &[&Checkpoint]) -> Vec<String> {
    let tensors = all.iter().flat_map(|it| it.tensors());
    let mut names: Vec<_> = tensors.map(|tensor| tensor.name.clone()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What is known of a tensor from the headers; with its inputs where it has to be read.
fn planned(name: String, inputs: Vec<Option<Input>>) -> (Compared, Option<Vec<Input>>) {
    let sides = [Side::A, Side::B, Side::Base].into_iter().zip(&inputs);
    let lacking: Vec<_> = sides.filter(|(_, it)| it.is_none()).map(|(side, _)| side).collect();
    let inputs: Vec<_> = inputs.into_iter().flatten().collect();
    let tensor = inputs[0].tensor();
    let all = |same: &dyn Fn(&Input) -> bool| inputs.iter().all(same);
    let outcome = if !lacking.is_empty() {
        Outcome::Lacking(lacking)
    } else if !all(&|it| it.tensor().shape == tensor.shape) {
        Outcome::Shapes
    } else if all(&|it| it.dtype().is_float()) {
        Outcome::Moved(Moved::new(inputs.len() > 2))
    } else if all(&|it| it.dtype() == tensor.dtype) {
        Outcome::Constants { different: 0 }
    } else {
        Outcome::Dtypes
    };
    let is_read = matches!(outcome, Outcome::Moved(_) | Outcome::Constants { .. });
    let compared = Compared { name, elements: tensor.elements(), dtype: tensor.dtype, outcome };
    (compared, is_read.then_some(inputs))
}

impl Outcome {
    /// Adds what follows in the same tensor.
    fn add(&mut self, next: &Self) {
        match (self, next) {
            (Self::Moved(all), Self::Moved(next)) => all.add(next),
            (Self::Constants { different }, Self::Constants { different: more }) => {
                *different += more;
            }
            _ => unreachable!("a tensor is compared in one way"),
        }
    }
}

/// One tensor that is read.
struct Work {
    /// Its place among all.
    tensor: usize,
    /// A's, B's and the base's.
    inputs: Vec<Input>,
    /// The number of the first job that is not its own.
    end: u64,
}

impl Work {
    fn tile(&self, desk: &mut Desk, index: u64) -> Result<Outcome, DifferenceError> {
        float_state::check()?;
        let tensor = self.inputs[0].tensor();
        let first = index * TILE;
        let elements = usize::try_from((tensor.elements() - first).min(TILE));
        let elements = elements.expect("a tile fits memory");
        for (input, bytes) in self.inputs.iter().zip(&mut desk.bytes) {
            let size = input.dtype().size();
            bytes.resize(elements * size, 0);
            input.read(first * size as u64, bytes).map_err(DifferenceError::of)?;
        }
        if tensor.dtype.is_float() {
            let dtypes: Vec<_> = self.inputs.iter().map(Input::dtype).collect();
            return Ok(Outcome::Moved(desk.measure(&dtypes)));
        }
        let different = count_different(tensor.dtype, &desk.bytes[0], &desk.bytes[1]);
        Ok(Outcome::Constants { different })
    }
}

impl DifferenceError {
    /// A read that failed.
    fn of(error: BlendError) -> Self {
        match error {
            BlendError::Source(source) => Self::Source(source),
            _ => unreachable!("a read fails as a file does"),
        }
    }
}

#[cfg(test)]
mod tests;
