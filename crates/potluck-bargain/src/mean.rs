//! The weighted mean of proposals, exact in integers.

use crate::shares::Shares;

/// Why a mean cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeanError {
    /// Nobody proposed anything.
    #[error("no proposals to average")]
    Empty,
    /// The proposals do not speak of the same coordinates.
    #[error("proposal {index} has {found} shares, the first one has {expected}")]
    Shape {
        /// Which proposal, from 0.
        index: usize,
        /// Its number of shares.
        found: usize,
        /// The first proposal's number of shares.
        expected: usize,
    },
    /// Every proposer has weight zero.
    #[error("the weights of the proposers sum to zero")]
    NoWeight,
}

/// The weighted mean of `proposals`, pairs of a proposer's weight and its λ.
///
/// Coordinate k is Σ wᵢ·λᵢₖ / Σ wᵢ, exactly, then rounded to parts per million by the largest remainder
/// ([`Shares::from_weights`]). The order of proposals does not matter.
///
/// # Errors
/// [`MeanError`] for no proposals, proposals of different lengths, or weights that sum to zero.
pub fn weighted_mean(proposals: &[(u32, &Shares)]) -> Result<Shares, MeanError> {
    let expected = proposals.first().ok_or(MeanError::Empty)?.1.ppm().len();
    let mut sums = vec![0u128; expected];
    for (index, (weight, shares)) in proposals.iter().enumerate() {
        let found = shares.ppm().len();
        if found != expected {
            return Err(MeanError::Shape { index, found, expected });
        }
        for (sum, &ppm) in sums.iter_mut().zip(shares.ppm()) {
            // Below 2^52 each, so 2^76 proposals fit.
            *sum += u128::from(*weight) * u128::from(ppm);
        }
    }
    Shares::from_weights(&sums).ok_or(MeanError::NoWeight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shares(ppm: &[u32]) -> Shares {
        Shares::new(ppm.to_vec()).unwrap()
    }

    #[test]
    fn weights_pull_the_mean() {
        let (a, b) = (shares(&[1_000_000, 0]), shares(&[0, 1_000_000]));
        assert_eq!(weighted_mean(&[(3, &a), (1, &b)]).unwrap().ppm(), [750_000, 250_000]);
    }

    #[test]
    fn what_cannot_be_averaged_is_refused() {
        let (a, b) = (shares(&[1_000_000]), shares(&[0, 1_000_000]));
        assert_eq!(weighted_mean(&[]), Err(MeanError::Empty));
        assert_eq!(
            weighted_mean(&[(1, &a), (1, &b)]),
            Err(MeanError::Shape { index: 1, found: 2, expected: 1 })
        );
        assert_eq!(weighted_mean(&[(0, &a)]), Err(MeanError::NoWeight));
    }

    fn simplex() -> impl Strategy<Value = Shares> {
        prop::collection::vec(0u128..1000, 3)
            .prop_filter_map("all zero", |weights| Shares::from_weights(&weights))
    }

    proptest! {
        #[test]
        fn unanimity_is_respected(point in simplex(), weights in prop::collection::vec(1u32.., 1..5)) {
            let proposals: Vec<_> = weights.iter().map(|&w| (w, &point)).collect();
            prop_assert_eq!(weighted_mean(&proposals).unwrap(), point);
        }

        #[test]
        fn the_order_of_proposers_does_not_matter(
            a in simplex(), b in simplex(), c in simplex(), w in prop::array::uniform3(1u32..100)
        ) {
            prop_assert_eq!(
                weighted_mean(&[(w[0], &a), (w[1], &b), (w[2], &c)]).unwrap(),
                weighted_mean(&[(w[2], &c), (w[0], &a), (w[1], &b)]).unwrap()
            );
        }
    }
}
