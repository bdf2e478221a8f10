//! The settings read again while the server runs: at SIGHUP all of them, by themselves only a certificate whose files changed.
//!
//! ```text
//! SIGHUP ─▶ read, check ─ wrong ─▶ one line with file and key; nothing changes
//!                  └─ right ─▶ what can change does ─▶ one line: what took effect, what needs a restart
//! certificate's files ─ changed ─▶ read, check ─▶ shown from the next handshake on; wrong: one line, the old one stays
//! ```
//!
//! What can change stands in [`LIVE`]. Tokens are not among it: they are looked at by themselves ([`crate::tokens`]).

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::{Arguments, Keys, Limits, Settings, SettingsError};
use crate::http::HttpControl;
use crate::server::Aggregator;
use crate::telling::Telling;
use crate::url::PlainUrl;

/// The keys whose values can change while the server runs. `docs/operators.md` has them in a table.
pub const LIVE: [&str; 18] = [
    "http.burst",
    "http.certificate",
    "http.cors",
    "http.key",
    "http.name",
    "http.proxies",
    "http.requests_per_second",
    "hub.cache_bytes",
    "limits.abandoned_after_hours",
    "limits.bytes_per_second_per_party",
    "limits.disk_spare_bytes",
    "limits.quarantine_bytes",
    "limits.quarantine_bytes_per_party",
    "limits.refused_bytes",
    "limits.replaced_after_hours",
    "log.level",
    "traces.sample",
    "witnesses.urls",
];

/// How often it is looked whether a certificate was renewed.
const LOOK: Duration = Duration::from_secs(5);

/// A running server's parts, as far as settings change them.
pub struct Parts {
    /// The federation.
    pub aggregator: Aggregator,
    /// What serves parties.
    pub server: potluck_net::Watch,
    /// What serves readers over HTTP, if anything does.
    pub http: Option<HttpControl>,
    /// The log and the traces.
    pub telling: Telling,
    /// By what is swept.
    pub limits: watch::Sender<Limits>,
    /// Who is asked for cosignatures.
    pub witnesses: watch::Sender<Vec<PlainUrl>>,
}

/// What a reading led to, by key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// What took effect.
    pub live: Vec<String>,
    /// What holds from the next start on.
    pub later: Vec<String>,
}

/// What reads the settings again.
pub struct Reload {
    arguments: Arguments,
    settings: Settings,
    keys: Keys,
    parts: Parts,
    shown: Stamps,
}

impl Reload {
    /// For a server that runs by these settings.
    pub fn new(arguments: Arguments, settings: Settings, keys: Keys, parts: Parts) -> Self {
        let shown = stamps(&settings);
        Self { arguments, settings, keys, parts, shown }
    }

    /// Reads them again at each signal, and certificates when they change, until the other end of `ended` is gone.
    /// Gives the log and traces back.
    pub async fn keep(mut self, mut asked: Signal, mut ended: watch::Receiver<()>) -> Telling {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // Each is dropped without loss: it completes at once when it is asked again.
                _ = ended.changed() => return self.parts.telling,
                signal = asked.recv() => match signal {
                    Some(()) => self.at_signal(),
                    None => return self.parts.telling,
                },
                _ = look.tick() => self.look(),
            }
        }
    }

    fn at_signal(&mut self) {
        match self.again() {
            Ok(Applied { live, later }) => tracing::info!(
                took_effect = live.join(", "),
                needs_restart = later.join(", "),
                "the settings were read again"
            ),
            Err(error) => {
                let error = crate::in_full(&error);
                tracing::error!(error, "the settings are wrong, and nothing was changed");
            }
        }
    }

    /// Reads the settings, and has what can change take effect: all of it, or nothing.
    ///
    /// # Errors
    /// [`SettingsError`], where nothing was changed.
    pub fn again(&mut self) -> Result<Applied, SettingsError> {
        let (settings, keys) = Settings::read(&self.arguments)?;
        let certificate = settings.certificate()?;
        let changed = self.keys.changed(&keys);
        let is_live = |key: &String| LIVE.contains(&key.as_str()) && self.is_there(key, &settings);
        let (mut live, mut later): (Vec<_>, Vec<_>) = changed.into_iter().partition(is_live);
        self.shown = stamps(&settings);
        self.apply(&settings);
        if let (Some(control), Some(http)) = (&self.parts.http, &settings.http) {
            control.apply(http, certificate.as_ref(), settings.hub.cache_bytes);
        }
        if !self.parts.telling.set_level(&settings.log.level) {
            // The environment's word stands above it.
            let level = live.iter().position(|key| key == "log.level");
            later.extend(
                level.map(|at| format!("{} (as {} is set)", live.remove(at), Telling::variable())),
            );
        }
        (self.settings, self.keys) = (settings, keys);
        Ok(Applied { live, later })
    }

    /// Whether what a key is about runs, and goes on.
    fn is_there(&self, key: &str, settings: &Settings) -> bool {
        match key.split_once('.') {
            Some(("http" | "hub", _)) => self.parts.http.is_some() && settings.http.is_some(),
            Some(("traces", _)) => {
                self.parts.telling.traces().is_some() && settings.traces.is_some()
            }
            _ => true,
        }
    }

    fn apply(&self, settings: &Settings) {
        let Parts { aggregator, server, telling, limits, witnesses, .. } = &self.parts;
        aggregator.store.set_limits(&settings.limits);
        server.set_rate(settings.limits.bytes_per_second_per_party);
        limits.send_replace(settings.limits);
        witnesses.send_if_modified(|asked| {
            let is_other = *asked != settings.witnesses;
            asked.clone_from(&settings.witnesses);
            is_other
        });
        if let (Some(tracing), Some(traces)) = (telling.traces(), &settings.traces) {
            tracing.set_share(traces.sample);
        }
    }

    /// Shows a certificate that was renewed. One that is wrong is told once: when its files change again, it is read again.
    fn look(&mut self) {
        let (Some(control), Some(http)) = (&self.parts.http, &self.settings.http) else { return };
        let now = stamps(&self.settings);
        if now == self.shown {
            return;
        }
        self.shown = now;
        match self.settings.certificate() {
            Ok(certificate) => {
                control.show(certificate.as_ref());
                let file = http.certificate.as_deref().unwrap_or(Path::new("")).display();
                tracing::info!(%file, "a renewed certificate is shown");
            }
            Err(error) => {
                let error = crate::in_full(&error);
                tracing::error!(
                    error,
                    "a renewed certificate is wrong, and the one before is shown"
                );
            }
        }
    }
}

/// When the files of a certificate were written, and how long they are: nothing where one is not there.
type Stamps = Option<[(SystemTime, u64); 2]>;

fn stamps(settings: &Settings) -> Stamps {
    let (certificate, key) = settings.http.as_ref()?.files()?;
    let stamp = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    Some([stamp(certificate)?, stamp(key)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_change_is_in_the_example_and_on_the_page() {
        let example = include_str!("../../../configs/aggregator.toml");
        let page = include_str!("../../../docs/operators.md");
        for key in LIVE {
            let (_, name) = key.split_once('.').unwrap();
            assert!(example.contains(&format!("{name} = ")), "{key}");
            assert!(page.contains(&format!("`{key}`")), "{key}");
        }
    }
}
