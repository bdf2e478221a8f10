//! Who is let in while members come, change their keys, and are suspended.

use potluck_core::entry::{
    Invite, Join, Reinstate, RotateKey, Suspend, join_text, possession_text,
};
use potluck_core::{Keys, Role, Signature};

use super::*;

/// Nobody but members reads anything.
const PRIVATE: &str = "name = 'news'\nrule = 'mean'\n[parties.agency]\nweight = 1\n\
                       [parties.readers]\nweight = 1\n[limits]\nexpert_bytes = 1000000\n\
                       change_permille = 500\n[access]\nexperts = 'parties'\nsoups = 'parties'\n";

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

fn signed_by(key: &PrivateKey, text: &str) -> Signature {
    Signature::from_bytes(key.sign(text.as_bytes()))
}

/// `agency` takes up the invitation with its usual key, and another on the network.
fn join(aggregator: &Aggregator, invitation: &PrivateKey, transport: &PrivateKey) -> Envelope {
    let (id, name) = (aggregator.standing().federation.id(), "agency".parse().unwrap());
    let sign = party_key("agency").public();
    let keys = Keys { transport: Some(transport.public()), ..Keys::signing(sign) };
    let token = signed_by(invitation, &join_text(id, &name, &keys));
    let text = possession_text(id, &party("agency"), Role::Transport, &transport.public());
    let transport_proof = Some(signed_by(transport, &text));
    let invite = invitation.public().id();
    let join = Join { invite, keys, token, transport_proof, witness_proof: None };
    aggregator.signed(party("agency"), Body::Join(join))
}

#[test]
fn an_invitation_opens_the_door_until_it_is_taken_up() {
    let folder = Folder::under(PRIVATE);
    let aggregator = folder.open();
    let (invitation, late, transport) = (key(40), key(41), key(42));
    let admits = |key: &PrivateKey| aggregator.admits(&key.public());
    assert!(!admits(&stranger()) && !admits(&invitation) && admits(&operator()));
    for (key, expires) in [(&invitation, u64::MAX), (&late, 1)] {
        let invite = Invite { party: "agency".parse().unwrap(), key: key.public(), expires };
        aggregator.say(Author::Operator, Body::Invite(invite)).unwrap();
    }
    assert!(admits(&invitation) && !admits(&late) && !admits(&stranger()));

    let envelope = join(&aggregator, &invitation, &transport);
    let receipt = aggregator.append(&invitation.public(), &envelope).unwrap();
    // Sent again, as after a lost answer: the same place.
    let again = aggregator.append(&invitation.public(), &envelope).unwrap();
    assert_eq!((again.index, &again.record), (receipt.index, &receipt.record));
    assert!(!admits(&invitation));
    // The party's identity on the network is the key that it named for that.
    assert!(admits(&transport) && !admits(&party_key("agency")));
    invariant_the_served_ledger_verifies(&aggregator);
}

#[test]
fn a_suspended_party_reads_and_says_nothing() {
    let folder = Folder::under(PRIVATE);
    let aggregator = folder.open();
    aggregator.say(Author::Operator, admit("agency")).unwrap();
    let suspend = Suspend { party: "agency".parse().unwrap(), reason: "it asked for it".into() };
    aggregator.say(Author::Operator, Body::Suspend(suspend)).unwrap();
    assert!(aggregator.admits(&party_key("agency").public()));
    fetched(&aggregator, &party_key("agency"), b"{}").unwrap();
    assert_eq!(code(aggregator.push_expert("agency", &expert(1))), Code::AuthorSuspended);
    let reinstate = Reinstate { party: "agency".parse().unwrap() };
    aggregator.say(Author::Operator, Body::Reinstate(reinstate)).unwrap();
    aggregator.push_expert("agency", &expert(1)).unwrap();
}

#[test]
fn an_answer_that_was_lost_is_had_again_although_the_key_is_void() {
    let folder = Folder::new();
    let aggregator = folder.open();
    aggregator.say(Author::Operator, admit("agency")).unwrap();
    let federation = aggregator.standing().federation.clone();
    let (new, role) = (key(43), Role::Sign);
    let text = possession_text(federation.id(), &party("agency"), role, &new.public());
    let proof = signed_by(&new, &text);
    let body = Body::RotateKey(RotateKey { role, key: new.public(), proof, handover: None });
    let envelope = aggregator.signed(party("agency"), body);
    let receipt = aggregator.append(&new.public(), &envelope).unwrap();
    let again = aggregator.append(&new.public(), &envelope).unwrap();
    assert_eq!(again.index, receipt.index);
    // Another statement of the old key is refused.
    let old = aggregator.signed(party("agency"), reveal(1, "agency=1"));
    assert_eq!(code(aggregator.append(&new.public(), &old)), Code::KeyRevoked);
}

/// What the server asks for when a party says that it has these bytes.
fn asked_for(aggregator: &Aggregator, name: &str, content: &[u8]) -> u64 {
    let body = submission(&aggregator.standing().federation, content);
    let envelope = aggregator.signed(party(name), body);
    match aggregator.submit(&party_key(name).public(), &envelope).unwrap() {
        Offer::Wanted(upload) => upload.wanted().iter().map(|it| it.ranges.byte_count()).sum(),
        Offer::Recorded(_) => panic!("it is recorded"),
    }
}

#[test]
fn what_another_has_is_told_only_when_the_ledger_tells_it() {
    let folder = Folder::new();
    let aggregator = folder.open();
    for name in PARTIES {
        aggregator.say(Author::Operator, admit(name)).unwrap();
    }
    let content = expert(1);
    let whole = content.len() as u64;
    // The agency's upload was cut when all but the entry was there.
    let source = tempfile::tempdir().unwrap();
    let (path, file) = (source.path().join("expert"), entry_of(WEIGHTS, &content));
    fs::write(&path, &content).unwrap();
    aggregator.store.blobs.import(&path, &file).unwrap();
    aggregator.store.blobs.sign(file.blake3, "agency").unwrap();
    assert_eq!(asked_for(&aggregator, "agency", &content), 0);
    assert_eq!(asked_for(&aggregator, "readers", &content), whole);
    aggregator.push_expert("agency", &content).unwrap();
    // Every party may read it now.
    assert_eq!(asked_for(&aggregator, "readers", &content), 0);
}

#[test]
fn a_cut_upload_goes_on_for_its_own_party_alone() {
    let folder = Folder::new();
    let aggregator = folder.open();
    for name in PARTIES {
        aggregator.say(Author::Operator, admit(name)).unwrap();
    }
    let content = expert(1);
    let whole = content.len() as u64;
    let part = aggregator.store.quarantine.part(Blake3::of(&content));
    let cut = |name: &str| {
        assert_eq!(asked_for(&aggregator, name, &content), whole);
        fs::write(&part, &content).unwrap();
    };
    cut("agency");
    assert_eq!(asked_for(&aggregator, "agency", &content), 0, "its bytes are all there");
    cut("readers");
    assert_eq!(asked_for(&aggregator, "readers", &content), 0);
}

#[test]
fn a_party_whose_name_is_a_word_of_something_else_is_not_let_in() {
    let folder = Folder::under(&PRIVATE.replace("agency", "base"));
    let aggregator = folder.open();
    let invite =
        Invite { party: "base".parse().unwrap(), key: key(40).public(), expires: u64::MAX };
    for body in [admit("base"), Body::Invite(invite)] {
        let refusal = aggregator.say(Author::Operator, body).unwrap_err();
        assert_eq!(refusal.code, Code::NotPermitted);
        assert!(refusal.sentence.starts_with("a party cannot be called 'base'"), "{refusal:?}");
    }
}
