//! Over random worlds: what a bargain promises, whatever the parties' scores and whoever lies.

use super::*;

/// What candidates are worth to each party: a quadratic in λ with its own peak, in ppm above no deal.
#[derive(Debug, Clone)]
struct World {
    /// Where each party would like λ to be, in parts of its own.
    peaks: [[f64; 3]; 3],
    /// How much each gains at its peak.
    heights: [f64; 3],
}

fn world() -> impl Strategy<Value = World> {
    let peak = prop::array::uniform3(0.0f64..1.0).prop_map(|it| {
        let sum: f64 = it.iter().sum::<f64>().max(1e-9);
        it.map(|part| part / sum)
    });
    (prop::array::uniform3(peak), prop::array::uniform3(0.05f64..0.8))
        .prop_map(|(peaks, heights)| World { peaks, heights })
}

impl World {
    fn row(&self, party: &str, lambda: &Lambda) -> Row {
        let it = PARTIES.iter().position(|name| *name == party).unwrap();
        let far = lambda.ppm().values().zip(self.peaks[it]);
        let far: f64 = far.map(|(&ppm, peak)| (f64::from(ppm) / 1e6 - peak).powi(2)).sum();
        #[expect(clippy::cast_possible_truncation, reason = "within two million")]
        let score = ((self.heights[it] - far) * 1e6).round() as i64;
        Row { score, error: 0, accept: true }
    }
}

/// A lie: any score at all for each candidate, from a hash of its seed.
fn lie(seed: u64, lambda: &Lambda) -> Row {
    let digest = Blake3::of(format!("{seed}{lambda}").as_bytes());
    let bytes = digest.as_bytes();
    let score = i64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0])) - 8_000_000;
    Row { score, error: 0, accept: bytes[3] > 20 }
}

const RULES: [&str; 6] =
    ["nash", "leximin", "utilitarian", "alpha_half", "alpha_two", "alpha_sixteen"];

fn charter(rule: &str, rest: &str) -> String {
    format!("{BARGAIN}rule = '{rule}'\n{rest}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The readers are truthful; both others say anything. What is chosen is no loss for the readers.
    #[test]
    fn nobody_truthful_ends_below_no_deal(world in world(), seed: u64, rule in 0usize..6, veto: bool) {
        let rest = if veto { "veto = true\n" } else { "" };
        let mut ledger = Ledger::entitled(&charter(RULES[rule], rest));
        ledger.scored_through(&|party, lambda| match party {
            "readers" => world.row(party, lambda),
            liar => lie(seed ^ liar.len() as u64, lambda),
        });
        let agreement = ledger.agreed_on();
        let deal = agreement.deal.as_ref().unwrap();
        if let Outcome::Chosen { candidate, .. } = deal.outcome {
            prop_assert!(world.row("readers", &agreement.lambda).score > 0);
            prop_assert!(deal.gains_ppm.values().all(|gain| *gain > 0));
            prop_assert!(deal.excluded.iter().all(|it| it.candidate != candidate));
        }
        ledger.is_the_same_again();
    }

    /// A party that multiplies its scores changes nothing, under the rules that do not look at scale.
    #[test]
    fn the_scale_of_scores_does_not_matter(world in world(), factor in 2i64..50, rule in 0usize..3, liar in 0usize..3) {
        let agreed = |factor: i64| {
            let mut ledger = Ledger::entitled(&charter(RULES[rule], ""));
            ledger.scored_through(&|party, lambda| {
                let row = world.row(party, lambda);
                let scale = if party == PARTIES[liar] { factor } else { 1 };
                Row { score: row.score * scale, ..row }
            });
            ledger.agreed_on().lambda.clone()
        };
        prop_assert_eq!(agreed(1), agreed(factor));
    }

    /// What is chosen is a candidate that no other one beats for everybody.
    #[test]
    fn no_candidate_is_better_for_all(world in world(), rule in 0usize..6) {
        let mut ledger = Ledger::entitled(&charter(RULES[rule], ""));
        ledger.scored_through(&|party, lambda| world.row(party, lambda));
        let agreement = ledger.agreed_on();
        if !agreement.is_fallback() {
            let candidates = &ledger.round().bargain.as_ref().unwrap().candidates;
            let better = candidates.iter().find(|it| {
                PARTIES.iter().all(|party| {
                    world.row(party, it).score > world.row(party, &agreement.lambda).score
                })
            });
            prop_assert_eq!(better, None);
        }
    }

    /// A party's weight is what counts, in how many hands it is does not: agency and checkers with one taste and weight 1
    /// each are as one party of weight 2 to Nash's product.
    #[test]
    fn a_weight_counts_the_same_in_one_hand_or_two(world in world()) {
        let both = |party: &str, lambda: &Lambda| {
            world.row(if party == "checkers" { "agency" } else { party }, lambda)
        };
        let mut two = Ledger::entitled(&charter("nash", ""));
        two.scored_through(&both);
        // The same charter with 2 and 0.. is not possible: the clone is dropped, and its weight given to the other.
        let heavy = CHARTER.replacen("weight = 1", "weight = 2", 1);
        let genesis = genesis_of(&format!("{heavy}[rounds]\nreveal_seconds = 10\nquorum_permille = 500\n{}\
            score_seconds = 10\nshow_seconds = 10\nnominate_seconds = 10\n", charter("nash", "")), 0);
        let federation = Federation::found(&genesis).unwrap();
        let mut one = Ledger { federation, entries: vec![genesis], now: 1000 }.opened();
        for party in PARTIES {
            let lambda = two.round().proposals[&id(party)].clone();
            one.say(party, Body::Reveal(Reveal { round: 1, lambda, nonce: None })).unwrap();
        }
        // λ₀ differs with the weights, and is a candidate: what is compared are the candidates that both have.
        while one.round().agreement.is_none() {
            match one.phase_now() {
                Phase::Score => one.scored_by(&["agency", "readers"], &both),
                _ => {
                    one.now += 11;
                    one.close_step().unwrap();
                }
            }
        }
        let entitled = [&one, &two].map(|it| it.round().bargain.as_ref().unwrap().entitlement.clone());
        let chosen = [&one, &two].map(|it| it.agreed_on().lambda.clone());
        if !chosen.iter().any(|it| entitled.contains(it)) {
            prop_assert_eq!(&chosen[0], &chosen[1]);
        }
    }
}
