//! The rules that choose from a table of evaluated candidates.
//!
//! All look at gains over no deal, so adding a constant to a party's scores changes nothing; all but [`Rule::Alpha`]
//! with another α than one ignore the scale of a party's scores, too. Numbers are integers and exact fractions.
//!
//! Ties: the larger vector of sorted normalised gains, then the smaller ℓ1 distance to the fallback λ, then the lower
//! number.

use std::cmp::Ordering;

use num_bigint::{BigInt, BigUint};
use num_rational::BigRational;
use num_traits::{One as _, Pow as _};

use crate::shares::Shares;
use crate::table::{Exclusion, Table};

/// How to choose. In each, gᵢ is party i's gain over no deal, wᵢ its weight, and ĝᵢ its gain as a part of the largest
/// one that any admissible candidate gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The largest Π gᵢ^wᵢ (Nash, 1950; weighted: Kalai, 1977).
    Nash,
    /// The largest vector of sorted ĝᵢ, smallest first (Imai, 1983: lexicographic Kalai–Smorodinsky). Weights do not
    /// count.
    Leximin,
    /// The largest Σ wᵢĝᵢ.
    Utilitarian,
    /// The largest Σ wᵢgᵢ^(1−α)/(1−α): α = 0 the sum of gains, 1 Nash's product, and larger α nearer to the worst off.
    /// Depends on the scale of scores, unless α = 1.
    Alpha(Alpha),
}

/// The α of [`Rule::Alpha`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alpha {
    /// One half: Σ wᵢ√gᵢ, where √g is the integer part of 2^64·√g.
    Half,
    /// A whole number, at most [`MAX_ALPHA`].
    Whole(u8),
}

/// The largest whole α.
pub const MAX_ALPHA: u8 = 16;

/// What a rule chose, and what it chose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The candidates that may be chosen, best first.
    pub ranked: Vec<usize>,
    /// Every candidate that may not be chosen, with the reason, in order.
    pub excluded: Vec<(usize, Exclusion)>,
}

/// What a candidate is worth under a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    Product(BigUint),
    Sorted(Vec<BigRational>),
    Sum(BigRational),
}

/// Chooses from `table`. `with_veto` lets each party strike its worst candidates first; ties go towards `fallback`.
///
/// # Panics
/// Where α is above [`MAX_ALPHA`]: charters are checked for it when they are read.
pub fn choose(table: &Table, rule: Rule, with_veto: bool, fallback: &Shares) -> Decision {
    let all = 0..table.candidates().len();
    let mut excluded: Vec<_> =
        all.clone().filter_map(|it| table.exclusion(it).map(|why| (it, why))).collect();
    let stand = |excluded: &[(usize, Exclusion)]| -> Vec<usize> {
        all.clone().filter(|it| !excluded.iter().any(|(out, _)| out == it)).collect()
    };
    let mut standing = stand(&excluded);
    if with_veto {
        excluded.extend(table.struck(&standing));
        excluded.sort_by_key(|(candidate, _)| *candidate);
        standing = stand(&excluded);
    }
    let ideals = ideals(table, &standing);
    let mut ranked: Vec<_> = standing
        .into_iter()
        .map(|candidate| Ranked {
            worth: worth(table, rule, &ideals, candidate),
            sorted: sorted(table, &ideals, candidate),
            distance: distance(table.candidates()[candidate].lambda.ppm(), fallback.ppm()),
            candidate,
        })
        .collect();
    ranked.sort_by(Ranked::before);
    Decision { ranked: ranked.into_iter().map(|it| it.candidate).collect(), excluded }
}

impl Decision {
    /// The chosen candidate; nothing where none is admissible, and the fallback holds.
    pub fn winner(&self) -> Option<usize> {
        self.ranked.first().copied()
    }

    /// The best of the others.
    pub fn runner_up(&self) -> Option<usize> {
        self.ranked.get(1).copied()
    }
}

/// The gain of each party from `candidate`, as a part of its largest from any candidate that `decision` let through: in
/// parts per million, rounded down.
pub fn normalised_gains(table: &Table, decision: &Decision, candidate: usize) -> Vec<i64> {
    let is_out = |it: &usize| decision.excluded.iter().any(|(out, _)| out == it);
    let standing: Vec<_> = (0..table.candidates().len()).filter(|it| !is_out(it)).collect();
    let ideals = ideals(table, &standing);
    let part = |(party, ideal): (usize, &i64)| {
        let gain = i128::from(table.gain(party, candidate)) * 1_000_000;
        // What is admissible gives every party a gain, so an ideal is positive; without one nothing is shared out.
        let part = gain.div_euclid(i128::from((*ideal).max(1)));
        i64::try_from(part).unwrap_or(i64::MAX)
    };
    ideals.iter().enumerate().map(part).collect()
}

struct Ranked {
    worth: Worth,
    sorted: Vec<BigRational>,
    distance: u64,
    candidate: usize,
}

impl Ranked {
    /// Better ones first.
    fn before(&self, other: &Self) -> Ordering {
        let better = other.worth.cmp(&self.worth).then_with(|| other.sorted.cmp(&self.sorted));
        better
            .then_with(|| self.distance.cmp(&other.distance))
            .then_with(|| self.candidate.cmp(&other.candidate))
    }
}

/// The largest gain of each party among `standing`.
fn ideals(table: &Table, standing: &[usize]) -> Vec<i64> {
    let largest = |party| standing.iter().map(|&it| table.gain(party, it)).max().unwrap_or(0);
    (0..table.parties().len()).map(largest).collect()
}

/// ĝ of each party.
fn normalised<'t>(
    table: &'t Table,
    ideals: &'t [i64],
    candidate: usize,
) -> impl Iterator<Item = BigRational> + 't {
    ideals.iter().enumerate().map(move |(party, &ideal)| {
        BigRational::new(table.gain(party, candidate).into(), ideal.into())
    })
}

fn sorted(table: &Table, ideals: &[i64], candidate: usize) -> Vec<BigRational> {
    let mut gains: Vec<_> = normalised(table, ideals, candidate).collect();
    gains.sort();
    gains
}

fn worth(table: &Table, rule: Rule, ideals: &[i64], candidate: usize) -> Worth {
    let weights = || table.parties().iter().map(|party| party.weight);
    // The filters let gains above zero through alone.
    let gains = || {
        (0..table.parties().len())
            .map(|party| BigUint::from(table.gain(party, candidate).unsigned_abs()))
    };
    let weighted = |value: &dyn Fn(BigUint) -> BigRational| {
        let terms = weights().zip(gains());
        Worth::Sum(terms.map(|(weight, gain)| value(gain) * BigInt::from(weight)).sum())
    };
    match rule {
        Rule::Nash | Rule::Alpha(Alpha::Whole(1)) => {
            Worth::Product(weights().zip(gains()).map(|(weight, gain)| gain.pow(weight)).product())
        }
        Rule::Leximin => Worth::Sorted(sorted(table, ideals, candidate)),
        Rule::Utilitarian => {
            let terms = weights().zip(normalised(table, ideals, candidate));
            Worth::Sum(terms.map(|(weight, part)| part * BigInt::from(weight)).sum())
        }
        Rule::Alpha(Alpha::Half) => weighted(&|gain| {
            let root: BigUint = (gain << 128u32).sqrt();
            BigRational::from(BigInt::from(root))
        }),
        Rule::Alpha(Alpha::Whole(0)) => weighted(&|gain| BigRational::from(BigInt::from(gain))),
        Rule::Alpha(Alpha::Whole(alpha)) => {
            assert!(alpha <= MAX_ALPHA, "an α of {alpha} is larger than {MAX_ALPHA}");
            // 1 − α is negative: the largest of −Σ w/g^(α−1), whose constant factor changes no order.
            weighted(&|gain| {
                let power = BigInt::from(gain.pow(u32::from(alpha) - 1));
                -BigRational::new(BigInt::one(), power)
            })
        }
    }
}

/// The ℓ1 distance of two λ, in parts per million.
fn distance(a: &[u32], b: &[u32]) -> u64 {
    a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum()
}

#[cfg(test)]
mod tests;
