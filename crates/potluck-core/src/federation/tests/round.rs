//! Rounds with deadlines, a quorum, and sealed proposals.

use super::*;
use crate::entry::{CloseRound, Commit, commitment};

const SEALED: &str =
    "sealed = true\ncommit_seconds = 100\nreveal_seconds = 50\nquorum_permille = 600";
const OPEN: &str = "reveal_seconds = 50\nquorum_permille = 600";

fn nonce(seed: u8) -> Blake3 {
    Blake3::from_bytes([seed; 32])
}

fn lambda(text: &str) -> Lambda {
    text.parse().unwrap()
}

const MINE: &str = "agency=0.5,checkers=0.25,readers=0.25";

impl Ledger {
    /// A round that was opened at 1000, under these rules; weights are 1, 1 and 2.
    fn ruled(rules: &str) -> Self {
        let genesis = genesis_of(&format!("{CHARTER}[rounds]\n{rules}\n"), 0);
        let federation = Federation::found(&genesis).unwrap();
        Self { federation, entries: vec![genesis], now: 1000 }.opened()
    }

    fn bind(&mut self, party: &str, seed: u8, text: &str) -> Result<Vec<Effect>, Refusal> {
        let id = self.federation.id();
        let commitment = commitment(id, 1, &party.parse().unwrap(), &nonce(seed), &lambda(text));
        self.say(party, Body::Commit(Commit { round: 1, commitment }))
    }

    fn show(&mut self, party: &str, seed: u8, text: &str) -> Result<Vec<Effect>, Refusal> {
        let (round, lambda, nonce) = (1, lambda(text), Some(nonce(seed)));
        self.say(party, Body::Reveal(Reveal { round, lambda, nonce }))
    }

    fn close(&mut self, who: &str) -> Result<Vec<Effect>, Refusal> {
        self.say(who, Body::CloseRound(CloseRound { round: 1 }))
    }

    fn phase(&self) -> Phase {
        self.federation.rounds()[0].phase(self.federation.charter(), self.now)
    }

    fn missing(&self) -> Vec<&str> {
        let round = &self.federation.rounds()[0];
        let missing = round.missing(self.federation.charter(), self.now);
        missing.into_iter().map(PartyId::as_str).collect()
    }

    fn ends_well(&self) {
        assert_eq!(self.replay(), self.federation);
        let read = Federation::from_snapshot(&self.federation.snapshot()).unwrap();
        assert_eq!(read, self.federation);
    }
}

#[test]
fn sealed_proposals_are_shown_once_all_are_bound() {
    let mut ledger = Ledger::ruled(SEALED);
    assert_eq!((ledger.phase(), ledger.missing()), (Phase::Commit, PARTIES.to_vec()));
    ledger.bind("agency", 1, MINE).unwrap();
    ledger.bind("readers", 2, MINE).unwrap();
    assert_eq!(code(ledger.bind("readers", 3, MINE)), Code::RoundWrong);
    assert_eq!(code(ledger.show("agency", 1, MINE)), Code::RoundEarly);
    assert_eq!(code(ledger.close("operator")), Code::RoundEarly);
    // Another's commitment, copied: bound it is, but it opens for nobody but its author.
    let copied = ledger.federation.rounds()[0].commitments[&id("agency")];
    let copy = Body::Commit(Commit { round: 1, commitment: copied });
    assert_eq!(ledger.say("checkers", copy).unwrap(), [Effect::Committed(id("checkers"))]);
    assert_eq!((ledger.phase(), ledger.missing()), (Phase::Reveal, PARTIES.to_vec()));
    assert_eq!(code(ledger.bind("agency", 1, MINE)), Code::RoundWrong);
    assert_eq!(code(ledger.show("checkers", 1, MINE)), Code::CommitmentMismatch);

    assert_eq!(code(ledger.show("agency", 2, MINE)), Code::CommitmentMismatch);
    let other = "agency=1,checkers=0,readers=0";
    assert_eq!(code(ledger.show("agency", 1, other)), Code::CommitmentMismatch);
    assert_eq!(code(ledger.propose("agency", 1, MINE)), Code::CommitmentMismatch);
    ledger.show("agency", 1, MINE).unwrap();
    ledger.show("readers", 2, MINE).unwrap();
    assert_eq!(ledger.missing(), ["checkers"]);
    // The one who cannot open is left out: three of four weights are a quorum.
    ledger.now = 1150;
    assert_eq!(code(ledger.close("operator")), Code::RoundEarly);
    ledger.now = 1151;
    assert_eq!(ledger.phase(), Phase::Close);
    assert_eq!(code(ledger.show("checkers", 1, MINE)), Code::RoundLate);
    let closed = ledger.close("readers").unwrap();
    let [Effect::Agreed(agreement)] = closed.as_slice() else { panic!("{closed:?}") };
    assert_eq!(agreement.lambda, lambda(MINE));
    assert_eq!(code(ledger.close("operator")), Code::RoundWrong);
    ledger.publish(1).unwrap();
    ledger.ends_well();
}

#[test]
fn who_commits_too_late_is_left_out_and_the_last_proposal_ends_the_round() {
    let mut ledger = Ledger::ruled(SEALED);
    ledger.bind("agency", 1, MINE).unwrap();
    ledger.now = 1100;
    ledger.bind("readers", 2, MINE).unwrap();
    ledger.now = 1101;
    assert_eq!(code(ledger.bind("checkers", 3, MINE)), Code::RoundLate);
    assert_eq!(ledger.missing(), ["agency", "readers"]);
    assert_eq!(code(ledger.show("checkers", 3, MINE)), Code::CommitmentMismatch);
    ledger.show("readers", 2, MINE).unwrap();
    let shown = ledger.show("agency", 1, MINE).unwrap();
    assert!(matches!(shown.as_slice(), [Effect::Revealed(_), Effect::Agreed(_)]));
    assert_eq!(code(ledger.show("agency", 1, MINE)), Code::RoundWrong);
    ledger.ends_well();
}

#[test]
fn a_round_without_a_quorum_is_void_and_another_follows() {
    let mut ledger = Ledger::ruled(OPEN);
    assert_eq!(code(ledger.bind("agency", 1, MINE)), Code::RoundWrong);
    assert_eq!(code(ledger.show("agency", 1, MINE)), Code::StatementMalformed);
    ledger.propose("agency", 1, MINE).unwrap();
    ledger.propose("checkers", 1, MINE).unwrap();
    let second = || Body::OpenRound(OpenRound { round: 2 });
    assert_eq!(code(ledger.say("operator", second())), Code::RoundWrong);
    ledger.now = 1051;
    assert_eq!(code(ledger.propose("readers", 1, MINE)), Code::RoundLate);
    // Two of four weights, and six tenths were asked for.
    assert_eq!(ledger.close("operator").unwrap(), [Effect::Voided(1)]);
    assert_eq!(ledger.phase(), Phase::Over);
    assert_eq!(code(ledger.publish(1)), Code::RoundWrong);
    assert_eq!(code(ledger.close("operator")), Code::RoundWrong);
    ledger.say("operator", second()).unwrap();
    ledger.ends_well();
}

#[test]
fn a_quorum_at_the_deadline_is_enough() {
    let mut ledger = Ledger::ruled(OPEN);
    ledger.propose("agency", 1, "agency=1,checkers=0,readers=0").unwrap();
    ledger.propose("readers", 1, "agency=0,checkers=0,readers=1").unwrap();
    ledger.now = 1051;
    let closed = ledger.close("checkers").unwrap();
    let [Effect::Agreed(agreement)] = closed.as_slice() else { panic!("{closed:?}") };
    // The weights of those who spoke.
    assert_eq!(agreement.lambda.ppm()[&id("agency")], 333_333);
    assert_eq!(agreement.lambda.ppm()[&id("readers")], 666_667);
    ledger.ends_well();
}

#[test]
fn a_round_without_rules_waits_for_everybody() {
    let mut ledger = Ledger::with_round();
    ledger.now = u64::MAX;
    assert_eq!(code(ledger.close("operator")), Code::RoundEarly);
    assert_eq!((ledger.phase(), ledger.missing()), (Phase::Reveal, PARTIES.to_vec()));
    let text = String::from_utf8(ledger.federation.snapshot()).unwrap();
    // What no charter asked for is in no state: it is spelt as it always was.
    assert!(
        !["opened", "commitments", "is_void", "\"rounds\":{"].iter().any(|it| text.contains(it))
    );
}

#[test]
fn a_commitment_binds_round_party_nonce_and_proposal() {
    let ledger = Ledger::with_round();
    let (federation, other) = (ledger.federation.id(), Ledger::ruled(OPEN).federation.id());
    let of = |federation, round, party: &str, seed, text| {
        commitment(federation, round, &id(party), &nonce(seed), &lambda(text))
    };
    let mut all = vec![
        of(federation, 1, "agency", 1, MINE),
        of(other, 1, "agency", 1, MINE),
        of(federation, 2, "agency", 1, MINE),
        of(federation, 1, "readers", 1, MINE),
        of(federation, 1, "agency", 2, MINE),
        of(federation, 1, "agency", 1, "agency=1,checkers=0,readers=0"),
    ];
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 6);
}
