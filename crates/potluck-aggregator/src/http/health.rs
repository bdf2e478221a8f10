//! Whether the process is well (`/healthz`), for whoever would start it anew.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use super::{Shared, words};

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/healthz", get(health))
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    match shared.aggregator.fault().first() {
        None => words(StatusCode::OK, "ok\n"),
        Some(_) => words(StatusCode::SERVICE_UNAVAILABLE, "the store failed\n"),
    }
}
