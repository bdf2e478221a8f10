//! The experts' weights λ for methods that ask less of them than that they sum to one.

use std::collections::BTreeMap;

use potluck_core::{Lambda, PartyId};

use super::share::{MILLION, parts_per_million};

/// The largest weight where extrapolation is allowed, and minus the least, in parts per million.
pub const MAX_WEIGHT: i64 = 10 * MILLION;
/// The largest sum of all magnitudes: beyond it a product with an element of binary32 would not be exact.
pub const MAX_TOTAL: i64 = 500 * MILLION;

/// Whether weights may lie outside of 0 to 1, which moves a soup beyond its experts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extrapolation {
    /// They may not.
    Refused,
    /// From −10 to 10.
    Allowed,
}

/// Why weights were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    /// An item that is not `party=weight`.
    #[error("'{0}' is no weight: write party=0.25 or party=250000 (parts per million)")]
    Item(String),
    /// A weight that is no number with at most six decimals.
    #[error("the weight of {party} is '{text}': a decimal with at most 6 decimals is expected")]
    Number {
        /// Whose weight.
        party: PartyId,
        /// As it was written.
        text: String,
    },
    /// One party twice.
    #[error("the weights name {0} twice")]
    Twice(PartyId),
    /// A party's name is malformed.
    #[error(transparent)]
    Name(#[from] potluck_core::ids::IdError),
    /// A weight that extrapolates, without the permission to.
    #[error(
        "the weight of {party} is {ppm} parts per million, which is not between 0 and 1: allow extrapolation if that is meant"
    )]
    Extrapolates {
        /// Whose weight.
        party: PartyId,
        /// In parts per million.
        ppm: i64,
    },
    /// A weight beyond what any method takes.
    #[error("the weight of {party} is {ppm} parts per million; at most 10 in magnitude is allowed")]
    TooLarge {
        /// Whose weight.
        party: PartyId,
        /// In parts per million.
        ppm: i64,
    },
    /// All weights together.
    #[error("the magnitudes of all weights sum to more than 500")]
    Total,
}

/// Weights by party in parts per million, each within its limits; nothing is said of their sum.
///
/// A party of weight zero may be named; it takes no part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weights(BTreeMap<PartyId, i64>);

impl Weights {
    /// Checks each weight: from 0 to 1 000 000, or with [`Extrapolation::Allowed`] up to [`MAX_WEIGHT`] either way.
    ///
    /// # Errors
    /// [`WeightsError::Extrapolates`], [`WeightsError::TooLarge`], [`WeightsError::Total`].
    pub fn new(
        ppm: BTreeMap<PartyId, i64>,
        extrapolation: Extrapolation,
    ) -> Result<Self, WeightsError> {
        let mut total = 0i64;
        for (party, &ppm) in &ppm {
            let party = party.clone();
            if !(-MAX_WEIGHT..=MAX_WEIGHT).contains(&ppm) {
                return Err(WeightsError::TooLarge { party, ppm });
            }
            if extrapolation == Extrapolation::Refused && !(0..=MILLION).contains(&ppm) {
                return Err(WeightsError::Extrapolates { party, ppm });
            }
            total = total.saturating_add(ppm.abs());
        }
        if total > MAX_TOTAL { Err(WeightsError::Total) } else { Ok(Self(ppm)) }
    }

    /// Reads `a=0.5,b=-0.25`, or parts per million as [`Lambda`] has them: an integer but for −1, 0 and 1.
    ///
    /// # Errors
    /// [`WeightsError`].
    pub fn parse(text: &str, extrapolation: Extrapolation) -> Result<Self, WeightsError> {
        let mut ppm = BTreeMap::new();
        for item in text.split(',') {
            let (party, weight) =
                item.trim().split_once('=').ok_or_else(|| WeightsError::Item(item.to_owned()))?;
            let party: PartyId = party.trim().parse()?;
            let weight = weight.trim();
            let number = parts_per_million(weight).ok_or_else(|| WeightsError::Number {
                party: party.clone(),
                text: weight.to_owned(),
            })?;
            if ppm.insert(party.clone(), number).is_some() {
                return Err(WeightsError::Twice(party));
            }
        }
        Self::new(ppm, extrapolation)
    }

    /// Weight one for each of `parties`.
    ///
    /// # Errors
    /// [`WeightsError::Total`] for more than 500.
    pub fn ones<'a>(parties: impl IntoIterator<Item = &'a PartyId>) -> Result<Self, WeightsError> {
        let ppm = parties.into_iter().map(|party| (party.clone(), MILLION)).collect();
        Self::new(ppm, Extrapolation::Refused)
    }

    /// The weights by party in ascending order, in parts per million, zeros included.
    pub fn ppm(&self) -> &BTreeMap<PartyId, i64> {
        &self.0
    }

    /// Those that take part: weight other than zero, in ascending order of party.
    pub fn active(&self) -> impl Iterator<Item = (&PartyId, i64)> {
        self.0.iter().filter(|(_, ppm)| **ppm != 0).map(|(party, ppm)| (party, *ppm))
    }
}

impl From<&Lambda> for Weights {
    fn from(lambda: &Lambda) -> Self {
        Self(lambda.ppm().iter().map(|(party, &ppm)| (party.clone(), ppm.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_exact_and_extrapolate_only_where_that_is_allowed() {
        let ppm = |text: &str, extrapolation| {
            let weights = Weights::parse(text, extrapolation)?;
            Ok::<_, WeightsError>(weights.active().map(|(_, ppm)| ppm).collect::<Vec<_>>())
        };
        assert_eq!(ppm("b=0.3, a=1,c=0", Extrapolation::Refused).unwrap(), [1_000_000, 300_000]);
        assert_eq!(
            ppm("a=-0.000001,b=2.5,c=-1,d=7", Extrapolation::Allowed).unwrap(),
            [-1, 2_500_000, -1_000_000, 7]
        );
        let refused = |text: &str, extrapolation| ppm(text, extrapolation).unwrap_err();
        for text in ["a=-0.1", "a=1.000001", "a=1000001"] {
            let error = refused(text, Extrapolation::Refused);
            assert!(matches!(error, WeightsError::Extrapolates { .. }), "{text}");
        }
        for text in ["a=10.000001", "a=-10000001"] {
            let error = refused(text, Extrapolation::Allowed);
            assert!(matches!(error, WeightsError::TooLarge { .. }), "{text}");
        }
        for text in
            ["a=1e3", "a=0.0000001", "a=", "a=.5", "a=--1", "a=+1", "a=99999999999999999999"]
        {
            let error = refused(text, Extrapolation::Allowed);
            assert!(matches!(error, WeightsError::Number { .. }), "{text}");
        }
        assert!(matches!(refused("a", Extrapolation::Allowed), WeightsError::Item(_)));
        assert!(matches!(refused("A=1", Extrapolation::Allowed), WeightsError::Name(_)));
        assert!(matches!(refused("a=1,a=1", Extrapolation::Allowed), WeightsError::Twice(_)));
    }

    #[test]
    fn so_many_that_products_would_round_are_refused() {
        let parties: Vec<PartyId> = (0..501).map(|i| format!("p{i}").parse().unwrap()).collect();
        assert_eq!(Weights::ones(&parties), Err(WeightsError::Total));
        assert_eq!(Weights::ones(&parties[1..]).unwrap().active().count(), 500);
    }
}
