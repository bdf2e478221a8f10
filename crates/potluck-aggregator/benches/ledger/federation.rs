//! A federation whose parties say whatever a bench needs.

use std::time::{SystemTime, UNIX_EPOCH};

use potluck_core::entry::Genesis;
use potluck_core::envelope::Domain;
use potluck_core::manifest::WEIGHTS;
use potluck_core::{
    Author, Blake3, Body, Charter, Envelope, Federation, FileEntry, Kind, Manifest, PartyId,
    PrivateKey, Sha256, Statement,
};

pub(super) fn key(name: &str) -> PrivateKey {
    PrivateKey::from_seed(Blake3::of(name.as_bytes()).as_bytes())
}

pub(super) fn party(number: usize) -> PartyId {
    format!("p{number}").parse().unwrap()
}

pub(super) fn genesis(parties: usize) -> Envelope {
    let seats: String = (0..parties).map(|n| format!("[parties.p{n}]\nweight = 1\n")).collect();
    let (blake3, sha256) = (Blake3::of(b""), Sha256::of(b""));
    let base = FileEntry { path: WEIGHTS.into(), size: 0, blake3, sha256 };
    let genesis = Genesis {
        charter: Charter::from_toml(&format!("name = 'bench'\nrule = 'mean'\n{seats}")).unwrap(),
        operator: key("operator").public(),
        log: key("log").public(),
        base: Manifest::new(vec![base]).unwrap(),
        nonce: Blake3::of(b"nonce"),
    };
    let body = Body::Genesis(Box::new(genesis));
    let statement = Statement { author: Author::Operator, sequence: 0, previous: None, body };
    let domain = Domain { kind: Kind::Genesis, federation: None };
    Envelope::sign(domain, statement.to_payload(), &key("operator")).unwrap()
}

pub(super) fn sign(
    federation: &Federation,
    author: Author,
    body: Body,
    key: &PrivateKey,
) -> Envelope {
    let member = federation.members().get(&author);
    let (sequence, previous) = member.map_or((0, None), |member| (member.next, member.previous));
    let statement = Statement { author, sequence, previous, body };
    potluck_interchange::seal(federation, &statement, key, now()).unwrap()
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
