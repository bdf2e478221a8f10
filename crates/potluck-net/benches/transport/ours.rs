//! Our own client and server: a file is uploaded to a store on disk, verified and durable; and downloaded from it.
//!
//! The service behind the server keeps content and asks nothing else: what an aggregator does with an expert after it is
//! there, it does to any expert, however it came.

use std::fs;
use std::io::{Read, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use potluck_core::envelope::Domain;
use potluck_core::{Blake3, Code, Envelope, FileEntry, Kind, PrivateKey, PublicKey, Refusal};
use potluck_net::blob::{self, Digests, Hashed, Partial};
use potluck_net::{
    Blended, Client, Congestion, Content, LedgerPage, Limits, Offer, Ranges, Receipt, Server,
    Service, Share, Status, StoredBlob, Tuning, Upload, Wanted, client_runtime, connect,
    connect_tuned, server_runtime,
};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::clock::{Start, Taken};
use crate::weather::{Proxy, Weather};

/// A source, and where copies go.
pub(crate) struct Ours {
    dir: PathBuf,
    content: Content,
}

impl Ours {
    /// Writes a source of `bytes` bytes.
    pub(crate) fn new(dir: &Path, bytes: u64) -> Self {
        let path = dir.join("source");
        let mut file = fs::File::create(&path).unwrap();
        let mut stream = bao_tree::blake3::Hasher::new().finalize_xof();
        let mut piece = vec![0; 1 << 20];
        let mut hasher = bao_tree::blake3::Hasher::new();
        for _ in 0..bytes >> 20 {
            stream.fill(&mut piece);
            hasher.update(&piece);
            file.write_all(&piece).unwrap();
        }
        file.sync_all().unwrap();
        let (digests, hashed) = Hashed::of(fs::File::open(&path).unwrap(), &mut |_, _| ()).unwrap();
        let Digests { size, blake3, sha256 } = digests;
        assert_eq!(blake3, Blake3::from_bytes(*hasher.finalize().as_bytes()));
        let file = FileEntry { path: "source".into(), size, blake3, sha256 };
        let outboard = Some(hashed.outboard().clone());
        Self { dir: dir.to_owned(), content: Content { file, path, outboard } }
    }

    /// What `push` does before anything is sent: the source is read once, for its manifest and for the upload.
    pub(crate) fn hash(&self) -> Taken {
        let start = Start::now();
        let source = fs::File::open(&self.content.path).unwrap();
        let (digests, _) = Hashed::of(source, &mut |_, _| ()).unwrap();
        assert_eq!(digests.blake3, self.content.file.blake3);
        start.taken()
    }

    /// From the source, whose hashes are known, to a store: sent by the client, verified, written and synced by the server.
    pub(crate) fn upload(&self) -> Taken {
        let store = self.dir.join("store");
        fs::create_dir(&store).unwrap();
        let running = Running::start(&store);
        let envelope = self.envelope();
        let taken = running.with_client(async |client| {
            let start = Start::now();
            client.submit(&envelope, std::slice::from_ref(&self.content), |_| ()).await.unwrap();
            start.taken()
        });
        running.stop();
        fs::remove_dir_all(&store).unwrap();
        taken
    }

    /// As [`Self::upload`], over several connections through a network of this weather.
    pub(crate) fn upload_over(
        &self,
        weather: Weather,
        connections: usize,
        congestion: Congestion,
    ) -> Taken {
        let store = self.dir.join("store");
        fs::create_dir(&store).unwrap();
        let running = Running::start(&store);
        let envelope = self.envelope();
        let taken = client_runtime().unwrap().block_on(async {
            let (mut clients, mut proxies) = (Vec::new(), Vec::new());
            while clients.len() < connections {
                // Each client has its own; a handshake on a bad network may not come through.
                let proxy = Proxy::start(running.address, proxies.len() as u64, weather).await;
                let address = proxy.address.to_string();
                let tuning = Tuning { congestion, ..Tuning::default() };
                match connect_tuned(&address, &running.server, &party(), None, &tuning).await {
                    Ok(client) => clients.push(client),
                    Err(error) => eprintln!("{error}"),
                }
                proxies.push(proxy);
            }
            let (start, content) = (Start::now(), std::slice::from_ref(&self.content));
            let sent = match &clients[..] {
                [only] => only.submit(&envelope, content, |_| ()).await,
                [first, others @ ..] => first.submit_over(others, &envelope, content, |_| ()).await,
                [] => return start.taken(),
            };
            sent.unwrap();
            start.taken()
        });
        running.stop();
        fs::remove_dir_all(&store).unwrap();
        taken
    }

    /// From a store to a file: verified by both, written and synced by the client.
    pub(crate) fn download(&self) -> Taken {
        let store = self.dir.join("store");
        fs::create_dir(&store).unwrap();
        let FileEntry { blake3, size, .. } = self.content.file;
        let (data, outboard) = (data(&store, &blake3), outboard(&store, &blake3));
        blob::import(&self.content.path, &blake3, size, &data, &outboard).unwrap();
        let running = Running::start(&store);
        let target = self.dir.join("target");
        let taken = running.with_client(async |client| {
            let start = Start::now();
            client.fetch(&self.content.file, &target, |_| ()).await.unwrap();
            start.taken()
        });
        running.stop();
        fs::remove_file(&target).unwrap();
        fs::remove_dir_all(&store).unwrap();
        taken
    }

    fn envelope(&self) -> Envelope {
        let FileEntry { blake3, size, .. } = &self.content.file;
        let domain = Domain { kind: Kind::Reveal, federation: None };
        Envelope::sign(domain, format!("{blake3} {size}").into_bytes(), &party()).unwrap()
    }
}

fn party() -> PrivateKey {
    PrivateKey::from_seed(&[2; 32])
}

/// The server in a runtime as the aggregator's, until it is stopped.
struct Running {
    runtime: Runtime,
    server: PublicKey,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<()>,
}

impl Running {
    fn start(store: &Path) -> Self {
        let runtime = server_runtime().unwrap();
        let key = PrivateKey::from_seed(&[1; 32]);
        let service = Arc::new(Store { folder: store.to_owned() });
        let any = "127.0.0.1:0".parse().unwrap();
        let _inside = runtime.enter();
        let server = Server::bind(any, &(&key).into(), service, Limits::default()).unwrap();
        let address = server.local_addr();
        let (stop, stopped) = oneshot::channel();
        let ended = runtime.spawn(server.run(async {
            let _ = stopped.await;
        }));
        drop(_inside);
        Self { runtime, server: key.public(), address, stop, ended }
    }

    /// A client in a runtime as the command's.
    fn with_client(&self, work: impl AsyncFnOnce(&Client) -> Taken) -> Taken {
        let runtime = client_runtime().unwrap();
        runtime.block_on(async {
            let client = connect(&self.address.to_string(), &self.server, &party()).await.unwrap();
            let taken = work(&client).await;
            client.close().await;
            taken
        })
    }

    fn stop(self) {
        self.stop.send(()).unwrap();
        self.runtime.block_on(self.ended).unwrap();
    }
}

struct Store {
    folder: PathBuf,
}

fn data(folder: &Path, blake3: &Blake3) -> PathBuf {
    folder.join(blake3.to_string())
}

fn outboard(folder: &Path, blake3: &Blake3) -> PathBuf {
    folder.join(format!("{blake3}.outboard"))
}

impl Service for Store {
    fn admits(&self, _key: &PublicKey) -> bool {
        true
    }

    fn submit(&self, peer: &PublicKey, envelope: &Envelope) -> Result<Offer, Refusal> {
        let text = String::from_utf8(envelope.open(peer).unwrap().to_vec()).unwrap();
        let (blake3, size) = text.split_once(' ').unwrap();
        let blake3 = blake3.parse().unwrap();
        let partial = Partial::open(&self.folder, &blake3, size.parse().unwrap()).unwrap();
        Ok(Offer::Wanted(Box::new(Coming { folder: self.folder.clone(), blake3, partial })))
    }

    fn fetch(&self, _peer: &PublicKey, blob: &Blake3) -> Result<StoredBlob, Refusal> {
        let (data, outboard) = (data(&self.folder, blob), outboard(&self.folder, blob));
        let size = fs::metadata(&data).unwrap().len();
        Ok(StoredBlob { data, outboard, size })
    }

    fn ledger(&self, _from: u64) -> Result<LedgerPage, Refusal> {
        Err(nothing())
    }

    fn append(&self, _peer: &PublicKey, _envelope: &Envelope) -> Result<Receipt, Refusal> {
        Err(nothing())
    }

    fn cosign(&self, _peer: &PublicKey, _checkpoint: &str) -> Result<(), Refusal> {
        Err(nothing())
    }

    fn status(
        &self,
        _peer: &PublicKey,
        _connections: &[(PublicKey, usize)],
    ) -> Result<Status, Refusal> {
        Err(nothing())
    }

    fn blend(
        &self,
        _peer: &PublicKey,
        _round: u64,
        _progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Blended, Refusal> {
        Err(nothing())
    }
}

fn nothing() -> Refusal {
    Refusal::new(Code::NotFound, "this is a store and nothing else")
}

struct Coming {
    folder: PathBuf,
    blake3: Blake3,
    partial: Partial,
}

impl Upload for Coming {
    fn wanted(&self) -> Vec<Wanted> {
        vec![Wanted { blake3: self.blake3, ranges: self.partial.missing() }]
    }

    fn share(&self, _blob: &Blake3) -> Option<Box<dyn Share>> {
        Some(Box::new(Piecewise(self.partial.share())))
    }

    fn receive(mut self: Box<Self>, content: &mut dyn Read) -> Result<Receipt, Refusal> {
        let missing = self.partial.missing();
        self.partial.receive(&missing, content, &mut |_| ()).unwrap();
        let (data, outboard) =
            (data(&self.folder, &self.blake3), outboard(&self.folder, &self.blake3));
        self.partial.finish(&data, &outboard).unwrap();
        Ok(Receipt { index: 0, record: String::new(), proof: String::new() })
    }
}

struct Piecewise(blob::Share);

impl Share for Piecewise {
    fn missing(&self) -> Ranges {
        self.0.missing()
    }

    fn receive(&self, ranges: &Ranges, content: &mut dyn Read) -> Result<(), Refusal> {
        self.0.receive(ranges, content, &mut |_| ()).map_err(|error| {
            eprintln!("{error}");
            Refusal::new(Code::ProtocolError, "a piece broke off")
        })
    }
}
