//! Each request by its name: in every line of the log that it leads to, in its span, and in its answer.
//!
//! ```text
//! x-request-id: …      a caller's own name for it, if it is short and plain; else one is made
//! traceparent: …       the trace that it belongs to (W3C Trace Context), if traces are sent anywhere
//! ```
//!
//! The span's fields have the names of OpenTelemetry's semantic conventions for HTTP servers. It lasts until the last byte of the
//! answer was handed over.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::USER_AGENT;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Version};
use axum::middleware::Next;
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use potluck_net::RequestId;
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{Shared, limit};

/// The header that names a request.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest name that is taken from a caller.
const MAX_NAME: usize = 64;

/// Names a request, and opens its span.
pub(super) async fn named(State(_): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let name = given(request.headers()).unwrap_or_else(|| RequestId::fresh().to_string());
    let span = span(&name, &request);
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(X_REQUEST_ID, name);
    }
    span.in_scope(|| tracing::debug!("answered"));
    response.map(|body| Body::new(InSpan { body, span }))
}

/// A caller's own name: what could stand in a log, and nothing else.
fn given(headers: &HeaderMap) -> Option<String> {
    let name = headers.get(X_REQUEST_ID)?.to_str().ok()?;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let is_short = (1..=MAX_NAME).contains(&name.len());
    (is_short && name.bytes().all(is_plain)).then(|| name.to_owned())
}

fn span(name: &str, request: &Request) -> Span {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let method = request.method().as_str();
    let span = tracing::info_span!(
        "http",
        request_id = name,
        otel.name = match route {
            Some(route) => format!("{method} {route}"),
            None => method.to_owned(),
        },
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = tracing::field::Empty,
    );
    // What follows is for traces alone; where none are sent, it is passed over.
    let set = |key: &'static str, value: Option<String>| {
        if let Some(value) = value {
            span.set_attribute(key, value);
        }
    };
    if span
        .set_parent(TraceContextPropagator::new().extract(&HeaderExtractor(request.headers())))
        .is_err()
    {
        return span;
    }
    let from = request.extensions().get::<limit::From>();
    set("client.address", from.map(|from| from.0.ip().to_string()));
    set("url.path", Some(request.uri().path().to_owned()));
    set("network.protocol.version", Some(version(request.version()).to_owned()));
    let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    set("user_agent.original", agent.map(|agent| agent.chars().take(256).collect()));
    span
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}

/// Runs blocking work, of which the log's lines belong to the request.
pub(super) fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let span = Span::current();
    spawn_blocking(move || span.in_scope(work))
}

/// A body that is made within its request's span.
struct InSpan {
    body: Body,
    span: Span,
}

impl HttpBody for InSpan {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { body, span } = self.get_mut();
        let _entered = span.enter();
        Pin::new(body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_not_stand_in_a_log_is_not_taken() {
        let given = |name: &str| {
            given(&HeaderMap::from_iter([(X_REQUEST_ID, HeaderValue::from_str(name).unwrap())]))
        };
        assert_eq!(given("Build-7_a.b").as_deref(), Some("Build-7_a.b"));
        for wrong in ["", "a b", "a=b", "\"", &"x".repeat(65)] {
            assert_eq!(given(wrong), None, "{wrong:?}");
        }
    }
}
