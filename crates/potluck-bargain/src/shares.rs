//! A point of the simplex in integer parts per million.

use std::fmt;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One as _, Signed, ToPrimitive as _};

/// One, in parts per million.
pub const MILLION: u32 = 1_000_000;

/// Why a list of numbers is no point of the simplex.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SharesError {
    /// A simplex without coordinates has no points.
    #[error("no shares given: at least one is needed")]
    Empty,
    /// The shares do not sum to one.
    #[error("shares sum to {0} parts per million; they must sum to exactly {MILLION}")]
    Sum(u64),
}

/// Mixing shares in parts per million, one a coordinate, that sum to exactly [`MILLION`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shares(Vec<u32>);

impl Shares {
    /// Checks that `ppm` is a point of the simplex.
    ///
    /// # Errors
    /// [`SharesError::Empty`] for no coordinates, [`SharesError::Sum`] where they do not sum to one.
    pub fn new(ppm: Vec<u32>) -> Result<Self, SharesError> {
        if ppm.is_empty() {
            return Err(SharesError::Empty);
        }
        let sum: u64 = ppm.iter().map(|&share| u64::from(share)).sum();
        if sum != u64::from(MILLION) {
            return Err(SharesError::Sum(sum));
        }
        Ok(Self(ppm))
    }

    /// Rounds non-negative integer weights to parts per million by the largest remainder.
    ///
    /// Each coordinate first gets the floor of its exact share; what is left goes, one part each, to the
    /// largest remainders, ties to the lower coordinate (Hamilton's method).
    ///
    /// Returns `None` where `weights` is empty or sums to zero.
    pub fn from_weights(weights: &[u128]) -> Option<Self> {
        let total = weights.iter().try_fold(0u128, |sum, &weight| sum.checked_add(weight))?;
        if total == 0 {
            return None;
        }
        let mut floors = Vec::with_capacity(weights.len());
        let mut remainders = Vec::with_capacity(weights.len());
        for (coordinate, &weight) in weights.iter().enumerate() {
            let scaled = weight.checked_mul(u128::from(MILLION))?;
            // A share is at most one, so the quotient is at most MILLION.
            floors.push(u32::try_from(scaled / total).ok()?);
            remainders.push((scaled % total, coordinate));
        }
        remainders.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        let missing = MILLION - floors.iter().sum::<u32>();
        for &(_, coordinate) in remainders.iter().take(missing as usize) {
            floors[coordinate] += 1;
        }
        Some(Self(floors))
    }

    /// Rounds exact shares to parts per million, as [`Self::from_weights`] does.
    ///
    /// Returns `None` where one is negative or they do not sum to one.
    pub fn nearest(exact: &[BigRational]) -> Option<Self> {
        if exact.iter().any(Signed::is_negative) || !exact.iter().sum::<BigRational>().is_one() {
            return None;
        }
        let scaled: Vec<_> = exact.iter().map(|share| share * BigInt::from(MILLION)).collect();
        let floors = scaled.iter().map(|share| share.floor().to_integer().to_u32());
        let mut floors: Vec<u32> = floors.collect::<Option<_>>()?;
        let mut remainders: Vec<_> = scaled.iter().map(|share| share.fract()).zip(0..).collect();
        remainders.sort_by(|a: &(BigRational, usize), b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        let missing = MILLION - floors.iter().sum::<u32>();
        for (_, coordinate) in remainders.iter().take(missing as usize) {
            floors[*coordinate] += 1;
        }
        Some(Self(floors))
    }

    /// The shares in order, in parts per million.
    pub fn ppm(&self) -> &[u32] {
        &self.0
    }
}

impl fmt::Debug for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn thirds_give_the_spare_part_to_the_first() {
        let shares = Shares::from_weights(&[1, 1, 1]).unwrap();
        assert_eq!(shares.ppm(), [333_334, 333_333, 333_333]);
    }

    #[test]
    fn sums_other_than_one_are_refused() {
        assert_eq!(Shares::new(vec![500_000, 499_999]), Err(SharesError::Sum(999_999)));
        assert_eq!(Shares::new(vec![u32::MAX, u32::MAX]), Err(SharesError::Sum(8_589_934_590)));
        assert_eq!(Shares::new(vec![]), Err(SharesError::Empty));
        assert_eq!(Shares::from_weights(&[0, 0]), None);
        assert_eq!(Shares::from_weights(&[u128::MAX, 1]), None);
    }

    proptest! {
        #[test]
        fn rounding_sums_to_one_and_moves_no_share_by_a_whole_part(
            weights in prop::collection::vec(0u128..1 << 80, 1..9)
        ) {
            let total: u128 = weights.iter().sum();
            prop_assume!(total > 0);
            let shares = Shares::from_weights(&weights).unwrap();
            prop_assert!(Shares::new(shares.ppm().to_vec()).is_ok());
            for (&ppm, &weight) in shares.ppm().iter().zip(&weights) {
                let floor = weight * u128::from(MILLION) / total;
                prop_assert!(u128::from(ppm) == floor || u128::from(ppm) == floor + 1);
            }
        }

        #[test]
        fn rounding_leaves_a_point_of_the_simplex_where_it_is(cuts in prop::collection::vec(0u32..=MILLION, 0..6)) {
            let mut cuts = cuts;
            cuts.extend([0, MILLION]);
            cuts.sort_unstable();
            let ppm: Vec<u32> = cuts.windows(2).map(|w| w[1] - w[0]).collect();
            let weights: Vec<u128> = ppm.iter().map(|&p| u128::from(p)).collect();
            let shares = Shares::from_weights(&weights).unwrap();
            prop_assert_eq!(shares.ppm(), &ppm[..]);
        }
    }
}
