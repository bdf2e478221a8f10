//! What went wrong, as RFC 9457 has it: `application/problem+json` with a stable code and a sentence.

use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use potluck_core::Refusal;
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

/// Something that was asked for in vain
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct Problem {
    /// Which kind of problem: `urn:potluck:problem:` and the code
    #[serde(rename = "type")]
    #[schema(example = "urn:potluck:problem:not-found")]
    kind: String,
    /// The kind in some words
    title: &'static str,
    /// The HTTP status
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// The stable code, for programs
    #[schema(example = "not-found")]
    code: &'static str,
    /// What was wrong, for people
    detail: String,
    /// The parameter that was wrong
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    #[serde(skip)]
    retry_after: Option<u32>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: String) -> Self {
        let kind = format!("urn:potluck:problem:{code}");
        let status = status.as_u16();
        Self { kind, title, status, code, detail, parameter: None, retry_after: None }
    }

    /// There is no such thing here.
    pub(in crate::http) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing", detail.into())
    }

    /// A parameter that cannot be, or that nobody knows here.
    pub(in crate::http) fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let title = "A parameter is wrong";
        let problem = Self::new(StatusCode::BAD_REQUEST, "parameter-wrong", title, detail.into());
        Self { parameter: Some(name.to_owned()), ..problem }
    }

    /// A query that cannot be read as a whole.
    pub(in crate::http) fn query(detail: impl Into<String>) -> Self {
        let title = "The query is wrong";
        Self::new(StatusCode::BAD_REQUEST, "query-wrong", title, detail.into())
    }

    /// Nothing is taken here.
    pub(in crate::http) fn method() -> Self {
        let detail = "this is only read here: GET and HEAD".to_owned();
        let title = "This is only read";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", title, detail)
    }

    /// Our own fault; our log says more.
    pub(in crate::http) fn internal() -> Self {
        let detail = "the aggregator could not answer; its log says more".to_owned();
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "An error of ours", detail)
    }

    /// Too much is asked at once.
    pub(in crate::http) fn too_many(seconds: u32) -> Self {
        let detail = format!("too many requests came from there: ask again in {seconds} s");
        let title = "Too many requests";
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", title, detail);
        Self { retry_after: Some(seconds), ..problem }
    }

    /// All places are taken.
    pub(in crate::http) fn busy(detail: impl Into<String>) -> Self {
        let title = "All places are taken";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", title, detail.into());
        Self { retry_after: Some(30), ..problem }
    }

    /// Who asks must say with a token who it is.
    pub(in crate::http) fn unauthenticated(code: &'static str, detail: impl Into<String>) -> Self {
        let title = "A token is needed";
        Self::new(StatusCode::UNAUTHORIZED, code, title, detail.into())
    }

    /// Who asks may not have it.
    pub(in crate::http) fn forbidden(detail: impl Into<String>) -> Self {
        let title = "This is not for the token";
        Self::new(StatusCode::FORBIDDEN, "not-permitted", title, detail.into())
    }
}

/// What stopped the ledger from answering was our own fault, and was said in our log.
impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        tracing::error!(code = %refusal.code, sentence = refusal.sentence, "a read failed");
        Self::internal()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let named = [(CONTENT_TYPE, "application/problem+json"), (CACHE_CONTROL, "no-store")];
        let mut response = (status, named, body).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET,HEAD"));
        }
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"potluck\"");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// What any of these may answer beside what was asked for.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(super) enum Common {
    /// What the client has is still right: its `If-None-Match` names the `ETag`
    #[response(status = 304)]
    NotModified,
    /// A parameter is wrong, or none that is known here
    #[response(status = 400, content_type = "application/problem+json")]
    Wrong(#[to_schema] Problem),
    /// Too many requests: `Retry-After` says when to come again
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(#[to_schema] Problem),
    /// The aggregator's own fault
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(#[to_schema] Problem),
}

/// Where a name may be nobody's.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(super) enum Named {
    /// There is no such thing
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(#[to_schema] Problem),
}
