//! Outcomes known from outside (papers, and exact fractions by other programs), and what the rules promise.

use proptest::prelude::*;

use super::*;
use crate::mean::weighted_mean;

const ALL: [Phantoms; 4] = [
    Phantoms::IndependentMarkets,
    Phantoms::Ladder,
    Phantoms::Utilitarian,
    Phantoms::PiecewiseUniform,
];

/// A ballot in whole parts of `of`.
fn ballot(parts: &[u32], of: u32) -> Shares {
    let weights: Vec<u128> = parts.iter().map(|&part| u128::from(part)).collect();
    assert_eq!(parts.iter().sum::<u32>(), of);
    Shares::from_weights(&weights).unwrap()
}

fn percent(parts: &[u32]) -> Shares {
    ballot(parts, 100)
}

fn exact(parts: &[(i64, i64)]) -> Vec<BigRational> {
    parts.iter().map(|(numerator, denominator)| fraction(*numerator, *denominator)).collect()
}

/// What each rule makes of unweighted ballots: independent markets, ladder, utilitarian, piecewise uniform.
fn outcomes(ballots: &[(u32, Shares)], floors: &[u32]) -> [Vec<BigRational>; 4] {
    let ballots: Vec<_> = ballots.iter().map(|(weight, ballot)| (*weight, ballot)).collect();
    ALL.map(|phantoms| decide_exactly(phantoms, &ballots, floors).unwrap())
}

fn equal(ballots: &[&[u32]]) -> Vec<(u32, Shares)> {
    ballots.iter().map(|parts| (1, percent(parts))).collect()
}

#[test]
fn profiles_whose_outcomes_are_known() {
    // Three for one coordinate, two for the other: proportional, but for the utilitarian rule.
    let [markets, ladder, utilitarian, uniform] =
        outcomes(&equal(&[&[100, 0], &[100, 0], &[100, 0], &[0, 100], &[0, 100]]), &[]);
    let shares = exact(&[(3, 5), (2, 5)]);
    assert_eq!((&markets, &ladder, &uniform), (&shares, &shares, &shares));
    assert_eq!(utilitarian, exact(&[(1, 1), (0, 1)]));

    // Caragiannis, Christodoulou and Protopapas (2022), introduction, as four ballots.
    let cited = equal(&[&[20, 0, 80], &[40, 40, 20], &[100, 0, 0], &[100, 0, 0]]);
    let [markets, ladder, utilitarian, uniform] = outcomes(&cited, &[]);
    let shares = exact(&[(1, 2), (1, 4), (1, 4)]);
    assert_eq!((&markets, &ladder, &uniform), (&shares, &shares, &shares));
    assert_eq!(utilitarian, exact(&[(4, 5), (0, 1), (1, 5)]));
    let ballots: Vec<_> = cited.iter().map(|(weight, ballot)| (*weight, ballot)).collect();
    assert_eq!(weighted_mean(&ballots).unwrap().ppm(), [650_000, 100_000, 250_000]);

    let between = outcomes(&equal(&[&[60, 40], &[20, 80]]), &[]);
    assert_eq!(between, [0; 4].map(|_| exact(&[(1, 2), (1, 2)])));
    let units = outcomes(&equal(&[&[100, 0, 0], &[0, 100, 0], &[0, 0, 100]]), &[]);
    assert_eq!(units, [0; 4].map(|_| exact(&[(1, 3), (1, 3), (1, 3)])));

    let apart = equal(&[&[10, 20, 70], &[10, 20, 70], &[60, 40, 0], &[0, 90, 10]]);
    let [markets, ladder, utilitarian, uniform] = outcomes(&apart, &[]);
    assert_eq!(markets, exact(&[(1, 5), (2, 5), (2, 5)]));
    assert_eq!(uniform, markets);
    assert_eq!(ladder, exact(&[(7, 40), (2, 5), (17, 40)]));
    assert_eq!(utilitarian, exact(&[(1, 10), (2, 5), (1, 2)]));

    let five = equal(&[&[90, 5, 5], &[80, 10, 10], &[40, 40, 20], &[20, 20, 60], &[0, 10, 90]]);
    assert_eq!(outcomes(&five, &[]), [0; 4].map(|_| exact(&[(2, 5), (1, 5), (2, 5)])));
}

#[test]
fn floors_shift_and_shrink_the_outcome() {
    let ballots = equal(&[&[70, 20, 10], &[60, 10, 30], &[10, 80, 10]]);
    let [markets, ladder, utilitarian, uniform] = outcomes(&ballots, &[]);
    assert_eq!(markets, exact(&[(1, 2), (1, 4), (1, 4)]));
    assert_eq!(ladder, exact(&[(5, 9), (2, 9), (2, 9)]));
    assert_eq!(uniform, ladder);
    assert_eq!(utilitarian, exact(&[(3, 5), (1, 5), (1, 5)]));
    let counted: Vec<_> = ballots.iter().map(|(weight, ballot)| (*weight, ballot)).collect();
    let rounded = decide(Phantoms::Ladder, &counted, &[]).unwrap();
    assert_eq!(rounded.ppm(), [555_556, 222_222, 222_222]);

    let [markets, ladder, utilitarian, uniform] = outcomes(&ballots, &[100_000; 3]);
    assert_eq!(markets, exact(&[(9, 20), (11, 40), (11, 40)]));
    assert_eq!(ladder, exact(&[(22, 45), (23, 90), (23, 90)]));
    assert_eq!(uniform, ladder);
    assert_eq!(utilitarian, exact(&[(3, 5), (1, 5), (1, 5)]));
}

#[test]
fn weights_are_equal_ballots() {
    let two = [(2, percent(&[80, 20])), (1, percent(&[30, 70]))];
    let [markets, ladder, utilitarian, uniform] = outcomes(&two, &[]);
    let shares = exact(&[(2, 3), (1, 3)]);
    assert_eq!((&markets, &ladder, &uniform), (&shares, &shares, &shares));
    assert_eq!(utilitarian, exact(&[(4, 5), (1, 5)]));

    let three =
        [(2, percent(&[60, 25, 15])), (1, percent(&[20, 65, 15])), (1, percent(&[15, 25, 60]))];
    let [markets, ladder, utilitarian, uniform] = outcomes(&three, &[]);
    let shares = exact(&[(1, 2), (1, 4), (1, 4)]);
    assert_eq!((&markets, &ladder, &uniform), (&shares, &shares, &shares));
    assert_eq!(utilitarian, exact(&[(3, 5), (1, 4), (3, 20)]));
}

#[test]
fn independent_markets_is_not_pareto_optimal() {
    // Each ballot is at least as near to the other point, and the second nearer: the price of truthfulness.
    let ballots = equal(&[&[20, 20, 60], &[20, 0, 80], &[60, 0, 40]]);
    let [markets, ..] = outcomes(&ballots, &[]);
    assert_eq!(markets, exact(&[(4, 15), (1, 5), (8, 15)]));
}

#[test]
fn what_cannot_be_counted_is_refused() {
    let (two, three) = (percent(&[50, 50]), percent(&[20, 30, 50]));
    for phantoms in ALL {
        assert_eq!(decide(phantoms, &[], &[]), Err(PhantomError::Empty));
        assert_eq!(decide(phantoms, &[(0, &two)], &[]), Err(PhantomError::Empty));
        let shape = PhantomError::Shape { index: 1, found: 3, expected: 2 };
        assert_eq!(decide(phantoms, &[(1, &two), (1, &three)], &[]), Err(shape));
        let floors = [600_000, 400_000];
        assert_eq!(decide(phantoms, &[(1, &two)], &floors), Err(PhantomError::Floors(1_000_000)));
        let below =
            PhantomError::BelowFloor { index: 0, coordinate: 0, found: 500_000, floor: 600_000 };
        assert_eq!(decide(phantoms, &[(1, &two)], &[600_000, 0]), Err(below));
    }
}

/// Points of the grid of fifths, in three coordinates.
fn grid() -> Vec<Shares> {
    let points = (0..=5).flat_map(|a| (0..=5 - a).map(move |b| [a, b, 5 - a - b]));
    points.map(|parts| ballot(&parts, 5)).collect()
}

/// The ℓ1 distance of an outcome from what a party wants.
fn distance(outcome: &[BigRational], wanted: &Shares) -> BigRational {
    let wanted = wanted.ppm().iter().map(|&share| fraction(share, u64::from(MILLION)));
    let apart = outcome.iter().zip(wanted).map(|(share, wanted)| share - wanted);
    apart.map(|it| if it < BigRational::zero() { -it } else { it }).sum()
}

fn point() -> impl Strategy<Value = Shares> {
    prop::sample::select(grid())
}

/// Points that give the first coordinate a fifth at least.
fn raised() -> impl Strategy<Value = Shares> {
    let points: Vec<_> = grid().into_iter().filter(|it| it.ppm()[0] >= 200_000).collect();
    prop::sample::select(points)
}

fn phantoms() -> impl Strategy<Value = Phantoms> {
    prop::sample::select(ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nobody_gains_by_a_false_ballot_or_by_none(
        rule in phantoms(), truth in point(), lie in point(), weight in 1u32..4,
        others in prop::collection::vec((1u32..4, point()), 1..4),
    ) {
        let others: Vec<_> = others.iter().map(|(weight, ballot)| (*weight, ballot)).collect();
        let loss = |own: Option<&Shares>| {
            let own = own.map(|ballot| (weight, ballot));
            let ballots: Vec<_> = own.into_iter().chain(others.iter().copied()).collect();
            distance(&decide_exactly(rule, &ballots, &[]).unwrap(), &truth)
        };
        let honest = loss(Some(&truth));
        prop_assert!(honest <= loss(Some(&lie)));
        prop_assert!(honest <= loss(None));
    }

    #[test]
    fn nobody_gains_under_floors_either(
        rule in phantoms(), truth in raised(), lie in raised(), others in prop::collection::vec(raised(), 1..4),
    ) {
        let floors = [200_000, 0, 0];
        let loss = |own: &Shares| {
            let ballots: Vec<_> = others.iter().chain([own]).map(|ballot| (1, ballot)).collect();
            distance(&decide_exactly(rule, &ballots, &floors).unwrap(), &truth)
        };
        prop_assert!(loss(&truth) <= loss(&lie));
    }

    #[test]
    fn the_outcome_is_a_point_whatever_the_order_and_a_weight_is_so_many_ballots(
        rule in phantoms(), ballots in prop::collection::vec((1u32..4, point()), 1..5), turn in 0usize..5,
    ) {
        let counted: Vec<_> = ballots.iter().map(|(weight, ballot)| (*weight, ballot)).collect();
        let outcome = decide_exactly(rule, &counted, &[]).unwrap();
        prop_assert!(outcome.iter().sum::<BigRational>().is_one());
        prop_assert!(outcome.iter().all(|share| *share >= BigRational::zero()));
        let mut turned = counted.clone();
        turned.rotate_left(turn % counted.len());
        prop_assert_eq!(&decide_exactly(rule, &turned, &[]).unwrap(), &outcome);
        let clones: Vec<_> = counted
            .iter()
            .flat_map(|(weight, ballot)| std::iter::repeat_n((1, *ballot), *weight as usize))
            .collect();
        prop_assert_eq!(decide_exactly(rule, &clones, &[]).unwrap(), outcome);
    }

    #[test]
    fn unanimity_is_respected(
        rule in phantoms(), cuts in prop::array::uniform2(0u32..=MILLION), weights in prop::collection::vec(1u32..1000, 1..5)
    ) {
        let (low, high) = (cuts[0].min(cuts[1]), cuts[0].max(cuts[1]));
        let wanted = Shares::new(vec![low, high - low, MILLION - high]).unwrap();
        let ballots: Vec<_> = weights.iter().map(|&weight| (weight, &wanted)).collect();
        prop_assert_eq!(decide(rule, &ballots, &[]).unwrap(), wanted);
    }

    #[test]
    fn who_want_one_coordinate_get_it_by_weight(weights in prop::array::uniform3(1u32..100)) {
        let units = [[1, 0, 0], [0, 1, 0], [0, 0, 1]].map(|parts| ballot(&parts, 1));
        let ballots: Vec<_> = weights.iter().copied().zip(&units).collect();
        let total: u32 = weights.iter().sum();
        for rule in [Phantoms::IndependentMarkets, Phantoms::Ladder, Phantoms::PiecewiseUniform] {
            let outcome = decide_exactly(rule, &ballots, &[]).unwrap();
            let shares: Vec<_> = weights.iter().map(|&weight| fraction(weight, total)).collect();
            prop_assert_eq!(outcome, shares);
        }
    }
}
