//! The log's files over HTTP: what any monitor, mirror or browser can read without a key of ours.
//!
//! ```text
//! GET /checkpoint                     the latest checkpoint                     never cached
//! GET /tile/…                         hashes and records (C2SP tlog-tiles)      cached for ever
//! GET /envelope/<ab>/<SHA-256>        the signed statements                     cached for ever
//! GET /healthz                        whether the store can be written
//! ```
//!
//! A path is read as the name of a file of the log, of which there is one spelling, or refused; no path of a
//! request ever reaches the file system. Weights are not served here, and nothing is taken. Plain HTTP/1.1:
//! what is served verifies itself, and a proxy in front adds TLS where that is wanted.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use potluck_net::BindError;
use potluck_net::archive::ArchiveFile;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::server::Aggregator;

/// Connections at once. Each holds at most one file, which has at most 1 MiB.
const CONNECTIONS: usize = 256;

/// Files that are read at once: more would only wait for the disk.
const READS: usize = 16;

/// How long a client may take to send its next request.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long a connection may last. Mirrors of long logs come again.
const LIFE: Duration = Duration::from_secs(600);

/// How long an answer under way may take once the connection is to end.
const GRACE: Duration = Duration::from_secs(5);

/// How long to wait where the system has no socket for one who knocks.
const PAUSE: Duration = Duration::from_millis(100);

const IMMUTABLE: &str = "public, max-age=31536000, immutable";
const NO_STORE: &str = "no-store";
const TEXT: &str = "text/plain; charset=utf-8";

type Answer = Response<Full<Bytes>>;

/// A server of the log's files, bound and not yet running.
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    aggregator: Aggregator,
    reads: Semaphore,
}

impl HttpServer {
    /// Binds a TCP socket.
    ///
    /// # Errors
    /// [`BindError`].
    pub async fn bind(listen: SocketAddr, aggregator: &Aggregator) -> Result<Self, BindError> {
        let failed = |source| BindError::Socket { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (aggregator, reads) = (aggregator.clone(), Semaphore::new(READS));
        Ok(Self { listener, address, shared: Arc::new(Shared { aggregator, reads }) })
    }

    /// Where it listens: with the port that the system chose, where port 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the other end of `ended` is gone, then lets the answers under way finish.
    pub async fn run(self, mut ended: watch::Receiver<()>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                // Dropped without loss: it completes at once when it is asked again.
                _ = ended.changed() => break,
                // Dropped without loss: a permit goes back, and who knocks keeps waiting in the listener.
                Some((stream, place)) = self.next(&places) => {
                    let serving = serve(stream, Arc::clone(&self.shared), ended.clone(), place);
                    connections.spawn(serving);
                }
                // Dropped without loss: an ended task stays in the set.
                Some(_) = connections.join_next() => (),
            }
        }
        drop(self.listener);
        let drained = async { while connections.join_next().await.is_some() {} };
        if timeout(2 * GRACE, drained).await.is_err() {
            tracing::warn!(left = connections.len(), "readers of the log were cut at shutdown");
        }
        connections.shutdown().await;
    }

    /// The next that knocks, once there is a place: permit first, then accept.
    async fn next(&self, places: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return Some((stream, place)),
                Err(error) => {
                    tracing::debug!(%error, "a reader of the log was not let in");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

async fn serve(
    stream: TcpStream,
    shared: Arc<Shared>,
    mut ended: watch::Receiver<()>,
    _place: OwnedSemaphorePermit,
) {
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&request, &shared).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .serve_connection(TokioIo::new(stream), service)
    );
    tokio::select! {
        // It holds the connection: polled again below unless it has completed.
        _ = connection.as_mut() => return,
        _ = ended.changed() => (),
        () = sleep(LIFE) => (),
    }
    connection.as_mut().graceful_shutdown();
    // Past the limit it is cut: its reader stalls.
    let _ = timeout(GRACE, connection).await;
}

async fn answer(request: &Request<Incoming>, shared: &Shared) -> Answer {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "the log is only read here\n");
        let allowed = hyper::header::HeaderValue::from_static("GET, HEAD");
        refused.headers_mut().insert(ALLOW, allowed);
        return refused;
    }
    let path = request.uri().path();
    if path == "/healthz" {
        return match shared.aggregator.fault().first() {
            None => text(StatusCode::OK, "ok\n"),
            Some(_) => text(StatusCode::SERVICE_UNAVAILABLE, "the store failed\n"),
        };
    }
    match path.strip_prefix('/').and_then(|name| name.parse().ok()) {
        Some(file) => answer_file(file, shared).await,
        None => text(StatusCode::NOT_FOUND, "the log has no file of that name\n"),
    }
}

async fn answer_file(file: ArchiveFile, shared: &Shared) -> Answer {
    let aggregator = shared.aggregator.clone();
    let read = async {
        let _turn = shared.reads.acquire().await.map_err(io::Error::other)?;
        let reading = move || aggregator.log_file(file);
        tokio::task::spawn_blocking(reading).await.map_err(io::Error::other)?
    };
    match read.await {
        Ok(Some(bytes)) if bytes.len() <= file.max_bytes() => {
            let cache = if file.is_immutable() { IMMUTABLE } else { NO_STORE };
            response(StatusCode::OK, file.content_type(), cache, bytes.into())
        }
        Ok(None) => text(StatusCode::NOT_FOUND, "the log has no such file, or not yet\n"),
        Ok(Some(_)) => {
            tracing::error!(%file, "a file of the log is longer than any");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the log cannot be read\n")
        }
        Err(error) => {
            tracing::error!(%file, %error, "a file of the log cannot be read");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the log cannot be read\n")
        }
    }
}

fn text(status: StatusCode, sentence: &'static str) -> Answer {
    response(status, TEXT, NO_STORE, Bytes::from_static(sentence.as_bytes()))
}

fn response(
    status: StatusCode,
    content_type: &'static str,
    cache: &'static str,
    body: Bytes,
) -> Answer {
    let headers: [(HeaderName, &'static str); 3] = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, cache),
        // No browser shall take a statement of somebody's for a page of ours.
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    for (name, value) in headers {
        response.headers_mut().insert(name, hyper::header::HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests;
