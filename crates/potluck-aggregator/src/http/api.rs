//! `/api/v1`: what the ledger amounts to, in JSON, for dashboards and scripts.
//!
//! ```text
//! federation  parties  experts        who they are, by which rules, with what
//! rounds  agreements  soups  front    what was negotiated, what came of it, what there was to choose from
//! ledger/entries                      what was said, in sentences, and each entry whole with its proof
//! ledger/envelopes                    what was signed, many at once
//! lambda                              one λ: its normal form, its recipe, how to load it
//! events                              what happens, as it happens
//! openapi.json                        all of this, described by the code that answers
//! ```
//!
//! Read only, and derived: an answer is a function of the ledger, which is open to anyone, of which deadlines are over, and of
//! what was asked. So each carries a tag that changes with the ledger, and no request replays or scans it. An
//! error is a problem of RFC 9457 with a stable code; a word of a query that nobody knows here is one. Times are in seconds since
//! 1970, shares in parts per million, scores as they stand in the ledger: no number that decides anything is ever rounded.

mod agreements;
mod answer;
mod ask;
mod charter;
mod entries;
mod envelopes;
mod events;
mod federation;
mod front;
mod lambda;
mod parties;
pub(super) mod problem;
mod rounds;
mod shape;

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use bytes::Bytes;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) use self::answer::Bodies;

use self::ask::{Asked, Nothing};
use self::problem::{Common, Problem};
use super::Shared;

/// What stands above the routes in the document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Potluck",
        description = "What the ledger of a federation amounts to. Read only. Every answer is derived from signed entries, \
                       and can be derived again by anyone from the log at /checkpoint and /tile.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "federation", description = "Who they are and by which rules"),
        (name = "parties", description = "Who is in, by which keys, with what"),
        (name = "rounds", description = "How λ was negotiated, and what it came to"),
        (name = "soups", description = "What was blended, and what any λ would be"),
        (name = "ledger", description = "What was said, with proofs"),
        (name = "document", description = "This description")
    )
)]
struct Head;

/// The routes, and nothing else under their prefix.
pub(super) fn routes() -> Router<Arc<Shared>> {
    let (described, _) = described().split_for_parts();
    described.method_not_allowed_fallback(async || Problem::method()).route(
        "/api/{*rest}",
        any(async || Problem::not_found("nothing is served under that name")),
    )
}

fn described() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::with_openapi(Head::openapi())
        .routes(routes!(federation::federation))
        .routes(routes!(parties::parties))
        .routes(routes!(parties::party))
        .routes(routes!(parties::experts))
        .routes(routes!(rounds::rounds))
        .routes(routes!(rounds::round))
        .routes(routes!(agreements::agreements))
        .routes(routes!(agreements::agreement))
        .routes(routes!(front::front))
        .routes(routes!(agreements::soups))
        .routes(routes!(agreements::soup))
        .routes(routes!(lambda::lambda))
        .routes(routes!(entries::entries))
        .routes(routes!(entries::entry))
        .routes(routes!(envelopes::envelopes))
        .routes(routes!(events::events))
        .routes(routes!(document))
}

/// This document
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "document", operation_id = "openapi",
    responses((status = 200, body = Object, description = "OpenAPI 3.1"), Common))]
async fn document(_: Asked<Nothing>) -> Response {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| {
        let document = serde_json::to_vec(&described().to_openapi());
        document.expect("the document is strings, numbers, lists and maps by text").into()
    });
    let named = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")];
    (named, document.clone()).into_response()
}

#[cfg(test)]
mod tests;
