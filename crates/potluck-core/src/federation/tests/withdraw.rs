//! Experts that are taken back, agreements that end: what is in force, and since when it is not.

use super::*;
use crate::entry::Withdraw;

const THIRDS: &str = "agency=0.4,checkers=0.3,readers=0.3";
const VALID: &str = "[agreement]\nvalid_seconds = 100\n";

type Outcome = Result<Vec<Effect>, Refusal>;

impl Ledger {
    fn lasting(rest: &str) -> Self {
        let genesis = genesis_of(&format!("{CHARTER}{rest}"), 0);
        let federation = Federation::found(&genesis).unwrap();
        Self { federation, entries: vec![genesis], now: 1000 }.opened()
    }

    /// Round 1 over these shares is published.
    fn published(mut self, lambda: &str) -> Self {
        for party in PARTIES {
            self.propose(party, 1, lambda).unwrap();
        }
        self.publish(1).unwrap();
        self
    }

    fn take_back(&mut self, party: &str, content: &[u8]) -> Outcome {
        let expert = Manifest::new(vec![weights(content)]).unwrap().digest();
        let reason = "a source asked for it".to_owned();
        self.say(party, Body::Withdraw(Withdraw { expert, reason }))
    }

    fn in_force(&self, time: u64) -> Option<u64> {
        self.federation.in_force(time).map(|round| round.number)
    }

    fn is_whole(&self) {
        assert_eq!(self.replay(), self.federation);
        let read = Federation::from_snapshot(&self.federation.snapshot()).unwrap();
        assert_eq!(read, self.federation);
        assert_eq!(read.digest(), self.federation.digest());
    }
}

#[test]
fn what_is_no_withdrawal_is_refused() {
    let mut ledger = Ledger::lasting("");
    assert_eq!(code(ledger.take_back("agency", b"another's")), Code::NotFound);
    assert_eq!(code(ledger.take_back("operator", b"agency")), Code::NotPermitted);
    let expert = Manifest::new(vec![weights(b"agency")]).unwrap().digest();
    for reason in ["", "two\nlines", &"x".repeat(MAX_REASON + 1)] {
        let withdraw = Withdraw { expert, reason: reason.to_owned() };
        assert_eq!(code(ledger.say("agency", Body::Withdraw(withdraw))), Code::StatementMalformed);
    }
    assert_eq!(code(ledger.take_back("readers", b"agency")), Code::NotFound);
    ledger.take_back("agency", b"agency").unwrap();
    assert_eq!(code(ledger.take_back("agency", b"agency")), Code::NotFound);
}

#[test]
fn a_round_under_way_is_void_and_the_next_goes_without_it() {
    let mut ledger = Ledger::lasting("");
    ledger.propose("agency", 1, THIRDS).unwrap();
    let effects = ledger.take_back("checkers", b"checkers").unwrap();
    assert_eq!(effects, [Effect::Withdrawn(id("checkers")), Effect::Voided(1)]);
    let round = &ledger.federation.rounds()[0];
    assert!(round.is_void && round.withdrawn == Some(ledger.federation.size() - 1));
    assert_eq!(code(ledger.propose("readers", 1, THIRDS)), Code::RoundWrong);
    ledger.say("operator", Body::OpenRound(OpenRound { round: 2 })).unwrap();
    let experts: Vec<_> = ledger.federation.rounds()[1].experts.keys().cloned().collect();
    assert_eq!(experts, [id("agency"), id("readers")]);
    ledger.is_whole();
}

#[test]
fn an_agreement_without_a_soup_is_gone() {
    let mut ledger = Ledger::lasting("");
    for party in PARTIES {
        ledger.propose(party, 1, THIRDS).unwrap();
    }
    assert!(ledger.federation.rounds()[0].agreement.is_some());
    ledger.take_back("agency", b"agency").unwrap();
    assert!(ledger.federation.rounds()[0].agreement.is_none());
    assert_eq!(code(ledger.publish(1)), Code::RoundWrong);
    ledger.is_whole();
}

#[test]
fn a_soup_with_it_is_in_force_no_longer() {
    let mut ledger = Ledger::lasting("").published(THIRDS);
    assert_eq!(ledger.in_force(1000), Some(1));
    assert_eq!(ledger.take_back("agency", b"agency").unwrap().len(), 1);
    assert_eq!(ledger.in_force(1000), None);
    assert!(!ledger.federation.rounds()[0].is_void, "it was agreed on, and stays told");
    // The same expert handed in again does not bring the soup back.
    ledger.submit("agency", b"agency").unwrap();
    assert_eq!(ledger.in_force(1000), None);
    let since = ledger.federation.rounds()[0].withdrawn;
    ledger.take_back("agency", b"agency").unwrap();
    assert_eq!(ledger.federation.rounds()[0].withdrawn, since, "the first time counts");
    ledger.is_whole();
}

#[test]
fn a_soup_without_it_stays() {
    let mut ledger = Ledger::lasting("").published("agency=0,checkers=0.5,readers=0.5");
    ledger.take_back("agency", b"agency").unwrap();
    assert_eq!(ledger.in_force(1000), Some(1));
    // Nor does a later expert's end touch what was made of an earlier one.
    let mut ledger = Ledger::lasting("").published(THIRDS);
    ledger.submit("agency", b"a later one").unwrap();
    assert_eq!(code(ledger.take_back("agency", b"agency")), Code::NotFound);
    ledger.take_back("agency", b"a later one").unwrap();
    assert_eq!(ledger.in_force(1000), Some(1));
    ledger.is_whole();
}

#[test]
fn an_agreement_is_over_when_its_time_is() {
    let mut ledger = Ledger::lasting(VALID);
    assert_eq!(ledger.in_force(u64::MAX), None, "nothing is published yet");
    ledger.now = 1010;
    let mut ledger = ledger.published(THIRDS);
    let agreement = ledger.federation.rounds()[0].agreement.as_ref().unwrap();
    assert_eq!(agreement.expires, Some(1110), "it counts from when it was reached");
    assert_eq!((ledger.in_force(1110), ledger.in_force(1111)), (Some(1), None));
    ledger.is_whole();
    // A later soup has its own time, and none before it comes back when that one is over.
    ledger.now = 1050;
    ledger.say("operator", Body::OpenRound(OpenRound { round: 2 })).unwrap();
    assert_eq!(ledger.in_force(1050), Some(1));
    for party in PARTIES {
        ledger.propose(party, 2, THIRDS).unwrap();
    }
    ledger.publish(2).unwrap();
    assert_eq!((ledger.in_force(1110), ledger.in_force(1150)), (Some(2), Some(2)));
    assert_eq!(ledger.in_force(1151), None);
    ledger.take_back("readers", b"readers").unwrap();
    assert_eq!(ledger.in_force(1110), None);
    ledger.is_whole();
}

#[test]
fn what_says_nothing_of_an_end_has_none() {
    let ledger = Ledger::lasting("").published(THIRDS);
    assert_eq!(ledger.federation.rounds()[0].agreement.as_ref().unwrap().expires, None);
    assert_eq!(ledger.in_force(u64::MAX), Some(1));
    let text = String::from_utf8(ledger.federation.snapshot()).unwrap();
    assert!(!["expires", "withdrawn", "\"agreement\":{\"valid"].iter().any(|it| text.contains(it)));
}
