//! How far tensors moved, one tile at a time.
//!
//! With u and w the changes of A and of B from the base (or A and B themselves where there is none), element n of a
//! tile adds u², w², u·w, (u−w)² and the base's square to lane n mod 16, each lane from +0; differences, products and
//! sums are each rounded to binary64, nothing is fused; lanes are added in order. An element that is not finite in
//! one of them is counted and left out of all sums.

use super::TILE;
use crate::kernel;
use crate::layout::Dtype;
use crate::widths::widths;

const LANES: usize = 16;
/// Elements that are widened at a time, so that all their binary64 stay in the fastest cache.
const PIECE: usize = 512;

/// How far one tensor of A and of B is from the base, or where there is none from zero; and from each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moved {
    /// Elements that are NaN or infinite in one of them, and left out of what follows.
    pub not_finite: u64,
    has_base: bool,
    sums: Sums,
}

/// Sums of products, and largest magnitudes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Sums {
    a: f64,
    b: f64,
    product: f64,
    apart: f64,
    base: f64,
    largest_a: f64,
    largest_b: f64,
    largest_apart: f64,
}

impl Moved {
    pub(super) fn new(has_base: bool) -> Self {
        Self { not_finite: 0, has_base, sums: Sums::default() }
    }

    /// The norm of A's change; of A where there is no base.
    pub fn a(&self) -> f64 {
        self.sums.a.sqrt()
    }

    /// The norm of B's change; of B where there is no base.
    pub fn b(&self) -> f64 {
        self.sums.b.sqrt()
    }

    /// The norm of A − B.
    pub fn apart(&self) -> f64 {
        self.sums.apart.sqrt()
    }

    /// The norm of the base, where there is one.
    pub fn base(&self) -> Option<f64> {
        self.has_base.then(|| self.sums.base.sqrt())
    }

    /// The cosine of the angle between the changes, or between A and B; `None` where one of them is zero.
    pub fn cosine(&self) -> Option<f64> {
        let norms = self.a() * self.b();
        // Rounding may carry it a little over.
        (norms > 0.0).then(|| (self.sums.product / norms).clamp(-1.0, 1.0))
    }

    /// The largest change of an element: of A or B from the base, or of B from A.
    pub fn largest(&self) -> f64 {
        match self.has_base {
            true => self.sums.largest_a.max(self.sums.largest_b),
            false => self.sums.largest_apart,
        }
    }

    /// Adds what follows: more of the same tensor, or for a total the next one.
    pub fn add(&mut self, next: &Self) {
        self.not_finite += next.not_finite;
        self.sums.a += next.sums.a;
        self.sums.b += next.sums.b;
        self.sums.product += next.sums.product;
        self.sums.apart += next.sums.apart;
        self.sums.base += next.sums.base;
        self.sums.largest_a = self.sums.largest_a.max(next.sums.largest_a);
        self.sums.largest_b = self.sums.largest_b.max(next.sums.largest_b);
        self.sums.largest_apart = self.sums.largest_apart.max(next.sums.largest_apart);
    }
}

/// A worker's buffers: A's, B's and the base's.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) bytes: [Vec<u8>; 3],
    values: [Vec<f64>; 3],
}

impl Default for Desk {
    fn default() -> Self {
        Self { bytes: Default::default(), values: [(); 3].map(|()| vec![0.0; PIECE]) }
    }
}

impl Desk {
    /// Compares the tiles that lie in the buffers, of these formats; with a base where there are three.
    pub(super) fn measure(&mut self, dtypes: &[Dtype]) -> Moved {
        let elements = self.bytes[0].len() / dtypes[0].size();
        debug_assert!(elements as u64 <= TILE);
        let mut lanes = Lanes::default();
        for start in (0..elements).step_by(PIECE) {
            let end = (start + PIECE).min(elements);
            for ((bytes, values), dtype) in self.bytes.iter().zip(&mut self.values).zip(dtypes) {
                let bytes = &bytes[start * dtype.size()..end * dtype.size()];
                kernel::widen(*dtype, bytes, &mut values[..end - start]);
            }
            let [a, b, base] = &self.values;
            let length = end - start;
            let (a, b, base) = (&a[..length], &b[..length], &base[..length]);
            // Without one, it holds zeros.
            lanes = see(lanes, a, b, base);
        }
        lanes.moved(dtypes.len() > 2)
    }
}

#[derive(Debug, Clone, Copy)]
struct Lanes {
    not_finite: [u64; LANES],
    a: [f64; LANES],
    b: [f64; LANES],
    product: [f64; LANES],
    apart: [f64; LANES],
    base: [f64; LANES],
    largest_a: [f64; LANES],
    largest_b: [f64; LANES],
    largest_apart: [f64; LANES],
}

impl Default for Lanes {
    fn default() -> Self {
        let zeros = [0.0; LANES];
        Self {
            not_finite: [0; LANES],
            a: zeros,
            b: zeros,
            product: zeros,
            apart: zeros,
            base: zeros,
            largest_a: zeros,
            largest_b: zeros,
            largest_apart: zeros,
        }
    }
}

impl Lanes {
    fn moved(&self, has_base: bool) -> Moved {
        let sum = |lanes: [f64; LANES]| lanes.iter().fold(0.0, |sum, lane| sum + lane);
        let largest = |lanes: [f64; LANES]| lanes.into_iter().fold(0.0, f64::max);
        let sums = Sums {
            a: sum(self.a),
            b: sum(self.b),
            product: sum(self.product),
            apart: sum(self.apart),
            base: sum(self.base),
            largest_a: largest(self.largest_a),
            largest_b: largest(self.largest_b),
            largest_apart: largest(self.largest_apart),
        };
        Moved { not_finite: self.not_finite.iter().sum(), has_base, sums }
    }

    /// Takes note of one element of each.
    #[inline(always)]
    fn see(&mut self, lane: usize, a: f64, b: f64, base: f64) {
        let is_finite = a.is_finite() & b.is_finite() & base.is_finite();
        let (u, w) = if is_finite { (a - base, b - base) } else { (0.0, 0.0) };
        let apart = if is_finite { a - b } else { 0.0 };
        let base = if is_finite { base } else { 0.0 };
        self.not_finite[lane] = self.not_finite[lane].wrapping_add(u64::from(!is_finite));
        self.a[lane] += u * u;
        self.b[lane] += w * w;
        self.product[lane] += u * w;
        self.apart[lane] += apart * apart;
        self.base[lane] += base * base;
        // Plain comparisons: none of these is NaN.
        let larger = |largest: &mut f64, value: f64| {
            *largest = if value.abs() > *largest { value.abs() } else { *largest };
        };
        larger(&mut self.largest_a[lane], u);
        larger(&mut self.largest_b[lane], w);
        larger(&mut self.largest_apart[lane], apart);
    }
}

widths! {
    /// Takes note of a piece that begins at lane 0.
    fn see(lanes: Lanes, a: &[f64], b: &[f64], base: &[f64]) -> Lanes = see_all
}

#[inline(always)]
fn see_all(mut lanes: Lanes, a: &[f64], b: &[f64], base: &[f64]) -> Lanes {
    let (a, rest_a) = a.as_chunks::<LANES>();
    let (b, rest_b) = b.as_chunks::<LANES>();
    let (base, rest_base) = base.as_chunks::<LANES>();
    for ((a, b), base) in a.iter().zip(b).zip(base) {
        for lane in 0..LANES {
            lanes.see(lane, a[lane], b[lane], base[lane]);
        }
    }
    for (lane, ((a, b), base)) in rest_a.iter().zip(rest_b).zip(rest_base).enumerate() {
        lanes.see(lane, *a, *b, *base);
    }
    lanes
}

/// How many elements differ in their bytes.
pub(super) fn count_different(dtype: Dtype, a: &[u8], b: &[u8]) -> u64 {
    if a == b {
        return 0;
    }
    let (a, b) = (a.chunks_exact(dtype.size()), b.chunks_exact(dtype.size()));
    a.zip(b).map(|(a, b)| u64::from(a != b)).sum()
}
