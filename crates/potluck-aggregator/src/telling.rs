//! How the program tells what it does: its log on standard error, and spans to a collector where the settings name one.
//!
//! Both are made from the same spans, so that a line of the log and a span of a trace speak of a request by the same
//! id. Which lines are written, and which share of the requests is traced, can be changed while the program runs.

mod traces;

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

pub use self::traces::{NoTraces, Tracing};
use crate::config::{LogFormat, Traces};

/// What stands above the settings.
const BY_ENVIRONMENT: &str = "RUST_LOG";

/// The log and the traces of a running program.
pub struct Telling {
    filter: Handle<EnvFilter, Registry>,
    is_by_environment: bool,
    traces: Option<Tracing>,
}

impl Telling {
    /// Begins to write the log, and to trace where that is wanted; once for each process, within its runtime where it
    /// traces. `level` holds where the environment says nothing.
    ///
    /// # Errors
    /// [`NoTraces`].
    pub fn begin(
        format: LogFormat,
        level: &str,
        traces: Option<&Traces>,
    ) -> Result<Self, NoTraces> {
        let environment = EnvFilter::try_from_default_env().ok();
        let is_by_environment = environment.is_some();
        let (filter, handle) = reload::Layer::new(environment.unwrap_or_else(|| filter(level)));
        let lines = fmt::layer().with_writer(io::stderr);
        let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
            LogFormat::Text => lines.with_target(false).with_ansi(false).boxed(),
            LogFormat::Json => lines.json().boxed(),
        };
        let traces = traces.map(Tracing::begin).transpose()?;
        let spans = traces.as_ref().map(Tracing::layer);
        let spans = spans.map(|spans| spans.with_filter(LevelFilter::INFO));
        tracing_subscriber::registry().with(lines.with_filter(filter)).with(spans).init();
        Ok(Self { filter: handle, is_by_environment, traces })
    }

    /// Writes what `level` says from now on; false where the environment says something else, which holds.
    pub fn set_level(&self, level: &str) -> bool {
        // It fails only where the log is gone.
        !self.is_by_environment && self.filter.reload(filter(level)).is_ok()
    }

    /// The traces, if requests are traced.
    pub fn traces(&self) -> Option<&Tracing> {
        self.traces.as_ref()
    }

    /// The variable of the environment that stands above the settings.
    pub fn variable() -> &'static str {
        BY_ENVIRONMENT
    }
}

/// Was read as one before.
fn filter(level: &str) -> EnvFilter {
    EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"))
}
