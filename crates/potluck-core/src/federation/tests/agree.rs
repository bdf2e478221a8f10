//! Each rule of a charter, and floors, from proposals to the agreement.

use super::*;

impl Ledger {
    /// A round over all three parties' experts, under a charter with this rule and these floors.
    fn under(rule: &str, floors: [u32; 3]) -> Self {
        let mut charter = format!("name = 'news'\nrule = '{rule}'\n");
        for (party, floor) in PARTIES.iter().zip(floors) {
            charter += &format!("[parties.{party}]\nweight = 1\nfloor_ppm = {floor}\n");
        }
        let genesis = genesis_of(&charter, 0);
        let federation = Federation::found(&genesis).unwrap();
        Self { federation, entries: vec![genesis], now: 0 }.opened()
    }

    fn agreed(&mut self, proposals: [&str; 3]) -> Lambda {
        let mut effects = Vec::new();
        for (party, lambda) in PARTIES.iter().zip(proposals) {
            effects = self.propose(party, 1, lambda).unwrap();
        }
        let Some(Effect::Agreed(agreement)) = effects.pop() else { panic!("{effects:?}") };
        assert_eq!(self.replay(), self.federation);
        agreement.lambda
    }
}

const APART: [&str; 3] = [
    "agency=0.7,checkers=0.2,readers=0.1",
    "agency=0.6,checkers=0.1,readers=0.3",
    "agency=0.1,checkers=0.8,readers=0.1",
];

#[test]
fn every_rule_decides_as_its_mathematics_says() {
    // Known from exact fractions: see potluck-bargain.
    for (rule, [agency, checkers, readers]) in [
        ("independent_markets", [500_000, 250_000, 250_000]),
        ("ladder", [555_556, 222_222, 222_222]),
        ("piecewise_uniform", [555_556, 222_222, 222_222]),
        ("utilitarian", [600_000, 200_000, 200_000]),
        ("mean", [466_667, 366_667, 166_666]),
    ] {
        let lambda = Ledger::under(rule, [0; 3]).agreed(APART);
        let parts = lambda.ppm().values().copied().collect::<Vec<_>>();
        assert_eq!(parts, [agency, checkers, readers], "{rule}");
    }
}

#[test]
fn floors_bind_proposals_and_the_outcome() {
    for (rule, [agency, checkers, readers]) in [
        ("independent_markets", [450_000, 275_000, 275_000]),
        ("ladder", [488_889, 255_556, 255_555]),
        ("utilitarian", [600_000, 200_000, 200_000]),
    ] {
        let mut ledger = Ledger::under(rule, [100_000; 3]);
        let low = ledger.propose("agency", 1, "agency=0.95,checkers=0.05,readers=0");
        assert_eq!(code(low), Code::LambdaRefused);
        let lambda = ledger.agreed(APART);
        let parts = lambda.ppm().values().copied().collect::<Vec<_>>();
        assert_eq!(parts, [agency, checkers, readers], "{rule}");
    }
}
