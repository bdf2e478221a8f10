//! λ and the adapter's own scale, folded into the factor B.

use super::config::Scaling;

/// λ = 1.
pub(super) const MILLION: i64 = 1_000_000;

/// What each element b of a factor B becomes: (p · b) / d, two operations in binary64.
///
/// p = ppm · α and d = 1 000 000 · r, or 1 000 000 · √r under rsLoRA; each operation rounds once, to nearest even.
/// With an integer α and a b of 24 bits, p · b is exact as long as ppm · α is below 2^29, so that the division is
/// the only rounding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fold {
    multiply: f64,
    divide: f64,
}

impl Fold {
    /// The fold of an adapter with the share `ppm` in the soup.
    pub(super) fn new(ppm: i64, alpha: f64, rank: u32, scaling: Scaling) -> Self {
        let rank = f64::from(rank);
        let root = match scaling {
            Scaling::Rank => rank,
            Scaling::RootOfRank => rank.sqrt(),
        };
        Self { multiply: ppm as f64 * alpha, divide: MILLION as f64 * root }
    }

    /// Folds one element.
    #[inline(always)]
    pub(super) fn apply(self, b: f64) -> f64 {
        (b * self.multiply) / self.divide
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_alpha_by_rank() {
        let half = Fold::new(500_000, 16.0, 8, Scaling::Rank);
        assert_eq!(half.apply(3.0), 3.0);
        assert_eq!(Fold::new(-1_000_000, 16.0, 8, Scaling::Rank).apply(3.0), -6.0);
        assert_eq!(Fold::new(1, 1.0, 1, Scaling::Rank).apply(1e6), 1.0);
    }

    #[test]
    fn rslora_is_scaled_by_the_root_and_no_more() {
        assert_eq!(Fold::new(1_000_000, 16.0, 64, Scaling::RootOfRank).apply(3.0), 6.0);
        let odd = Fold::new(250_000, 16.0, 7, Scaling::RootOfRank).apply(1.0);
        assert!((odd - 4.0 / 7f64.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn a_fold_is_a_correctly_rounded_quotient() {
        // 123457 · 3 · b / (1000000 · 7), with all of the numerator exact.
        let b = f64::from(1.234_567_9_f32);
        let (p, d) = (123_457u128 * 3, 7_000_000u128);
        let scaled = (b * 2f64.powi(23)) as u128;
        let folded = Fold::new(123_457, 3.0, 7, Scaling::Rank).apply(b);
        // The error of a correctly rounded quotient is at most half a unit in the last place.
        let error =
            |q: f64| ((q * 2f64.powi(60)) as i128 * d as i128 - ((p * scaled) << 37) as i128).abs();
        assert!(
            error(folded) <= error(folded.next_up()) && error(folded) <= error(folded.next_down())
        );
    }
}
