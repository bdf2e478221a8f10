//! Spans to a collector, by OTLP over HTTP.
//!
//! ```text
//! span ends ─▶ queue of 2048 ─▶ a thread of its own: batches ─▶ POST endpoint/v1/traces
//!                   └─ full: the span is dropped
//! ```
//!
//! Nothing waits for the collector: a span is put into the queue or dropped, and a collector that is away costs a thread
//! some seconds now and then. The log says once that it is away, and once that it is there again.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::HOST;
use opentelemetry::Context;
use opentelemetry::trace::{Link, SpanKind, TraceId, TracerProvider as _};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    Sampler, SamplingResult, SdkTracer, SdkTracerProvider, ShouldSample,
};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

use crate::config::{Share, Traces};
use crate::exchange::exchange;
use crate::url::PlainUrl;

/// Within which the collector must have answered.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long what is in the queue may take to be sent when the program ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// The longest answer that is read, in bytes: it is empty, or says what was refused.
const MAX_ANSWER: usize = 64 << 10;

/// Why nothing is traced.
#[derive(Debug, thiserror::Error)]
pub enum NoTraces {
    /// There is no runtime that could send.
    #[error("traces need a runtime to be sent by")]
    NoRuntime(#[from] tokio::runtime::TryCurrentError),
    /// The exporter could not be made.
    #[error("traces cannot be sent to {0}")]
    Exporter(String, #[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What sends spans.
pub struct Tracing {
    provider: SdkTracerProvider,
    sampled: Sampled,
}

impl Tracing {
    pub(super) fn begin(traces: &Traces) -> Result<Self, NoTraces> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            NoTraces::Exporter(traces.endpoint.clone(), error)
        };
        let url: PlainUrl = traces.endpoint.parse().map_err(|error| failed(Box::new(error)))?;
        let collector = Collector {
            url: url.clone(),
            runtime: Handle::try_current()?,
            is_away: Arc::default(),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector)
            .with_endpoint(format!("{url}/v1/traces"))
            .with_timeout(PATIENCE)
            .build()
            .map_err(|error| failed(Box::new(error)))?;
        let sampled = Sampled(Arc::new(AtomicU32::new(traces.sample.0)));
        let resource = Resource::builder()
            .with_service_name(traces.service.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(sampled.clone())
            .with_resource(resource)
            .build();
        Ok(Self { provider, sampled })
    }

    pub(super) fn layer<S>(&self) -> OpenTelemetryLayer<S, SdkTracer>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"));
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer_with_scope(scope.build()))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
    }

    /// Traces this share of the requests that come from now on.
    pub fn set_share(&self, share: Share) {
        self.sampled.0.store(share.0, Ordering::Relaxed);
    }

    /// Sends what is left, for a moment. Blocking; the runtime must still be there.
    pub fn end(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FAREWELL) {
            tracing::debug!(%error, "the last spans were not sent");
        }
    }
}

/// Who calls may have decided already; of the rest a share, which can be changed.
#[derive(Debug, Clone)]
struct Sampled(Arc<AtomicU32>);

impl ShouldSample for Sampled {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let ratio = Share(self.0.load(Ordering::Relaxed)).ratio();
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio)));
        sampler.should_sample(parent, trace, name, kind, attributes, links)
    }
}

/// The collector, asked by the client that asks witnesses too.
struct Collector {
    url: PlainUrl,
    /// The exporter's thread is in none.
    runtime: Handle,
    is_away: Arc<AtomicBool>,
}

impl Collector {
    /// Says it where something changed.
    fn note(&self, answer: &Result<Response<Bytes>, HttpError>) {
        let wrong = match answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answers with {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        let was_away = self.is_away.swap(wrong.is_some(), Ordering::Relaxed);
        match wrong {
            Some(reason) if !was_away => {
                tracing::warn!(collector = %self.url, reason, "traces cannot be sent, and are dropped");
            }
            None if was_away => tracing::info!(collector = %self.url, "traces are sent again"),
            _ => {}
        }
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Collector({})", self.url)
    }
}

type Answering<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

impl HttpClient for Collector {
    // What `async_trait` makes of an `async fn`.
    fn send_bytes<'life0, 'async_trait>(
        &'life0 self,
        request: Request<Bytes>,
    ) -> Answering<'async_trait>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        let (url, runtime) = (self.url.clone(), self.runtime.clone());
        Box::pin(async move {
            let sending =
                runtime.spawn(async move { timeout(PATIENCE, send(&url, request)).await });
            let answer = match sending.await {
                Ok(Ok(answer)) => answer,
                Ok(Err(late)) => Err(late.into()),
                Err(ended) => Err(ended.into()),
            };
            self.note(&answer);
            answer
        })
    }
}

async fn send(url: &PlainUrl, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (mut head, body) = request.into_parts();
    // In the form of a request to the server itself, not to a proxy.
    let path = head.uri.path().to_owned();
    head.uri = path.parse()?;
    head.headers.insert(HOST, url.authority().parse()?);
    let stream = TcpStream::connect(url.place()).await?;
    let request = Request::from_parts(head, Full::new(body));
    let (status, body) = exchange(stream, request, MAX_ANSWER).await?;
    let mut response = Response::new(body);
    *response.status_mut() = status;
    Ok(response)
}
