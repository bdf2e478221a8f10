//! The log's files: what any monitor, mirror or browser can read without a key of ours.
//!
//! ```text
//! GET /checkpoint                     the latest checkpoint                     never cached
//! GET /tile/…                         hashes and records (C2SP tlog-tiles)      cached for ever
//! GET /envelope/<ab>/<SHA-256>        the signed statements                     cached for ever
//! ```
//!
//! A path is read as the name of a file of the log, of which there is one spelling, or refused; no path of a
//! request ever reaches the file system.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use potluck_net::archive::ArchiveFile;

use super::{Shared, words};

const IMMUTABLE: &str = "public, max-age=31536000, immutable";
const NO_STORE: &str = "no-store";

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/checkpoint", get(answer))
        .route("/tile/{*file}", get(answer))
        .route("/envelope/{*file}", get(answer))
}

async fn answer(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    match uri.path().strip_prefix('/').and_then(|name| name.parse().ok()) {
        Some(file) => answer_file(file, &shared).await,
        None => words(StatusCode::NOT_FOUND, "the log has no file of that name\n"),
    }
}

async fn answer_file(file: ArchiveFile, shared: &Shared) -> Response {
    let aggregator = shared.aggregator.clone();
    let read = async {
        let _turn = shared.reads.acquire().await.map_err(io::Error::other)?;
        let reading = move || aggregator.log_file(file);
        super::request::blocking(reading).await.map_err(io::Error::other)?
    };
    match read.await {
        Ok(Some(bytes)) if bytes.len() <= file.max_bytes() => {
            let cache = if file.is_immutable() { IMMUTABLE } else { NO_STORE };
            ([(CONTENT_TYPE, file.content_type()), (CACHE_CONTROL, cache)], bytes).into_response()
        }
        Ok(None) => words(StatusCode::NOT_FOUND, "the log has no such file, or not yet\n"),
        Ok(Some(_)) => {
            tracing::error!(%file, "a file of the log is longer than any");
            words(StatusCode::INTERNAL_SERVER_ERROR, "the log cannot be read\n")
        }
        Err(error) => {
            tracing::error!(%file, %error, "a file of the log cannot be read");
            words(StatusCode::INTERNAL_SERVER_ERROR, "the log cannot be read\n")
        }
    }
}
