//! A file of a revision, or a range of it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};

use super::range::{Part, asked};
use super::snapshot::{FileBytes, HubFile, Known};
use super::trouble::X_REPO_COMMIT;
use super::{Answer, AskedRevision, Trouble, opened};
use crate::http::Shared;
use crate::streams::{Failure, Stream};

const X_LINKED_ETAG: HeaderName = HeaderName::from_static("x-linked-etag");
const X_LINKED_SIZE: HeaderName = HeaderName::from_static("x-linked-size");

/// A file as it is asked for.
#[derive(Debug, serde::Deserialize)]
pub(super) struct AskedFile {
    namespace: String,
    name: String,
    revision: String,
    file: String,
}

pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    Path(AskedFile { namespace, name, revision, file }): Path<AskedFile>,
    method: Method,
    headers: HeaderMap,
) -> Answer {
    let snapshot = opened(&shared, &headers, AskedRevision { namespace, name, revision }).await?;
    let found = snapshot.file(&file)?;
    let etag = format!("\"{}\"", found.known.etag());
    let part = asked(&headers, found.size, &etag);
    let mut response = match part {
        Part::Known => empty(StatusCode::NOT_MODIFIED),
        Part::Beyond => {
            let mut response = empty(StatusCode::RANGE_NOT_SATISFIABLE);
            put(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{}", found.size));
            response
        }
        Part::Whole => sent(&shared, &method, found, None)?,
        Part::Range(begin, end) => sent(&shared, &method, found, Some((begin, end)))?,
    };
    let head = response.headers_mut();
    put(head, ETAG, &etag);
    head.insert(X_REPO_COMMIT, snapshot.commit.header());
    head.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // A name such as `main` means another commit tomorrow; the ETag says whether it does.
    head.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if matches!(found.known, Known::Recipe(_)) || found.path.ends_with(".safetensors") {
        put(head, X_LINKED_ETAG, &etag);
        put(head, X_LINKED_SIZE, &found.size.to_string());
    }
    Ok(response)
}

/// The answer with bytes: all of them, or those of a range.
fn sent(
    shared: &Arc<Shared>,
    method: &Method,
    file: &HubFile,
    range: Option<(u64, u64)>,
) -> Result<Response, Trouble> {
    let (begin, end) = range.unwrap_or((0, file.size));
    let body =
        if method == Method::HEAD { Body::empty() } else { body_of(shared, file, begin, end)? };
    let mut response = Response::new(body);
    let head = response.headers_mut();
    put(head, CONTENT_LENGTH, &(end - begin).to_string());
    head.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(&file.path)));
    let name = file.path.rsplit('/').next().unwrap_or_default();
    put(head, CONTENT_DISPOSITION, &format!("inline; filename=\"{name}\";"));
    if range.is_some() {
        put(head, CONTENT_RANGE, &format!("bytes {begin}-{}/{}", end - 1, file.size));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

fn body_of(shared: &Shared, file: &HubFile, begin: u64, end: u64) -> Result<Body, Trouble> {
    Ok(match file.open(&shared.hub)? {
        FileBytes::Whole(bytes) => {
            let at = |byte| usize::try_from(byte).map_or(bytes.len(), |at| at.min(bytes.len()));
            Body::from(bytes.slice(at(begin)..at(end)))
        }
        FileBytes::Content(content) => {
            Body::new(Streamed::of(shared.hub.streams.stream(content, begin, end)))
        }
    })
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Digits, digests and the names of manifests' files are visible ASCII.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("json") => "application/json",
        Some("md" | "txt" | "jinja") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

type Next = Pin<Box<dyn Future<Output = (Stream, Option<Result<Bytes, Failure>>)> + Send>>;

/// A stream as the body of an answer. Where it fails, the connection is cut before the length that was announced, so
/// that no client takes a part for the whole.
struct Streamed {
    next: Next,
    left: u64,
}

impl Streamed {
    fn of(stream: Stream) -> Self {
        let left = stream.left();
        Self { next: next(stream), left }
    }
}

fn next(mut stream: Stream) -> Next {
    Box::pin(async move {
        let bytes = stream.next().await;
        (stream, bytes)
    })
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        // After the end, or a failure, it is polled no more: `is_end_stream`, and hyper's word.
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let (stream, bytes) = ready!(self.next.as_mut().poll(context));
        match bytes {
            Some(Ok(bytes)) => {
                self.left = stream.left();
                self.next = next(stream);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            failed => {
                self.left = 0;
                Poll::Ready(failed.map(|failed| failed.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
