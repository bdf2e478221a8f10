//! The same federation over real sockets: what the parties, a stranger and an auditor see.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use potluck_core::FileEntry;
use potluck_core::entry::Publish;
use potluck_log::{ConsistencyProof, Cosigner, Hash};
use potluck_net::{CallError, Client, Content, Limits, Server, connect};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

/// A server in this process.
struct Served {
    address: SocketAddr,
    aggregator: Aggregator,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Served {
    fn start(folder: &Folder) -> Self {
        let aggregator = Aggregator::open(&folder.settings()).unwrap();
        let service = Arc::new(aggregator.clone());
        let listen = folder.settings().listen;
        let identities = aggregator.log_keys().identities();
        let server = Server::bind(listen, identities, service, Limits::default()).unwrap();
        let (stop, stopped) = oneshot::channel();
        let address = server.local_addr();
        let task = tokio::spawn(server.run(async {
            // A sender that is gone means the same as one that speaks.
            let _ = stopped.await;
        }));
        Self { address, aggregator, stop, task }
    }

    async fn client(&self, key: &PrivateKey) -> Client {
        connect(&self.address.to_string(), &log_key().public(), key).await.unwrap()
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }

    async fn say(&self, author: Author, body: Body) -> Result<Receipt, CallError> {
        let key = match &author {
            Author::Operator => operator(),
            Author::Party(party) => party_key(party.as_str()),
        };
        let envelope = self.aggregator.signed(author, body);
        let client = self.client(&key).await;
        let receipt = client.append(&envelope).await;
        client.close().await;
        receipt
    }

    async fn push(&self, name: &str, path: &Path, content: &[u8]) -> Result<Receipt, CallError> {
        let body = submission(&self.aggregator.standing().federation, content);
        let envelope = self.aggregator.signed(party(name), body);
        self.push_as(&party_key(name), &envelope, path, content).await
    }

    async fn push_as(
        &self,
        key: &PrivateKey,
        envelope: &Envelope,
        path: &Path,
        content: &[u8],
    ) -> Result<Receipt, CallError> {
        fs::write(path, content).unwrap();
        let content =
            [Content { file: entry_of(WEIGHTS, content), path: path.to_owned(), outboard: None }];
        let client = self.client(key).await;
        let receipt = client.submit(envelope, &content, |_| {}).await;
        client.close().await;
        receipt
    }

    async fn fetch(&self, key: &PrivateKey, file: &FileEntry, to: &Path) -> Result<(), CallError> {
        let client = self.client(key).await;
        let fetched = client.fetch(file, to, |_| {}).await;
        client.close().await;
        fetched
    }
}

fn code<T>(result: Result<T, CallError>) -> Code {
    match result.err().expect("a refusal") {
        CallError::Refused(refusal) => refusal.code,
        other => panic!("{other}"),
    }
}

/// Two experts pushed, a λ agreed, with a restart between the two; where the experts were pushed from.
async fn agreed(folder: &Folder) -> (Served, PathBuf) {
    let outbox = folder.path().join("outbox.safetensors");
    let served = Served::start(folder);
    served.say(Author::Operator, admit("agency")).await.unwrap();
    served.say(Author::Operator, admit("readers")).await.unwrap();
    let receipt = served.push("agency", &outbox, &expert(1)).await.unwrap();
    served.stop().await;
    let served = Served::start(folder);
    // An answer that was lost is asked for again.
    let envelope = served.aggregator.ledger(receipt.index).unwrap().entries[0].envelope().clone();
    let again = served.push_as(&party_key("agency"), &envelope, &outbox, &expert(1)).await.unwrap();
    assert_eq!((again.index, &again.record), (receipt.index, &receipt.record));
    served.push("readers", &outbox, &expert(2)).await.unwrap();
    served.say(Author::Operator, open_round(1)).await.unwrap();
    served.say(party("agency"), reveal(1, "agency=0.75,readers=0.25")).await.unwrap();
    served.say(party("readers"), reveal(1, "agency=0.25,readers=0.75")).await.unwrap();
    (served, outbox)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soup_is_agreed_published_and_fetched_by_anyone() {
    let folder = Folder::new();
    let (served, _) = agreed(&folder).await;
    let client = served.client(&operator()).await;
    let blended = client.blend(1, |_, _| {}).await.unwrap();
    client.close().await;
    let (soup, recipe) = (blended.soup.clone(), blended.recipe);
    let publish = Publish { round: 1, recipe, soup: blended.soup };
    served.say(Author::Operator, Body::Publish(publish)).await.unwrap();

    let reader = served.client(&stranger()).await;
    let page = reader.ledger(0).await.unwrap();
    assert_eq!(page.entries.len() as u64, served.aggregator.size());
    reader.close().await;
    let target = folder.path().join("soup");
    served.fetch(&stranger(), &soup, &target).await.unwrap();
    assert_eq!(Blake3::of(&fs::read(&target).unwrap()), soup.blake3);
    let refused = served.fetch(&stranger(), &entry_of(WEIGHTS, &expert(1)), &target).await;
    assert_eq!(code(refused), Code::NotPermitted);
    super::invariant_the_served_ledger_verifies(&served.aggregator);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_hands_in_its_line_and_everybody_sees_it() {
    let folder = Folder::new();
    let served = Served::start(&folder);
    served.say(Author::Operator, admit("agency")).await.unwrap();
    let key = PrivateKey::from_seed(&[80; 32]);
    let federation = served.aggregator.standing().federation.clone();
    served.say(party("agency"), witness_key(&federation, &party("agency"), &key)).await.unwrap();
    let client = served.client(&party_key("agency")).await;
    let note = client.ledger(0).await.unwrap().checkpoint;
    assert_eq!(code(client.cosign(note.clone()).await), Code::CheckpointRefused);

    let log: VerifierKey = served.aggregator.verifier_key().parse().unwrap();
    let checkpoint = SignedCheckpoint::open(&note, &log).unwrap();
    let (none, empty) = (ConsistencyProof::from_hashes(vec![]).unwrap(), Hash::empty_root());
    let consistent = none.verify(0, &empty, checkpoint.size(), &checkpoint.root()).unwrap();
    let name = "potluck/news/agency".parse().unwrap();
    let cosigner = Cosigner::new(name, key.as_dalek().clone());
    let line = cosigner.cosign(&checkpoint, &consistent, 7).unwrap();
    let cosigned = format!("{note}{line}\n");
    client.cosign(cosigned.clone()).await.unwrap();
    client.close().await;
    served.stop().await;

    // Also after a restart, and to a stranger.
    let served = Served::start(&folder);
    let reader = served.client(&stranger()).await;
    let page = reader.ledger(0).await.unwrap();
    assert_eq!((page.checkpoint, page.cosigned), (note, Some(cosigned.clone())));
    reader.close().await;
    let file = folder.store().join("log/checkpoint");
    assert_eq!(fs::read_to_string(file).unwrap(), cosigned);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_case_is_refused_by_its_code_and_the_ledger_stays() {
    let folder = Folder::new();
    let (served, outbox) = agreed(&folder).await;
    let size = served.aggregator.size();
    let federation = served.aggregator.standing().federation.clone();
    let good = submission(&federation, &expert(3));

    let forged = sign(&federation, party("agency"), good.clone(), &stranger());
    let refused = served.push_as(&stranger(), &forged, &outbox, &expert(3)).await;
    assert_eq!(code(refused), Code::KeyUnknown);

    let Body::Submit(mut elsewhere) = good else { unreachable!() };
    elsewhere.base = Blake3::of(b"another base");
    let elsewhere = served.aggregator.signed(party("agency"), Body::Submit(elsewhere));
    let refused = served.push_as(&party_key("agency"), &elsewhere, &outbox, &expert(3)).await;
    assert_eq!(code(refused), Code::BaseMismatch);

    let mut values = base_values();
    values[40_000] = f32::NAN;
    let refused = served.push("agency", &outbox, &weights_of(&values)).await;
    assert_eq!(code(refused), Code::WeightsNotFinite);

    let path = served.aggregator.store.blobs.data(Blake3::of(&expert(1)));
    let mut damaged = fs::read(&path).unwrap();
    damaged[200_000] ^= 1;
    fs::write(&path, damaged).unwrap();
    let file = entry_of(WEIGHTS, &expert(1));
    let refused = served.fetch(&operator(), &file, &folder.path().join("target")).await;
    assert_eq!(code(refused), Code::StoredContentCorrupt);

    assert_eq!(served.aggregator.size(), size);
    super::invariant_the_served_ledger_verifies(&served.aggregator);
    served.stop().await;
}
