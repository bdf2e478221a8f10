//! Random lives of keys, of thousands of entries, against a model of a few lines.

use proptest::strategy::ValueTree as _;

use super::*;

/// What one tries; keys are numbered, so that old ones come up again.
#[derive(Debug, Clone)]
enum Move {
    Rotate(usize, u8, u8),
    Revoke(usize, usize, u8),
    Recover(usize, usize, u8),
    Suspend(usize),
    Reinstate(usize),
    Submit(usize, u8),
}

const WHO: [&str; 4] = ["operator", "agency", "checkers", "readers"];

/// As many keys as a long history needs, so that it does not run out of fresh ones at once.
const KEYS: u8 = 120;

fn moves() -> impl Strategy<Value = Move> {
    let (who, key) = (0usize..4, 0..KEYS);
    prop_oneof![
        2 => (who.clone(), key.clone(), key.clone()).prop_map(|(w, a, b)| Move::Rotate(w, a, b)),
        1 => (who.clone(), who.clone(), key.clone()).prop_map(|(a, b, k)| Move::Revoke(a, b, k)),
        3 => (who.clone(), who.clone(), key.clone()).prop_map(|(a, b, k)| Move::Recover(a, b, k)),
        1 => (1usize..4).prop_map(Move::Suspend),
        1 => (1usize..4).prop_map(Move::Reinstate),
        3 => (who, key).prop_map(|(who, key)| Move::Submit(who, key)),
    ]
}

/// The life of keys in a few lines: who signs with what now, what is used up, who is silent, who voted.
#[derive(Debug)]
struct Model {
    key: BTreeMap<usize, u8>,
    used: Vec<u8>,
    silent: Vec<usize>,
    votes: BTreeMap<(usize, u8), Vec<usize>>,
}

impl Model {
    fn new() -> Self {
        let key = (0u8..4).map(|who| (usize::from(who), who)).collect();
        Self { key, used: vec![0, 1, 2, 3], silent: Vec::new(), votes: BTreeMap::new() }
    }

    fn speaks(&self, who: usize, key: Option<u8>) -> bool {
        key.is_some() && self.key.get(&who).copied() == key && !self.silent.contains(&who)
    }

    fn own(&self, who: usize) -> Option<u8> {
        self.key.get(&who).copied()
    }

    fn set(&mut self, who: usize, key: u8) {
        self.key.insert(who, key);
        self.used.push(key);
        self.votes.retain(|(of, _), _| *of != who);
    }

    /// Whether the move is let through, and with that what follows.
    fn play(&mut self, step: &Move) -> bool {
        match *step {
            Move::Rotate(who, old, new) => {
                let allowed = self.speaks(who, Some(old)) && !self.used.contains(&new);
                if allowed {
                    self.set(who, new);
                }
                allowed
            }
            Move::Revoke(by, of, key) => {
                let allowed = self.speaks(by, self.own(by))
                    && (by == of || by == 0)
                    && self.own(of) == Some(key);
                if allowed {
                    self.key.remove(&of);
                    self.votes.retain(|(who, _), _| *who != of);
                }
                allowed
            }
            Move::Recover(by, of, new) => self.vote(by, of, new),
            Move::Suspend(party) => self.operator_says(party, false),
            Move::Reinstate(party) => self.operator_says(party, true),
            Move::Submit(who, key) => who != 0 && self.speaks(who, Some(key)),
        }
    }

    fn vote(&mut self, by: usize, of: usize, new: u8) -> bool {
        let voted = self.votes.get(&(of, new)).is_some_and(|votes| votes.contains(&by));
        let allowed =
            self.speaks(by, self.own(by)) && by != of && !voted && !self.used.contains(&new);
        if allowed {
            let votes = self.votes.entry((of, new)).or_default();
            votes.push(by);
            if votes.len() == 2 {
                self.set(of, new);
            }
        }
        allowed
    }

    fn operator_says(&mut self, party: usize, was_silent: bool) -> bool {
        let allowed = self.own(0).is_some() && self.silent.contains(&party) == was_silent;
        if allowed {
            self.silent.retain(|&other| other != party);
            if !was_silent {
                self.silent.push(party);
            }
        }
        allowed
    }
}

/// Key 0 is the operator's, 1 to 3 are the parties', as they came in.
fn numbered(key: u8) -> PrivateKey {
    match key {
        0 => operator(),
        1..4 => party_key(WHO[usize::from(key)]),
        other => PrivateKey::from_seed(&[100 + other; 32]),
    }
}

fn act(ledger: &mut Ledger, model: &Model, step: &Move) -> Outcome {
    // Whoever has no key tries one that was never anybody's.
    let own = |who: usize| model.own(who).map_or_else(|| key(98), numbered);
    match *step {
        Move::Rotate(who, old, new) => {
            ledger.rotate(WHO[who], Role::Sign, &numbered(old), &numbered(new))
        }
        Move::Revoke(by, of, key) => {
            ledger.revoke(WHO[by], WHO[of], numbered(key).public().id(), &own(by))
        }
        Move::Recover(by, of, new) => ledger.recover(WHO[by], WHO[of], &numbered(new), &own(by)),
        Move::Suspend(party) => {
            let (party, reason) = (id(WHO[party]), "why".to_owned());
            ledger.say_with("operator", Body::Suspend(Suspend { party, reason }), &own(0))
        }
        Move::Reinstate(party) => {
            let body = Body::Reinstate(Reinstate { party: id(WHO[party]) });
            ledger.say_with("operator", body, &own(0))
        }
        Move::Submit(who, key) => {
            ledger.say_with(WHO[who], submission(b"base", &[key]), &numbered(key))
        }
    }
}

/// Nothing that is void ever signs again, and never do two members hold one key.
fn invariant_keys_have_one_owner_and_never_return(federation: &Federation) {
    let mut seen = std::collections::BTreeSet::new();
    for (_, member) in federation.members().iter() {
        for role in [Role::Sign, Role::Transport, Role::Witness] {
            let Some(key) = member.key(role) else { continue };
            assert!(seen.insert(key.id()), "two hold one key");
            assert!(federation.members().retired(key.id()).is_none(), "a void key is in force");
        }
    }
}

/// Every expert in the state was admitted by an entry that is in the ledger, where it says.
fn invariant_experts_were_admitted(ledger: &Ledger) {
    for (party, expert) in ledger.federation.experts() {
        let entry = &ledger.entries[usize::try_from(expert.index).unwrap()];
        let record = crate::entry::Record::parse(entry.record()).unwrap();
        assert_eq!(record.content, Some(expert.manifest.digest()), "{party}");
        assert_eq!(record.kind, crate::Kind::Submit);
    }
}

/// A replay that begins at any snapshot ends where the others end.
fn invariant_snapshots_lead_to_the_same_state(ledger: &Ledger, at: usize) {
    let mut federation = Federation::found(&ledger.entries[0]).unwrap();
    for (index, entry) in ledger.entries.iter().enumerate().skip(1) {
        if index == at % ledger.entries.len() {
            federation = Federation::from_snapshot(&federation.snapshot()).unwrap();
        }
        federation.apply(index as u64, entry).unwrap();
    }
    assert_eq!(federation.digest(), ledger.federation.digest());
}

fn live(steps: &[Move], snapshot: usize) {
    let mut ledger = Ledger::with_parties();
    let mut model = Model::new();
    for step in steps {
        let before = ledger.federation.clone();
        let outcome = act(&mut ledger, &model, step);
        let allowed = model.play(step);
        assert_eq!(outcome.is_ok(), allowed, "{step:?}: {outcome:?}");
        // What is refused changes nothing; a suspended author's words are among it.
        assert!(allowed || ledger.federation == before, "{step:?} left a trace");
        invariant_keys_have_one_owner_and_never_return(&ledger.federation);
    }
    invariant_experts_were_admitted(&ledger);
    invariant_replay_gives_the_same_state(&ledger);
    invariant_snapshots_lead_to_the_same_state(&ledger, snapshot);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_life_of_keys_is_that_of_the_model(
        steps in prop::collection::vec(moves(), 1..200),
        snapshot in any::<usize>(),
    ) {
        live(&steps, snapshot);
    }
}

#[test]
fn thousands_of_entries_follow_the_model() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = prop::collection::vec(moves(), 4000..=4000);
    let steps = strategy.new_tree(&mut runner).unwrap().current();
    live(&steps, 2000);
}
