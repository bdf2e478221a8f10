//! Replay: what parsing and applying an entry costs beside the strict verification of its one signature.
//!
//! Three of eight entries are submissions, the largest that there are; the others are as short as entries get. The state
//! stays small, so that the figure is that of entries.

use std::path::Path;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use potluck_core::entry::{Admit, Reinstate, Submission, Suspend};
use potluck_core::federation::genesis_entry;
use potluck_core::manifest::WEIGHTS;
use potluck_core::{Author, Blake3, Body, Entry, Federation, FileEntry, Keys, Manifest, Sha256};
use potluck_log::{Checkpoint, Frontier, NoteSigner};
use potluck_net::archive::ArchiveWriter;
use serde_json::Value;

use super::federation::{genesis, key, now, party, sign};

/// How many parties there are; the last one is suspended and reinstated.
const PARTIES: usize = 4;

/// A ledger as it is stored: record and envelope of each entry.
pub(super) struct Stored {
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    federation: Federation,
}

/// Tells a story of so many entries.
pub(super) fn stored(count: usize) -> Stored {
    let time = now();
    let first = genesis_entry(&genesis(PARTIES), time).unwrap();
    let federation = Federation::found(&first).unwrap();
    let entries = vec![(first.record().to_vec(), first.envelope().as_bytes().to_vec())];
    let mut stored = Stored { entries, federation };
    for number in 0..PARTIES {
        let keys = Keys::signing(key(party(number).as_str()).public());
        stored.say(Author::Operator, Body::Admit(Admit { party: party(number), keys }), time);
    }
    for number in PARTIES + 1..count {
        match number % 8 {
            turn @ 0..3 => {
                let body = submission(&stored.federation, number);
                stored.say(Author::Party(party(turn)), body, time);
            }
            _ => {
                let party = party(PARTIES - 1);
                let author = Author::Party(party.clone());
                let member = stored.federation.members().get(&author).unwrap();
                let body = match member.suspended {
                    None => Body::Suspend(Suspend { party, reason: "under review".to_owned() }),
                    Some(_) => Body::Reinstate(Reinstate { party }),
                };
                stored.say(Author::Operator, body, time);
            }
        }
    }
    stored
}

fn submission(federation: &Federation, number: usize) -> Body {
    let bytes = number.to_be_bytes();
    let file = FileEntry {
        path: WEIGHTS.to_owned(),
        size: 8,
        blake3: Blake3::of(&bytes),
        sha256: Sha256::of(&bytes),
    };
    Body::Submit(Submission {
        base: federation.base_weights().blake3,
        manifest: Manifest::new(vec![file]).unwrap(),
        reward_commitment: None,
    })
}

impl Stored {
    fn say(&mut self, author: Author, body: Body, time: u64) {
        let name = author.to_string();
        let envelope = sign(&self.federation, author, body, &key(&name));
        let entry = self.federation.authenticate(&envelope).unwrap().into_entry(time);
        self.federation.apply(self.federation.size(), &entry).unwrap();
        self.entries.push((entry.record().to_vec(), envelope.as_bytes().to_vec()));
    }

    /// Replays everything from its bytes, tree and state, on this thread; in seconds.
    pub(super) fn replay(&self) -> f64 {
        let began = Instant::now();
        let mut frontier = Frontier::new();
        let mut federation: Option<Federation> = None;
        for (record, envelope) in &self.entries {
            let entry = Entry::parse(record, envelope).unwrap();
            frontier.push(record).unwrap();
            match &mut federation {
                None => federation = Some(Federation::found(&entry).unwrap()),
                Some(federation) => {
                    federation.apply(federation.size(), &entry).unwrap();
                }
            }
        }
        let took = began.elapsed().as_secs_f64();
        assert_eq!(federation.unwrap().digest(), self.federation.digest());
        took
    }

    /// Verifies the same signatures, and does nothing else; in seconds.
    pub(super) fn verify(&self) -> f64 {
        let signed: Vec<Signed> = self.entries.iter().map(|(_, bytes)| signed(bytes)).collect();
        let keys = ["operator", "p0", "p1", "p2", "p3"].map(|name| key(name).public());
        let owners: Vec<_> = signed
            .iter()
            .map(|signed| *keys.iter().find(|key| key.id().to_string() == signed.key).unwrap())
            .collect();
        let began = Instant::now();
        for (signed, key) in signed.iter().zip(&owners) {
            key.verify(&signed.message, &signed.signature).unwrap();
        }
        began.elapsed().as_secs_f64()
    }

    /// Writes it as a mirror has it; the log's key.
    pub(super) fn mirror(&self, dir: &Path) -> String {
        let log = key("log");
        let signer = NoteSigner::new("potluck/bench".parse().unwrap(), log.as_dalek().clone());
        let mut frontier = Frontier::new();
        let mut writer = ArchiveWriter::begin(dir);
        for (record, envelope) in &self.entries {
            frontier.push(record).unwrap();
            writer.push(&Entry::parse(record, envelope).unwrap()).unwrap();
        }
        let checkpoint = Checkpoint {
            origin: signer.verifier_key().name().clone(),
            size: frontier.size(),
            root: frontier.root(),
            state: *self.federation.digest().as_bytes(),
        };
        writer.seal(&checkpoint.sign(&signer)).unwrap();
        signer.verifier_key().to_string()
    }
}

/// What an envelope's own signature is over, taken apart by JSON alone.
struct Signed {
    message: Vec<u8>,
    signature: [u8; 64],
    key: String,
}

fn signed(envelope: &[u8]) -> Signed {
    let envelope: Value = serde_json::from_slice(envelope).unwrap();
    let dsse = envelope.get("dsseEnvelope").unwrap_or(&envelope);
    let kind = dsse["payloadType"].as_str().unwrap();
    let payload = BASE64.decode(dsse["payload"].as_str().unwrap()).unwrap();
    let last = dsse["signatures"].as_array().unwrap().last().unwrap();
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    message.extend(payload);
    let signature = BASE64.decode(last["sig"].as_str().unwrap()).unwrap().try_into().unwrap();
    Signed { message, signature, key: last["keyid"].as_str().unwrap().to_owned() }
}
