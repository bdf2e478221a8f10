//! A service for tests: stores content in a folder, records envelopes in a map, and counts.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use potluck_core::envelope::Domain;
use potluck_core::recipe::Arithmetic;
use potluck_core::{
    Blake3, Code, Envelope, FileEntry, Kind, Lambda, PrivateKey, PublicKey, Recipe, Refusal, Sha256,
};
use tempfile::TempDir;

use crate::blob::{self, Partial};
use crate::{
    Blended, Compared, Content, LedgerPage, Offer, PeerStatus, Ranges, Receipt, Service, Share,
    Status, StoredBlob, Upload, Wanted,
};

/// A door that stays shut until it is opened, once.
#[derive(Default)]
pub(super) struct Gate(Mutex<bool>, Condvar);

impl Gate {
    pub(super) fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    pub(super) fn pass(&self) {
        let opened = self.0.lock().unwrap();
        drop(self.1.wait_while(opened, |open| !*open).unwrap());
    }
}

type Served = Arc<Mutex<Vec<(PublicKey, u64)>>>;

pub(super) struct Toy {
    pub(super) folder: Arc<TempDir>,
    pub(super) admitted: Vec<PublicKey>,
    pub(super) recorded: Arc<Mutex<BTreeMap<Sha256, Receipt>>>,
    /// Bytes of content streams that uploads read.
    pub(super) arrived: Arc<AtomicU64>,
    /// Whose bytes of them were read, and how many, in order.
    pub(super) served: Served,
    /// How many times content was asked for.
    pub(super) fetches: AtomicUsize,
    /// Where it is there, uploads wait here before they read.
    pub(super) gate: Option<Arc<Gate>>,
    /// Whether uploads are refused after their first mebibyte.
    pub(super) refusing: bool,
    /// Whether a blend panics.
    pub(super) clumsy: bool,
    /// Stored content with which what comes is compared.
    pub(super) formers: Vec<Blake3>,
    /// How many submissions are refused as a server does that does not know them.
    pub(super) puzzled: AtomicUsize,
}

impl Toy {
    pub(super) fn admitting(admitted: impl IntoIterator<Item = PublicKey>) -> Self {
        Self {
            folder: Arc::new(TempDir::new().unwrap()),
            admitted: admitted.into_iter().collect(),
            recorded: Arc::default(),
            arrived: Arc::default(),
            served: Arc::default(),
            fetches: AtomicUsize::new(0),
            gate: None,
            refusing: false,
            clumsy: false,
            formers: Vec::new(),
            puzzled: AtomicUsize::new(0),
        }
    }

    pub(super) fn data(&self, blake3: &Blake3) -> PathBuf {
        self.folder.path().join(blake3.to_string())
    }

    pub(super) fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Puts content into the store.
    pub(super) fn store(&self, content: &Content) {
        let data = self.data(&content.file.blake3);
        let outboard = data.with_extension("outboard");
        blob::import(&content.path, &content.file.blake3, content.file.size, &data, &outboard)
            .unwrap();
    }
}

/// A file with content that differs in each group, in `folder`.
pub(super) fn content(folder: &Path, name: &str, size: usize) -> Content {
    let mut bytes = vec![0; size];
    let mut hasher = bao_tree::blake3::Hasher::new();
    hasher.update(name.as_bytes()).finalize_xof().fill(&mut bytes);
    let path = folder.join(name);
    fs::write(&path, &bytes).unwrap();
    let file = FileEntry {
        path: name.into(),
        size: size as u64,
        blake3: Blake3::of(&bytes),
        sha256: Sha256::of(&bytes),
    };
    Content { file, path, outboard: None }
}

/// An envelope that speaks of content: a line for each, digest and size.
pub(super) fn envelope(content: &[Content], key: &PrivateKey) -> Envelope {
    let lines = content.iter().map(|each| format!("{} {}\n", each.file.blake3, each.file.size));
    let domain = Domain { kind: Kind::Reveal, federation: None };
    Envelope::sign(domain, lines.collect::<String>().into_bytes(), key).unwrap()
}

fn receipt_of(envelope: &Envelope) -> Receipt {
    Receipt { index: 0, record: envelope.sha256().to_string(), proof: "toy".into() }
}

impl Service for Toy {
    fn admits(&self, key: &PublicKey) -> bool {
        self.admitted.contains(key)
    }

    fn ledger(&self, from: u64) -> Result<LedgerPage, Refusal> {
        let (checkpoint, cosigned) = (format!("from {from}"), None);
        Ok(LedgerPage { checkpoint, cosigned, entries: vec![] })
    }

    fn append(&self, peer: &PublicKey, envelope: &Envelope) -> Result<Receipt, Refusal> {
        let refused = |_| Refusal::new(Code::SignatureInvalid, "not signed by the peer");
        envelope.open(peer).map_err(refused)?;
        Ok(receipt_of(envelope))
    }

    fn cosign(&self, _peer: &PublicKey, checkpoint: &str) -> Result<(), Refusal> {
        let refused = || Refusal::new(Code::CheckpointRefused, "no checkpoint of this toy");
        checkpoint.starts_with("from ").then_some(()).ok_or_else(refused)
    }

    fn status(
        &self,
        peer: &PublicKey,
        connections: &[(PublicKey, usize)],
    ) -> Result<Status, Refusal> {
        let quarantine = self.arrived();
        let peer_status = |(key, count): &(PublicKey, usize)| PeerStatus {
            name: if key == peer { "you".into() } else { "another".into() },
            connections: *count as u64,
            quarantine,
        };
        Ok(Status { peers: connections.iter().map(peer_status).collect(), ..Status::default() })
    }

    fn submit(&self, peer: &PublicKey, envelope: &Envelope) -> Result<Offer, Refusal> {
        let less = |left: usize| left.checked_sub(1);
        if self.puzzled.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
            return Err(Refusal::new(Code::ProtocolError, "no request: unknown field"));
        }
        if let Some(receipt) = self.recorded.lock().unwrap().get(&envelope.sha256()) {
            return Ok(Offer::Recorded(receipt.clone()));
        }
        let text = String::from_utf8(envelope.open(peer).unwrap().to_vec()).unwrap();
        let mut partials = Vec::new();
        for line in text.lines() {
            let (blake3, size) = line.split_once(' ').unwrap();
            let (blake3, size) = (blake3.parse().unwrap(), size.parse().unwrap());
            if !self.data(&blake3).exists() {
                let partial = Partial::open(self.folder.path(), &blake3, size);
                let busy = |error: io::Error| Refusal::new(Code::Busy, error.to_string());
                partials.push((blake3, partial.map_err(busy)?));
            }
        }
        Ok(Offer::Wanted(Box::new(ToyUpload {
            folder: Arc::clone(&self.folder),
            partials,
            envelope: envelope.clone(),
            recorded: Arc::clone(&self.recorded),
            arrived: Arc::clone(&self.arrived),
            served: Arc::clone(&self.served),
            peer: *peer,
            gate: self.gate.clone(),
            refusing: self.refusing,
            formers: self.formers.iter().map(|former| self.data(former)).collect(),
        })))
    }

    fn fetch(&self, _peer: &PublicKey, blob: &Blake3) -> Result<StoredBlob, Refusal> {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        let data = self.data(blob);
        let outboard = data.with_extension("outboard");
        match fs::metadata(&data) {
            Ok(found) => Ok(StoredBlob { data, outboard, size: found.len() }),
            Err(_) => Err(Refusal::new(Code::NotFound, "no such content")),
        }
    }

    fn blend(
        &self,
        _peer: &PublicKey,
        round: u64,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Blended, Refusal> {
        assert!(!self.clumsy, "a bug in the service");
        progress(1, 2);
        if round != 1 {
            return Err(Refusal::new(Code::RoundWrong, "only round 1 is agreed"));
        }
        let base = Blake3::of(b"base");
        let lambda = BTreeMap::from([("readers".parse().unwrap(), 1_000_000)]);
        let recipe =
            Recipe::new(Arithmetic::Linear1, base, &Lambda::new(lambda).unwrap(), |_| Some(base))
                .unwrap();
        let soup = content(self.folder.path(), "soup", 10).file;
        Ok(Blended { recipe, soup })
    }
}

struct ToyUpload {
    folder: Arc<TempDir>,
    partials: Vec<(Blake3, Partial)>,
    envelope: Envelope,
    recorded: Arc<Mutex<BTreeMap<Sha256, Receipt>>>,
    arrived: Arc<AtomicU64>,
    served: Served,
    peer: PublicKey,
    gate: Option<Arc<Gate>>,
    refusing: bool,
    formers: Vec<PathBuf>,
}

impl Upload for ToyUpload {
    fn comparable(&self) -> Vec<Compared> {
        if self.formers.is_empty() {
            return Vec::new();
        }
        let whole = |(blake3, partial): &(Blake3, Partial)| Compared {
            blake3: *blake3,
            size: partial.missing().size(),
        };
        self.partials.iter().map(whole).collect()
    }

    fn compare(&mut self, hashes: &mut dyn Read) -> Result<(), Refusal> {
        for (blake3, partial) in &mut self.partials {
            let mut take = || {
                partial.take_hashes(hashes)?;
                for former in &self.formers {
                    let outboard = former.with_extension("outboard");
                    partial.copy_equal(former, &outboard, &mut |_| ())?;
                }
                Ok::<_, blob::ReceiveError>(())
            };
            take().map_err(|error| error.refusal(blake3))?;
        }
        Ok(())
    }

    fn wanted(&self) -> Vec<Wanted> {
        let wanted = |(blake3, partial): &(Blake3, Partial)| Wanted {
            blake3: *blake3,
            ranges: partial.missing(),
        };
        self.partials.iter().map(wanted).collect()
    }

    fn share(&self, blob: &Blake3) -> Option<Box<dyn Share>> {
        let (blake3, partial) = self.partials.iter().find(|(blake3, _)| blake3 == blob)?;
        let arrived = Arc::clone(&self.arrived);
        Some(Box::new(ToyShare { share: partial.share(), blake3: *blake3, arrived }))
    }

    fn receive(self: Box<Self>, content: &mut dyn Read) -> Result<Receipt, Refusal> {
        if let Some(gate) = &self.gate {
            gate.pass();
        }
        if self.refusing {
            content.read_exact(&mut vec![0; 1 << 20]).unwrap();
            return Err(Refusal::new(Code::ExpertTooLarge, "no more, thank you"));
        }
        let (arrived, served) = (&self.arrived, (&*self.served, self.peer));
        let mut content = Counting { content, arrived, served };
        for (blake3, mut partial) in self.partials {
            let missing = partial.missing();
            partial
                .receive(&missing, &mut content, &mut |_| ())
                .map_err(|error| error.refusal(&blake3))?;
            let data = self.folder.path().join(blake3.to_string());
            partial.finish(&data, &data.with_extension("outboard")).unwrap();
        }
        let receipt = receipt_of(&self.envelope);
        self.recorded.lock().unwrap().insert(self.envelope.sha256(), receipt.clone());
        Ok(receipt)
    }
}

struct ToyShare {
    share: blob::Share,
    blake3: Blake3,
    arrived: Arc<AtomicU64>,
}

impl Share for ToyShare {
    fn missing(&self) -> Ranges {
        self.share.missing()
    }

    fn receive(&self, ranges: &Ranges, content: &mut dyn Read) -> Result<(), Refusal> {
        let mut count = |group| _ = self.arrived.fetch_add(group, Ordering::Relaxed);
        let received = self.share.receive(ranges, content, &mut count);
        received.map_err(|error| error.refusal(&self.blake3))
    }
}

struct Counting<'a> {
    content: &'a mut dyn Read,
    arrived: &'a AtomicU64,
    served: (&'a Mutex<Vec<(PublicKey, u64)>>, PublicKey),
}

impl Read for Counting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        self.arrived.fetch_add(count as u64, Ordering::Relaxed);
        self.served.0.lock().unwrap().push((self.served.1, count as u64));
        Ok(count)
    }
}
