//! What is served under which name, and that nothing else is.

use std::fs;

use potluck_core::Author;
use potluck_log::{SignedCheckpoint, VerifierKey};
use potluck_net::archive::ArchiveFile;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;
use crate::fixture::{Folder, admit};

pub(super) struct Served {
    address: SocketAddr,
    pub(super) aggregator: Aggregator,
    end: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Served {
    pub(super) async fn start(folder: &Folder) -> Self {
        let aggregator = folder.open();
        let any = "127.0.0.1:0".parse().unwrap();
        let server = HttpServer::bind(any, &aggregator).await.unwrap();
        let (end, ended) = watch::channel(());
        let address = server.local_addr();
        Self { address, aggregator, end, task: tokio::spawn(server.run(ended)) }
    }

    /// Sends the first line of a request as it is; the status, the head in lower case, and the body.
    pub(super) async fn ask(&self, line: &str) -> (u16, String, Vec<u8>) {
        self.ask_with(line, "").await
    }

    /// The same with more headers, each of which ends its line.
    pub(super) async fn ask_with(&self, line: &str, headers: &str) -> (u16, String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nhost: log\r\nconnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head, answer[end + 4..].to_vec())
    }

    pub(super) async fn stop(self) {
        drop(self.end);
        self.task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_served_under_its_own_names() {
    let folder = Folder::new();
    let served = Served::start(&folder).await;
    served.aggregator.say(Author::Operator, admit("agency")).unwrap();
    let (status, head, checkpoint) = served.ask("GET /checkpoint").await;
    assert!(status == 200 && head.contains("text/plain") && head.contains("no-store"), "{head}");
    let key: VerifierKey = served.aggregator.verifier_key().parse().unwrap();
    let note = String::from_utf8(checkpoint).unwrap();
    assert_eq!(SignedCheckpoint::open(&note, &key).unwrap().size(), 2);

    let envelope = potluck_net::Service::ledger(&served.aggregator, 1).unwrap().entries.remove(0);
    let file = ArchiveFile::Envelope(envelope.envelope().sha256());
    let log = folder.store().join("log");
    for (name, kind) in [
        ("tile/0/000.p/2".to_owned(), "application/octet-stream"),
        ("tile/entries/000.p/2".to_owned(), "application/octet-stream"),
        (file.to_string(), "application/json"),
    ] {
        let (status, head, body) = served.ask(&format!("GET /{name}")).await;
        assert!(status == 200 && head.contains(kind) && head.contains("immutable"), "{head}");
        assert!(head.contains("nosniff"));
        assert_eq!(body, fs::read(log.join(&name)).unwrap());
        let (status, head, body) = served.ask(&format!("HEAD /{name}")).await;
        assert!(status == 200 && head.contains("content-length: ") && body.is_empty(), "{head}");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_served_and_nothing_is_taken() {
    let folder = Folder::new();
    let served = Served::start(&folder).await;
    fs::write(folder.store().join("log/.secret"), "secret").unwrap();
    fs::write(folder.store().join("log/tile/0/notes.txt"), "secret").unwrap();
    for path in [
        "/",
        "/.secret",
        "/tile",
        "/tile/0/",
        "/tile/0/notes.txt",
        "/tile/0/999",
        "/ledger.redb",
        "/../ledger.redb",
        "/%2e%2e/ledger.redb",
        "/tile/../../ledger.redb",
        "//etc/passwd",
        "/checkpoint/",
        "/CHECKPOINT",
        "/envelope/ab/../../checkpoint",
    ] {
        let (status, head, body) = served.ask(&format!("GET {path}")).await;
        assert!(status == 404 && head.contains("no-store"), "{path}: {head}");
        assert!(!String::from_utf8_lossy(&body).contains("secret"));
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(served.ask(&format!("{method} /checkpoint")).await.0, 405);
    }
    assert_eq!(served.ask("nonsense").await.0, 400);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_that_of_the_store() {
    let folder = Folder::new();
    let served = Served::start(&folder).await;
    assert_eq!(served.ask("GET /healthz").await.0, 200);
    served.aggregator.fault().raise("append to the ledger", &"no space left");
    assert_eq!(served.ask("GET /healthz").await.0, 503);
    // What is there can still be read.
    assert_eq!(served.ask("GET /checkpoint").await.0, 200);
    // Who has connected and says nothing does not keep the server.
    let _silent = TcpStream::connect(served.address).await.unwrap();
    served.stop().await;
}
