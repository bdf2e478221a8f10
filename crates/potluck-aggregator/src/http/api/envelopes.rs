//! `GET /api/v1/ledger/envelopes`: many signed statements with one request, for browsers that verify a whole ledger.
//!
//! Each is also a file of the log, under its digest. One by one, a ledger of 100 000 entries would take as many requests.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::ask::Asked;
use super::problem::{Common, Problem};

/// From where on
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The first entry, counted from 0; left out, the founding
    from: Option<u64>,
}

/// The envelopes of the entries from one on, in order: each as it was signed and hashed, and a newline. As many as make an
/// answer of some megabytes; none, where there are no more
#[utoipa::path(get, path = "/api/v1/ledger/envelopes", tag = "ledger", operation_id = "envelopes", params(Which),
    responses((status = 200, body = String, content_type = "application/x-ndjson"), Common))]
pub(super) async fn envelopes(asked: Asked<Which>) -> Response {
    match read(&asked).await {
        Ok(lines) => {
            // A later answer has more, and only more: but what is cached would have to be asked for again at every entry.
            let named = [(CONTENT_TYPE, "application/x-ndjson"), (CACHE_CONTROL, "no-store")];
            (named, lines).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

/// Reads them from the store, which blocks.
async fn read(asked: &Asked<Which>) -> Result<Vec<u8>, Problem> {
    let from = asked.query.from.unwrap_or(0);
    let aggregator = asked.shared.aggregator.clone();
    let _turn = asked.shared.reads.acquire().await.map_err(|_| Problem::internal())?;
    let reading = move || aggregator.ledger.page(from);
    let page = tokio::task::spawn_blocking(reading).await.map_err(|_| Problem::internal())?;
    let entries = page.map_err(Problem::from)?.entries;
    let mut lines =
        Vec::with_capacity(entries.iter().map(|entry| entry.envelope().as_bytes().len() + 1).sum());
    for entry in entries {
        // Compact JSON: no line ends within it.
        lines.extend_from_slice(entry.envelope().as_bytes());
        lines.push(b'\n');
    }
    Ok(lines)
}
