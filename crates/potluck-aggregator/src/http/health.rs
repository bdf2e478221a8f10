//! Whether the process is well (`/healthz`), for whoever would start it anew, and whether it can serve everybody
//! (`/readyz`), for whoever would send it work.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::{Shared, words};

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/healthz", get(health)).route("/readyz", get(ready))
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    match shared.aggregator.fault().first() {
        None => words(StatusCode::OK, "ok\n"),
        Some(_) => words(StatusCode::SERVICE_UNAVAILABLE, "the store failed\n"),
    }
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    match wrong(&shared).as_slice() {
        [] => words(StatusCode::OK, "ready\n"),
        wrong => {
            let text: String = wrong.iter().map(|it| format!("{it}\n")).collect();
            (StatusCode::SERVICE_UNAVAILABLE, [(CACHE_CONTROL, "no-store")], text).into_response()
        }
    }
}

/// What keeps it from serving everybody. A ledger that is not open is served by nobody: this answers only once it is.
pub(super) fn wrong(shared: &Shared) -> Vec<&'static str> {
    let aggregator = &shared.aggregator;
    let disk = &aggregator.store.disk;
    let has_ended = shared.ended.get().is_some_and(|ended| ended.has_changed().is_err());
    let checks = [
        (has_ended, "it is shutting down"),
        (aggregator.fault().first().is_some(), "the store failed"),
        (!disk.is_writable(), "the store cannot be written"),
        (disk.left().map_or(true, |left| left == 0), "the disk has nothing left above its reserve"),
        (disk.check_ledger().is_err(), "the disk has no room for the ledger"),
        (aggregator.ledger.is_behind(), "the log's folder is far behind the ledger"),
    ];
    checks.into_iter().filter(|(is_wrong, _)| *is_wrong).map(|(_, words)| words).collect()
}
