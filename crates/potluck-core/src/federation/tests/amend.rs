//! New charters: who must endorse them, when, and what becomes of those that they leave out.

use super::*;
use crate::entry::{Amend, Endorse};

type Outcome = Result<Vec<Effect>, Refusal>;

const RULES: &str = "[limits]\nexpert_bytes = 1000\nchange_permille = 100\n";

/// A charter over parties of these weights.
fn charter(weights: &[(&str, u32)], permille: u32) -> Charter {
    let mut text = "name = 'news'\nrule = 'mean'\n".to_owned();
    for (party, weight) in weights {
        text += &format!("[parties.{party}]\nweight = {weight}\n");
    }
    text += RULES;
    if permille > 0 {
        text += &format!("[amendment]\npermille = {permille}\n");
    }
    Charter::from_toml(&text).unwrap()
}

const ALL: [(&str, u32); 3] = [("agency", 1), ("checkers", 1), ("readers", 2)];

impl Ledger {
    /// Three parties with experts, under a charter that so much of the weight can change; no round.
    fn amendable(permille: u32) -> Self {
        let genesis = Genesis {
            charter: charter(&ALL, permille),
            operator: operator().public(),
            log: log_key().public(),
            base: Manifest::new(vec![weights(b"base")]).unwrap(),
            nonce: Blake3::from_bytes([0; 32]),
        };
        let body = Body::Genesis(Box::new(genesis));
        let statement = Statement { author: Author::Operator, sequence: 0, previous: None, body };
        let domain = Domain { kind: crate::Kind::Genesis, federation: None };
        let envelope = Envelope::sign(domain, statement.to_payload(), &operator()).unwrap();
        let genesis = genesis_entry(&envelope, 0).unwrap();
        let federation = Federation::found(&genesis).unwrap();
        let mut ledger = Self { federation, entries: vec![genesis], now: 1000 };
        for party in PARTIES {
            ledger.admit(party).unwrap();
            ledger.submit(party, party.as_bytes()).unwrap();
        }
        ledger
    }

    fn put(&mut self, who: &str, charter: &Charter) -> Outcome {
        let version = self.federation.charter_version() + 1;
        self.put_as(who, version, charter)
    }

    fn put_as(&mut self, who: &str, version: u64, charter: &Charter) -> Outcome {
        self.say(who, Body::Amend(Box::new(Amend { version, charter: charter.clone() })))
    }

    fn endorse(&mut self, who: &str, version: u64, charter: &Charter) -> Outcome {
        let amendment = Amend { version, charter: charter.clone() }.digest();
        self.say(who, Body::Endorse(Endorse { amendment }))
    }

    fn suspend_it(&mut self, party: &str) {
        let suspend = Suspend { party: id(party), reason: "it is against".to_owned() };
        self.say("operator", Body::Suspend(suspend)).unwrap();
    }

    fn reads_alike(&self) {
        assert_eq!(self.replay(), self.federation);
        let read = Federation::from_snapshot(&self.federation.snapshot()).unwrap();
        assert_eq!(read, self.federation);
    }
}

#[test]
fn a_charter_that_says_nothing_of_it_is_fixed_for_good() {
    let mut ledger = Ledger::amendable(0);
    let new = charter(&[("agency", 2), ("checkers", 1), ("readers", 2)], 0);
    assert_eq!(code(ledger.put("agency", &new)), Code::NotPermitted);
    let text = String::from_utf8(ledger.federation.snapshot()).unwrap();
    assert!(!text.contains("amend"), "what no charter asked for is in no state");
}

#[test]
fn both_thresholds_are_needed() {
    // By the old weights three of four must endorse. By the new ones, five of six.
    let mut ledger = Ledger::amendable(750);
    let new = charter(&[("agency", 1), ("checkers", 3), ("readers", 2)], 800);
    assert_eq!(ledger.put("operator", &new).unwrap().len(), 1);
    // Three of four by the old, three of six by the new.
    assert_eq!(ledger.endorse("agency", 2, &new).unwrap(), [Effect::Endorsed(id("agency"))]);
    assert_eq!(ledger.endorse("readers", 2, &new).unwrap(), [Effect::Endorsed(id("readers"))]);
    assert_eq!((ledger.federation.charter_version(), ledger.federation.amendments().len()), (1, 1));
    ledger.reads_alike();
    let effects = ledger.endorse("checkers", 2, &new).unwrap();
    assert_eq!(effects, [Effect::Endorsed(id("checkers")), Effect::Amended(2)]);
    assert_eq!((ledger.federation.charter(), ledger.federation.charter_version()), (&new, 2));
    assert!(ledger.federation.amendments().is_empty());
    ledger.reads_alike();
    // The other way about: what is enough by the new weights is not by the old.
    let mut ledger = Ledger::amendable(750);
    let new = charter(&[("agency", 8), ("checkers", 1), ("readers", 1)], 750);
    assert_eq!(ledger.put("agency", &new).unwrap().len(), 1);
    assert_eq!(ledger.endorse("checkers", 2, &new).unwrap().len(), 1);
    assert_eq!(ledger.endorse("readers", 2, &new).unwrap().len(), 2);
}

#[test]
fn to_fix_a_charter_for_good_takes_everybody() {
    let mut ledger = Ledger::amendable(501);
    let fixed = charter(&ALL, 0);
    ledger.put("readers", &fixed).unwrap();
    assert_eq!(ledger.endorse("agency", 2, &fixed).unwrap().len(), 1);
    assert_eq!(ledger.endorse("checkers", 2, &fixed).unwrap().len(), 2);
    assert_eq!(code(ledger.put("agency", &charter(&ALL, 600))), Code::NotPermitted);
}

#[test]
fn what_is_no_amendment_is_refused() {
    let mut ledger = Ledger::amendable(750);
    let refused = Code::AmendmentRefused;
    let new = charter(&ALL, 900);
    assert_eq!(code(ledger.put_as("agency", 1, &new)), refused);
    assert_eq!(code(ledger.put_as("agency", 3, &new)), refused);
    assert_eq!(code(ledger.put("agency", &charter(&ALL, 750))), refused);
    let renamed = format!("name = 'olds'\nrule = 'mean'\n[parties.agency]\nweight = 1\n{RULES}");
    assert_eq!(code(ledger.put("agency", &Charter::from_toml(&renamed).unwrap())), refused);
    let log = log_key().public();
    let spied = format!(
        "name = 'news'\nrule = 'mean'\n[parties.agency]\nweight = 1\n{RULES}[witnesses.outside]\nx = '{log}'\n"
    );
    assert_eq!(code(ledger.put("agency", &Charter::from_toml(&spied).unwrap())), refused);
    assert_eq!(code(ledger.endorse("agency", 2, &new)), refused);
    ledger.put("agency", &new).unwrap();
    // Whoever puts it there has endorsed it, and nobody puts it there twice.
    assert_eq!(code(ledger.endorse("agency", 2, &new)), refused);
    assert_eq!(code(ledger.put("readers", &new)), refused);
    assert_eq!(code(ledger.endorse("operator", 2, &new)), Code::NotPermitted);
    // A digest binds the version, too.
    assert_eq!(code(ledger.endorse("readers", 3, &new)), refused);
    // A second thought takes the first back, with the word of all who endorsed it.
    ledger.endorse("checkers", 2, &new).unwrap();
    let other = charter(&ALL, 1000);
    ledger.put("agency", &other).unwrap();
    assert_eq!(ledger.federation.amendments().len(), 1);
    assert_eq!(code(ledger.endorse("readers", 2, &new)), refused);
    ledger.reads_alike();
}

#[test]
fn a_charter_changes_between_rounds_only() {
    let mut ledger = Ledger::amendable(750);
    let new = charter(&ALL, 700);
    ledger.put("agency", &new).unwrap();
    ledger.say("operator", Body::OpenRound(OpenRound { round: 1 })).unwrap();
    assert_eq!(code(ledger.put("readers", &charter(&ALL, 800))), Code::AmendmentRefused);
    assert_eq!(code(ledger.endorse("readers", 2, &new)), Code::AmendmentRefused);
    for party in PARTIES {
        ledger.propose(party, 1, "agency=0.4,checkers=0.3,readers=0.3").unwrap();
    }
    assert_eq!(code(ledger.endorse("readers", 2, &new)), Code::AmendmentRefused);
    ledger.publish(1).unwrap();
    assert_eq!(ledger.endorse("readers", 2, &new).unwrap().len(), 2);
    ledger.reads_alike();
}

#[test]
fn who_is_suspended_still_weighs() {
    // The operator suspends the readers, who are against: their half of the weight is missing all the same.
    let mut ledger = Ledger::amendable(750);
    let new = charter(&ALL, 900);
    ledger.suspend_it("readers");
    ledger.put("agency", &new).unwrap();
    assert_eq!(ledger.endorse("checkers", 2, &new).unwrap(), [Effect::Endorsed(id("checkers"))]);
    assert_eq!(code(ledger.endorse("readers", 2, &new)), Code::AuthorSuspended);
    assert_eq!(ledger.federation.charter_version(), 1);
    // A seat that nobody has taken weighs nothing.
    let mut ledger = Ledger::amendable(750);
    let wide = [("agency", 1), ("checkers", 1), ("readers", 2), ("others", 1000)];
    let wide = charter(&wide, 750);
    ledger.put("readers", &wide).unwrap();
    assert_eq!(ledger.endorse("agency", 2, &wide).unwrap().len(), 2);
    ledger.admit("others").unwrap();
}

#[test]
fn who_has_no_seat_any_more_is_out_with_its_expert() {
    let mut ledger = Ledger::amendable(750);
    let pair = charter(&[("agency", 1), ("readers", 2)], 750);
    ledger.put("readers", &pair).unwrap();
    ledger.endorse("agency", 2, &pair).unwrap();
    let member = ledger.federation.members().get(&Author::Party(id("checkers"))).unwrap();
    let reason = member.suspended.as_deref().unwrap();
    assert!(reason.contains("no seat for it since entry 8"), "{reason}");
    assert!(!ledger.federation.experts().contains_key(&id("checkers")));
    assert_eq!(code(ledger.submit("checkers", b"x")), Code::AuthorSuspended);
    // Nor can the operator alone let it back in.
    let back = || Body::Reinstate(Reinstate { party: id("checkers") });
    assert_eq!(code(ledger.say("operator", back())), Code::PartyRefused);
    ledger.say("operator", Body::OpenRound(OpenRound { round: 1 })).unwrap();
    assert_eq!(ledger.federation.rounds()[0].experts.len(), 2);
    for party in ["agency", "readers"] {
        ledger.propose(party, 1, "agency=0.5,readers=0.5").unwrap();
    }
    ledger.publish(1).unwrap();
    // With a seat again, it can.
    let three = charter(&ALL, 750);
    ledger.put("readers", &three).unwrap();
    assert_eq!(ledger.endorse("agency", 3, &three).unwrap().len(), 2);
    ledger.say("operator", back()).unwrap();
    ledger.submit("checkers", b"another").unwrap();
    ledger.reads_alike();
}

/// A step of somebody who wants another charter, or does not.
#[derive(Debug, Clone)]
enum Step {
    Put(usize, u32, u32),
    Endorse(usize, usize),
    Suspend(usize),
    Reinstate(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0usize..4;
    prop_oneof![
        (who(), 1u32..5, 501u32..=1000).prop_map(|(who, w, permille)| Step::Put(who, w, permille)),
        (0usize..3, 0usize..4).prop_map(|(who, which)| Step::Endorse(who, which)),
        (0usize..3).prop_map(Step::Suspend),
        (0usize..3).prop_map(Step::Reinstate),
    ]
}

/// Whether these parties hold so much, said in another way than the code does.
fn is_enough(charter: &Charter, parties: &std::collections::BTreeSet<PartyId>) -> bool {
    let all: u32 = charter.parties().values().map(|seat| seat.weight).sum();
    let with: u32 = parties.iter().map(|party| charter.weight(party)).sum();
    with * 1000 >= all * charter.amendment().permille
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_charter_comes_without_the_word_of_both(steps in prop::collection::vec(step(), 1..40)) {
        const WHO: [&str; 4] = ["agency", "checkers", "readers", "operator"];
        let mut ledger = Ledger::amendable(600);
        for step in steps {
            let before = ledger.federation.clone();
            let pending: Vec<_> = before.amendments().iter().collect();
            let outcome = match step {
                Step::Put(who, weight, permille) => {
                    let new = [("agency", weight), ("checkers", 1), ("readers", 2)];
                    ledger.put(WHO[who], &charter(&new, permille))
                }
                Step::Endorse(who, which) if !pending.is_empty() => {
                    let amendment = *pending[which % pending.len()].0;
                    ledger.say(WHO[who], Body::Endorse(Endorse { amendment }))
                }
                Step::Endorse(..) => continue,
                Step::Suspend(who) => {
                    let suspend = Suspend { party: id(WHO[who]), reason: "so".to_owned() };
                    ledger.say("operator", Body::Suspend(suspend))
                }
                Step::Reinstate(who) => {
                    ledger.say("operator", Body::Reinstate(Reinstate { party: id(WHO[who]) }))
                }
            };
            let (old, now) = (before.charter(), &ledger.federation);
            match outcome {
                Err(_) => prop_assert_eq!(&before, now),
                Ok(effects) if effects.iter().any(|it| matches!(it, Effect::Amended(_))) => {
                    prop_assert_eq!(now.charter_version(), before.charter_version() + 1);
                    prop_assert!(now.amendments().is_empty());
                    // By whom: those who had endorsed it, and whoever spoke last.
                    let known = pending.iter().find(|(_, it)| it.charter == *now.charter());
                    let mut by = known.map(|(_, it)| it.endorsed.clone()).unwrap_or_default();
                    let last = ledger.entries.last().unwrap().envelope().key();
                    by.extend(PARTIES.iter().map(|it| id(it)).filter(|it| {
                        party_key(it.as_str()).public().id() == last
                    }));
                    prop_assert!(is_enough(old, &by) && is_enough(now.charter(), &by));
                }
                Ok(_) => {
                    prop_assert_eq!(now.charter(), old);
                    // Nothing waits that has all it needs.
                    for amendment in now.amendments().values() {
                        let (old, new) = (now.charter(), &amendment.charter);
                        prop_assert!(!(is_enough(old, &amendment.endorsed) && is_enough(new, &amendment.endorsed)));
                    }
                }
            }
        }
        ledger.reads_alike();
    }
}
