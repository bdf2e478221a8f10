//! The modules and the vectors over HTTP on loopback, under the policy that the dashboard has.
//!
//! One request a connection, files alone: a test needs no more of HTTP, and no crate for it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

/// No inline script, no `eval`, no WebAssembly, and no other host.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; worker-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// Where what is under each first part of a path lies.
type Folders = Vec<(&'static str, PathBuf)>;

/// A site that lives as long as the tests.
pub(crate) struct Site {
    address: SocketAddr,
}

impl Site {
    /// Serves the modules under `/web/`, test pages under `/pages/`, vectors under `/vectors/`, and
    /// `made`, what the test made itself, under `/made/`.
    pub(crate) fn serve(made: &Path) -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders: Folders = vec![
            ("web", web()),
            ("pages", here.join("browser/pages")),
            ("vectors", here.join("vectors")),
            ("made", made.to_owned()),
        ];
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let folders = folders.clone();
                // A browser that closes early is no failure of the site.
                std::thread::spawn(move || answer(&stream, &folders).unwrap_or(()));
            }
        });
        Self { address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }
}

/// The modules' folder.
pub(crate) fn web() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/potluck-aggregator/web")
}

fn answer(mut stream: &TcpStream, folders: &Folders) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').to_owned();
    let (status, bytes) = match file(&path, folders) {
        Some(bytes) => ("200 OK", bytes),
        None => ("404 Not Found", Vec::new()),
    };
    let (kind, length) = (content_type(&path), bytes.len());
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\
         content-security-policy: {POLICY}\r\nconnection: close\r\n\r\n"
    )?;
    stream.write_all(&bytes)
}

fn file(path: &str, folders: &Folders) -> Option<Vec<u8>> {
    let (first, rest) = path.split_once('/')?;
    let (_, folder) = folders.iter().find(|(name, _)| *name == first)?;
    // A test's page asks for what it names; nothing climbs out of a folder all the same.
    let climbs = rest.split('/').any(|part| part == "..");
    if climbs { None } else { std::fs::read(folder.join(rest)).ok() }
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "json")) => "application/json",
        _ => "application/octet-stream",
    }
}
