//! The ledger's rules, told as one story, its refusals, and invariants over random histories.

mod adapters;
mod agree;
mod amend;
mod bargain;
mod membership;
mod round;
mod withdraw;

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::bundle::tests::AnyLeaf;
use crate::entry::Statement;
use crate::envelope::Envelope;

use crate::ids::Sha256;
use crate::keys::PrivateKey;
use crate::lambda::Lambda;
use crate::recipe::Arithmetic;

const PARTIES: [&str; 3] = ["agency", "checkers", "readers"];

fn operator() -> PrivateKey {
    PrivateKey::from_seed(&[1; 32])
}

fn log_key() -> PrivateKey {
    PrivateKey::from_seed(&[2; 32])
}

fn party_key(party: &str) -> PrivateKey {
    PrivateKey::from_seed(Blake3::of(party.as_bytes()).as_bytes())
}

fn id(party: &str) -> PartyId {
    party.parse().unwrap()
}

fn weights(content: &[u8]) -> FileEntry {
    FileEntry {
        path: WEIGHTS.into(),
        size: content.len() as u64,
        blake3: Blake3::of(content),
        sha256: Sha256::of(content),
    }
}

fn genesis_with(nonce: u8) -> Entry {
    genesis_of(CHARTER, nonce)
}

const CHARTER: &str = "name = 'news'\nrule = 'mean'\n[parties.agency]\nweight = 1\n\
                   [parties.checkers]\nweight = 1\n[parties.readers]\nweight = 2\n[limits]\n\
                   expert_bytes = 1000\nchange_permille = 100\n[keys]\nrecovery = 2\n";

fn genesis_of(charter: &str, nonce: u8) -> Entry {
    let genesis = Genesis {
        charter: Charter::from_toml(charter).unwrap(),
        operator: operator().public(),
        log: log_key().public(),
        base: Manifest::new(vec![weights(b"base")]).unwrap(),
        nonce: Blake3::from_bytes([nonce; 32]),
    };
    let body = Body::Genesis(Box::new(genesis));
    let statement = Statement { author: Author::Operator, sequence: 0, previous: None, body };
    let domain = Domain { kind: crate::Kind::Genesis, federation: None };
    genesis_entry(&Envelope::sign(domain, statement.to_payload(), &operator()).unwrap(), 0).unwrap()
}

/// A federation beside the ledger from which it came.
struct Ledger {
    federation: Federation,
    entries: Vec<Entry>,
    /// The log's clock.
    now: u64,
}

impl Ledger {
    fn new() -> Self {
        let genesis = genesis_with(0);
        Self { federation: Federation::found(&genesis).unwrap(), entries: vec![genesis], now: 0 }
    }

    fn sign(&self, author: &Author, body: Body, key: &PrivateKey) -> Envelope {
        let member = self.federation.members().get(author);
        let statement = Statement {
            author: author.clone(),
            sequence: member.map_or(0, |member| member.next),
            previous: member.and_then(|member| member.previous),
            body,
        };
        let domain = self.federation.domain(statement.body.kind());
        match statement.body.kind() {
            crate::Kind::Submit => {
                Envelope::sign_submission(self.federation.id(), &statement, key, &AnyLeaf).unwrap()
            }
            _ => Envelope::sign(domain, statement.to_payload(), key).unwrap(),
        }
    }

    fn append(&mut self, envelope: &Envelope) -> Result<Vec<Effect>, Refusal> {
        let authentic = self.federation.authenticate(envelope)?;
        let mut taking = self.federation.clone();
        let taken = taking.take(authentic.clone(), self.now);
        let checked = self.federation.check(&authentic, self.now);
        let entry = authentic.into_entry(self.now);
        let applied = self.federation.apply(self.federation.size(), &entry);
        // One way in or the other, the outcome is the same.
        assert_eq!(taken, applied.clone().map(|effects| (entry.clone(), effects)));
        assert_eq!(taking, self.federation);
        assert!(checked.is_ok() || checked.err() == applied.as_ref().err().cloned());
        let effects = applied?;
        self.entries.push(entry);
        Ok(effects)
    }

    fn say(&mut self, author: &str, body: Body) -> Result<Vec<Effect>, Refusal> {
        let (author, key) = match author {
            "operator" => (Author::Operator, operator()),
            party => (Author::Party(id(party)), party_key(party)),
        };
        self.append(&self.sign(&author, body, &key))
    }

    fn admit(&mut self, party: &str) -> Result<Vec<Effect>, Refusal> {
        let keys = Keys::signing(party_key(party).public());
        self.say("operator", Body::Admit(Admit { party: id(party), keys }))
    }

    fn submit(&mut self, party: &str, content: &[u8]) -> Result<Vec<Effect>, Refusal> {
        self.say(party, submission(b"base", content))
    }

    fn propose(&mut self, party: &str, round: u64, lambda: &str) -> Result<Vec<Effect>, Refusal> {
        self.say(
            party,
            Body::Reveal(Reveal { round, lambda: lambda.parse().unwrap(), nonce: None }),
        )
    }

    fn publish(&mut self, round: u64) -> Result<Vec<Effect>, Refusal> {
        let recipe = self.federation.recipe(self.federation.rounds().last().unwrap())?;
        self.say("operator", Body::Publish(Publish { round, recipe, soup: weights(b"soup") }))
    }

    /// Three experts in, round 1 open.
    fn with_round() -> Self {
        Self::new().opened()
    }

    fn opened(mut self) -> Self {
        let ledger = &mut self;
        for party in PARTIES {
            ledger.admit(party).unwrap();
            ledger.submit(party, party.as_bytes()).unwrap();
        }
        ledger.say("operator", Body::OpenRound(OpenRound { round: 1 })).unwrap();
        self
    }

    fn replay(&self) -> Federation {
        let mut federation = Federation::found(&self.entries[0]).unwrap();
        for (index, entry) in self.entries.iter().enumerate().skip(1) {
            let stored = Entry::parse(entry.record(), entry.envelope().as_bytes()).unwrap();
            federation.apply(index as u64, &stored).unwrap();
        }
        federation
    }
}

fn submission(base: &[u8], content: &[u8]) -> Body {
    let manifest = Manifest::new(vec![weights(content)]).unwrap();
    Body::Submit(Submission { base: Blake3::of(base), manifest, reward_commitment: None })
}

fn code(result: Result<Vec<Effect>, Refusal>) -> Code {
    result.unwrap_err().code
}

#[test]
fn the_whole_story() {
    let mut ledger = Ledger::with_round();
    let lambda = |a, c, r| format!("agency={a},checkers={c},readers={r}");
    ledger.propose("agency", 1, &lambda(1, 0, 0)).unwrap();
    ledger.propose("readers", 1, &lambda(0, 0, 1)).unwrap();
    assert_eq!(code(ledger.publish(1)), Code::RoundWrong);
    let effects = ledger.propose("checkers", 1, &lambda(0, 1, 0)).unwrap();
    let agreed: Lambda = "agency=0.25,checkers=0.25,readers=0.5".parse().unwrap();
    let Some(Effect::Agreed(agreement)) = effects.last() else { panic!("{effects:?}") };
    assert_eq!((&agreement.lambda, agreement.rule.as_str()), (&agreed, "mean"));
    assert_eq!(ledger.publish(1).unwrap(), [Effect::Published(1)]);
    assert_eq!(ledger.replay(), ledger.federation);
    ledger.say("operator", Body::OpenRound(OpenRound { round: 2 })).unwrap();
}

#[test]
fn a_known_history_has_a_known_state() {
    let ledger = Ledger::with_round();
    let state = ledger.federation.digest().to_string();
    assert_eq!(
        (ledger.federation.id().to_string().as_str(), state.as_str()),
        (
            "8bf964b8e8300bf6636e35dfecd91c38aa4f99f29bb5a04f8cd9bfd9d0c9f993",
            "e90323564ef54ea977cdea45daaf7471f1cb59622031ee9e43dd47ff11002ba4"
        )
    );
}

#[test]
fn strangers_and_forgers_are_told_apart() {
    let mut ledger = Ledger::with_round();
    let readers = Author::Party(id("readers"));
    let stranger =
        ledger.sign(&readers, submission(b"base", b"x"), &PrivateKey::from_seed(&[9; 32]));
    assert_eq!(code(ledger.append(&stranger)), Code::KeyUnknown);
    let impostor = ledger.sign(&readers, submission(b"base", b"x"), &party_key("agency"));
    assert_eq!(code(ledger.append(&impostor)), Code::AuthorMismatch);
    let elsewhere =
        Domain { kind: crate::Kind::Reveal, federation: Some(FederationId::from_bytes([3; 32])) };
    let elsewhere = Envelope::sign(elsewhere, b"{}".to_vec(), &party_key("readers")).unwrap();
    assert_eq!(code(ledger.append(&elsewhere)), Code::FederationMismatch);
    let mislabelled = ledger.federation.domain(crate::Kind::Reveal);
    let statement =
        Statement { author: readers, sequence: 1, previous: None, body: submission(b"base", b"x") };
    let mislabelled =
        Envelope::sign(mislabelled, statement.to_payload(), &party_key("readers")).unwrap();
    assert_eq!(code(ledger.append(&mislabelled)), Code::StatementMalformed);
}

#[test]
fn a_statement_is_spelt_in_one_way() {
    let mut ledger = Ledger::with_round();
    let proposal =
        Reveal { round: 1, lambda: "agency=1,checkers=0,readers=0".parse().unwrap(), nonce: None };
    let signed =
        ledger.sign(&Author::Party(id("agency")), Body::Reveal(proposal), &party_key("agency"));
    let text = String::from_utf8(signed.unverified_payload().to_vec()).unwrap();
    for respelt in [
        text.replace(r#"{"agency":"#, r#"{"agency":0,"agency":"#),
        text.replace(r#"{"round":1,"lambda":"#, "[1,").replace("}}}}", "}]}}"),
        text.replace(r#""sequence":"#, r#""sequence": "#),
    ] {
        assert_ne!(respelt, text);
        assert!(serde_json::from_str::<Statement>(&respelt).is_ok(), "{respelt}");
        let envelope =
            Envelope::sign(signed.domain(), respelt.into_bytes(), &party_key("agency")).unwrap();
        assert_eq!(code(ledger.append(&envelope)), Code::StatementMalformed);
    }
    ledger.append(&signed).unwrap();
}

#[test]
fn an_envelope_is_appended_once() {
    let mut ledger = Ledger::with_round();
    let replayed = ledger.entries[2].envelope().clone();
    assert_eq!(code(ledger.append(&replayed)), Code::SequenceWrong);
    let next =
        ledger.sign(&Author::Party(id("agency")), submission(b"base", b"1"), &party_key("agency"));
    let rival =
        ledger.sign(&Author::Party(id("agency")), submission(b"base", b"2"), &party_key("agency"));
    ledger.append(&next).unwrap();
    assert_eq!(code(ledger.append(&rival)), Code::SequenceWrong);
}

#[test]
fn each_rule_refuses_by_its_own_code() {
    let mut ledger = Ledger::with_round();
    assert_eq!(code(ledger.admit("agency")), Code::PartyRefused);
    assert_eq!(code(ledger.admit("strangers")), Code::PartyRefused);
    assert_eq!(code(ledger.say("agency", submission(b"other base", b"x"))), Code::BaseMismatch);
    assert_eq!(code(ledger.submit("agency", &[0; 1001])), Code::ExpertTooLarge);
    assert_eq!(code(ledger.say("operator", submission(b"base", b"x"))), Code::NotPermitted);
    assert_eq!(
        code(ledger.say("operator", Body::OpenRound(OpenRound { round: 2 }))),
        Code::RoundWrong
    );
    assert_eq!(code(ledger.propose("agency", 2, "agency=1")), Code::RoundWrong);
    assert_eq!(code(ledger.propose("agency", 1, "agency=1")), Code::LambdaRefused);
    assert_eq!(
        code(ledger.propose("agency", 1, "agency=1,checkers=0,strangers=0")),
        Code::LambdaRefused
    );
    let even = "agency=0.4,checkers=0.3,readers=0.3";
    ledger.propose("agency", 1, even).unwrap();
    assert_eq!(code(ledger.propose("agency", 1, even)), Code::RoundWrong);
    ledger.propose("checkers", 1, even).unwrap();
    ledger.propose("readers", 1, even).unwrap();
    let wrong = Recipe::new(
        Arithmetic::Linear1,
        ledger.federation.base().digest(),
        &Lambda::single(id("agency")),
        |_| Some(Blake3::of(b"x")),
    );
    let publish = Publish { round: 1, recipe: wrong.unwrap(), soup: weights(b"soup") };
    assert_eq!(code(ledger.say("operator", Body::Publish(publish))), Code::RecipeMismatch);
}

#[test]
fn a_round_mixes_the_experts_that_stood_when_it_opened() {
    let mut ledger = Ledger::with_round();
    ledger.submit("agency", b"a later one").unwrap();
    let even = "agency=0.4,checkers=0.3,readers=0.3";
    for party in PARTIES {
        ledger.propose(party, 1, even).unwrap();
    }
    let round = ledger.federation.rounds().last().unwrap();
    let recipe = ledger.federation.recipe(round).unwrap();
    let first = Manifest::new(vec![weights(b"agency")]).unwrap().digest();
    assert_eq!(recipe.experts()[0].manifest, first);
}

#[test]
fn a_tampered_entry_does_not_replay() {
    let ledger = Ledger::with_round();
    let mut federation = Federation::found(&ledger.entries[0]).unwrap();
    let (first, second) = (&ledger.entries[1], &ledger.entries[2]);
    let swapped = Entry::parse(second.record(), first.envelope().as_bytes()).unwrap();
    assert_eq!(code(federation.apply(1, &swapped)), Code::EntryMismatch);
    assert_eq!(code(federation.apply(2, second)), Code::EntryMismatch);
    assert_eq!(code(federation.apply(1, second)), Code::KeyUnknown);
    assert_eq!(federation, Federation::found(&ledger.entries[0]).unwrap());
}

#[test]
fn two_federations_of_one_charter_are_two() {
    let (one, two) = (genesis_with(0), genesis_with(1));
    assert_ne!(Federation::found(&one).unwrap().id(), Federation::found(&two).unwrap().id());
}

/// A step that somebody tries; whether it is let through is the federation's to say.
#[derive(Debug, Clone)]
enum Attempt {
    Admit(usize),
    Submit(usize, u8),
    Open(u64),
    Propose(usize, u64, u32),
    Publish(u64),
    Replay(usize),
}

fn attempt() -> impl Strategy<Value = Attempt> {
    prop_oneof![
        (0usize..3).prop_map(Attempt::Admit),
        (0usize..3, any::<u8>()).prop_map(|(party, content)| Attempt::Submit(party, content)),
        (1u64..4).prop_map(Attempt::Open),
        (0usize..3, 1u64..4, 0u32..=1_000_000).prop_map(|(p, r, ppm)| Attempt::Propose(p, r, ppm)),
        (1u64..4).prop_map(Attempt::Publish),
        (0usize..40).prop_map(Attempt::Replay),
    ]
}

fn try_out(ledger: &mut Ledger, attempt: Attempt) {
    let _ = match attempt {
        Attempt::Admit(party) => ledger.admit(PARTIES[party]),
        Attempt::Submit(party, content) => ledger.submit(PARTIES[party], &[content]),
        Attempt::Open(round) => ledger.say("operator", Body::OpenRound(OpenRound { round })),
        Attempt::Propose(party, round, ppm) => {
            let parties: Vec<_> = ledger
                .federation
                .rounds()
                .last()
                .map(|round| round.experts.keys().cloned().collect())
                .unwrap_or_else(|| vec![id("agency")]);
            let mut shares: BTreeMap<_, _> = parties.into_iter().map(|party| (party, 0)).collect();
            let first = shares.keys().next().unwrap().clone();
            let last = shares.keys().last().unwrap().clone();
            *shares.get_mut(&first).unwrap() += ppm;
            *shares.get_mut(&last).unwrap() += 1_000_000 - ppm;
            let lambda = Lambda::new(shares).unwrap();
            ledger.say(PARTIES[party], Body::Reveal(Reveal { round, lambda, nonce: None }))
        }
        Attempt::Publish(round) if ledger.federation.rounds().is_empty() => {
            ledger.say("operator", Body::OpenRound(OpenRound { round }))
        }
        Attempt::Publish(round) => ledger.publish(round),
        Attempt::Replay(index) => {
            let envelope = ledger.entries[index % ledger.entries.len()].envelope().clone();
            ledger.append(&envelope)
        }
    };
}

fn invariant_replay_gives_the_same_state(ledger: &Ledger) {
    let replayed = ledger.replay();
    assert_eq!(replayed, ledger.federation);
    assert_eq!(replayed.digest(), ledger.federation.digest());
}

fn invariant_no_envelope_stands_twice(ledger: &Ledger) {
    let distinct: std::collections::BTreeSet<_> =
        ledger.entries.iter().map(|entry| entry.envelope().sha256()).collect();
    assert_eq!(distinct.len(), ledger.entries.len());
}

fn invariant_every_agreement_follows_from_all_proposals(ledger: &Ledger) {
    for round in ledger.federation.rounds() {
        let complete = round.proposals.keys().eq(round.experts.keys());
        assert_eq!(round.agreement.is_some(), complete);
        assert!(round.soup.is_none() || round.agreement.is_some());
    }
}

fn invariant_only_the_last_round_is_open(ledger: &Ledger) {
    let rounds = ledger.federation.rounds();
    let closed = rounds.len().saturating_sub(1);
    assert!(rounds[..closed].iter().all(|round| round.soup.is_some()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn invariants_hold_after_every_step(attempts in prop::collection::vec(attempt(), 1..40)) {
        let mut ledger = Ledger::new();
        for attempt in attempts {
            let (before, size) = (ledger.federation.clone(), ledger.entries.len());
            try_out(&mut ledger, attempt);
            // What is refused leaves no trace.
            prop_assert!(ledger.entries.len() > size || ledger.federation == before);
        }
        invariant_replay_gives_the_same_state(&ledger);
        invariant_no_envelope_stands_twice(&ledger);
        invariant_every_agreement_follows_from_all_proposals(&ledger);
        invariant_only_the_last_round_is_open(&ledger);
    }
}
