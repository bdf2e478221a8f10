//! The log's own key: who may replace it, and who may not.

use super::*;

impl Ledger {
    /// The operator rotates the log's key, with whatever the holder of `old` hands over.
    fn hand_over(&mut self, who: &str, old: &PrivateKey, new: &PrivateKey) -> Outcome {
        let (id, signs) =
            (self.federation.id(), if who == "operator" { operator() } else { party_key(who) });
        let text = handover_text(id, &old.public(), &new.public());
        let handover = Some(Signature::from_bytes(old.sign(text.as_bytes())));
        let proof = self.proof(&author(who), Role::Log, new);
        let body = RotateKey { role: Role::Log, key: new.public(), proof, handover };
        self.say_with(who, Body::RotateKey(body), &signs)
    }

    fn log_keys(&self) -> Vec<(u64, PublicKey)> {
        self.federation.log_keys().map(|it| (it.since, it.key)).collect()
    }
}

#[test]
fn the_log_s_key_is_handed_over_by_operator_and_old_key_together() {
    let mut ledger = Ledger::with_parties();
    let (first, second, third) = (log_key(), key(60), key(61));
    let before = ledger.federation.digest();
    // The operator alone, a key that is not the log's, a party.
    let alone = ledger.rotate("operator", Role::Log, &operator(), &second);
    assert_eq!(code(alone), Code::KeyRefused);
    assert_eq!(code(ledger.hand_over("operator", &key(62), &second)), Code::KeyRefused);
    assert_eq!(code(ledger.hand_over("agency", &first, &second)), Code::NotPermitted);
    assert_eq!(ledger.federation.digest(), before);

    let size = ledger.federation.size();
    let changed = ledger.hand_over("operator", &first, &second).unwrap();
    assert_eq!(changed, [Effect::KeyChanged(Author::Operator, Role::Log)]);
    assert_eq!(*ledger.federation.log(), second.public());
    assert_eq!(ledger.log_keys(), [(0, first.public()), (size, second.public())]);
    // What was the log's hands over no more, comes back nowhere, and another step follows.
    assert_eq!(code(ledger.hand_over("operator", &first, &third)), Code::KeyRefused);
    assert_eq!(code(ledger.hand_over("operator", &second, &first)), Code::KeyRefused);
    for old in [&first, &second] {
        let taken = ledger.rotate("agency", Role::Witness, &party_key("agency"), old);
        assert_eq!(code(taken), Code::KeyRefused);
    }
    ledger.hand_over("operator", &second, &third).unwrap();
    assert_eq!(ledger.replay(), ledger.federation);
    let read = Federation::from_snapshot(&ledger.federation.snapshot()).unwrap();
    assert_eq!(read, ledger.federation);
}

#[test]
fn a_log_key_is_not_revoked_and_nothing_else_is_handed_over() {
    let mut ledger = Ledger::with_parties();
    let revoked = ledger.revoke("operator", "operator", log_key().public().id(), &operator());
    assert_eq!(code(revoked), Code::KeyRefused);
    let (role, new) = (Role::Sign, key(60));
    let proof = ledger.proof(&author("agency"), role, &new);
    let handover = Some(proof);
    let body = RotateKey { role, key: new.public(), proof, handover };
    let said = ledger.say_with("agency", Body::RotateKey(body), &party_key("agency"));
    assert_eq!(code(said), Code::StatementMalformed);
    // A state that no rotation changed is spelt as it always was.
    assert!(!String::from_utf8(ledger.federation.snapshot()).unwrap().contains("log_successors"));
}
