//! The dashboard: the ledger for a committee that does not code, as plain pages.
//!
//! ```text
//! request ─▶ page ─▶ asks /api/v1, as anybody can ─▶ tables and sentences ─▶ HTML
//!                                                      browser: modules of web/ add pictures and checks
//! ```
//!
//! A page is a reader of the API like any other: it shows nothing that the API does not give, and without JavaScript it
//! shows all of it as tables. Nothing is loaded from another host, and no script or style stands in a page itself.

mod answers;
mod assets;
mod downloads;
mod front;
mod layout;
mod ledger;
mod live;
mod overview;
mod rounds;
mod taste;
mod words;

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::http::{Request, StatusCode};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use maud::Markup;
use serde::de::DeserializeOwned;
use tower::ServiceExt as _;

use super::Shared;

/// What a page may load: what this server has, and nothing that stands in the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";

/// The longest answer of the API that a page is made of.
const MAX_ANSWER: usize = 64 << 20;

/// The API as it is asked by a page.
#[derive(Debug, Clone)]
struct Api(Router);

/// The pages, made of what `api` answers.
pub(super) fn routes(api: Router) -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(overview::page))
        .route("/front", get(front::page))
        .route("/rounds", get(rounds::list))
        .route("/rounds/{round}", get(rounds::page))
        .route("/ledger", get(ledger::list))
        .route("/ledger/{index}", get(ledger::page))
        .route("/taste", get(taste::page))
        .route("/live", get(live::page))
        .route("/downloads", get(downloads::page))
        .route("/assets/{*name}", get(assets::answer))
        .layer(Extension(Api(api)))
}

/// A page, or the one that says why there is none.
type Page = Result<Response, Response>;

/// Asks the API, as anybody can.
async fn ask<T: DeserializeOwned>(Api(api): &Api, path: &str) -> Result<T, Response> {
    let request = Request::get(path).body(Body::empty());
    let request = request.map_err(|_| layout::failure(StatusCode::NOT_FOUND))?;
    let answer = match api.clone().oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    };
    if !answer.status().is_success() {
        return Err(layout::failure(answer.status()));
    }
    let wrong = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, path, "an answer of the API is none that a page is made of");
        layout::failure(StatusCode::INTERNAL_SERVER_ERROR)
    };
    let body = to_bytes(answer.into_body(), MAX_ANSWER).await.map_err(|error| wrong(&error))?;
    serde_json::from_slice(&body).map_err(|error| wrong(&error))
}

/// Sends a page.
fn send(status: StatusCode, page: Markup) -> Response {
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (status, headers, Html(page.into_string())).into_response()
}

#[cfg(test)]
mod tests;
