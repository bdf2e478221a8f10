//! What is answered: JSON of what the ledger amounts to, under a tag that changes when that does.
//!
//! A body is a function of the ledger, of which deadlines are over, and of what was asked. So it carries a tag made of the
//! former, and is kept for as long as the tag holds: who asks the same again is answered from memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLockReadGuard};

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LINK};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use potluck_core::Federation;
use serde::Serialize;

use super::ask::Asked;
use super::problem::Problem;
use crate::history::{Line, Past};
use crate::ledger::Standing;

/// Bodies that are kept, in bytes of all of them.
const KEPT: usize = 8 << 20;

/// Clients ask again before they use what they have.
const REVALIDATE: &str = "no-cache";

/// The ledger while one request is answered.
pub(super) struct Seen<'a> {
    /// What stands.
    pub(super) standing: &'a Standing,
    /// What led to it; the writer waits for this.
    pub(super) past: RwLockReadGuard<'a, Past>,
    /// At what time deadlines are judged.
    pub(super) now: u64,
}

impl Seen<'_> {
    /// What stands.
    pub(super) fn federation(&self) -> &Federation {
        &self.standing.federation
    }

    /// The entry at `index`, if this standing has it.
    pub(super) fn line(&self, index: u64) -> Option<&Line> {
        self.past.line(index).filter(|_| index < self.standing.federation.size())
    }
}

/// A body and where the next page begins.
type Written = (Bytes, Option<HeaderValue>);

/// Bodies by what was asked, all under one tag.
#[derive(Debug, Default)]
pub(in crate::http) struct Bodies(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    tag: String,
    bytes: usize,
    bodies: HashMap<String, Written>,
}

impl Bodies {
    fn kept(&self, tag: &str, target: &str) -> Option<Written> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.tag == tag).then(|| kept.bodies.get(target).cloned()).flatten()
    }

    fn keep(&self, tag: &str, target: &str, body: &Written) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = target.len() + body.0.len();
        if kept.tag != tag || kept.bytes + bytes > KEPT {
            *kept = Kept { tag: tag.to_owned(), ..Kept::default() };
        }
        if bytes <= KEPT / 4 && kept.bodies.insert(target.to_owned(), body.clone()).is_none() {
            kept.bytes += bytes;
        }
    }
}

impl<Q> Asked<Q> {
    /// Answers with one thing.
    pub(super) fn one<T: Serialize>(
        &self,
        make: impl FnOnce(&Seen<'_>) -> Result<T, Problem>,
    ) -> Response {
        self.page(|seen| Ok((make(seen)?, None)))
    }

    /// Answers with a page, and the query of the next one.
    pub(super) fn page<T: Serialize>(
        &self,
        make: impl FnOnce(&Seen<'_>) -> Result<(T, Option<String>), Problem>,
    ) -> Response {
        self.answer(&self.shared.aggregator.standing(), make)
    }

    /// Answers with one thing of a standing that was looked at before.
    pub(super) fn one_of<T: Serialize>(
        &self,
        standing: &Standing,
        make: impl FnOnce(&Seen<'_>) -> Result<T, Problem>,
    ) -> Response {
        self.answer(standing, |seen| Ok((make(seen)?, None)))
    }

    fn answer<T: Serialize>(
        &self,
        standing: &Standing,
        make: impl FnOnce(&Seen<'_>) -> Result<(T, Option<String>), Problem>,
    ) -> Response {
        let now = self.shared.aggregator.ledger.now();
        let tag = tag(standing, now, &self.shared.edition);
        if is_known(&self.headers, &tag) {
            return ready(StatusCode::NOT_MODIFIED, &tag).body(Body::empty()).or_internal();
        }
        let body = match self.shared.bodies.kept(&tag, &self.target) {
            Some(body) => body,
            None => {
                let history = Arc::clone(&standing.history);
                let seen = Seen { standing, past: history.read(), now };
                let made = make(&seen);
                drop(seen);
                match made.and_then(|(body, next)| self.write(&body, next)) {
                    Ok(body) => {
                        self.shared.bodies.keep(&tag, &self.target, &body);
                        body
                    }
                    Err(problem) => return problem.into_response(),
                }
            }
        };
        let (bytes, link) = body;
        let mut response = ready(StatusCode::OK, &tag).header(CONTENT_TYPE, "application/json");
        if let Some(link) = link {
            response = response.header(LINK, link);
        }
        response.body(Body::from(bytes)).or_internal()
    }

    fn write<T: Serialize>(&self, body: &T, next: Option<String>) -> Result<Written, Problem> {
        let failed = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "an answer could not be written");
            Problem::internal()
        };
        let bytes = serde_json::to_vec(body).map_err(|error| failed(&error))?;
        let link = next
            .map(|query| HeaderValue::from_str(&format!("<{}?{query}>; rel=\"next\"", self.path)))
            .transpose()
            .map_err(|error| failed(&error))?;
        Ok((bytes.into(), link))
    }
}

/// What a body depends on beside what was asked: the ledger, what the clock makes of it, the settings, this program.
fn tag(standing: &Standing, now: u64, edition: &str) -> String {
    let federation = &standing.federation;
    let latest = federation.rounds().last();
    let state = latest.map_or("none", |round| round.state(federation.charter(), now));
    let expires = latest.and_then(|round| round.agreement.as_ref()?.expires);
    let is_over = expires.is_some_and(|expires| now > expires);
    let in_force = federation.in_force(now).map_or(0, |round| round.number);
    let open = federation.members().invitations().filter(|(_, it)| now <= it.expires).count();
    let [a, b, c, d, ..] = standing.checkpoint.state();
    let digest = u32::from_be_bytes([a, b, c, d]);
    let (size, version) = (standing.checkpoint.size(), env!("CARGO_PKG_VERSION"));
    let by_clock = format!("{state}-{in_force}-{}-{open}", u8::from(is_over));
    format!("\"{size}-{digest:08x}-{by_clock}-{version}{edition}\"")
}

fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let named = headers.get_all(IF_NONE_MATCH).iter().filter_map(|it| it.to_str().ok());
    named.flat_map(|it| it.split(',')).any(|it| it.trim().trim_start_matches("W/") == tag)
}

fn ready(status: StatusCode, tag: &str) -> axum::http::response::Builder {
    Response::builder().status(status).header(ETAG, tag).header(CACHE_CONTROL, REVALIDATE)
}

/// What has headers of our own making is an answer.
trait Ready {
    fn or_internal(self) -> Response;
}

impl Ready for Result<Response, axum::http::Error> {
    fn or_internal(self) -> Response {
        self.unwrap_or_else(|_| Problem::internal().into_response())
    }
}
