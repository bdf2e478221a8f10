//! Moving phantoms: ballots on the simplex in, one point of it out, and nobody gains by a false ballot.
//!
//! Each coordinate becomes the median of the n ballots' shares and of n + 1 phantoms f_0(t) ≥ … ≥ f_n(t), for the
//! one t at which the medians sum to one (Freeman, Pennock, Peters and Wortman Vaughan, EC 2019, arXiv:1905.00457).
//! Under every family of phantoms a party whose loss is the ℓ1 distance to its own λ does best to say it. A party of
//! weight w is w equal ballots; an integer, so that this stays true.
//!
//! ```text
//! median of votes and phantoms = max over k of min(f_k(t), the (n − k)-th largest vote), the 0-th being one
//! S(t) = Σ medians: piecewise linear, never falling ─▶ the first breakpoint with S ≥ 1 ─▶ interpolate
//! ```
//!
//! All of it in exact fractions: there is no bisection, and no float.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Zero};

use crate::shares::{MILLION, Shares};

/// A family of phantoms, of which each is a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phantoms {
    /// f_k(t) = min(t·(n − k), 1). Who all want one coordinate get it in proportion to their weight.
    IndependentMarkets,
    /// f_k(t) = max(t − k/n, 0) (Freeman and Schmidt-Kraepelin, arXiv:2309.02613).
    Ladder,
    /// f_k(t) = clamp((n + 1)·t − k, 0, 1). Minimises the sum of ℓ1 distances; a majority decides alone.
    Utilitarian,
    /// Two pieces, below and above t = ½ (Caragiannis, Christodoulou and Protopapas, AAAI 2022, arXiv:2203.09971).
    PiecewiseUniform,
}

/// Why ballots give no point.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PhantomError {
    /// Nobody voted, or only parties of no weight.
    #[error("no ballots to count")]
    Empty,
    /// The ballots or the floors do not speak of the same coordinates.
    #[error("ballot {index} has {found} shares where {expected} are wanted")]
    Shape {
        /// Which ballot, from 0.
        index: usize,
        /// Its number of shares.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
    /// A ballot gives a coordinate less than its floor.
    #[error(
        "ballot {index} gives coordinate {coordinate} {found} ppm, below its floor of {floor} ppm"
    )]
    BelowFloor {
        /// Which ballot, from 0.
        index: usize,
        /// Which coordinate, from 0.
        coordinate: usize,
        /// What it gives, in parts per million.
        found: u32,
        /// The least that it may give.
        floor: u32,
    },
    /// The floors leave nothing to decide, or more than there is.
    #[error("the floors sum to {0} parts per million; they must sum to less than {MILLION}")]
    Floors(u64),
}

/// The point that `phantoms` choose from weighted `ballots`, before it is rounded: exact shares that sum to one.
///
/// `floors` are the least shares of the coordinates, in parts per million; empty where there are none. Ballots below a
/// floor are refused, not moved: moving them would reward lies. With floors ℓ, the rule decides on (p − ℓ)/(1 − Σℓ),
/// which is affine and changes no party's interest.
///
/// # Errors
/// [`PhantomError`].
pub fn decide_exactly(
    phantoms: Phantoms,
    ballots: &[(u32, &Shares)],
    floors: &[u32],
) -> Result<Vec<BigRational>, PhantomError> {
    let ballots: Vec<_> =
        ballots.iter().enumerate().filter(|(_, (weight, _))| *weight > 0).collect();
    let width = ballots.first().ok_or(PhantomError::Empty)?.1.1.ppm().len();
    let floors = floors_of(floors, width)?;
    let left = u64::from(MILLION) - floors.iter().map(|&floor| u64::from(floor)).sum::<u64>();
    let mut columns = vec![Vec::with_capacity(ballots.len()); width];
    for (index, (weight, shares)) in ballots {
        let (index, found) = (index, shares.ppm().len());
        if found != width {
            return Err(PhantomError::Shape { index, found, expected: width });
        }
        for (coordinate, (&found, &floor)) in shares.ppm().iter().zip(&floors).enumerate() {
            let Some(above) = found.checked_sub(floor) else {
                return Err(PhantomError::BelowFloor { index, coordinate, found, floor });
            };
            columns[coordinate].push((fraction(above, left), u64::from(*weight)));
        }
    }
    let columns: Vec<_> = columns.into_iter().map(Column::new).collect();
    let decided = balance(phantoms, &columns);
    let scaled = decided.into_iter().zip(&floors).map(|(share, &floor)| {
        fraction(floor, u64::from(MILLION)) + share * fraction(left, u64::from(MILLION))
    });
    Ok(scaled.collect())
}

/// The same, rounded to parts per million by the largest remainder, ties to the lower coordinate.
///
/// # Errors
/// [`PhantomError`].
pub fn decide(
    phantoms: Phantoms,
    ballots: &[(u32, &Shares)],
    floors: &[u32],
) -> Result<Shares, PhantomError> {
    let exact = decide_exactly(phantoms, ballots, floors)?;
    Ok(Shares::nearest(&exact).expect("they sum to one"))
}

fn floors_of(floors: &[u32], width: usize) -> Result<Vec<u32>, PhantomError> {
    if floors.is_empty() {
        return Ok(vec![0; width]);
    }
    if floors.len() != width {
        let (index, found, expected) = (0, width, floors.len());
        return Err(PhantomError::Shape { index, found, expected });
    }
    let sum: u64 = floors.iter().map(|&floor| u64::from(floor)).sum();
    if sum < u64::from(MILLION) { Ok(floors.to_vec()) } else { Err(PhantomError::Floors(sum)) }
}

fn fraction(numerator: impl Into<BigInt>, denominator: impl Into<BigInt>) -> BigRational {
    BigRational::new(numerator.into(), denominator.into())
}

/// The votes on one coordinate, with how many of all ballots are at least as large, from the largest on.
struct Column {
    /// `(v, c)`: the c largest ballots are v or more. First `(1, 0)`: the vote before the largest.
    steps: Vec<(BigRational, u64)>,
    total: u64,
}

impl Column {
    fn new(mut votes: Vec<(BigRational, u64)>) -> Self {
        votes.sort_by(|a, b| b.0.cmp(&a.0));
        let (mut steps, mut total) = (vec![(BigRational::one(), 0)], 0);
        for (vote, weight) in votes {
            total += weight;
            steps.push((vote, total));
        }
        Self { steps, total }
    }

    /// The median at t. Of the ballots that agree only the last matters: its phantom is the highest.
    fn median(&self, phantoms: Phantoms, t: &BigRational) -> BigRational {
        let least = |(vote, count): &(BigRational, u64)| {
            phantoms.height(*count, self.total, t).min(vote.clone())
        };
        self.steps.iter().map(least).max().unwrap_or_else(BigRational::zero)
    }
}

impl Phantoms {
    /// The phantom that has `above` of `total` ballots above it, f_(n − above), at t.
    fn height(self, above: u64, total: u64, t: &BigRational) -> BigRational {
        let (above, total) = (BigInt::from(above), BigInt::from(total));
        let (zero, one) = (BigRational::zero(), BigRational::one());
        let below = || &total - &above;
        match self {
            Self::IndependentMarkets => (t * &above).min(one),
            Self::Ladder => (t - fraction(below(), total.clone())).max(zero),
            Self::Utilitarian => (t * (&total + BigInt::one()) - below()).clamp(zero, one),
            Self::PiecewiseUniform => {
                let share = fraction(above.clone(), total.clone());
                let half = fraction(1, 2);
                let (low, early) = (share < half, *t < half);
                match (low, early) {
                    (true, true) => zero,
                    (true, false) => share * (t * BigInt::from(2) - one),
                    (false, true) => t * (share * BigInt::from(4) - BigInt::from(2)),
                    (false, false) => {
                        share * (BigRational::from(BigInt::from(3)) - t * BigInt::from(2))
                            + t * BigInt::from(2)
                            - BigInt::from(2)
                    }
                }
            }
        }
    }

    /// Every t at which this phantom is `vote` high, and between which it is straight.
    fn breakpoints(self, above: u64, total: u64, vote: &BigRational) -> Vec<BigRational> {
        let (above, total) = (BigInt::from(above), BigInt::from(total));
        let below = &total - &above;
        match self {
            Self::IndependentMarkets if above.is_zero() => Vec::new(),
            Self::IndependentMarkets => vec![vote / &above],
            Self::Ladder => vec![vote + fraction(below, total)],
            Self::Utilitarian => vec![(vote + below) / (total + 1)],
            Self::PiecewiseUniform => {
                let (share, half) = (fraction(above, total), fraction(1, 2));
                let two = BigInt::from(2);
                let mut found = vec![half.clone()];
                if share < half {
                    if !share.is_zero() {
                        found.push((vote / &share + BigRational::one()) / &two);
                    }
                } else {
                    let slope = &share * BigInt::from(4) - &two;
                    if !slope.is_zero() {
                        found.push(vote / slope);
                    }
                    let slope = (BigRational::one() - &share) * &two;
                    if !slope.is_zero() {
                        found.push((vote + &two - share * BigInt::from(3)) / slope);
                    }
                }
                found
            }
        }
    }

    /// Where t ends: there the medians sum to one or more.
    fn end(self) -> BigRational {
        match self {
            Self::Ladder => BigRational::from(BigInt::from(2)),
            _ => BigRational::one(),
        }
    }
}

/// The medians at the t where they sum to one.
fn balance(phantoms: Phantoms, columns: &[Column]) -> Vec<BigRational> {
    let (one, end) = (BigRational::one(), phantoms.end());
    let mut ts = vec![BigRational::zero(), end.clone()];
    for column in columns {
        let heights = column.steps.iter().map(|(vote, _)| vote.clone());
        let heights: Vec<_> = heights.chain([BigRational::zero()]).collect();
        for (_, above) in &column.steps {
            let met = heights.iter().flat_map(|it| phantoms.breakpoints(*above, column.total, it));
            ts.extend(met.filter(|t| *t > BigRational::zero() && *t < end));
        }
    }
    ts.sort();
    ts.dedup();
    let medians = |t: &BigRational| -> Vec<BigRational> {
        columns.iter().map(|column| column.median(phantoms, t)).collect()
    };
    let sum = |shares: &[BigRational]| shares.iter().sum::<BigRational>();
    // At the end every median is the largest vote or more, and the largest votes sum to one or more.
    let at = ts.partition_point(|t| sum(&medians(t)) < one).min(ts.len() - 1);
    let upper = medians(&ts[at]);
    let Some(before) = at.checked_sub(1) else { return upper };
    let lower = medians(&ts[before]);
    let (low, high) = (sum(&lower), sum(&upper));
    if high == low {
        return upper;
    }
    let part = (one - &low) / (high - &low);
    lower.into_iter().zip(upper).map(|(low, high)| &low + (high - &low) * &part).collect()
}

#[cfg(test)]
mod tests;
