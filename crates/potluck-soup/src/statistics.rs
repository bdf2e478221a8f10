//! What is in a checkpoint's tensors: norms, extremes, what is not finite, how magnitudes are spread.
//!
//! ```text
//! files ─▶ blocks, on all threads ─▶ tiles of one tensor ─▶ statistics ─▶ added in the order of the tensor
//!                     └▶ BLAKE3 of the same bytes, while they are in the core's cache
//! ```
//!
//! Each byte is read once. Sums are binary64 and their order is fixed: a tensor is cut into tiles of
//! `TILE_BYTES`, counted from its own start; `tile` says how one is summed; tiles are added in order. So a
//! tensor has the same statistics in any file, read by any number of threads on any processor. It judges nothing:
//! a NaN is counted, and whoever asked decides. Called by `potluck inspect`.

mod finite;
mod survey;
mod tile;

pub use self::survey::{Survey, SurveyError, Surveying, survey};
use crate::layout::Dtype;

/// Bytes of a tensor that are summed by themselves.
pub(crate) const TILE_BYTES: usize = 64 << 10;

/// The binary exponents that [`Magnitudes`] tells apart.
pub const BINS: usize = 48;
/// The exponent of its first bin.
pub const LOWEST: i32 = -32;

/// What is in one tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Statistics {
    /// Floating-point numbers.
    Floats(Box<Floats>),
    /// Integers or truth values.
    Integers(Integers),
}

/// What is in a tensor of floating-point numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Floats {
    /// How many elements.
    pub elements: u64,
    /// How many of them are NaN.
    pub nans: u64,
    /// How many are infinite.
    pub infinities: u64,
    /// How many are zero, of either sign.
    pub zeros: u64,
    /// How many are subnormal numbers of their format.
    pub subnormals: u64,
    /// The least finite element; −0 is below +0. `None` where none is finite.
    pub minimum: Option<f64>,
    /// The greatest finite element.
    pub maximum: Option<f64>,
    /// The sum of the finite elements.
    pub sum: f64,
    /// The sum of the squares of the finite elements; infinite where it is beyond binary64.
    pub squares: f64,
    /// How the normal numbers are spread; a sample.
    pub magnitudes: Magnitudes,
}

/// What is in a tensor of integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Integers {
    /// How many elements.
    pub elements: u64,
    /// The least; `None` where there is none.
    pub minimum: Option<i128>,
    /// The greatest.
    pub maximum: Option<i128>,
}

/// A sketch of how many normal numbers there are between each power of two and the next, from a sample: 512 of every
/// 4096 elements, the first 512 in any case, and of F8 all. Bin i counts 2^(i+[`LOWEST`]) ≤ |x| <
/// 2^(i+1+[`LOWEST`]). What is smaller is in the first bin, what is larger in the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Magnitudes(pub [u64; BINS]);

impl Statistics {
    /// Of no elements.
    pub fn none(dtype: Dtype) -> Self {
        if dtype.is_float() {
            return Self::Floats(Box::default());
        }
        Self::Integers(Integers { elements: 0, minimum: None, maximum: None })
    }

    /// Adds what follows in the same tensor.
    fn add(&mut self, next: &Self) {
        match (self, next) {
            (Self::Floats(all), Self::Floats(next)) => all.add(next),
            (Self::Integers(all), Self::Integers(next)) => all.add(*next),
            _ => unreachable!("a tensor has one dtype"),
        }
    }

    /// As of floating-point numbers.
    pub fn floats(&self) -> Option<&Floats> {
        match self {
            Self::Floats(floats) => Some(floats),
            Self::Integers(_) => None,
        }
    }
}

impl Floats {
    /// The elements that are neither NaN nor infinite.
    pub fn finite(&self) -> u64 {
        self.elements - self.nans - self.infinities
    }

    /// The Euclidean norm of the finite elements.
    pub fn norm(&self) -> f64 {
        self.squares.sqrt()
    }

    /// The mean of the finite elements.
    pub fn mean(&self) -> Option<f64> {
        // Elements below 2^53 convert exactly; no file has more.
        (self.finite() > 0).then(|| self.sum / self.finite() as f64)
    }

    /// The largest magnitude of a finite element.
    pub fn largest(&self) -> Option<f64> {
        Some(self.maximum?.abs().max(self.minimum?.abs()))
    }

    fn add(&mut self, next: &Self) {
        self.elements += next.elements;
        self.nans += next.nans;
        self.infinities += next.infinities;
        self.zeros += next.zeros;
        self.subnormals += next.subnormals;
        self.minimum = either(self.minimum, next.minimum, |a, b| a.total_cmp(b).is_le());
        self.maximum = either(self.maximum, next.maximum, |a, b| a.total_cmp(b).is_ge());
        self.sum += next.sum;
        self.squares += next.squares;
        self.magnitudes.add(&next.magnitudes);
    }
}

impl Default for Floats {
    fn default() -> Self {
        Self {
            elements: 0,
            nans: 0,
            infinities: 0,
            zeros: 0,
            subnormals: 0,
            minimum: None,
            maximum: None,
            sum: 0.0,
            squares: 0.0,
            magnitudes: Magnitudes([0; BINS]),
        }
    }
}

impl Integers {
    fn add(&mut self, next: Self) {
        self.elements += next.elements;
        self.minimum = either(self.minimum, next.minimum, |a, b| a <= b);
        self.maximum = either(self.maximum, next.maximum, |a, b| a >= b);
    }
}

fn either<T>(ours: Option<T>, theirs: Option<T>, keeps: impl Fn(&T, &T) -> bool) -> Option<T> {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => Some(if keeps(&ours, &theirs) { ours } else { theirs }),
        (ours, theirs) => ours.or(theirs),
    }
}

impl Magnitudes {
    /// Counts `count` normal numbers of binary exponent `exponent`.
    fn count(&mut self, exponent: i32, count: u64) {
        let bin = usize::try_from(exponent - LOWEST).unwrap_or(0);
        self.0[bin.min(BINS - 1)] += count;
    }

    fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(ours, theirs)| *ours += theirs);
    }

    /// The bins from the first to the last that count anything, with the exponent of the first of them.
    pub fn counted(&self) -> (i32, &[u64]) {
        let first = self.0.iter().position(|count| *count > 0).unwrap_or(0);
        let end = self.0.iter().rposition(|count| *count > 0).map_or(first, |last| last + 1);
        // At most 48 bins.
        (LOWEST + first as i32, &self.0[first..end])
    }
}

#[cfg(test)]
mod tests;
