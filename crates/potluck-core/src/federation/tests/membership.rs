//! The life of members and keys: a story for each rule. `model` has random histories.

mod log_key;
mod model;

use super::*;
use crate::entry::{
    Invite, Join, Proof, RecoverKey, RevokeKey, RotateKey, handover_text, join_text,
    possession_text,
};
use crate::ids::KeyId;
use crate::signature::Signature;

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

fn author(name: &str) -> Author {
    if name == "operator" { Author::Operator } else { Author::Party(id(name)) }
}

type Outcome = Result<Vec<Effect>, Refusal>;

impl Ledger {
    fn proof(&self, of: &Author, role: Role, key: &PrivateKey) -> Proof {
        let text = possession_text(self.federation.id(), of, role, &key.public());
        Signature::from_bytes(key.sign(text.as_bytes()))
    }

    fn say_with(&mut self, who: &str, body: Body, key: &PrivateKey) -> Outcome {
        let envelope = self.sign(&author(who), body, key);
        self.append(&envelope)
    }

    fn rotate(&mut self, who: &str, role: Role, old: &PrivateKey, new: &PrivateKey) -> Outcome {
        let proof = self.proof(&author(who), role, new);
        let (key, handover) = (new.public(), None);
        self.say_with(who, Body::RotateKey(RotateKey { role, key, proof, handover }), old)
    }

    fn revoke(&mut self, by: &str, of: &str, key: KeyId, with: &PrivateKey) -> Outcome {
        let reason = "the laptop was stolen".to_owned();
        self.say_with(by, Body::RevokeKey(RevokeKey { of: author(of), key, reason }), with)
    }

    fn recover(&mut self, by: &str, of: &str, new: &PrivateKey, with: &PrivateKey) -> Outcome {
        let proof = self.proof(&author(of), Role::Sign, new);
        let body = RecoverKey { of: author(of), key: new.public(), proof };
        self.say_with(by, Body::RecoverKey(body), with)
    }

    fn invite(&mut self, party: &str, key: &PrivateKey, expires: u64) -> Outcome {
        let body = Invite { party: id(party), key: key.public(), expires };
        self.say("operator", Body::Invite(body))
    }

    fn joining(&self, party: &str, invite: &PrivateKey, sign: &PrivateKey) -> Join {
        let keys = Keys::signing(sign.public());
        let text = join_text(self.federation.id(), &id(party), &keys);
        let token = Signature::from_bytes(invite.sign(text.as_bytes()));
        let invite = invite.public().id();
        Join { invite, keys, token, transport_proof: None, witness_proof: None }
    }

    fn join(&mut self, party: &str, invite: &PrivateKey, sign: &PrivateKey) -> Outcome {
        let join = self.joining(party, invite, sign);
        self.say_with(party, Body::Join(join), sign)
    }

    fn with_parties() -> Self {
        let mut ledger = Self::new();
        for party in PARTIES {
            ledger.admit(party).unwrap();
        }
        ledger
    }
}

#[test]
fn an_invitation_lets_one_key_in_once_and_in_time() {
    let mut ledger = Ledger::new();
    let (invite, mine) = (key(50), key(51));
    assert_eq!(code(ledger.join("readers", &invite, &mine)), Code::InviteUnknown);
    ledger.invite("readers", &invite, 100).unwrap();
    assert_eq!(code(ledger.join("agency", &invite, &mine)), Code::InviteUnknown);
    ledger.now = 101;
    assert_eq!(code(ledger.join("readers", &invite, &mine)), Code::InviteExpired);
    ledger.now = 100;
    // Another's signature under the same words; then no word of the invitation's.
    let join = ledger.joining("readers", &invite, &mine);
    let stranger = ledger.say_with("readers", Body::Join(join.clone()), &key(53));
    assert_eq!(code(stranger), Code::KeyUnknown);
    let forged =
        Join { invite: invite.public().id(), ..ledger.joining("readers", &key(54), &mine) };
    assert_eq!(code(ledger.say_with("readers", Body::Join(forged), &mine)), Code::SignatureInvalid);
    assert_eq!(ledger.join("readers", &invite, &mine).unwrap(), [Effect::Admitted(id("readers"))]);
    assert_eq!(code(ledger.join("readers", &invite, &mine)), Code::InviteUsed);
    assert_eq!(code(ledger.join("readers", &invite, &key(55))), Code::InviteTaken);
    ledger.say_with("readers", submission(b"base", b"x"), &mine).unwrap();
    assert_eq!(ledger.replay(), ledger.federation);
}

#[test]
fn every_key_that_joins_is_shown_to_be_held() {
    let mut ledger = Ledger::new();
    let (invite, mine, witness) = (key(50), key(51), key(52));
    ledger.invite("readers", &invite, 100).unwrap();
    let keys = Keys { witness: Some(witness.public()), ..Keys::signing(mine.public()) };
    let text = join_text(ledger.federation.id(), &id("readers"), &keys);
    let token = Signature::from_bytes(invite.sign(text.as_bytes()));
    let unheld = Join { keys, token, ..ledger.joining("readers", &invite, &mine) };
    let foreign = Join {
        witness_proof: Some(ledger.proof(&author("agency"), Role::Witness, &witness)),
        ..unheld.clone()
    };
    for join in [unheld.clone(), foreign] {
        assert_eq!(
            code(ledger.say_with("readers", Body::Join(join), &mine)),
            Code::SignatureInvalid
        );
    }
    let proof = ledger.proof(&author("readers"), Role::Witness, &witness);
    let held = Join { witness_proof: Some(proof), ..unheld };
    ledger.say_with("readers", Body::Join(held), &mine).unwrap();
    let name = "potluck/news/readers".to_owned();
    assert_eq!(ledger.federation.witnesses(), [(name, witness.public())]);
}

#[test]
fn a_stolen_invitation_is_named_and_can_be_made_good() {
    let mut ledger = Ledger::new();
    let (invite, thief, mine) = (key(50), key(60), key(61));
    ledger.invite("readers", &invite, 100).unwrap();
    ledger.join("readers", &invite, &thief).unwrap();
    assert_eq!(code(ledger.join("readers", &invite, &mine)), Code::InviteTaken);
    ledger.revoke("operator", "readers", thief.public().id(), &operator()).unwrap();
    let late = ledger.say_with("readers", submission(b"base", b"x"), &thief);
    assert_eq!(code(late), Code::KeyRevoked);
    ledger.invite("readers", &key(62), 100).unwrap();
    ledger.join("readers", &key(62), &mine).unwrap();
    ledger.say_with("readers", submission(b"base", b"x"), &mine).unwrap();
    assert_eq!(ledger.replay(), ledger.federation);
}

#[test]
fn the_operator_cannot_take_the_seat_of_who_has_spoken() {
    let mut ledger = Ledger::with_round();
    let readers = party_key("readers").public().id();
    ledger.submit("readers", b"another").unwrap();
    ledger.revoke("operator", "readers", readers, &operator()).unwrap();
    assert_eq!(code(ledger.invite("readers", &key(70), 100)), Code::PartyRefused);
    assert_eq!(code(ledger.admit("readers")), Code::PartyRefused);
}

#[test]
fn a_rotated_key_is_void_and_what_it_signed_stays() {
    let mut ledger = Ledger::with_round();
    let (old, new) = (party_key("agency"), key(80));
    let proof = ledger.proof(&author("readers"), Role::Sign, &new);
    let (role, handover) = (Role::Sign, None);
    let unheld = Body::RotateKey(RotateKey { role, key: new.public(), proof, handover });
    assert_eq!(code(ledger.say_with("agency", unheld, &old)), Code::KeyRefused);
    ledger.rotate("agency", Role::Sign, &old, &new).unwrap();
    let late = ledger.say_with("agency", submission(b"base", b"x"), &old);
    assert_eq!(code(late), Code::KeyRevoked);
    ledger.say_with("agency", submission(b"base", b"x"), &new).unwrap();
    assert_eq!(code(ledger.rotate("agency", Role::Sign, &new, &old)), Code::KeyRefused);
    assert_eq!(code(ledger.rotate("agency", Role::Witness, &new, &log_key())), Code::KeyRefused);
    assert!(ledger.federation.experts().contains_key(&id("agency")));
    assert_eq!(ledger.replay(), ledger.federation);
}

#[test]
fn the_network_key_is_the_transport_key_where_there_is_one() {
    let mut ledger = Ledger::with_round();
    let (sign, transport) = (party_key("agency"), key(81));
    assert_eq!(ledger.federation.peer(sign.public().id()), Some(&author("agency")));
    ledger.rotate("agency", Role::Transport, &sign, &transport).unwrap();
    assert_eq!(ledger.federation.peer(sign.public().id()), None);
    assert_eq!(ledger.federation.peer(transport.public().id()), Some(&author("agency")));
    let said = ledger.say_with("agency", submission(b"base", b"x"), &transport);
    assert_eq!(code(said), Code::KeyUnknown);
}

#[test]
fn a_lost_key_is_replaced_by_votes() {
    let mut ledger = Ledger::with_parties();
    let new = key(90);
    let own = ledger.recover("readers", "readers", &new, &party_key("readers"));
    assert_eq!(code(own), Code::NotPermitted);
    let vouched = ledger.recover("agency", "readers", &new, &party_key("agency")).unwrap();
    assert_eq!(vouched, [Effect::Vouched(author("readers"))]);
    let again = ledger.recover("agency", "readers", &new, &party_key("agency"));
    assert_eq!(code(again), Code::KeyRefused);
    // A vote for another key is no vote for this one.
    ledger.recover("operator", "readers", &key(91), &operator()).unwrap();
    let changed = ledger.recover("checkers", "readers", &new, &party_key("checkers")).unwrap();
    assert_eq!(changed, [Effect::KeyChanged(author("readers"), Role::Sign)]);
    assert_eq!(code(ledger.submit("readers", b"x")), Code::KeyRevoked);
    ledger.say_with("readers", submission(b"base", b"x"), &new).unwrap();
    // The operator's own key, too.
    for party in ["agency", "checkers"] {
        ledger.recover(party, "operator", &key(92), &party_key(party)).unwrap();
    }
    let open = Body::OpenRound(OpenRound { round: 1 });
    assert_eq!(code(ledger.say("operator", open.clone())), Code::KeyRevoked);
    ledger.say_with("operator", open, &key(92)).unwrap();
    assert_eq!(ledger.replay(), ledger.federation);
}

#[test]
fn who_is_suspended_is_not_heard() {
    let mut ledger = Ledger::with_round();
    let suspend =
        |party| Body::Suspend(Suspend { party: id(party), reason: "under review".into() });
    assert_eq!(code(ledger.say("readers", suspend("agency"))), Code::NotPermitted);
    ledger.say("operator", suspend("agency")).unwrap();
    assert_eq!(code(ledger.say("operator", suspend("agency"))), Code::PartyRefused);
    assert_eq!(code(ledger.submit("agency", b"x")), Code::AuthorSuspended);
    let rotated = ledger.rotate("agency", Role::Sign, &party_key("agency"), &key(99));
    assert_eq!(code(rotated), Code::AuthorSuspended);
    let reinstate = Body::Reinstate(Reinstate { party: id("agency") });
    ledger.say("operator", reinstate.clone()).unwrap();
    ledger.submit("agency", b"x").unwrap();
    assert_eq!(code(ledger.say("operator", reinstate)), Code::PartyRefused);
}

#[test]
fn what_was_authenticated_is_asked_again_when_it_is_taken() {
    let mut ledger = Ledger::with_parties();
    let said = |ledger: &Ledger, who: &str, body, key: &PrivateKey| {
        let envelope = ledger.sign(&author(who), body, key);
        ledger.federation.authenticate(&envelope).unwrap()
    };
    let party = PARTIES[0];
    let old = party_key(party);
    let early = said(&ledger, party, submission(b"base", b"early"), &old);
    let suspend = Body::Suspend(Suspend { party: id(party), reason: "under review".to_owned() });
    ledger.say("operator", suspend).unwrap();
    let refused = |ledger: &Ledger, early: &Authentic| {
        let (mut federation, before) = (ledger.federation.clone(), &ledger.federation);
        let code = federation.take(early.clone(), ledger.now).unwrap_err().code;
        assert_eq!(federation, *before);
        code
    };
    assert_eq!(refused(&ledger, &early), Code::AuthorSuspended);
    ledger.say("operator", Body::Reinstate(Reinstate { party: id(party) })).unwrap();
    ledger.rotate(party, Role::Sign, &old, &key(77)).unwrap();
    assert_eq!(refused(&ledger, &early), Code::KeyRevoked);
    let rotated = said(&ledger, party, submission(b"base", b"one"), &key(77));
    let rival = said(&ledger, party, submission(b"base", b"two"), &key(77));
    ledger.federation.take(rotated, ledger.now).unwrap();
    assert_eq!(refused(&ledger, &rival), Code::SequenceWrong);
    let other =
        Ledger { federation: Federation::found(&genesis_with(1)).unwrap(), ..Ledger::new() };
    assert_eq!(refused(&other, &early), Code::FederationMismatch);
}

#[test]
fn the_logs_time_never_goes_back() {
    let mut ledger = Ledger::new();
    ledger.now = 1000;
    ledger.admit("agency").unwrap();
    ledger.now = 999;
    assert_eq!(code(ledger.submit("agency", b"x")), Code::TimeBackwards);
    ledger.now = 1000;
    ledger.submit("agency", b"x").unwrap();
    assert_eq!(ledger.federation.time(), 1000);
}

#[test]
fn a_snapshot_is_the_state_and_nothing_else() {
    let ledger = Ledger::with_round();
    let bytes = ledger.federation.snapshot();
    let back = Federation::from_snapshot(&bytes).unwrap();
    assert_eq!((&back, back.digest()), (&ledger.federation, ledger.federation.digest()));
    let spaced = [&b" "[..], &bytes].concat();
    assert!(matches!(Federation::from_snapshot(&spaced), Err(SnapshotError::Spelling)));
    assert!(Federation::from_snapshot(b"{}").is_err());
    let renamed = String::from_utf8(bytes.clone()).unwrap().replacen("\"size\":", "\"sized\":", 1);
    assert!(Federation::from_snapshot(renamed.as_bytes()).is_err());
    // Counts from which no ledger could go on.
    let text = std::str::from_utf8(&bytes).unwrap();
    for field in [format!("\"size\":{},", ledger.federation.size()), "\"next\":1,".to_owned()] {
        assert!(text.contains(&field), "{field}");
        let name = field.split_once(':').unwrap().0;
        let counted = text.replacen(&field, &format!("{name}:18446744073709551615,"), 1);
        let refused = Federation::from_snapshot(counted.as_bytes());
        assert!(matches!(refused, Err(SnapshotError::Malformed(_))), "{field}");
    }
}
