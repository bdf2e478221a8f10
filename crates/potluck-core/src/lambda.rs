//! λ, the mixing weights of a soup, by party.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use potluck_bargain::{MILLION, Shares};
use serde::{Deserialize, Serialize};

use crate::ids::{IdError, PartyId};

/// The most parties that one λ can name.
pub const MAX_PARTIES: usize = 1024;

/// Why a λ was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LambdaError {
    /// The weights do not sum to one.
    #[error("λ sums to {0} parts per million; it must sum to exactly 1000000")]
    Sum(u64),
    /// No party or too many.
    #[error("λ names {0} parties; 1 to {MAX_PARTIES} are allowed")]
    Count(usize),
    /// An item that is not `party=weight`.
    #[error("'{0}' is no weight: write party=0.25 or party=250000 (parts per million)")]
    Item(String),
    /// A weight below zero, above one, or finer than a millionth.
    #[error(
        "the weight of {party} is '{text}': it must lie between 0 and 1 and have at most 6 decimals, or be parts per million"
    )]
    Weight {
        /// Whose weight.
        party: PartyId,
        /// As it was written.
        text: String,
    },
    /// One party twice.
    #[error("λ names {0} twice")]
    Twice(PartyId),
    /// A party's name is malformed.
    #[error(transparent)]
    Name(#[from] IdError),
}

/// Mixing weights in parts per million by party, which sum to exactly 1 000 000.
///
/// Parties with weight zero may be named; they take no part in a soup. As text: `a=0.3,b=0.7`, which is
/// how it prints, or `a=300000,b=700000`; an integer above 1 is read as parts per million.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<PartyId, u32>", into = "BTreeMap<PartyId, u32>")]
pub struct Lambda(BTreeMap<PartyId, u32>);

impl Lambda {
    /// Checks that the weights sum to one.
    ///
    /// # Errors
    /// [`LambdaError::Count`] and [`LambdaError::Sum`].
    pub fn new(ppm: BTreeMap<PartyId, u32>) -> Result<Self, LambdaError> {
        if ppm.is_empty() || ppm.len() > MAX_PARTIES {
            return Err(LambdaError::Count(ppm.len()));
        }
        let sum: u64 = ppm.values().map(|&share| u64::from(share)).sum();
        if sum != u64::from(MILLION) { Err(LambdaError::Sum(sum)) } else { Ok(Self(ppm)) }
    }

    /// Everything to one party.
    pub fn single(party: PartyId) -> Self {
        Self(BTreeMap::from([(party, MILLION)]))
    }

    /// The weights by party in ascending order, in parts per million, zeros included.
    pub fn ppm(&self) -> &BTreeMap<PartyId, u32> {
        &self.0
    }

    /// Those that take part: weight above zero, in ascending order of party.
    pub fn active(&self) -> impl Iterator<Item = (&PartyId, u32)> {
        self.0.iter().filter(|(_, ppm)| **ppm > 0).map(|(party, &ppm)| (party, ppm))
    }

    /// The weights as a point of the simplex over `parties`, in that order.
    ///
    /// Returns `None` where λ gives weight to somebody else.
    pub fn over<'a>(&self, parties: impl IntoIterator<Item = &'a PartyId>) -> Option<Shares> {
        let ppm =
            parties.into_iter().map(|party| self.0.get(party).copied().unwrap_or(0)).collect();
        Shares::new(ppm).ok()
    }

    /// Names the coordinates of `shares` after `parties`.
    ///
    /// Returns `None` where the lengths differ or a party stands twice.
    pub fn from_shares<'a>(
        parties: impl IntoIterator<Item = &'a PartyId>,
        shares: &Shares,
    ) -> Option<Self> {
        let parties: Vec<_> = parties.into_iter().collect();
        if parties.len() != shares.ppm().len() {
            return None;
        }
        Self::new(parties.into_iter().cloned().zip(shares.ppm().iter().copied()).collect()).ok()
    }
}

impl TryFrom<BTreeMap<PartyId, u32>> for Lambda {
    type Error = LambdaError;
    fn try_from(ppm: BTreeMap<PartyId, u32>) -> Result<Self, LambdaError> {
        Self::new(ppm)
    }
}

impl From<Lambda> for BTreeMap<PartyId, u32> {
    fn from(lambda: Lambda) -> Self {
        lambda.0
    }
}

impl fmt::Display for Lambda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (party, ppm)) in self.0.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            let (whole, millionths) = (ppm / MILLION, ppm % MILLION);
            let decimals = format!("{millionths:06}");
            match decimals.trim_end_matches('0') {
                "" => write!(f, "{comma}{party}={whole}")?,
                decimals => write!(f, "{comma}{party}={whole}.{decimals}")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Lambda {
    type Err = LambdaError;
    fn from_str(text: &str) -> Result<Self, LambdaError> {
        let mut ppm = BTreeMap::new();
        for item in text.split(',') {
            let (party, weight) =
                item.trim().split_once('=').ok_or_else(|| LambdaError::Item(item.to_owned()))?;
            let party: PartyId = party.trim().parse()?;
            let share = parse_weight(weight.trim()).ok_or_else(|| LambdaError::Weight {
                party: party.clone(),
                text: weight.to_owned(),
            })?;
            if ppm.insert(party.clone(), share).is_some() {
                return Err(LambdaError::Twice(party));
            }
        }
        Self::new(ppm)
    }
}

/// A decimal between 0 and 1 with at most six decimals, or an integer of parts per million.
///
/// Decimals are read digit by digit, so no float rounds on the way. `0` and `1` are the decimals.
fn parse_weight(text: &str) -> Option<u32> {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let ppm = match text.split_once('.') {
        Some((whole, decimals)) if digits(whole) && digits(decimals) && decimals.len() <= 6 => {
            let whole: u32 = whole.parse().ok()?;
            let fraction: u32 = format!("{decimals:0<6}").parse().ok()?;
            whole.checked_mul(MILLION)?.checked_add(fraction)?
        }
        None if text == "1" => MILLION,
        None if digits(text) => text.parse().ok()?,
        _ => return None,
    };
    (ppm <= MILLION).then_some(ppm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_and_parts_per_million_say_the_same() {
        let expected: Lambda = "readers=300000,checkers=700000".parse().unwrap();
        assert_eq!("checkers=0.7, readers=0.3".parse::<Lambda>().unwrap(), expected);
        assert_eq!(expected.to_string(), "checkers=0.7,readers=0.3");
        assert_eq!("a=1".parse::<Lambda>().unwrap(), Lambda::single("a".parse().unwrap()));
        assert_eq!("a=0,b=1.0".parse::<Lambda>().unwrap().active().count(), 1);
    }

    #[test]
    fn bad_text_is_refused_by_name() {
        let error = |text: &str| text.parse::<Lambda>().unwrap_err().to_string();
        assert!(error("a=0.3,b=0.6").contains("900000"));
        assert!(error("a").contains("'a' is no weight"));
        assert!(error("a=-0.5,b=1.5").contains("weight of a"));
        assert!(error("a=0.1234567,b=0.8765433").contains("at most 6 decimals"));
        assert!(error("a=0.5,a=0.5").contains("twice"));
        assert!(error("A=1").contains("is no name"));
        assert!(error("a=nan").contains("weight of a"));
        assert!(error("").contains("no weight"));
    }

    proptest! {
        #[test]
        fn text_round_trips(cut in 0u32..=MILLION) {
            let lambda = Lambda::new(BTreeMap::from([
                ("a".parse().unwrap(), cut),
                ("b".parse().unwrap(), MILLION - cut),
            ])).unwrap();
            prop_assert_eq!(&lambda.to_string().parse::<Lambda>().unwrap(), &lambda);
            let json = serde_json::to_string(&lambda).unwrap();
            prop_assert_eq!(serde_json::from_str::<Lambda>(&json).unwrap(), lambda);
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            let _ = text.parse::<Lambda>();
        }
    }
}
