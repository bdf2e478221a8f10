//! What is served over HTTP: one room under this one for each kind of reader.
//!
//! ```text
//! log      /checkpoint, /tile/…, /envelope/…      monitors and mirrors
//! hub      /api/models/…, /NS/NAME/resolve/…      transformers, and whatever else loads models by name
//! health   /healthz                               whoever keeps the process running
//! api      /api/v1/…                              dashboards, scripts
//! pages    /, /front, /rounds, …                  a committee with a browser
//! ```
//!
//! Plain HTTP/1.1: what is served verifies itself, and a proxy in front adds TLS where that is wanted. Nothing is
//! taken.

mod api;
mod health;
mod hub;
mod log;
mod pages;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use potluck_net::BindError;
use potluck_net::tcp::{Caller, Leave, Manners, attend};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

pub use self::hub::KeptSoups;
use crate::server::Aggregator;

/// Files that are read at once: more would only wait for the disk.
const READS: usize = 16;

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
}

impl HttpServer {
    /// Binds a TCP socket. Soups that more than one reader asks for lie in `kept`.
    ///
    /// # Errors
    /// [`BindError`].
    pub async fn bind(
        listen: SocketAddr,
        aggregator: &Aggregator,
        kept: &KeptSoups,
    ) -> Result<Self, BindError> {
        let failed = |source| BindError::Socket { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let hub = hub::Hub::new(aggregator, kept);
        let (aggregator, reads) = (aggregator.clone(), Semaphore::new(READS));
        let shared = Shared { aggregator, reads, bodies: api::Bodies::default(), hub };
        Ok(Self { listener, address, shared: Arc::new(shared) })
    }

    /// Where it listens: with the port that the system chose, where port 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the other end of `ended` is gone, then lets the answers under way finish.
    pub async fn run(self, ended: watch::Receiver<()>) {
        let manners = Manners::default();
        let (routes, patience) = (routes(self.shared), manners.patience);
        let serve = |caller, leave| serve(caller, leave, patience, routes.clone());
        attend(self.listener, manners, ended, serve).await;
    }
}

fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .merge(log::routes())
        .merge(hub::routes())
        .merge(health::routes())
        .merge(api::routes())
        .merge(pages::routes(api::routes().with_state(Arc::clone(&shared))))
        .fallback(async || words(StatusCode::NOT_FOUND, "nothing is served under that name\n"))
        .method_not_allowed_fallback(async || {
            words(StatusCode::METHOD_NOT_ALLOWED, "this is only read here\n")
        })
        .layer(axum::middleware::map_response(as_it_is))
        .with_state(shared)
}

/// No browser shall take a statement of somebody's for a page of ours.
async fn as_it_is(mut response: Response) -> Response {
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

async fn serve(caller: Caller, leave: Leave, patience: Duration, routes: Router) {
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience)
            .serve_connection(TokioIo::new(caller), TowerToHyperService::new(routes))
    );
    tokio::select! {
        // It holds the connection: polled again below unless it has completed.
        _ = connection.as_mut() => return,
        () = leave.asked() => (),
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// An answer of one sentence, which nobody keeps.
fn words(status: StatusCode, sentence: &'static str) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], sentence).into_response()
}

#[cfg(test)]
mod tests;
