//! Every point of the simplex whose weights are multiples of one step.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use potluck_core::{Lambda, PartyId};
use potluck_soup::method::{Density, Weights};

use crate::failure::Failure;

/// The most soups of one call.
const MAX_POINTS: u64 = 10_000;

/// One.
const MILLION: u32 = 1_000_000;

/// The distance between two points, in parts per million; one is a multiple of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step(u32);

impl FromStr for Step {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || "write a decimal that divides 1, such as 0.1, 0.25 or 0.05".to_owned();
        // Read as a density is, digit by digit: above 0, at most 1. Parts per million would be too many points.
        let is_decimal = text == "1" || text.contains('.');
        let step: Density = is_decimal.then(|| text.parse().ok()).flatten().ok_or_else(refused)?;
        let ppm = step.ppm();
        if MILLION.is_multiple_of(ppm) { Ok(Self(ppm)) } else { Err(refused()) }
    }
}

/// The points over these parties, in ascending order of the first party's weight, then the second's, and so on.
///
/// # Errors
/// Where there would be more than [`MAX_POINTS`].
pub(crate) fn points(parties: &BTreeSet<PartyId>, step: Step) -> Result<Vec<Weights>, Failure> {
    let parties: Vec<_> = parties.iter().cloned().collect();
    let steps = MILLION / step.0;
    let count = count(parties.len(), steps);
    if count.is_none_or(|count| count > MAX_POINTS) {
        return Err(Failure::input(format!(
            "the grid over {} experts has more than {MAX_POINTS} points: take a larger --grid",
            parties.len()
        )));
    }
    let mut points = Vec::new();
    walk(&parties, steps, &mut Vec::new(), &mut |shares| {
        let ppm = parties.iter().cloned().zip(shares.iter().map(|share| share * step.0));
        let lambda = Lambda::new(BTreeMap::from_iter(ppm)).map_err(Failure::input)?;
        points.push(Weights::from(&lambda));
        Ok(())
    })?;
    Ok(points)
}

/// How many ways there are to share out so many steps: (steps + parties − 1) over (parties − 1).
fn count(parties: usize, steps: u32) -> Option<u64> {
    let mut count = 1u64;
    for taken in 1..u64::try_from(parties).ok()? {
        count = count.checked_mul(u64::from(steps) + taken)? / taken;
    }
    Some(count)
}

fn walk(
    parties: &[PartyId],
    left: u32,
    shares: &mut Vec<u32>,
    visit: &mut impl FnMut(&[u32]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let is_last = shares.len() + 1 == parties.len();
    for share in if is_last { left..=left } else { 0..=left } {
        shares.push(share);
        if is_last {
            visit(shares)?
        } else {
            walk(parties, left - share, shares, visit)?
        }
        shares.pop();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::mix::order::shown;

    fn parties(names: &[&str]) -> BTreeSet<PartyId> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn a_step_divides_one() {
        assert_eq!("0.1".parse(), Ok(Step(100_000)));
        assert_eq!("0.125".parse(), Ok(Step(125_000)));
        assert_eq!("1".parse(), Ok(Step(1_000_000)));
        for text in ["0", "0.3", "2", "-0.1", "0.0000001", "x", "0.10000001"] {
            assert!(text.parse::<Step>().is_err(), "{text}");
        }
    }

    #[test]
    fn all_points_are_there_once() {
        let points = |names: &[&str], step: &str| {
            points(&parties(names), step.parse().unwrap())
                .map(|points| points.iter().map(shown).collect::<Vec<_>>())
        };
        assert_eq!(points(&["a", "b"], "0.5").unwrap(), ["a=0,b=1", "a=0.5,b=0.5", "a=1,b=0"]);
        assert_eq!(points(&["a", "b", "c"], "0.1").unwrap().len(), 66);
        assert_eq!(points(&["a"], "0.1").unwrap(), ["a=1"]);
        assert!(points(&["a", "b", "c", "d"], "0.001").is_err());
    }
}
