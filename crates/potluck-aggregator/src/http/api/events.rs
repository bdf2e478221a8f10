//! `GET /api/v1/events`: what happens, as it happens, as server-sent events.
//!
//! ```text
//! entry      a new entry, as the list shows it; its id is its index
//! round      the latest round stands otherwise than before
//! blends     all blends under way, while there are some
//! uploads    all uploads under way, while there are some; with a token of the scope `status` alone
//! ```
//!
//! A connection lasts some minutes, as all do here. A browser comes back by itself and says what it saw last, in the header
//! `Last-Event-ID`; what came between is told then, unless it is so much that pages of entries are the better way.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::unfold;
use potluck_core::Federation;
use potluck_core::federation::Round;
use potluck_wire::UploadStatus;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, interval};
use utoipa::{IntoParams, ToSchema};

use super::answer::Seen;
use super::ask::Asked;
use super::entries::EntryLine;
use super::problem::{Common, Problem};
use crate::blends::BlendStatus;
use crate::http::Shared;
use crate::http::access::{Wanted, may_read};

/// How much of the past is told to whoever comes back.
const MOST: u64 = 1000;

/// How often it is looked whether a deadline is over, or an upload went on.
const TICK: Duration = Duration::from_secs(1);

/// More often than a connection may be silent.
const ALIVE: Duration = Duration::from_secs(5);

/// From when on
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The first entry to be told; left out, the next one
    from: Option<u64>,
}

/// The latest round
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct RoundStands {
    round: u64,
    state: &'static str,
}

/// An upload under way
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct UploadNow {
    party: String,
    /// BLAKE3 of the file
    blake3: String,
    size: u64,
    /// Bytes that are there and verified
    verified: u64,
    /// Bytes a second, over the last seconds
    rate: u64,
    seconds_left: Option<u64>,
}

impl From<UploadStatus> for UploadNow {
    fn from(it: UploadStatus) -> Self {
        let UploadStatus { party, blake3, size, verified, rate, seconds_left, .. } = it;
        Self { party, blake3: blake3.to_string(), size, verified, rate, seconds_left }
    }
}

/// A soup that is being blended
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct BlendNow {
    /// BLAKE3 of the recipe
    recipe: String,
    /// The round that agreed on it
    round: Option<u64>,
    done: u64,
    /// Of how many bytes; 0 until it is known
    total: u64,
}

impl BlendNow {
    fn of(BlendStatus { recipe, done, total }: BlendStatus, federation: &Federation) -> Self {
        let agreed =
            |round: &&Round| federation.recipe(round).is_ok_and(|agreed| agreed.digest() == recipe);
        let round = federation.rounds().iter().rev().find(agreed).map(|round| round.number);
        Self { recipe: recipe.to_string(), round, done, total }
    }
}

/// What happens, as server-sent events: `entry`, `round`, `blends`, and with a token of the scope `status`, `uploads`
#[utoipa::path(get, path = "/api/v1/events", tag = "ledger", operation_id = "events", params(Which),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "Too many watch already"),
        Common))]
pub(super) async fn events(asked: Asked<Which>) -> Response {
    let Ok(place) = Arc::clone(&asked.shared.watchers).try_acquire_owned() else {
        return Problem::busy("too many watch already: ask again in 30 s").into_response();
    };
    let seen = asked.headers.get("last-event-id").and_then(|it| it.to_str().ok());
    let seen = seen.and_then(|it| it.parse::<u64>().ok()).map(|it| it.saturating_add(1));
    let from = seen.or(asked.query.from);
    let sees_uploads = may_read(&asked.shared, &asked.headers, Wanted::Status).is_ok();
    let watching = Watching::new(asked.shared, from, sees_uploads, place);
    let events = unfold(watching, async |mut it| Some((Ok::<_, Infallible>(it.next().await?), it)));
    Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)).into_response()
}

/// One who watches.
struct Watching {
    shared: Arc<Shared>,
    growth: watch::Receiver<u64>,
    ended: Option<watch::Receiver<()>>,
    tick: Interval,
    /// The next entry to tell.
    next: u64,
    round: Option<RoundStands>,
    blends: Vec<BlendNow>,
    sees_uploads: bool,
    uploads: Vec<UploadNow>,
    ready: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

impl Watching {
    fn new(
        shared: Arc<Shared>,
        from: Option<u64>,
        sees_uploads: bool,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let growth = shared.aggregator.growth();
        let ended = shared.ended.get().cloned();
        let size = shared.aggregator.standing().federation.size();
        let next = from.map_or(size, |from| from.clamp(size.saturating_sub(MOST), size));
        let (round, blends, uploads, ready) = (None, Vec::new(), Vec::new(), VecDeque::new());
        let mut watching = Self {
            shared,
            growth,
            ended,
            tick: interval(TICK),
            next,
            round,
            blends,
            sees_uploads,
            uploads,
            ready,
            _place: place,
        };
        watching.look();
        watching
    }

    /// The next event; nothing when the server stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let ended = async {
                match &mut self.ended {
                    // Nothing is ever sent: it completes when the other end is gone.
                    Some(ended) => drop(ended.changed().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Each may be dropped: it completes at once when it is asked again.
                () = ended => return None,
                grown = self.growth.changed() => grown.ok()?,
                _ = self.tick.tick() => (),
            }
            self.look();
        }
    }

    /// Notes what is new.
    fn look(&mut self) {
        let standing = self.shared.aggregator.standing();
        let history = Arc::clone(&standing.history);
        let now = self.shared.aggregator.ledger.now();
        let seen = Seen { standing: &standing, past: history.read(), now };
        while let Some(line) = EntryLine::of(&seen, self.next) {
            self.ready.extend(event("entry", &line).map(|it| it.id(self.next.to_string())));
            self.next += 1;
        }
        drop(seen);
        let federation = &standing.federation;
        let round = federation.rounds().last().map(|round| RoundStands {
            round: round.number,
            state: round.state(federation.charter(), now),
        });
        if round != self.round {
            self.ready.extend(round.as_ref().and_then(|it| event("round", it)));
            self.round = round;
        }
        let blends = self.shared.aggregator.blends.status().into_iter();
        let blends: Vec<_> = blends.map(|it| BlendNow::of(it, federation)).collect();
        if blends != self.blends {
            self.ready.extend(event("blends", &blends));
            self.blends = blends;
        }
        if self.sees_uploads {
            let all = self.shared.aggregator.uploads.status();
            let all: Vec<_> = all.into_iter().map(UploadNow::from).collect();
            if all != self.uploads {
                self.ready.extend(event("uploads", &all));
                self.uploads = all;
            }
        }
    }
}

fn event<T: Serialize>(name: &str, data: &T) -> Option<Event> {
    let text = serde_json::to_string(data).ok()?;
    Some(Event::default().event(name).data(text))
}
