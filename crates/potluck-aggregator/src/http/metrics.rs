//! `/metrics`: what is counted, in the text format of Prometheus and OpenMetrics.
//!
//! Names say the unit. What the store and the ledger can say at once is read when it is asked for; what happens is counted
//! as it happens. A route is counted under its pattern, so that no caller can make more series than there are routes.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::api::problem::Problem;
use super::{Shared, health};
use crate::server::Aggregator;

/// Seconds: from what a JSON answer takes to what a large file does.
const BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0, 60.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

/// What happened over HTTP since the start.
pub(super) struct Metrics {
    requests: Family<Answered, Counter>,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        Self { requests: Family::default(), seconds: Family::new_with_constructor(histogram) }
    }
}

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/metrics", get(metrics))
}

/// Counts a request, and how long its answer took to begin.
pub(super) async fn counted(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none", MatchedPath::as_str).to_owned();
    let begun = Instant::now();
    let response = next.run(request).await;
    let metrics = &shared.metrics;
    let answered = Answered { route: route.clone(), status: response.status().as_u16() };
    metrics.requests.get_or_create(&answered).inc();
    metrics.seconds.get_or_create(&Route { route }).observe(begun.elapsed().as_secs_f64());
    response
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let mut registry = Registry::with_prefix("potluck");
    let metrics = &shared.metrics;
    let help = "Requests that were answered, by route and status";
    registry.register("http_requests", help, metrics.requests.clone());
    let help = "Time until an answer began, by route";
    registry.register_with_unit(
        "http_request_duration",
        help,
        Unit::Seconds,
        metrics.seconds.clone(),
    );
    register_standing(&mut registry, &shared);
    let mut text = String::new();
    if encode(&mut text, &registry).is_err() {
        return Problem::internal().into_response();
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")], text).into_response()
}

/// What stands at this moment.
fn register_standing(registry: &mut Registry, shared: &Shared) {
    let aggregator: &Aggregator = &shared.aggregator;
    let standing = aggregator.standing();
    let federation = &standing.federation;
    let mut gauge = |name: &str, help: &str, value: u64| {
        // Far below 2^63, in whatever unit.
        registry.register(name, help, ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)));
    };
    gauge("ledger_entries", "Entries of the ledger", federation.size());
    gauge(
        "parties",
        "Members that are parties",
        federation.members().iter().skip(1).count() as u64,
    );
    gauge("experts", "Experts in force", federation.experts().len() as u64);
    gauge("rounds", "Rounds that were opened", federation.rounds().len() as u64);
    let in_force = federation.in_force(aggregator.ledger.now()).is_some();
    gauge("soup_in_force", "1 where a soup is in force, else 0", in_force.into());
    let uploads = aggregator.uploads.status();
    gauge("uploads", "Uploads under way", uploads.len() as u64);
    gauge(
        "blends_in_progress",
        "Soups that are being blended",
        aggregator.blends.status().len() as u64,
    );
    if let Some(parties) = shared.parties.get() {
        gauge(
            "quic_connections",
            "Connections of parties that are open",
            parties.connections() as u64,
        );
    }
    gauge("ready", "1 where /readyz says so, else 0", health::wrong(shared).is_empty().into());
    gauge(
        "store_failed",
        "1 after a write that failed, else 0",
        aggregator.fault().first().is_some().into(),
    );
    if let Ok(left) = aggregator.store.disk.left() {
        gauge("disk_left_bytes", "Bytes of the disk that are left for uploads and soups", left);
    }
    let (begun, received) = aggregator.uploads.totals();
    registry.register("uploads_begun", "Uploads that began", ConstCounter::new(begun));
    let help = "Content that was received and verified";
    registry.register_with_unit("uploaded", help, Unit::Bytes, ConstCounter::new(received));
    let blends = ConstCounter::new(aggregator.counts.blends());
    registry.register("blends", "Soups that were blended", blends);
    let help = "Bytes of the soups that were blended";
    let blended = ConstCounter::new(aggregator.blends.bytes());
    registry.register_with_unit("blended", help, Unit::Bytes, blended);
    let faces = Faces {
        http: shared.traffic.totals(),
        quic: shared.parties.get().map(potluck_net::Watch::traffic),
    };
    let help = "Bytes from readers (http) and parties (quic), by face";
    registry.register_with_unit(
        "received",
        help,
        Unit::Bytes,
        faces.each(|(received, _)| received),
    );
    let help = "Bytes to readers (http) and parties (quic), by face";
    registry.register_with_unit("sent", help, Unit::Bytes, faces.each(|(_, sent)| sent));
    let refusals = aggregator.counts.refusals().filter(|(_, count)| *count > 0);
    let refusals = refusals.map(|(code, count)| (code.as_str(), count)).collect();
    registry.register(
        "refusals",
        "Requests of parties that were refused, by code",
        Labelled { label: "code", counts: refusals },
    );
}

/// Bytes received and sent.
struct Faces {
    http: (u64, u64),
    /// Nothing where nobody tells.
    quic: Option<(u64, u64)>,
}

impl Faces {
    fn each(&self, way: fn((u64, u64)) -> u64) -> Labelled {
        let http = [("http", way(self.http))];
        let quic = self.quic.map(|quic| ("quic", way(quic)));
        Labelled { label: "face", counts: http.into_iter().chain(quic).collect() }
    }
}

/// A counter with one label.
#[derive(Debug)]
struct Labelled {
    label: &'static str,
    counts: Vec<(&'static str, u64)>,
}

impl EncodeMetric for Labelled {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        for (value, count) in &self.counts {
            let labels = [(self.label, *value)];
            ConstCounter::new(*count).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> prometheus_client::metrics::MetricType {
        prometheus_client::metrics::MetricType::Counter
    }
}
