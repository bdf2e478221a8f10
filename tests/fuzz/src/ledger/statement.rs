//! The promises of the ledger's rules: the bytes are what a member says, well signed, in a ledger that has come so far.

use potluck_core::bundle::Leaf;
use potluck_core::envelope::Domain;
use potluck_core::federation::genesis_entry;
use potluck_core::{Author, Blake3, Code, Envelope, Federation, Kind, SignError, Statement};

use super::steps::Steps;
use super::world::{NAMES, key, story};

/// A leaf that vouches for nothing: the ledger does not ask it to.
struct AnyLeaf;

impl Leaf for AnyLeaf {
    fn certificate(&self) -> &[u8] {
        b"a certificate"
    }

    fn sign(&self, _: &[u8]) -> Result<[u8; 64], SignError> {
        Ok([1; 64])
    }
}

/// Reads four bytes (how far the ledger has come, who signs, when, and whether author and place are set right), and all
/// others as a payload.
pub fn statement(bytes: &[u8]) {
    let Some((head, payload)) = bytes.split_first_chunk::<4>() else { return };
    let mut steps = Steps(head);
    let before = &story().states[steps.below(story().states.len() as u64) as usize];
    let name = NAMES[steps.below(NAMES.len() as u64) as usize];
    let time = before.time().saturating_add(steps.below(4)).saturating_sub(1);
    let Ok(mut statement) = serde_json::from_slice::<Statement>(payload) else { return };
    let text = statement.to_payload();
    let again: Statement = serde_json::from_slice(&text).unwrap();
    assert_eq!((&again, again.to_payload()), (&statement, text.clone()));
    if steps.byte() % 2 == 0 {
        place(before, &mut statement);
        said(before, name, &statement, &statement.to_payload(), time);
    } else {
        said(before, name, &statement, payload, time);
    }
}

/// Sets the statement at the end of its author's chain.
fn place(before: &Federation, statement: &mut Statement) {
    let member = before.members().get(&statement.author);
    statement.sequence = member.map_or(0, |member| member.next);
    statement.previous = member.and_then(|member| member.previous);
}

fn said(before: &Federation, name: &str, statement: &Statement, payload: &[u8], time: u64) {
    let key = key(name);
    let kind = statement.body.kind();
    let envelope = match kind {
        Kind::Submit => Envelope::sign_submission(before.id(), statement, &key, &AnyLeaf),
        Kind::Genesis => {
            let domain = Domain { kind, federation: None };
            Envelope::sign(domain, payload.to_vec(), &key)
        }
        _ => Envelope::sign(before.domain(kind), payload.to_vec(), &key),
    };
    let envelope = envelope.unwrap();
    // Some say more than an envelope holds.
    let Ok(parsed) = Envelope::parse(envelope.as_bytes()) else { return };
    assert_eq!(parsed, envelope);
    if kind == Kind::Genesis {
        return founded(&envelope, payload, time);
    }
    let mut after = before.clone();
    let authentic = match before.authenticate(&envelope) {
        Ok(authentic) => authentic,
        Err(refusal) => return assert_ne!(refusal.code, Code::SignatureInvalid),
    };
    if kind != Kind::Submit {
        assert_eq!(statement.to_payload(), payload, "one statement has one text");
    }
    let taken = after.take(authentic.clone(), time);
    let entry = authentic.clone().into_entry(time);
    let mut applied = before.clone();
    let effects = applied.apply(before.size(), &entry);
    assert_eq!(applied, after);
    assert_eq!(effects.clone().ok(), taken.clone().ok().map(|(_, effects)| effects));
    assert_eq!(effects.clone().err(), taken.err());
    match effects {
        Err(_) => assert_eq!(before.digest(), applied.digest(), "a refusal leaves a trace"),
        Ok(_) => took(before, &applied, statement, time, &entry),
    }
}

fn took(
    before: &Federation,
    after: &Federation,
    statement: &Statement,
    time: u64,
    entry: &potluck_core::Entry,
) {
    assert_eq!((after.size(), after.time()), (before.size() + 1, time));
    assert!(time >= before.time());
    let snapshot = after.snapshot();
    let again = Federation::from_snapshot(&snapshot).unwrap();
    assert_eq!((again.digest(), &again), (Blake3::of(&snapshot), after));
    // Nothing is said twice.
    assert!(after.clone().apply(after.size(), entry).is_err());
    let member = after.members().get(&statement.author).unwrap();
    assert_eq!(member.next, statement.sequence + 1);
    assert_eq!(after.charter(), before.charter());
    assert!(after.members().get(&Author::Operator).is_some());
    for party in after.experts().keys() {
        assert!(after.members().get(&Author::Party(party.clone())).is_some());
    }
    for round in after.rounds() {
        let all = round.proposals.keys().eq(round.experts.keys());
        assert_eq!(round.agreement.is_some(), all, "an agreement follows from all proposals");
        assert!(round.soup.is_none() || round.agreement.is_some());
    }
}

fn founded(envelope: &Envelope, payload: &[u8], time: u64) {
    let Ok(entry) = genesis_entry(envelope, time) else { return };
    let Ok(federation) = Federation::found(&entry) else { return };
    let statement: Statement = serde_json::from_slice(payload).unwrap();
    assert_eq!(statement.to_payload(), payload, "one statement has one text");
    assert_eq!((federation.size(), federation.time()), (1, time));
    let snapshot = federation.snapshot();
    assert_eq!(Federation::from_snapshot(&snapshot).unwrap(), federation);
}
