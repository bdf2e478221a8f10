//! What the tests share: a federation's folder, its keys, signed statements, tiny experts.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use potluck_core::entry::{
    Admit, Ballot, CommitScores, Genesis, Nominate, OpenRound, Publish, Reveal, RevealScores,
    RotateKey, Row, Submission, ballot_commitment, possession_text,
};
use potluck_core::envelope::Domain;
use potluck_core::manifest::WEIGHTS;
use potluck_core::{
    Author, Blake3, Body, Charter, Envelope, Federation, FileEntry, Keys, Kind, Manifest,
    PrivateKey, Refusal, Role, Sha256, Signature, Statement,
};
use potluck_net::archive::Files;
use potluck_net::{Offer, Receipt, Service as _, Wanted, blob};

use crate::config::{Hub, Limits, Log, Settings, Transport};
use crate::server::Aggregator;

pub(crate) const PARTIES: [&str; 2] = ["agency", "readers"];

/// Elements of the one tensor: more than one group of content.
const ELEMENTS: usize = 60_000;

const CHARTER: &str = "name = 'news'\nrule = 'mean'\n[parties.agency]\nweight = 1\n\
                       [parties.readers]\nweight = 1\n[limits]\nexpert_bytes = 1000000\n\
                       change_permille = 500\n";

pub(crate) fn operator() -> PrivateKey {
    PrivateKey::from_seed(&[1; 32])
}

pub(crate) fn log_key() -> PrivateKey {
    PrivateKey::from_seed(&[2; 32])
}

pub(crate) fn stranger() -> PrivateKey {
    PrivateKey::from_seed(&[3; 32])
}

pub(crate) fn party_key(party: &str) -> PrivateKey {
    PrivateKey::from_seed(Blake3::of(party.as_bytes()).as_bytes())
}

pub(crate) fn party(name: &str) -> Author {
    Author::Party(name.parse().unwrap())
}

/// A safetensors file of one tensor, `w`.
pub(crate) fn weights_of(values: &[f32]) -> Vec<u8> {
    tensor_file("w", values)
}

pub(crate) fn tensor_file(name: &str, values: &[f32]) -> Vec<u8> {
    let header = format!(
        r#"{{"{name}":{{"dtype":"F32","shape":[{}],"data_offsets":[0,{}]}}}}"#,
        values.len(),
        values.len() * 4
    );
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    file
}

pub(crate) fn base_values() -> Vec<f32> {
    (0..ELEMENTS).map(|i| 1.0 + (i % 7) as f32).collect()
}

/// An expert of the base, another for each `turn`.
pub(crate) fn expert(turn: u8) -> Vec<u8> {
    weights_of(
        &base_values().iter().map(|value| value + f32::from(turn) / 16.0).collect::<Vec<_>>(),
    )
}

pub(crate) fn entry_of(path: &str, content: &[u8]) -> FileEntry {
    FileEntry {
        path: path.into(),
        size: content.len() as u64,
        blake3: Blake3::of(content),
        sha256: Sha256::of(content),
    }
}

/// The genesis of a federation over the base; another for each nonce.
pub(crate) fn genesis(nonce: u8) -> Envelope {
    genesis_under(CHARTER, nonce)
}

/// The same under another charter.
pub(crate) fn genesis_under(charter: &str, nonce: u8) -> Envelope {
    genesis_over(&weights_of(&base_values()), charter, nonce)
}

fn genesis_over(weights: &[u8], charter: &str, nonce: u8) -> Envelope {
    let base = vec![entry_of("config.json", b"{}"), entry_of(WEIGHTS, weights)];
    let genesis = Genesis {
        charter: Charter::from_toml(charter).unwrap(),
        operator: operator().public(),
        log: log_key().public(),
        base: Manifest::new(base).unwrap(),
        nonce: Blake3::from_bytes([nonce; 32]),
    };
    let body = Body::Genesis(Box::new(genesis));
    let statement = Statement { author: Author::Operator, sequence: 0, previous: None, body };
    let domain = Domain { kind: Kind::Genesis, federation: None };
    Envelope::sign(domain, statement.to_payload(), &operator()).unwrap()
}

/// `author`'s next statement, signed with `key`.
pub(crate) fn sign(
    federation: &Federation,
    author: Author,
    body: Body,
    key: &PrivateKey,
) -> Envelope {
    let member = federation.members().get(&author);
    let (sequence, previous) = member.map_or((0, None), |member| (member.next, member.previous));
    let statement = Statement { author, sequence, previous, body };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    potluck_interchange::seal(federation, &statement, key, now.as_secs()).unwrap()
}

pub(crate) fn admit(party: &str) -> Body {
    let keys = Keys::signing(party_key(party).public());
    Body::Admit(Admit { party: party.parse().unwrap(), keys })
}

/// A first or another witness key of `author`.
pub(crate) fn witness_key(federation: &Federation, author: &Author, key: &PrivateKey) -> Body {
    let role = Role::Witness;
    let text = possession_text(federation.id(), author, role, &key.public());
    let proof = Signature::from_bytes(key.sign(text.as_bytes()));
    Body::RotateKey(RotateKey { role, key: key.public(), proof, handover: None })
}

pub(crate) fn open_round(round: u64) -> Body {
    Body::OpenRound(OpenRound { round })
}

pub(crate) fn reveal(round: u64, lambda: &str) -> Body {
    Body::Reveal(Reveal { round, lambda: lambda.parse().unwrap(), nonce: None })
}

pub(crate) fn submission(federation: &Federation, content: &[u8]) -> Body {
    Body::Submit(Submission {
        base: federation.base_weights().blake3,
        manifest: Manifest::new(vec![entry_of(WEIGHTS, content)]).unwrap(),
        reward_commitment: None,
    })
}

/// A federation's folder, as `potluck new` makes it.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self::under(CHARTER)
    }

    pub(crate) fn under(charter: &str) -> Self {
        Self::over(&weights_of(&base_values()), charter)
    }

    /// One whose base has other weights.
    pub(crate) fn over(base: &[u8], charter: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::create_dir(folder.path().join("keys")).unwrap();
        fs::create_dir(folder.path().join("base")).unwrap();
        fs::write(folder.path().join("keys/log.pem"), log_key().to_pem()).unwrap();
        fs::write(folder.path().join("genesis.json"), genesis_over(base, charter, 0).as_bytes())
            .unwrap();
        fs::write(folder.path().join("base/config.json"), "{}").unwrap();
        fs::write(folder.path().join("base").join(WEIGHTS), base).unwrap();
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path().join("store")
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            dir: self.path().to_owned(),
            listen: "127.0.0.1:0".parse().unwrap(),
            x509: None,
            http: None,
            hub: Hub::default(),
            witnesses: Vec::new(),
            store: self.store(),
            threads: NonZeroUsize::MIN,
            limits: Limits::default(),
            transport: Transport::default(),
            log: Log::default(),
            traces: None,
        }
    }

    pub(crate) fn open(&self) -> Aggregator {
        Aggregator::open(&self.settings()).unwrap()
    }
}

/// What the parties and the operator do, without a network between.
impl Aggregator {
    pub(crate) fn size(&self) -> u64 {
        self.standing().federation.size()
    }

    pub(crate) fn signed(&self, author: Author, body: Body) -> Envelope {
        let key = match &author {
            Author::Operator => operator(),
            Author::Party(party) => party_key(party.as_str()),
        };
        sign(&self.standing().federation, author, body, &key)
    }

    pub(crate) fn say(&self, author: Author, body: Body) -> Result<Receipt, Refusal> {
        let envelope = self.signed(author, body);
        self.append(&operator().public(), &envelope)
    }

    /// Hands in an envelope with the content that is wanted.
    pub(crate) fn push(
        &self,
        peer: &PrivateKey,
        envelope: &Envelope,
        content: &[u8],
    ) -> Result<Receipt, Refusal> {
        match self.submit(&peer.public(), envelope)? {
            Offer::Recorded(receipt) => Ok(receipt),
            Offer::Wanted(upload) => {
                let stream = stream_of(&upload.wanted(), content);
                upload.receive(&mut stream.as_slice())
            }
        }
    }

    pub(crate) fn push_expert(&self, name: &str, content: &[u8]) -> Result<Receipt, Refusal> {
        let body = submission(&self.standing().federation, content);
        let envelope = self.signed(party(name), body);
        self.push(&party_key(name), &envelope, content)
    }

    /// Two experts in and a λ agreed.
    pub(crate) fn agree(&self) {
        self.agree_on(["agency=1,readers=0", "agency=0,readers=1"]);
    }

    /// Two experts in and these proposed.
    fn agree_on(&self, proposed: [&str; 2]) {
        for (turn, name) in (1..).zip(PARTIES) {
            self.say(Author::Operator, admit(name)).unwrap();
            self.push_expert(name, &expert(turn)).unwrap();
        }
        self.say(Author::Operator, open_round(1)).unwrap();
        for (name, lambda) in PARTIES.into_iter().zip(proposed) {
            self.say(party(name), reveal(1, lambda)).unwrap();
        }
    }

    /// Under a charter with a bargain: the proposals are in, and all that is asked for is scored, until there is an agreement.
    /// A party's gain falls with the distance from its own expert.
    pub(crate) fn bargain(&self) {
        self.agree_on(["agency=0.8,readers=0.2", "agency=0.1,readers=0.9"]);
        let nonce = Blake3::from_bytes([7; 32]);
        loop {
            let federation = self.standing().federation.clone();
            let round = &federation.rounds()[0];
            let Some(bargain) = round.bargain.as_ref().filter(|_| round.agreement.is_none()) else {
                return;
            };
            let Some((batch, candidates)) = bargain.batch() else {
                let nominate = Nominate { round: 1, batch: 2, lambda: None };
                let nominate = |name| self.say(party(name), Body::Nominate(nominate.clone()));
                for name in PARTIES {
                    nominate(name).unwrap();
                }
                continue;
            };
            let ballot = |name: &str| {
                let row = |&number: &usize| {
                    let share = bargain.candidates[number].ppm()[&name.parse().unwrap()];
                    let lack = i64::from(1_000_000 - share) / 1000;
                    Row { score: 1_000_000 - lack * lack * 11 / 10, error: 12_000, accept: true }
                };
                let rows = candidates.candidates.iter().map(row).collect();
                Ballot { prompts: candidates.prompts(400), rows }
            };
            for name in PARTIES {
                let (id, place) = (federation.id(), (1, batch));
                let of = name.parse().unwrap();
                let commitment = ballot_commitment(id, place, &of, &nonce, &ballot(name));
                let commit = CommitScores { round: 1, batch, commitment };
                self.say(party(name), Body::CommitScores(commit)).unwrap();
            }
            for name in PARTIES {
                let reveal = RevealScores { round: 1, batch, ballot: ballot(name), nonce };
                self.say(party(name), Body::RevealScores(reveal)).unwrap();
            }
        }
    }

    pub(crate) fn publication(&self) -> Publish {
        let blended = self.blend(&operator().public(), 1, &mut |_, _| {}).unwrap();
        Publish { round: 1, recipe: blended.recipe, soup: blended.soup }
    }
}

/// A log's folder in memory, gone after so many changes.
#[derive(Debug, Default, Clone)]
pub(crate) struct Shelves(Arc<Mutex<Shelved>>);

#[derive(Debug, Default)]
struct Shelved {
    files: BTreeMap<String, Vec<u8>>,
    changes: u64,
    dies_at: Option<u64>,
}

impl Shelves {
    pub(crate) fn dying_at(self, change: u64) -> Self {
        self.0.lock().unwrap().dies_at = Some(change);
        self
    }

    /// Alive again, with what is there.
    pub(crate) fn revived(&self) -> Self {
        let files = self.files();
        Self(Arc::new(Mutex::new(Shelved { files, ..Shelved::default() })))
    }

    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.0.lock().unwrap().files.clone()
    }

    pub(crate) fn changes(&self) -> u64 {
        self.0.lock().unwrap().changes
    }

    fn change(&self) -> io::Result<MutexGuard<'_, Shelved>> {
        let mut shelved = self.0.lock().unwrap();
        shelved.changes += 1;
        if shelved.dies_at.is_some_and(|last| shelved.changes > last) {
            return Err(io::Error::other("no space left"));
        }
        Ok(shelved)
    }
}

impl Files for Shelves {
    fn read(&self, name: &str, _limit: usize) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap().files.get(name).cloned())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.change()?.files.insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let files = self.files();
        let inside = files.keys().filter_map(|name| name.strip_prefix(folder)?.strip_prefix('/'));
        Ok(inside.map(str::to_owned).collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let inside = |other: &str| other.strip_prefix(name).is_some_and(|r| r.starts_with('/'));
        self.change()?.files.retain(|other, _| other != name && !inside(other));
        Ok(())
    }
}

/// The verified stream that a client sends for what is wanted.
pub(crate) fn stream_of(wanted: &[Wanted], content: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("content");
    fs::write(&path, content).unwrap();
    let mut stream = Vec::new();
    for wanted in wanted {
        blob::send(&path, None, &wanted.blake3, &wanted.ranges, &mut stream).unwrap();
    }
    stream
}
