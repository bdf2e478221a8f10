//! Asking outside witnesses for their cosignatures (C2SP tlog-witness, "add-checkpoint").
//!
//! ```text
//! the ledger grew ─ a moment's rest ─▶ POST <url>/add-checkpoint: old size, consistency proof, checkpoint
//!   200 ─▶ the lines, to the ledger, which keeps them where they are a known witness's
//!   409 ─▶ the size that the witness remembers: once more from there
//! ```
//!
//! One task a witness, so that a slow one holds up nobody. A witness is trusted with nothing: a false line is
//! refused by the ledger, and one that does not answer is asked again, more and more seldom. Plain HTTP: what
//! is sent is public, and what comes back verifies itself; a proxy adds TLS where a witness demands it.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode, Uri};
use potluck_core::Refusal;
use potluck_log::AddCheckpoint;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::exchange::{ExchangeError, exchange};
use crate::server::Aggregator;

/// How long the ledger may go on growing before its checkpoint is handed on: a burst is one request.
const REST: Duration = Duration::from_secs(1);

/// Within which a witness must have answered.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long to wait after a failure: doubled each time, up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));

/// The longest answer, in bytes: some lines of signatures, or a sentence.
const MAX_ANSWER: usize = 16 << 10;

/// The address of a witness, an `http` URL; `/add-checkpoint` is put behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessUrl {
    host: String,
    port: u16,
    path: String,
}

/// Not the address of a witness.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a witness's address reads http://host[:port][/path]; https needs a proxy here")]
pub struct NoWitnessUrl;

impl FromStr for WitnessUrl {
    type Err = NoWitnessUrl;

    fn from_str(text: &str) -> Result<Self, NoWitnessUrl> {
        let uri: Uri = text.parse().map_err(|_| NoWitnessUrl)?;
        let is_http = uri.scheme_str() == Some("http") && uri.query().is_none();
        let authority = uri.authority().filter(|it| is_http && !it.as_str().contains('@'));
        let authority = authority.ok_or(NoWitnessUrl)?;
        let path = uri.path().trim_end_matches('/').to_owned();
        let (host, port) = (authority.host().to_owned(), authority.port_u16().unwrap_or(80));
        Ok(Self { host, port, path })
    }
}

impl WitnessUrl {
    /// Host and port.
    pub fn place(&self) -> (&str, u16) {
        (&self.host, self.port)
    }
}

impl fmt::Display for WitnessUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}{}", self.host, self.port, self.path)
    }
}

/// Why there is no cosignature.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("the witness cannot be reached")]
    Unreached(#[source] io::Error),
    #[error("the exchange with the witness broke off")]
    Http(#[from] ExchangeError),
    #[error("the witness did not answer in time")]
    Late,
    #[error("the witness refused: {status}: {sentence}")]
    Refused { status: StatusCode, sentence: String },
    #[error("the witness remembers {0} entries, more than there are")]
    Ahead(u64),
    #[error("its cosignature is not kept: {0}")]
    NotKept(Refusal),
    #[error("the request could not be made: {0}")]
    Unmade(String),
}

/// Asks each witness whenever the ledger has grown, until the other end of `ended` is gone.
pub async fn ask_witnesses(
    aggregator: Aggregator,
    urls: Vec<WitnessUrl>,
    ended: watch::Receiver<()>,
) {
    let mut asking = JoinSet::new();
    for url in urls {
        asking.spawn(keep_asking(aggregator.clone(), url, ended.clone()));
    }
    while asking.join_next().await.is_some() {}
}

async fn keep_asking(aggregator: Aggregator, url: WitnessUrl, mut ended: watch::Receiver<()>) {
    // What is under way may be dropped at any point: the witness tells where to go on from.
    tokio::select! {
        _ = ended.changed() => (),
        () = ask_for_ever(&aggregator, &url) => (),
    }
}

async fn ask_for_ever(aggregator: &Aggregator, url: &WitnessUrl) {
    let mut growth = aggregator.growth();
    let (mut cosigned, mut pause) = (0, PAUSES.0);
    loop {
        // An error means that the ledger is gone, and this task with it.
        if growth.wait_for(|size| *size > cosigned).await.is_err() {
            return;
        }
        sleep(REST).await;
        let asked = timeout(PATIENCE, ask(aggregator, url, cosigned)).await;
        match asked.unwrap_or(Err(AskError::Late)) {
            Ok(size) => {
                tracing::info!(witness = %url, size, "cosigned");
                (cosigned, pause) = (size, PAUSES.0);
            }
            Err(error) => {
                let error = crate::in_full(&error);
                tracing::warn!(witness = %url, error, "no cosignature");
                sleep(pause).await;
                pause = (pause * 2).min(PAUSES.1);
            }
        }
    }
}

/// Asks once, and once more from the size that the witness names; the size that it cosigned.
async fn ask(aggregator: &Aggregator, url: &WitnessUrl, old: u64) -> Result<u64, AskError> {
    let mut old = old;
    for is_last in [false, true] {
        let (request, note, size) = request(aggregator, old).await?;
        let (status, body) = post(url, request).await?;
        match status {
            StatusCode::OK => {
                keep(aggregator, note + &String::from_utf8_lossy(&body)).await?;
                return Ok(size);
            }
            StatusCode::CONFLICT if !is_last => {
                let refused = || refused(status, &body);
                old = AddCheckpoint::parse_conflict(&body).ok_or_else(refused)?;
            }
            _ => return Err(refused(status, &body)),
        }
    }
    unreachable!("the second turn returns")
}

fn refused(status: StatusCode, body: &[u8]) -> AskError {
    // Somebody else's words, for our log: short, and in one line.
    let sentence = String::from_utf8_lossy(body).chars().take(200).collect::<String>();
    AskError::Refused { status, sentence: sentence.escape_debug().to_string() }
}

/// The request for the latest checkpoint, its note, and its size.
async fn request(aggregator: &Aggregator, old: u64) -> Result<(String, String, u64), AskError> {
    let ledger = aggregator.clone();
    let made = tokio::task::spawn_blocking(move || {
        let standing = ledger.standing();
        let size = standing.checkpoint.size();
        if old > size {
            return Err(AskError::Ahead(old));
        }
        let proof = ledger.consistency(old, size).map_err(AskError::Unmade)?;
        let request = AddCheckpoint::new(old, proof, &standing.checkpoint).to_string();
        Ok((request, standing.checkpoint.to_string(), size))
    });
    made.await.map_err(|error| AskError::Unmade(error.to_string()))?
}

async fn keep(aggregator: &Aggregator, note: String) -> Result<(), AskError> {
    let ledger = aggregator.clone();
    let kept = tokio::task::spawn_blocking(move || ledger.keep_cosignature(&note)).await;
    kept.map_err(|error| AskError::Unmade(error.to_string()))?.map_err(AskError::NotKept)
}

async fn post(url: &WitnessUrl, body: String) -> Result<(StatusCode, Bytes), AskError> {
    let host = url.host.trim_start_matches('[').trim_end_matches(']');
    let request = Request::post(format!("{}/add-checkpoint", url.path))
        .header(HOST, format!("{}:{}", url.host, url.port))
        .header(CONTENT_TYPE, "text/plain; charset=utf-8")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| AskError::Unmade(error.to_string()))?;
    let stream = TcpStream::connect((host, url.port)).await.map_err(AskError::Unreached)?;
    Ok(exchange(stream, request, MAX_ANSWER).await?)
}

#[cfg(test)]
mod tests;
