//! What is served over HTTP: one room under this one for each kind of reader.
//!
//! ```text
//! log      /checkpoint, /tile/…, /envelope/…      monitors and mirrors
//! hub      /api/models/…, /NS/NAME/resolve/…      transformers, and whatever else loads models by name
//! health   /healthz, /readyz, /metrics            whoever keeps the process running, and watches it
//! api      /api/v1/…                              dashboards, scripts
//! pages    /, /front, /rounds, …                  a committee with a browser
//! ```
//!
//! Plain HTTP/1.1: what is served verifies itself, and a proxy in front adds TLS where that is wanted. Nothing is
//! taken.

mod access;
mod api;
mod health;
mod hub;
mod limit;
mod log;
mod metrics;
mod pages;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_RANGE, ETAG, IF_NONE_MATCH, LINK, RANGE, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Method, Request, StatusCode};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use potluck_net::BindError;
use potluck_net::tcp::{Caller, Leave, Manners, attend};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tower::Service as _;
use tower_http::cors::{AllowOrigin, CorsLayer};

pub use self::hub::KeptSoups;
use crate::config::Http;
use crate::server::Aggregator;

/// Files that are read at once: more would only wait for the disk.
const READS: usize = 16;

/// Callers who watch what happens: each keeps a connection, of which there are not many more.
const WATCHERS: usize = 64;

/// A server over HTTP, bound and not yet running.
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    aggregator: Aggregator,
    reads: Semaphore,
    bodies: api::Bodies,
    hub: hub::Hub,
    /// How many may watch what happens at a time.
    watchers: Arc<Semaphore>,
    limit: limit::Limit,
    metrics: metrics::Metrics,
    /// Pages of which origins may read answers.
    origins: Vec<HeaderValue>,
    /// Whose other end is gone once it is to stop.
    ended: OnceLock<watch::Receiver<()>>,
}

impl Shared {
    fn over(aggregator: &Aggregator, http: &Http, kept: &KeptSoups) -> Self {
        Self {
            aggregator: aggregator.clone(),
            reads: Semaphore::new(READS),
            bodies: api::Bodies::default(),
            hub: hub::Hub::new(aggregator, kept),
            watchers: Arc::new(Semaphore::new(WATCHERS)),
            limit: limit::Limit::of(http),
            metrics: metrics::Metrics::default(),
            // Each was read as an origin.
            origins: http.cors.iter().filter_map(|origin| origin.parse().ok()).collect(),
            ended: OnceLock::new(),
        }
    }
}

impl HttpServer {
    /// Binds a TCP socket. Soups that more than one reader asks for lie in `kept`.
    ///
    /// # Errors
    /// [`BindError`].
    pub async fn bind(
        http: &Http,
        aggregator: &Aggregator,
        kept: &KeptSoups,
    ) -> Result<Self, BindError> {
        let listen = http.listen;
        let failed = |source| BindError::Socket { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared::over(aggregator, http, kept));
        Ok(Self { listener, address, shared })
    }

    /// Where it listens: with the port that the system chose, where port 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the other end of `ended` is gone, then lets the answers under way finish.
    pub async fn run(self, ended: watch::Receiver<()>) {
        let manners = Manners::default();
        // It runs once.
        let _ = self.shared.ended.set(ended.clone());
        let (routes, patience) = (routes(self.shared), manners.patience);
        let serve = |caller, leave| serve(caller, leave, patience, routes.clone());
        attend(self.listener, manners, ended, serve).await;
    }
}

fn routes(shared: Arc<Shared>) -> Router {
    let router = Router::new()
        .merge(log::routes())
        .merge(hub::routes())
        .merge(health::routes())
        .merge(metrics::routes())
        .merge(api::routes())
        .merge(pages::routes(api::routes().with_state(Arc::clone(&shared))))
        .fallback(async || words(StatusCode::NOT_FOUND, "nothing is served under that name\n"))
        .method_not_allowed_fallback(async || {
            words(StatusCode::METHOD_NOT_ALLOWED, "this is only read here\n")
        })
        .layer(from_fn_with_state(Arc::clone(&shared), limit::limited))
        .layer(map_response(as_it_is));
    let router = match shared.origins.as_slice() {
        [] => router,
        origins => router.layer(others(origins)),
    };
    router.layer(from_fn_with_state(Arc::clone(&shared), metrics::counted)).with_state(shared)
}

/// What pages of these origins may do in a browser: read.
fn others(origins: &[HeaderValue]) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.iter().cloned()))
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers([AUTHORIZATION, IF_NONE_MATCH, RANGE])
        .expose_headers([ETAG, LINK, RETRY_AFTER, CONTENT_RANGE])
}

/// No browser shall take a statement of somebody's for a page of ours.
async fn as_it_is(mut response: Response) -> Response {
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

async fn serve(caller: Caller, leave: Leave, patience: Duration, routes: Router) {
    let from = limit::From(caller.address());
    let answer = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(from);
        routes.clone().call(request)
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience)
            .serve_connection(TokioIo::new(caller), answer)
    );
    tokio::select! {
        // It holds the connection: polled again below unless it has completed.
        _ = connection.as_mut() => return,
        () = leave.asked() => (),
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// Does what may wait for the disk for a moment, on this very thread; other callers are attended on another meanwhile. To hand
/// it over and to be called back is two waits for a processor, which on a busy machine are most of what a reader waits for.
///
/// Whoever calls it holds one of the reads' permits: so many threads are there at most.
fn here<T>(reading: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(reading)
}

/// An answer of one sentence, which nobody keeps.
fn words(status: StatusCode, sentence: &'static str) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], sentence).into_response()
}

#[cfg(test)]
mod tests;
