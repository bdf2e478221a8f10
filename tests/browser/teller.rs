//! A federation that is told entry by entry, signed by its members, with time at the teller's word.

use potluck_core::Envelope;
use potluck_core::entry::{Admit, Genesis, Submission};
use potluck_core::envelope::Domain;
use potluck_core::federation::genesis_entry;
use potluck_core::manifest::WEIGHTS;
use potluck_core::{
    Author, Blake3, Body, Charter, Entry, Federation, FileEntry, Keys, Kind, Manifest, PartyId,
    PrivateKey, Refusal, Sha256, Statement,
};
use potluck_log::NoteSigner;

/// The seed of each key is the BLAKE3 of its name.
fn key(name: &str) -> PrivateKey {
    PrivateKey::from_seed(Blake3::of(name.as_bytes()).as_bytes())
}

/// A manifest of one file with this content.
pub(crate) fn weights(content: &str) -> FileEntry {
    FileEntry {
        path: WEIGHTS.to_owned(),
        size: content.len() as u64,
        blake3: Blake3::of(content.as_bytes()),
        sha256: Sha256::of(content.as_bytes()),
    }
}

/// A ledger in the telling.
pub(crate) struct Teller {
    pub(crate) federation: Federation,
    pub(crate) entries: Vec<Entry>,
    /// The log's time.
    pub(crate) time: u64,
}

impl Teller {
    /// Founds a federation over `charter`, and lets its parties in with an expert each.
    pub(crate) fn found(charter: Charter) -> Self {
        let parties: Vec<PartyId> = charter.parties().keys().cloned().collect();
        let genesis = Genesis {
            charter,
            operator: key("operator").public(),
            log: key("log").public(),
            base: Manifest::new(vec![weights("base")]).unwrap(),
            nonce: Blake3::of(b"nonce"),
        };
        let body = Body::Genesis(Box::new(genesis));
        let statement = Statement { author: Author::Operator, sequence: 0, previous: None, body };
        let domain = Domain { kind: Kind::Genesis, federation: None };
        let envelope = Envelope::sign(domain, statement.to_payload(), &key("operator")).unwrap();
        let time = 1_767_225_600;
        let first = genesis_entry(&envelope, time).unwrap();
        let mut teller =
            Self { federation: Federation::found(&first).unwrap(), entries: vec![first], time };
        for party in parties {
            let keys = Keys::signing(key(party.as_str()).public());
            teller
                .say(&Author::Operator, Body::Admit(Admit { party: party.clone(), keys }))
                .unwrap();
            let submission = Submission {
                base: Blake3::of(b"base"),
                manifest: Manifest::new(vec![weights(party.as_str())]).unwrap(),
                reward_commitment: None,
            };
            teller.say(&Author::Party(party), Body::Submit(submission)).unwrap();
        }
        teller
    }

    /// The key that signs the log.
    pub(crate) fn log_signer(&self) -> NoteSigner {
        let name = format!("potluck/{}", self.federation.charter().name());
        NoteSigner::new(name.parse().unwrap(), key("log").as_dalek().clone())
    }

    /// Has an author say something; what the ledger refuses is not said.
    pub(crate) fn say(&mut self, author: &Author, body: Body) -> Result<(), Refusal> {
        let member = self.federation.members().get(author);
        let statement = Statement {
            author: author.clone(),
            sequence: member.map_or(0, |member| member.next),
            previous: member.and_then(|member| member.previous),
            body,
        };
        let signer = key(&author.to_string());
        let envelope =
            potluck_interchange::seal(&self.federation, &statement, &signer, self.time).unwrap();
        let entry = self.federation.authenticate(&envelope)?.into_entry(self.time);
        self.federation.apply(self.federation.size(), &entry)?;
        self.entries.push(entry);
        Ok(())
    }
}
