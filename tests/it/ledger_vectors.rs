//! The committed ledger of `tests/vectors/ledger`: what another implementation must read alike.

use std::path::{Path, PathBuf};
use std::process::Command;

use potluck_core::entry::{
    Genesis, Invite, Join, OpenRound, Publish, RecoverKey, Reinstate, Reveal, RevokeKey, RotateKey,
    Submission, Suspend, join_text, possession_text,
};
use potluck_core::envelope::Domain;
use potluck_core::federation::genesis_entry;
use potluck_core::manifest::WEIGHTS;
use potluck_core::{
    Author, Blake3, Body, Charter, Entry, Envelope, Federation, FileEntry, Keys, Kind, Manifest,
    PartyId, PrivateKey, Role, Sha256, Signature, Statement,
};
use potluck_log::{
    Checkpoint, ConsistencyProof, Cosigner, Frontier, Hash, NoteSigner, SignedCheckpoint,
    VerifierKey,
};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/ledger")
}

fn committed() -> Value {
    serde_json::from_slice(&std::fs::read(folder().join("story.json")).unwrap()).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn entries(story: &Value) -> Vec<Entry> {
    let entry = |entry: &Value| {
        let (record, envelope) = (text(entry, "record"), text(entry, "envelope"));
        Entry::parse(record.as_bytes(), envelope.as_bytes()).unwrap()
    };
    story["entries"].as_array().unwrap().iter().map(entry).collect()
}

#[test]
fn the_committed_ledger_leads_to_what_its_log_signed() {
    let story = committed();
    let log: VerifierKey = text(&story, "log_key").parse().unwrap();
    let entries = entries(&story);
    let mut frontier = Frontier::new();
    let mut federation = Federation::found(&entries[0]).unwrap();
    frontier.push(entries[0].record()).unwrap();
    for (index, entry) in entries.iter().enumerate().skip(1) {
        federation.apply(index as u64, entry).unwrap();
        frontier.push(entry.record()).unwrap();
    }
    let checkpoint = SignedCheckpoint::open(text(&story, "checkpoint"), &log).unwrap();
    assert_eq!(checkpoint.size(), frontier.size());
    assert_eq!(checkpoint.root(), frontier.root());
    assert_eq!(&checkpoint.state(), federation.digest().as_bytes());
    assert_eq!(federation.id().to_string(), text(&story, "federation"));
    assert_eq!(federation.snapshot(), text(&story, "state").as_bytes());
    assert_eq!(frontier.to_string(), text(&story, "frontier"));
    let witnesses = federation.witnesses();
    let keys: Vec<_> = witnesses
        .iter()
        .map(|(name, key)| {
            potluck_log::CosignerKey::new(name.parse().unwrap(), *key.as_dalek()).unwrap()
        })
        .collect();
    let cosigned = checkpoint.cosigned_by(&keys).unwrap();
    assert_eq!(cosigned.len(), 1);
    assert_eq!(cosigned[0].witness().as_str(), "potluck/vectors/a");
}

#[test]
fn no_byte_of_it_can_be_another() {
    let story = committed();
    let entries = entries(&story);
    for (index, entry) in entries.iter().enumerate() {
        let mut before = (index > 0).then(|| Federation::found(&entries[0]).unwrap());
        for (at, entry) in entries.iter().enumerate().take(index).skip(1) {
            before.as_mut().unwrap().apply(at as u64, entry).unwrap();
        }
        let envelope = entry.envelope().as_bytes();
        // Every place is tried in one entry of each kind or another: a stride that is prime.
        for place in (index..envelope.len()).step_by(37) {
            let mut flipped = envelope.to_vec();
            flipped[place] ^= 1;
            let Ok(bad) = Entry::parse(entry.record(), &flipped) else { continue };
            let taken = match &mut before {
                None => Federation::found(&bad).is_ok(),
                Some(federation) => federation.apply(index as u64, &bad).is_ok(),
            };
            assert!(!taken, "entry {index}, byte {place}");
        }
    }
}

#[test]
fn another_implementation_reads_it_alike() {
    let Some(python) = std::env::var_os("POTLUCK_INTERCHANGE_PYTHON") else {
        eprintln!("SKIPPED: no Python with `cryptography`; `cargo xtask test` installs it");
        return;
    };
    let check = |story: &Path| {
        Command::new(&python).arg(folder().join("check.py")).arg(story).status().unwrap()
    };
    assert!(check(&folder().join("story.json")).success());
    let home = tempfile::tempdir().unwrap();
    let tampered = home.path().join("story.json");
    let good = committed();
    for (list, name) in [(true, "record"), (true, "envelope"), (false, "checkpoint")] {
        let mut story = good.clone();
        let value = if list { &mut story["entries"][3][name] } else { &mut story[name] };
        let text = value.as_str().unwrap();
        let changed = text.replacen(|c: char| c.is_ascii_digit(), "x", 1);
        *value = changed.into();
        std::fs::write(&tampered, story.to_string()).unwrap();
        assert!(!check(&tampered).success(), "{name}");
    }
}

/// Tells the story anew: `cargo test -p potluck-tests --test it -- --ignored tell_the_story_anew`.
#[test]
#[ignore = "it writes the vectors that the other tests read"]
fn tell_the_story_anew() {
    let story = Teller::tell();
    let text = serde_json::to_string_pretty(&story).unwrap() + "\n";
    std::fs::write(folder().join("story.json"), text).unwrap();
}

/// The seed of each key is the BLAKE3 of its name.
fn key(name: &str) -> PrivateKey {
    PrivateKey::from_seed(Blake3::of(name.as_bytes()).as_bytes())
}

fn party(name: &str) -> PartyId {
    name.parse().unwrap()
}

fn weights(content: &str) -> FileEntry {
    FileEntry {
        path: WEIGHTS.to_owned(),
        size: content.len() as u64,
        blake3: Blake3::of(content.as_bytes()),
        sha256: Sha256::of(content.as_bytes()),
    }
}

const START: u64 = 1_767_225_600;

struct Teller {
    federation: Federation,
    entries: Vec<Entry>,
}

impl Teller {
    fn tell() -> Value {
        let mut teller = Self::founded();
        for (name, seat) in [("a", "invite a"), ("b", "invite b")] {
            teller.invite(name, seat);
            teller.join(name, seat);
            teller.submit(name, name);
        }
        let operator = Author::Operator;
        teller.say(&operator, "operator", Body::OpenRound(OpenRound { round: 1 }));
        for (name, lambda) in [("a", "a=0.75,b=0.25"), ("b", "a=0.25,b=0.75")] {
            let reveal = Reveal { round: 1, lambda: lambda.parse().unwrap(), nonce: None };
            teller.say(&Author::Party(party(name)), name, Body::Reveal(reveal));
        }
        let recipe = teller.federation.recipe(&teller.federation.rounds()[0]).unwrap();
        let publish = Publish { round: 1, recipe, soup: weights("soup") };
        teller.say(&operator, "operator", Body::Publish(publish));
        teller.rotate("a", "a", "a 2");
        let suspend = Suspend { party: party("b"), reason: "under review".to_owned() };
        teller.say(&operator, "operator", Body::Suspend(suspend));
        teller.say(&operator, "operator", Body::Reinstate(Reinstate { party: party("b") }));
        let revoke = RevokeKey {
            of: Author::Party(party("b")),
            key: key("b").public().id(),
            reason: "lost".to_owned(),
        };
        teller.say(&operator, "operator", Body::RevokeKey(revoke));
        for (voter, signer) in [(Author::Party(party("a")), "a 2"), (operator, "operator")] {
            let of = Author::Party(party("b"));
            let proof = teller.proof(&of, Role::Sign, "b 2");
            let body = RecoverKey { of, key: key("b 2").public(), proof };
            teller.say(&voter, signer, Body::RecoverKey(body));
        }
        teller.submit_with("b", "b 2", "b again");
        teller.end()
    }

    fn founded() -> Self {
        let charter = "name = 'vectors'\nrule = 'mean'\n[parties.a]\nweight = 1\n[parties.b]\n\
                       weight = 1\n[witnesses]\nquorum = 1\n[keys]\nrecovery = 2\n";
        let genesis = Genesis {
            charter: Charter::from_toml(charter).unwrap(),
            operator: key("operator").public(),
            log: key("log").public(),
            base: Manifest::new(vec![weights("base")]).unwrap(),
            nonce: Blake3::of(b"nonce"),
        };
        let body = Body::Genesis(Box::new(genesis));
        let statement = Statement { author: Author::Operator, sequence: 0, previous: None, body };
        let domain = Domain { kind: Kind::Genesis, federation: None };
        let envelope = Envelope::sign(domain, statement.to_payload(), &key("operator")).unwrap();
        let first = genesis_entry(&envelope, START).unwrap();
        Self { federation: Federation::found(&first).unwrap(), entries: vec![first] }
    }

    fn say(&mut self, author: &Author, signer: &str, body: Body) {
        let time = START + 60 * self.federation.size();
        let member = self.federation.members().get(author);
        let statement = Statement {
            author: author.clone(),
            sequence: member.map_or(0, |member| member.next),
            previous: member.and_then(|member| member.previous),
            body,
        };
        let key = key(signer);
        let envelope = potluck_interchange::seal(&self.federation, &statement, &key, time).unwrap();
        let entry = self.federation.authenticate(&envelope).unwrap().into_entry(time);
        self.federation.apply(self.federation.size(), &entry).unwrap();
        self.entries.push(entry);
    }

    fn proof(&self, of: &Author, role: Role, name: &str) -> Signature {
        let key = key(name);
        let text = possession_text(self.federation.id(), of, role, &key.public());
        Signature::from_bytes(key.sign(text.as_bytes()))
    }

    fn invite(&mut self, name: &str, seat: &str) {
        let expires = START + 604_800;
        let body = Invite { party: party(name), key: key(seat).public(), expires };
        self.say(&Author::Operator, "operator", Body::Invite(body));
    }

    fn join(&mut self, name: &str, seat: &str) {
        let author = Author::Party(party(name));
        let witness = format!("{name} witness");
        let keys =
            Keys { witness: Some(key(&witness).public()), ..Keys::signing(key(name).public()) };
        let text = join_text(self.federation.id(), &party(name), &keys);
        let body = Join {
            invite: key(seat).public().id(),
            keys,
            token: Signature::from_bytes(key(seat).sign(text.as_bytes())),
            transport_proof: None,
            witness_proof: Some(self.proof(&author, Role::Witness, &witness)),
        };
        self.say(&author, name, Body::Join(body));
    }

    fn submit(&mut self, name: &str, content: &str) {
        self.submit_with(name, name, content);
    }

    fn submit_with(&mut self, name: &str, signer: &str, content: &str) {
        let body = Submission {
            base: Blake3::of(b"base"),
            manifest: Manifest::new(vec![weights(content)]).unwrap(),
            reward_commitment: None,
        };
        self.say(&Author::Party(party(name)), signer, Body::Submit(body));
    }

    fn rotate(&mut self, name: &str, old: &str, new: &str) {
        let author = Author::Party(party(name));
        let proof = self.proof(&author, Role::Sign, new);
        let body = RotateKey { role: Role::Sign, key: key(new).public(), proof, handover: None };
        self.say(&author, old, Body::RotateKey(body));
    }

    fn end(self) -> Value {
        let signer =
            NoteSigner::new("potluck/vectors".parse().unwrap(), key("log").as_dalek().clone());
        let mut frontier = Frontier::new();
        for entry in &self.entries {
            frontier.push(entry.record()).unwrap();
        }
        let note = Checkpoint {
            origin: signer.verifier_key().name().clone(),
            size: frontier.size(),
            root: frontier.root(),
            state: *self.federation.digest().as_bytes(),
        }
        .sign(&signer);
        let mut checkpoint = SignedCheckpoint::open(&note, signer.verifier_key()).unwrap();
        let witness = Cosigner::new(
            "potluck/vectors/a".parse().unwrap(),
            key("a witness").as_dalek().clone(),
        );
        let consistent = ConsistencyProof::from_hashes(Vec::new())
            .unwrap()
            .verify(0, &Hash::empty_root(), checkpoint.size(), &checkpoint.root())
            .unwrap();
        let line = witness.cosign(&checkpoint, &consistent, START + 3600).unwrap();
        checkpoint
            .add_cosignatures(&format!("{line}\n"), &[witness.cosigner_key().clone()])
            .unwrap();
        let entry = |entry: &Entry| {
            let half = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            json!({"record": half(entry.record()), "envelope": half(entry.envelope().as_bytes())})
        };
        json!({
            "federation": self.federation.id(),
            "log_key": signer.verifier_key().to_string(),
            "witness_key": witness.cosigner_key().to_string(),
            "entries": self.entries.iter().map(entry).collect::<Vec<_>>(),
            "checkpoint": checkpoint.note(),
            "state": String::from_utf8(self.federation.snapshot()).unwrap(),
            "frontier": frontier.to_string(),
        })
    }
}
