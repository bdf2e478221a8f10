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
//! Plain HTTP/1.1, or HTTP/2 and HTTP/1.1 under TLS where the operator has a certificate (`connection`): what is served verifies
//! itself either way. Nothing is taken.

mod access;
mod api;
mod connection;
mod control;
mod health;
mod hub;
mod limit;
mod log;
mod metrics;
mod pages;
mod request;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use axum::Router;
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_RANGE, ETAG, IF_NONE_MATCH, LINK, RANGE, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Response};
use potluck_core::Blake3;
use potluck_net::BindError;
use potluck_net::tcp::tls::Certificate;
use potluck_net::tcp::{Manners, Traffic, attend};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tower_http::cors::{AllowOrigin, CorsLayer};

pub use self::control::HttpControl;
use self::control::Spoken;
pub use self::hub::KeptSoups;
use crate::config::{Http, Runs};
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
    spoken: Arc<Spoken>,
}

struct Shared {
    aggregator: Aggregator,
    reads: Semaphore,
    bodies: api::Bodies,
    hub: hub::Hub,
    /// How many may watch what happens at a time.
    watchers: Arc<Semaphore>,
    limit: RwLock<Arc<limit::Limit>>,
    metrics: metrics::Metrics,
    /// Pages of which origins may read answers.
    origins: RwLock<Vec<HeaderValue>>,
    /// What the operator tells of another method.
    runs: Option<Runs>,
    /// Told apart in tags: what is answered under other settings.
    edition: String,
    /// Bytes to and from readers over HTTP.
    traffic: Arc<Traffic>,
    /// What serves parties, where it is watched.
    parties: OnceLock<potluck_net::Watch>,
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
            limit: RwLock::new(Arc::new(limit::Limit::of(http))),
            metrics: metrics::Metrics::default(),
            origins: RwLock::new(origins(http)),
            edition: http.runs.as_ref().map(edition).unwrap_or_default(),
            runs: http.runs.clone(),
            traffic: Arc::default(),
            parties: OnceLock::new(),
            ended: OnceLock::new(),
        }
    }

    fn limit(&self) -> Arc<limit::Limit> {
        Arc::clone(&self.limit.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Pages of which origins may read answers.
fn origins(http: &Http) -> Vec<HeaderValue> {
    // Each was read as an origin.
    http.cors.iter().filter_map(|origin| origin.parse().ok()).collect()
}

/// Digits that follow from the operator's figures.
fn edition(runs: &Runs) -> String {
    format!("-{}", Blake3::of(format!("{runs:?}").as_bytes()).short())
}

impl HttpServer {
    /// Binds a TCP socket. Soups that more than one reader asks for lie in `kept`; without a certificate no TLS is spoken.
    ///
    /// # Errors
    /// [`BindError`].
    pub async fn bind(
        http: &Http,
        aggregator: &Aggregator,
        kept: &KeptSoups,
        certificate: Option<&Certificate>,
    ) -> Result<Self, BindError> {
        let listen = http.listen;
        let failed = |source| BindError::Socket { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared::over(aggregator, http, kept));
        let spoken = Arc::new(Spoken::new(&shared, certificate));
        Ok(Self { listener, address, shared, spoken })
    }

    /// By what it is changed while it runs.
    pub fn control(&self) -> HttpControl {
        HttpControl { shared: Arc::clone(&self.shared), spoken: Arc::clone(&self.spoken) }
    }

    /// Tells of the server that serves parties, too, to whoever asks for metrics.
    pub fn tell_of(&self, parties: potluck_net::Watch) {
        // There is one.
        let _ = self.shared.parties.set(parties);
    }

    /// Where it listens: with the port that the system chose, where port 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the other end of `ended` is gone, then lets the answers under way finish.
    pub async fn run(self, ended: watch::Receiver<()>) {
        let traffic = Arc::clone(&self.shared.traffic);
        let manners = Manners { traffic, ..Manners::default() };
        // It runs once.
        let _ = self.shared.ended.set(ended.clone());
        let (spoken, patience) = (self.spoken, manners.patience);
        let serve = |caller, leave| connection::serve(caller, leave, patience, Arc::clone(&spoken));
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
    let origins = shared.origins.read().unwrap_or_else(PoisonError::into_inner).clone();
    let router = match origins.as_slice() {
        [] => router,
        origins => router.layer(others(origins)),
    };
    router
        .layer(from_fn_with_state(Arc::clone(&shared), metrics::counted))
        .layer(from_fn_with_state(Arc::clone(&shared), request::named))
        .with_state(shared)
}

/// What pages of these origins may do in a browser: read.
fn others(origins: &[HeaderValue]) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.iter().cloned()))
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers([AUTHORIZATION, IF_NONE_MATCH, RANGE])
        .expose_headers([ETAG, LINK, RETRY_AFTER, CONTENT_RANGE, request::X_REQUEST_ID])
}

/// No browser shall take a statement of somebody's for a page of ours.
async fn as_it_is(mut response: Response) -> Response {
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    response
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
