//! What is asked: a path, a query of which every word is known, a page.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::problem::Problem;
use crate::http::Shared;

/// The most things on one page.
pub(super) const MAX_LIMIT: u32 = 200;

/// How many things stand on a page where nobody says.
const LIMIT: u32 = 50;

/// A request with its checked query.
pub(super) struct Asked<Q> {
    /// Whom it is asked of.
    pub(super) shared: Arc<Shared>,
    /// With which headers.
    pub(super) headers: HeaderMap,
    /// The path, as it came.
    pub(super) path: String,
    /// Path and query, as they came.
    pub(super) target: String,
    /// The query.
    pub(super) query: Q,
}

/// A query without a word.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// The first to stand on the page: what `next` and the header `Link` named on the page before
    pub(super) from: Option<String>,
    /// How many, at most
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

impl Page {
    /// How many things stand on the page.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        limit(self.limit)
    }

    /// Where it begins, as a number; the first where nothing is said.
    pub(super) fn number(&self) -> Result<Option<u64>, Problem> {
        let number = |text: &String| {
            text.parse().map_err(|_| Problem::parameter("from", "it is a whole number"))
        };
        self.from.as_ref().map(number).transpose()
    }
}

/// How many things stand on a page.
pub(super) fn limit(asked: Option<u32>) -> Result<usize, Problem> {
    match asked.unwrap_or(LIMIT) {
        // A u32 fits in a usize wherever this runs.
        limit @ 1..=MAX_LIMIT => Ok(limit as usize),
        _ => Err(Problem::parameter("limit", format!("it is 1 to {MAX_LIMIT}"))),
    }
}

impl<Q: DeserializeOwned> FromRequestParts<Arc<Shared>> for Asked<Q> {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Self::Rejection> {
        let query = Query::try_from_uri(&parts.uri).map_err(|error: QueryRejection| {
            let sentence = error.body_text();
            let sentence = sentence.trim_start_matches("Failed to deserialize query string: ");
            Problem::query(sentence)
        })?;
        let target = parts.uri.path_and_query().map_or(parts.uri.path(), |both| both.as_str());
        Ok(Self {
            shared: Arc::clone(shared),
            headers: parts.headers.clone(),
            path: parts.uri.path().to_owned(),
            target: target.to_owned(),
            query: query.0,
        })
    }
}

/// The one name in a path.
pub(super) struct Piece(pub(super) String);

impl Piece {
    /// A whole number.
    pub(super) fn number(&self, what: &str) -> Result<u64, Problem> {
        self.0.parse().map_err(|_| {
            Problem::parameter(
                what,
                format!("{what} is a whole number, counted as the ledger does"),
            )
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Piece {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let piece = Path::<String>::from_request_parts(parts, state).await;
        let wrong = |_: PathRejection| Problem::not_found("no name is spelt so");
        piece.map(|Path(text)| Self(text)).map_err(wrong)
    }
}
