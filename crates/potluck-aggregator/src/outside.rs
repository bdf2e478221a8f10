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

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use potluck_core::Refusal;
use potluck_log::AddCheckpoint;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::exchange::{ExchangeError, exchange};
use crate::server::Aggregator;
use crate::url::PlainUrl;

/// How long the ledger may go on growing before its checkpoint is handed on: a burst is one request.
const REST: Duration = Duration::from_secs(1);

/// Within which a witness must have answered.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long to wait after a failure: doubled each time, up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));

/// The longest answer, in bytes: some lines of signatures, or a sentence.
const MAX_ANSWER: usize = 16 << 10;

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

/// Asks each witness whenever the ledger has grown, until the other end of `ended` is gone. Others are asked once `urls`
/// says so; who was asked before is then asked anew.
pub async fn ask_witnesses(
    aggregator: Aggregator,
    mut urls: watch::Receiver<Vec<PlainUrl>>,
    ended: watch::Receiver<()>,
) {
    loop {
        let (enough, asked) = watch::channel(());
        let mut asking = JoinSet::new();
        for url in urls.borrow_and_update().clone() {
            asking.spawn(keep_asking(aggregator.clone(), url, asked.clone()));
        }
        let mut over = ended.clone();
        let goes_on = tokio::select! {
            // Both are dropped without loss: they only wait. Whoever could name others may be gone first.
            _ = over.changed() => false,
            named = urls.changed() => named.is_ok(),
        };
        drop(enough);
        while asking.join_next().await.is_some() {}
        if !goes_on {
            return;
        }
    }
}

async fn keep_asking(aggregator: Aggregator, url: PlainUrl, mut ended: watch::Receiver<()>) {
    // What is under way may be dropped at any point: the witness tells where to go on from.
    tokio::select! {
        _ = ended.changed() => (),
        () = ask_for_ever(&aggregator, &url) => (),
    }
}

async fn ask_for_ever(aggregator: &Aggregator, url: &PlainUrl) {
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
async fn ask(aggregator: &Aggregator, url: &PlainUrl, old: u64) -> Result<u64, AskError> {
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

async fn post(url: &PlainUrl, body: String) -> Result<(StatusCode, Bytes), AskError> {
    let request = Request::post(format!("{}/add-checkpoint", url.path()))
        .header(HOST, url.authority())
        .header(CONTENT_TYPE, "text/plain; charset=utf-8")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| AskError::Unmade(error.to_string()))?;
    let stream = TcpStream::connect(url.place()).await.map_err(AskError::Unreached)?;
    Ok(exchange(stream, request, MAX_ANSWER).await?)
}

#[cfg(test)]
mod tests;
