//! λ and the adapter's own scale, folded into the factor B.

use super::config::Scaling;
use crate::kernel;
use crate::widths::widths;

/// λ = 1.
pub(super) const MILLION: i64 = 1_000_000;

/// What each element b of a factor B becomes: (p · b) / d, two operations in binary64.
///
/// p = ppm · α and d = 1 000 000 · r, or 1 000 000 · √r under rsLoRA; each operation rounds once, to nearest even.
/// With an integer α and a b of 24 bits, p · b is exact as long as ppm · α is below 2^29, so that the division is
/// the only rounding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fold(kernel::Fold);

impl Fold {
    /// The fold of an adapter with the share `ppm` in the soup.
    pub(super) fn new(ppm: i64, alpha: f64, rank: u32, scaling: Scaling) -> Self {
        let rank = f64::from(rank);
        let root = match scaling {
            Scaling::Rank => rank,
            Scaling::RootOfRank => rank.sqrt(),
        };
        Self(kernel::Fold { multiply: ppm as f64 * alpha, divide: MILLION as f64 * root })
    }

    /// Folds each element.
    pub(super) fn apply(self, elements: &mut [f64]) {
        fold(elements, self.0.multiply, self.0.divide);
    }

    /// As the kernels take it, to fold and round in one go.
    pub(super) fn kernel(self) -> kernel::Fold {
        self.0
    }
}

widths! {
    fn fold(elements: &mut [f64], multiply: f64, divide: f64) -> () = fold_each
}

#[inline(always)]
fn fold_each(elements: &mut [f64], multiply: f64, divide: f64) {
    for element in elements {
        *element = (*element * multiply) / divide;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(fold: Fold, element: f64) -> f64 {
        // More than a vector, so that all ways are taken.
        let mut elements = [element; 19];
        fold.apply(&mut elements);
        assert!(elements.iter().all(|it| it.to_bits() == elements[0].to_bits()));
        elements[0]
    }

    #[test]
    fn the_scale_is_alpha_by_rank() {
        let half = Fold::new(500_000, 16.0, 8, Scaling::Rank);
        assert_eq!(applied(half, 3.0), 3.0);
        assert_eq!(applied(Fold::new(-1_000_000, 16.0, 8, Scaling::Rank), 3.0), -6.0);
        assert_eq!(applied(Fold::new(1, 1.0, 1, Scaling::Rank), 1e6), 1.0);
    }

    #[test]
    fn rslora_is_scaled_by_the_root_and_no_more() {
        assert_eq!(applied(Fold::new(1_000_000, 16.0, 64, Scaling::RootOfRank), 3.0), 6.0);
        let odd = applied(Fold::new(250_000, 16.0, 7, Scaling::RootOfRank), 1.0);
        assert!((odd - 4.0 / 7f64.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn a_fold_is_a_correctly_rounded_quotient() {
        // 123457 · 3 · b / (1000000 · 7), with all of the numerator exact.
        let b = f64::from(1.234_567_9_f32);
        let (p, d) = (123_457u128 * 3, 7_000_000u128);
        let scaled = (b * 2f64.powi(23)) as u128;
        let folded = applied(Fold::new(123_457, 3.0, 7, Scaling::Rank), b);
        // The error of a correctly rounded quotient is at most half a unit in the last place.
        let error =
            |q: f64| ((q * 2f64.powi(60)) as i128 * d as i128 - ((p * scaled) << 37) as i128).abs();
        assert!(
            error(folded) <= error(folded.next_up()) && error(folded) <= error(folded.next_down())
        );
    }
}
