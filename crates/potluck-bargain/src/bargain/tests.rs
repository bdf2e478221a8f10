//! Choices known from outside, and what the rules promise.

use proptest::prelude::*;

use super::*;
use crate::shares::MILLION;
use crate::table::{Bounds, Candidate, Party, Score, TableError};

const RULES: [Rule; 7] = [
    Rule::Nash,
    Rule::Leximin,
    Rule::Utilitarian,
    Rule::Alpha(Alpha::Whole(0)),
    Rule::Alpha(Alpha::Half),
    Rule::Alpha(Alpha::Whole(2)),
    Rule::Alpha(Alpha::Whole(5)),
];

/// λ number `index` of `count`, all different.
fn lambda(index: usize, count: usize) -> Shares {
    Shares::from_weights(&[index as u128 + 1, count as u128 + 1]).unwrap()
}

fn party(weight: u32, disagreement: i64, scores: &[i64]) -> Party {
    let scores = scores.iter().map(|&micro| Score { micro, accept: true }).collect();
    Party { weight, disagreement, scores }
}

fn table(parties: Vec<Party>) -> Table {
    let count = parties[0].scores.len();
    let candidates = (0..count).map(|it| Candidate { lambda: lambda(it, count), is_sound: true });
    Table::new(candidates.collect(), parties, Vec::new()).unwrap()
}

fn fallback() -> Shares {
    Shares::from_weights(&[1, 1]).unwrap()
}

fn winner(table: &Table, rule: Rule) -> Option<usize> {
    choose(table, rule, false, &fallback()).winner()
}

#[test]
fn three_candidates_under_every_rule() {
    // A (1, .1), B (.7, .35), C (.45, .5), without a deal nothing.
    let (one, two) = ([100, 70, 45], [10, 35, 50]);
    let plain = table(vec![party(1, 0, &one), party(1, 0, &two)]);
    let (a, b, c) = (Some(0), Some(1), Some(2));
    let winners = |table: &Table| RULES.map(|rule| winner(table, rule));
    //                  Nash leximin normalised sum α=½ α=2 α=5
    assert_eq!(winners(&plain), [b, b, c, a, b, c, c]);
    // In another unit: the scale-free rules do not move.
    let scaled = table(vec![party(1, 0, &one), party(1, 0, &two.map(|score| score * 10))]);
    assert_eq!(winners(&scaled)[..4], [b, b, c, c]);
    // A constant more, with and without a deal: nothing moves.
    let shifted = table(vec![party(1, 0, &one), party(1, 300, &two.map(|score| score + 300))]);
    assert_eq!(winners(&shifted), winners(&plain));
    let heavy = |weights: [u32; 2]| {
        let parties = vec![party(weights[0], 0, &one), party(weights[1], 0, &two)];
        winner(&table(parties), Rule::Nash)
    };
    assert_eq!((heavy([4, 1]), heavy([1, 4]), heavy([40, 10])), (a, c, a));
    // A gives the second nothing over .2, C the first nothing over .5.
    let demanding = table(vec![party(1, 50, &one), party(1, 20, &two)]);
    assert_eq!(winners(&demanding), [b; 7]);
    let decision = choose(&demanding, Rule::Nash, false, &fallback());
    let excluded = [(0, Exclusion::NoGain(1)), (2, Exclusion::NoGain(0))];
    assert_eq!((decision.excluded.as_slice(), decision.runner_up()), (&excluded[..], None));
}

#[test]
fn three_parties_and_six_candidates() {
    let columns = [[9, 6, 4, 2, 3, 5], [1, 5, 4, 7, 3, 5], [1, 2, 4, 3, 8, 3]];
    let at = |disagreement: i64| {
        table(columns.iter().map(|scores| party(1, disagreement, scores)).collect())
    };
    let without = at(0);
    assert_eq!(winner(&without, Rule::Nash), Some(5));
    assert_eq!(winner(&without, Rule::Alpha(Alpha::Whole(0))), Some(4));
    assert_eq!(winner(&without, Rule::Leximin), Some(2));
    assert_eq!(winner(&without, Rule::Alpha(Alpha::Whole(2))), Some(5));
    assert_eq!(winner(&without, Rule::Alpha(Alpha::Whole(5))), Some(2));
    assert_eq!(winner(&at(2), Rule::Nash), Some(5));

    // Two losses make no gain: 12 · −1 · −1 is more than any product, and is no candidate.
    let mut trap = columns;
    trap[0][0] = 14;
    let trap = table(trap.iter().map(|scores| party(1, 2, scores)).collect());
    assert_eq!(winner(&trap, Rule::Nash), Some(5));
}

#[test]
fn nash_loses_to_a_larger_set_what_leximin_does_not() {
    // Kalai and Smorodinsky (1975): the set grows, and the second party loses under Nash.
    let before = table(vec![party(1, 0, &[1, 99, 75]), party(1, 0, &[99, 1, 75])]);
    assert_eq!(winner(&before, Rule::Nash), Some(2));
    let after = table(vec![party(1, 0, &[1, 100, 75, 77]), party(1, 0, &[100, 70, 75, 77])]);
    assert_eq!(winner(&after, Rule::Nash), Some(1));
    assert_eq!(winner(&after, Rule::Leximin), Some(3));
}

#[test]
fn a_veto_in_proportion_to_weight() {
    // 60 % want a before b before c, 40 % b before c before a (Ianovski and Kondratev, arXiv:2003.09153).
    let profile = table(vec![party(3, 0, &[3, 2, 1]), party(2, 0, &[1, 3, 2])]);
    let decision = choose(&profile, Rule::Nash, true, &fallback());
    let struck = [(0, Exclusion::Struck(1)), (2, Exclusion::Struck(0))];
    assert_eq!((decision.winner(), decision.excluded.as_slice()), (Some(1), &struck[..]));
    // Of ten candidates, weights of 50, 30 and 20 % strike 4, 2 and 1.
    let scores: Vec<i64> = (1..=10).collect();
    let ten = table([5, 3, 2].map(|weight| party(weight, 0, &scores)).to_vec());
    let all: Vec<_> = (0..10).collect();
    assert_eq!(ten.struck(&all).len(), 4);
    let by = |party| ten.struck(&all).iter().filter(|it| it.1 == Exclusion::Struck(party)).count();
    assert_eq!((by(0), by(1), by(2)), (4, 0, 0));
}

#[test]
fn every_filter_has_its_reason() {
    let mut parties = vec![party(1, 0, &[5, 5, 5, 5, 5]), party(1, 0, &[5, 5, 5, 5, 0])];
    parties[1].scores[3].accept = false;
    let shares = |first: u32| Shares::new(vec![first, MILLION - first]).unwrap();
    let lambdas = [100_000, 900_000, 500_000, 400_000, 450_000];
    let candidates = lambdas.iter().enumerate();
    let candidates = candidates
        .map(|(index, &first)| Candidate { lambda: shares(first), is_sound: index != 2 })
        .collect();
    let bounds = vec![Bounds { floor: 200_000, cap: MILLION }, Bounds { floor: 0, cap: MILLION }];
    let mut capped = bounds.clone();
    capped[0].cap = 800_000;
    let table = Table::new(candidates, parties, capped).unwrap();
    let decision = choose(&table, Rule::Nash, false, &fallback());
    assert_eq!(decision.winner(), None);
    let expected = [
        Exclusion::BelowFloor(0),
        Exclusion::AboveCap(0),
        Exclusion::Unsound,
        Exclusion::NotAccepted(1),
        Exclusion::NoGain(1),
    ];
    assert!(decision.excluded.iter().map(|(_, why)| *why).eq(expected));
}

#[test]
fn ties_go_to_the_fallback_and_then_to_the_lower_number() {
    let even = table(vec![party(1, 0, &[4, 4, 4, 4]), party(1, 0, &[4, 4, 4, 4])]);
    // λ is 1:5, 2:5, 3:5, 4:5: the last is the nearest to one half.
    for rule in RULES {
        assert_eq!(winner(&even, rule), Some(3));
    }
    let decision = choose(&even, Rule::Nash, false, &lambda(0, 4));
    assert_eq!((decision.winner(), decision.runner_up()), (Some(0), Some(1)));
    // The same product, but one is more even.
    let uneven = table(vec![party(1, 0, &[2, 4]), party(1, 0, &[8, 4])]);
    assert_eq!(winner(&uneven, Rule::Nash), Some(1));
}

#[test]
fn what_is_no_table_is_refused() {
    let of = |parties: Vec<Party>, lambdas: &[&[u32]]| {
        let candidates = lambdas
            .iter()
            .map(|ppm| Candidate { lambda: Shares::new(ppm.to_vec()).unwrap(), is_sound: true });
        Table::new(candidates.collect(), parties, Vec::new()).unwrap_err()
    };
    let (half, third): (&[u32], &[u32]) = (&[500_000, 500_000], &[300_000, 700_000]);
    assert_eq!(of(vec![], &[half]), TableError::Empty);
    assert_eq!(of(vec![party(1, 0, &[])], &[]), TableError::Empty);
    let shape = TableError::Shape { candidate: 1, found: 1, expected: 2 };
    assert_eq!(of(vec![party(1, 0, &[1, 1])], &[half, &[MILLION]]), shape);
    let twice = TableError::Twice { first: 0, second: 2 };
    assert_eq!(of(vec![party(1, 0, &[1, 1, 1])], &[half, third, half]), twice);
    let scores = TableError::Scores { party: 0, found: 1, expected: 2 };
    assert_eq!(of(vec![party(1, 0, &[1])], &[half, third]), scores);
    let range = TableError::Range { party: 0, found: 1 << 53 };
    assert_eq!(of(vec![party(1, 0, &[1, 1 << 53])], &[half, third]), range);
    let range = TableError::Range { party: 0, found: i64::MIN };
    assert_eq!(of(vec![party(1, i64::MIN, &[1, 1])], &[half, third]), range);
    let weight = TableError::Weight { party: 0, found: 0 };
    assert_eq!(of(vec![party(0, 0, &[1]), party(1, 0, &[1])], &[half]), weight);
    let weight = TableError::Weight { party: 1, found: 1001 };
    assert_eq!(of(vec![party(1, 0, &[1]), party(1001, 0, &[1])], &[half]), weight);
}

fn world() -> impl Strategy<Value = Vec<Party>> {
    (1usize..5, 1usize..9).prop_flat_map(|(parties, candidates)| {
        let scores = prop::collection::vec((-20i64..60, prop::bool::weighted(0.9)), candidates);
        let party = (1u32..6, -5i64..10, scores).prop_map(|(weight, disagreement, scores)| Party {
            weight,
            disagreement,
            scores: scores.into_iter().map(|(micro, accept)| Score { micro, accept }).collect(),
        });
        prop::collection::vec(party, parties)
    })
}

fn rule() -> impl Strategy<Value = Rule> {
    prop::sample::select(RULES.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nobody_ends_below_what_it_has_without_a_deal(
        parties in world(), rule in rule(), veto in any::<bool>()
    ) {
        let table = table(parties.clone());
        let decision = choose(&table, rule, veto, &fallback());
        for chosen in [decision.winner(), decision.runner_up()].into_iter().flatten() {
            for party in &parties {
                prop_assert!(party.scores[chosen].micro > party.disagreement);
                prop_assert!(party.scores[chosen].accept);
            }
        }
        // Where something is admissible, something is chosen; the veto leaves one at least.
        let admissible = (0..table.candidates().len()).any(|it| table.exclusion(it).is_none());
        prop_assert_eq!(decision.winner().is_some(), admissible);
        if let Some(winner) = decision.winner() {
            let gains = normalised_gains(&table, &decision, winner);
            prop_assert!(gains.iter().all(|gain| (0..=1_000_000).contains(gain)));
        }
    }

    #[test]
    fn a_party_s_own_unit_and_zero_do_not_matter(
        parties in world(), scale in 1i64..50, shift in -1000i64..1000, who in 0usize..5, veto in any::<bool>()
    ) {
        let mut moved = parties.clone();
        let who = who % moved.len();
        let of = |score: i64| score * scale + shift;
        moved[who].disagreement = of(moved[who].disagreement);
        moved[who].scores.iter_mut().for_each(|score| score.micro = of(score.micro));
        for rule in [Rule::Nash, Rule::Leximin, Rule::Utilitarian, Rule::Alpha(Alpha::Whole(1))] {
            let (before, after) = (table(parties.clone()), table(moved.clone()));
            prop_assert_eq!(
                choose(&before, rule, veto, &fallback()),
                choose(&after, rule, veto, &fallback())
            );
        }
        // Zero alone matters to no rule.
        let mut shifted = parties.clone();
        shifted[who].disagreement += shift;
        shifted[who].scores.iter_mut().for_each(|score| score.micro += shift);
        for rule in RULES {
            prop_assert_eq!(winner(&table(parties.clone()), rule), winner(&table(shifted.clone()), rule));
        }
    }

    #[test]
    fn nothing_admissible_is_better_for_all(parties in world(), rule in rule()) {
        let table = table(parties);
        let decision = choose(&table, rule, false, &fallback());
        let Some(winner) = decision.winner() else { return Ok(()) };
        for other in 0..table.candidates().len() {
            let gains = |it| (0..table.parties().len()).map(move |party| (party, it));
            let dominates = gains(other).all(|(party, it)| table.gain(party, it) >= table.gain(party, winner))
                && gains(other).any(|(party, it)| table.gain(party, it) > table.gain(party, winner));
            prop_assert!(!dominates || table.exclusion(other).is_some());
        }
    }

    #[test]
    fn nash_does_not_care_for_what_is_not_chosen(parties in world(), out in 0usize..9) {
        let whole = table(parties.clone());
        let decision = choose(&whole, Rule::Nash, false, &fallback());
        let out = out % whole.candidates().len();
        prop_assume!(whole.candidates().len() > 1 && decision.winner() != Some(out));
        let mut candidates = whole.candidates().to_vec();
        candidates.remove(out);
        let mut fewer = parties;
        fewer.iter_mut().for_each(|party| _ = party.scores.remove(out));
        let rest = Table::new(candidates, fewer, Vec::new()).unwrap();
        let chosen = choose(&rest, Rule::Nash, false, &fallback()).winner();
        // But for ties, where the parts of the ideals count.
        let chosen = chosen.map(|it| if it >= out { it + 1 } else { it });
        let product = |it: Option<usize>| it.map(|it| worth(&whole, Rule::Nash, &[], it));
        prop_assert_eq!(product(chosen), product(decision.winner()));
    }
}
