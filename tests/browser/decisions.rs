//! The mathematics of decisions, case by case, against `tests/vectors/bargain/decisions.json`.

use std::path::{Path, PathBuf};

use potluck_bargain::{
    Alpha, Bounds, Candidate, Exclusion, MILLION, Party, Phantoms, Rule, Score, Shares, Table,
    choose, design, phantom, weighted_mean,
};
use serde_json::{Value, json};
use support::random::Random;

use crate::chromium::on_page;

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/bargain/decisions.json")
}

fn text(value: &Value) -> String {
    serde_json::to_string(value).unwrap().replace("},{", "},\n{") + "\n"
}

#[test]
fn the_committed_decisions_are_these() {
    assert!(std::fs::read_to_string(file()).unwrap() == text(&cases()));
}

/// `cargo test -p potluck-tests --test browser -- --ignored write_the_decisions_anew`
#[test]
#[ignore = "it writes the vectors that other tests read"]
fn write_the_decisions_anew() {
    std::fs::write(file(), text(&cases())).unwrap();
}

#[test]
fn the_page_decides_as_the_ledger_does() {
    let nothing = tempfile::tempdir().unwrap();
    on_page(nothing.path(), "pages/blank.html", |page| {
        let found = page.run("/pages/decisions.js", Value::Null);
        assert_eq!(found["wrong"], json!([]));
        assert_eq!(found["right"], json!({"entitlements": 150, "lattices": 6, "bargains": 216}));
    });
}

fn cases() -> Value {
    let mut random = Random::new(8);
    let lattices: Vec<_> =
        (1..=6).map(|n| design::lattice(n).unwrap().iter().map(ppm).collect::<Vec<_>>()).collect();
    json!({
        "entitlements": (0..150).map(|number| entitlement(&mut random, number)).collect::<Vec<_>>(),
        "lattices": lattices,
        "bargains": (0..216).map(|number| bargain(&mut random, number)).collect::<Vec<_>>(),
    })
}

fn ppm(shares: &Shares) -> Vec<u32> {
    shares.ppm().to_vec()
}

/// A point at or above the floors; now and then a corner, since ties are where rules differ.
fn point(random: &mut Random, floors: &[u32]) -> Shares {
    let width = floors.len() as u64;
    let corner = random.once_in(4).then(|| random.below(width));
    let weights: Vec<u128> = (0..width)
        .map(|k| match corner {
            Some(it) => u128::from(it == k),
            None => u128::from(random.below(20)),
        })
        .collect();
    let weights = if weights.iter().all(|it| *it == 0) { vec![1; floors.len()] } else { weights };
    let inner = Shares::from_weights(&weights).unwrap();
    let left = u128::from(MILLION - floors.iter().sum::<u32>());
    let scaled = inner.ppm().iter().zip(floors);
    let scaled = scaled
        .map(|(&share, &floor)| u128::from(floor) * u128::from(MILLION) + left * u128::from(share));
    let shares = Shares::from_weights(&scaled.collect::<Vec<_>>()).unwrap();
    // Rounding can bring a share to one millionth below its floor; such a ballot the ledger would refuse.
    if shares.ppm().iter().zip(floors).all(|(share, floor)| share >= floor) {
        shares
    } else {
        point(random, floors)
    }
}

fn entitlement(random: &mut Random, number: usize) -> Value {
    let width = 2 + random.below(4);
    let floors: Vec<u32> = match random.once_in(3) {
        true => (0..width).map(|_| u32::try_from(random.below(120_000)).unwrap()).collect(),
        false => (0..width).map(|_| 0).collect(),
    };
    let ballots: Vec<(u32, Shares)> = (0..1 + random.below(5))
        .map(|_| (u32::try_from(1 + random.below(3)).unwrap(), point(random, &floors)))
        .collect();
    let borrowed: Vec<_> = ballots.iter().map(|(weight, shares)| (*weight, shares)).collect();
    let rules = [
        ("mean", None),
        ("independent_markets", Some(Phantoms::IndependentMarkets)),
        ("ladder", Some(Phantoms::Ladder)),
        ("utilitarian", Some(Phantoms::Utilitarian)),
        ("piecewise_uniform", Some(Phantoms::PiecewiseUniform)),
    ];
    let (name, phantoms) = rules[number % rules.len()];
    let decided = match phantoms {
        None => weighted_mean(&borrowed).unwrap(),
        Some(phantoms) => phantom::decide(phantoms, &borrowed, &floors).unwrap(),
    };
    let ballots =
        ballots.iter().map(|(weight, shares)| json!({"weight": weight, "shares": shares.ppm()}));
    json!({"rule": name, "floors": floors, "ballots": ballots.collect::<Vec<_>>(), "lambda": decided.ppm()})
}

fn bargain(random: &mut Random, number: usize) -> Value {
    let parties = 2 + random.below(3);
    let design = design::lattice(usize::try_from(parties).unwrap()).unwrap();
    let scores = |random: &mut Random, spread: u64| -> Vec<Score> {
        let row = |_: &Shares| Score {
            micro: i64::try_from(random.below(spread)).unwrap()
                - i64::try_from(spread / 8).unwrap(),
            accept: !random.once_in(12),
        };
        design.iter().map(row).collect()
    };
    // Small spreads make ties.
    let spread = [12, 1_000_000, 1_000_000_000][number / 12 % 3];
    let table: Vec<Party> = (0..parties)
        .map(|_| Party {
            weight: u32::try_from(1 + random.below(4)).unwrap(),
            disagreement: i64::try_from(random.below(3)).unwrap() - 1,
            scores: scores(random, spread),
        })
        .collect();
    let bounds: Vec<_> = (0..parties)
        .map(|_| Bounds {
            floor: if random.once_in(5) { 100_000 } else { 0 },
            cap: if random.once_in(5) { 700_000 } else { MILLION },
        })
        .collect();
    let fallback = point(random, &vec![0; usize::try_from(parties).unwrap()]);
    let rules = [
        ("nash", Rule::Nash),
        ("leximin", Rule::Leximin),
        ("utilitarian", Rule::Utilitarian),
        ("alpha_half", Rule::Alpha(Alpha::Half)),
        ("alpha_two", Rule::Alpha(Alpha::Whole(2))),
        ("alpha_sixteen", Rule::Alpha(Alpha::Whole(16))),
    ];
    let ((name, rule), veto) = (rules[number % rules.len()], number / 6 % 2 == 1);
    let candidates =
        design.iter().map(|lambda| Candidate { lambda: lambda.clone(), is_sound: true });
    let whole = Table::new(candidates.collect(), table.clone(), bounds.clone()).unwrap();
    let decision = choose(&whole, rule, veto, &fallback);
    let excluded = decision.excluded.iter().map(|(candidate, why)| {
        let (reason, at) = match *why {
            Exclusion::BelowFloor(at) => ("below_floor", at),
            Exclusion::AboveCap(at) => ("above_cap", at),
            Exclusion::NotAccepted(at) => ("not_accepted", at),
            Exclusion::NoGain(at) => ("no_gain", at),
            Exclusion::Struck(at) => ("struck", at),
            Exclusion::Unsound => unreachable!("all are sound here"),
        };
        json!({"candidate": candidate, "reason": reason, "at": at})
    });
    let party = |party: &Party| {
        let scores = party.scores.iter().map(|it| json!({"micro": it.micro, "accept": it.accept}));
        json!({"weight": party.weight, "disagreement": party.disagreement, "scores": scores.collect::<Vec<_>>()})
    };
    json!({
        "rule": name,
        "veto": veto,
        "fallback": fallback.ppm(),
        "candidates": design.iter().map(ppm).collect::<Vec<_>>(),
        "parties": table.iter().map(party).collect::<Vec<_>>(),
        "bounds": bounds.iter().map(|it| json!({"floor": it.floor, "cap": it.cap})).collect::<Vec<_>>(),
        "ranked": decision.ranked,
        "excluded": excluded.collect::<Vec<_>>(),
    })
}
