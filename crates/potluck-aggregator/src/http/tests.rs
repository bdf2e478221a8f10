//! What is served under which name, and that nothing else is.

use std::collections::BTreeSet;
use std::fs;

use potluck_core::Author;
use potluck_log::{SignedCheckpoint, VerifierKey};
use potluck_net::archive::ArchiveFile;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;
use crate::Settings;
use crate::fixture::{Folder, admit};

pub(super) struct Served {
    address: SocketAddr,
    pub(super) aggregator: Aggregator,
    end: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Served {
    pub(super) async fn start(folder: &Folder) -> Self {
        Self::over(folder.open(), &folder.settings()).await
    }

    pub(super) async fn over(aggregator: Aggregator, settings: &Settings) -> Self {
        Self::open(aggregator, settings, |_| ()).await
    }

    /// One of this folder with other settings.
    pub(super) async fn start_with(folder: &Folder, change: impl FnOnce(&mut Http)) -> Self {
        Self::open(folder.open(), &folder.settings(), change).await
    }

    async fn open(
        aggregator: Aggregator,
        settings: &Settings,
        change: impl FnOnce(&mut Http),
    ) -> Self {
        let mut http = Http::at("127.0.0.1:0".parse().unwrap());
        change(&mut http);
        let server =
            HttpServer::bind(&http, &aggregator, &settings.kept_soups(), None).await.unwrap();
        let (end, ended) = watch::channel(());
        let address = server.local_addr();
        Self { address, aggregator, end, task: tokio::spawn(server.run(ended)) }
    }

    /// Sends the first line of a request as it is; the status, the head with names in lower case, and
    /// the body.
    pub(super) async fn ask(&self, line: &str) -> (u16, String, Vec<u8>) {
        self.ask_with(line, "").await
    }

    /// The same with more headers, each of which ends its line.
    pub(super) async fn ask_with(&self, line: &str, headers: &str) -> (u16, String, Vec<u8>) {
        let lines = format!("{line} HTTP/1.1\r\n{headers}");
        self.ask_lines(lines.trim_end()).await
    }

    /// As [`Self::ask`], with lines of the head of one's own behind the first.
    pub(super) async fn ask_lines(&self, lines: &str) -> (u16, String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{lines}\r\nhost: log\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let line = |line: &str| match line.split_once(": ") {
            Some((name, value)) => format!("{}: {value}\n", name.to_lowercase()),
            None => format!("{line}\n"),
        };
        let head: String = head.lines().map(line).collect();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head, answer[end + 4..].to_vec())
    }

    /// Begins to watch what happens.
    pub(super) async fn watch(&self, path: &str, headers: &str) -> Watching {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: log\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Watching { stream, read: String::new() }
    }

    pub(super) async fn stop(self) {
        drop(self.end);
        self.task.await.unwrap();
    }
}

/// Events as they come.
pub(super) struct Watching {
    stream: TcpStream,
    read: String,
}

impl Watching {
    /// The next event that has this line.
    pub(super) async fn until(&mut self, line: &str) -> String {
        loop {
            if let Some(end) = self.read.find("\n\n") {
                let event: String = self.read.drain(..end + 2).collect();
                if event.lines().any(|it| it == line) {
                    return event;
                }
                continue;
            }
            let mut bytes = [0; 4096];
            let count = self.stream.read(&mut bytes).await.unwrap();
            assert!(count > 0, "it ended before {line}: {}", self.read);
            self.read.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }

    /// Nothing more comes.
    pub(super) async fn ends(mut self) {
        self.stream.read_to_string(&mut self.read).await.unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn it_is_ready_while_it_can_serve_everybody() {
    let folder = Folder::new();
    let served = Served::start(&folder).await;
    let ready = async || {
        let (status, _, body) = served.ask("GET /readyz").await;
        (status, String::from_utf8(body).unwrap())
    };
    assert_eq!(ready().await, (200, "ready\n".to_owned()));
    served.aggregator.fault().raise("append to the ledger", &"no space left");
    assert_eq!(ready().await, (503, "the store failed\n".to_owned()));
    served.stop().await;
}

fn shared_of(folder: &Folder, aggregator: &Aggregator) -> Shared {
    let http = Http::at("127.0.0.1:0".parse().unwrap());
    Shared::over(aggregator, &http, &folder.settings().kept_soups())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_shut_down_or_full_is_not_ready() {
    let folder = Folder::new();
    let aggregator = folder.open();
    let shared = shared_of(&folder, &aggregator);
    let (end, ended) = watch::channel(());
    shared.ended.set(ended).unwrap();
    assert!(health::wrong(&shared).is_empty());
    drop(end);
    assert_eq!(health::wrong(&shared), ["it is shutting down"]);
    drop((shared, aggregator));
    let mut settings = folder.settings();
    settings.limits.disk_spare_bytes = u64::MAX;
    let aggregator = Aggregator::open(&settings).unwrap();
    let shared = shared_of(&folder, &aggregator);
    assert_eq!(health::wrong(&shared), ["the disk has nothing left above its reserve"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_is_shown() {
    let folder = Folder::new();
    let served = Served::start(&folder).await;
    served.aggregator.say(Author::Operator, admit("agency")).unwrap();
    served.aggregator.say(Author::Operator, admit("agency")).unwrap_err();
    served.ask("GET /api/v1/parties/agency").await;
    served.ask("GET /api/v1/parties/nobody").await;
    served.ask("GET /nothing/of/the/kind").await;
    let (status, head, body) = served.ask("GET /metrics").await;
    let text = String::from_utf8(body).unwrap();
    assert!(status == 200 && head.contains("openmetrics-text"), "{head}");
    for line in [
        "potluck_ledger_entries 2",
        "potluck_parties 1",
        "potluck_ready 1",
        "potluck_store_failed 0",
        "potluck_uploads 0",
        "potluck_uploads_begun_total 0",
        "potluck_uploaded_bytes_total 0",
        "potluck_blends_total 0",
        "potluck_refusals_total{code=\"party-refused\"} 1",
        "potluck_http_requests_total{route=\"/api/v1/parties/{party}\",status=\"200\"} 1",
        "potluck_http_requests_total{route=\"/api/v1/parties/{party}\",status=\"404\"} 1",
        "potluck_http_requests_total{route=\"none\",status=\"404\"} 1",
        "potluck_http_request_duration_seconds_count{route=\"/api/v1/parties/{party}\"} 2",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
    }
    assert!(text.contains("potluck_disk_left_bytes ") && text.ends_with("# EOF\n"));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_is_told_when_to_come_again() {
    let folder = Folder::new();
    let tight = |http: &mut Http| (http.requests_per_second, http.burst) = (1, 2);
    let served = Served::start_with(&folder, tight).await;
    for _ in 0..2 {
        assert_eq!(served.ask("GET /api/v1/federation").await.0, 200);
    }
    let (status, head, body) = served.ask("GET /api/v1/federation").await;
    let body = String::from_utf8(body).unwrap();
    assert!(status == 429 && head.contains("retry-after: 1"), "{head}");
    assert!(head.contains("problem+json") && body.contains("too-many-requests"), "{body}");
    // Whoever watches the process is not counted.
    assert_eq!(served.ask("GET /healthz").await.0, 200);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_pages_read_only_where_the_operator_says_so() {
    let folder = Folder::new();
    let origin = "origin: https://board.example\r\n";
    let served = Served::start(&folder).await;
    let (_, head, _) = served.ask_with("GET /api/v1/federation", origin).await;
    assert!(!head.contains("access-control-allow-origin"), "{head}");
    served.stop().await;
    let open = |http: &mut Http| http.cors = vec!["https://board.example".to_owned()];
    let served = Served::start_with(&folder, open).await;
    let (_, head, _) = served.ask_with("GET /api/v1/federation", origin).await;
    assert!(head.contains("access-control-allow-origin: https://board.example"), "{head}");
    let other = "origin: https://elsewhere.example\r\n";
    let (_, head, _) = served.ask_with("GET /api/v1/federation", other).await;
    assert!(!head.contains("access-control-allow-origin"), "{head}");
    let asks = format!("{origin}access-control-request-method: GET\r\n");
    let (status, head, _) = served.ask_with("OPTIONS /api/v1/federation", &asks).await;
    assert!(status == 200 && head.contains("access-control-allow-methods: GET,HEAD"), "{head}");
    served.stop().await;
}

#[test]
fn no_federation_can_be_founded_under_a_name_that_is_served_for_something_else() {
    let folder = Folder::new();
    // The router says its paths to whoever debugs it, and to nobody else.
    let told = format!("{:?}", routes(Arc::new(shared_of(&folder, &folder.open()))));
    let paths = told.split('"').filter_map(|text| text.strip_prefix('/'));
    let first = paths.filter_map(|path| path.split('/').next());
    let served: BTreeSet<_> = first.filter(|it| !it.is_empty() && !it.starts_with('{')).collect();
    assert_eq!(served, BTreeSet::from(potluck_core::reserved::PATHS));
}
