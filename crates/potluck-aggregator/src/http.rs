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
use potluck_net::tcp::{Caller, Leave, Manners, attend};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::server::Aggregator;

/// Files that are read at once: more would only wait for the disk.
const READS: usize = 16;

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
    pub async fn run(self, ended: watch::Receiver<()>) {
        let manners = Manners::default();
        let (shared, patience) = (self.shared, manners.patience);
        let serve = |caller, leave| serve(caller, leave, patience, Arc::clone(&shared));
        attend(self.listener, manners, ended, serve).await;
    }
}

async fn serve(caller: Caller, leave: Leave, patience: Duration, shared: Arc<Shared>) {
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&request, &shared).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience)
            .serve_connection(TokioIo::new(caller), service)
    );
    tokio::select! {
        // It holds the connection: polled again below unless it has completed.
        _ = connection.as_mut() => return,
        () = leave.asked() => (),
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
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
