//! The program `potluck-aggregator`; `potluck serve` runs it.
//!
//! One line on standard output says where it listens once it can be reached; its log goes to standard error.
//! Exit codes: 0 after a signal; 1 where this machine fails; 2 for wrong arguments; 3 for wrong settings, keys
//! or files; 4 where the stored ledger is not what the log signed; 5 where `check` found damage that it could not
//! repair; 6 where `doctor` found what would keep it from serving.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use potluck_aggregator::config::{LogFormat, Task};
use potluck_aggregator::http::HttpServer;
use potluck_aggregator::log_keys::LogKeys;
use potluck_aggregator::outside::ask_witnesses;
use potluck_aggregator::sweep::keep_sweeping;
use potluck_aggregator::{Aggregator, Arguments, Settings};
use potluck_core::PrivateKey;
use potluck_net::{Pki, Server};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

mod checking;
mod doctoring;
mod failure;
mod manual;
mod readiness;

use self::failure::Failure;

/// How long blocking work may go on once nobody is connected: enough for an append, which is then durable. A
/// blend or an inspection is cut, and done again when it is asked for again.
const LAST_WORK: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (ended, json) = match &arguments.task {
        Some(Task::Check(check)) => {
            write_log(LogFormat::Text, "warn");
            (checking::run(check), check.json)
        }
        Some(Task::Doctor(doctor)) => {
            write_log(LogFormat::Text, "error");
            (doctoring::run(doctor).map_err(Failure::from), doctor.json)
        }
        Some(Task::Ready(ready)) => (readiness::run(ready), ready.json),
        Some(Task::Completions(completions)) => (manual::complete(completions), false),
        Some(Task::Man(man)) => (manual::write(man), false),
        None => (run(&arguments).map(|()| ExitCode::SUCCESS), arguments.json),
    };
    ended.unwrap_or_else(|failure| failure.print(json))
}

/// The table of contents.
fn run(arguments: &Arguments) -> Result<(), Failure> {
    write_log(arguments.log_format, "info");
    let settings = Settings::gather(arguments)?;
    let aggregator = Aggregator::open(&settings)?;
    let runtime = potluck_net::server_runtime()?;
    let serving = async {
        let service = Arc::new(aggregator.clone());
        let keys = aggregator.log_keys();
        let limits = settings.network();
        let server = Server::bind(settings.listen, keys.identities(), service, limits)?;
        let server = match &settings.x509 {
            Some(x509) => {
                let pki = x509.read()?;
                server.with_x509(x509.listen, &certified(keys, &pki), &pki)?
            }
            None => server,
        };
        let http = match &settings.http {
            Some(http) => Some(HttpServer::bind(http, &aggregator, &settings.kept_soups()).await?),
            None => None,
        };
        // Signals are listened for before anybody hears that there is something to stop.
        let stop = stop(&aggregator)?;
        announce(&server, http.as_ref(), &aggregator)?;
        let (end, ended) = watch::channel(());
        let asking = ask_witnesses(aggregator.clone(), settings.witnesses.clone(), ended.clone());
        let sweeping = keep_sweeping(aggregator.clone(), settings.limits, ended.clone());
        let files = async {
            match http {
                Some(http) => http.run(ended).await,
                None => drop(ended),
            }
        };
        let parties = async {
            server.run(stop).await;
            drop(end);
        };
        tokio::join!(parties, files, asking, sweeping);
        Ok::<_, Failure>(())
    };
    complete(runtime, serving)?;
    aggregator.fault().first().map_or(Ok(()), |fault| Err(Failure::Store(fault.to_owned())))
}

/// The key whose certificate it is; else the latest, which is then said to be another.
fn certified(keys: &LogKeys, pki: &Pki) -> Arc<PrivateKey> {
    let mut held = keys.held();
    let own = held.iter().position(|key| pki.certifies(&key.public()).is_ok());
    // Nothing is served without a key.
    held.swap_remove(own.unwrap_or(held.len().saturating_sub(1)))
}

/// Runs `serving` to its end. Dropped, a runtime would wait for all blocking work, however long it takes.
fn complete<T>(runtime: Runtime, serving: impl Future<Output = T>) -> T {
    let served = runtime.block_on(serving);
    runtime.shutdown_timeout(LAST_WORK);
    served
}

fn write_log(format: LogFormat, level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_target(false).with_ansi(false).init(),
        LogFormat::Json => log.json().init(),
    }
}

/// Says on standard output that the server can be reached; nothing else ever stands there.
fn announce(
    server: &Server,
    http: Option<&HttpServer>,
    aggregator: &Aggregator,
) -> std::io::Result<()> {
    let standing = aggregator.standing();
    tracing::info!(
        federation = %standing.federation.charter().name(),
        entries = standing.federation.size(),
        log = aggregator.verifier_key(),
        x509 = server.x509_addr().map(tracing::field::display),
        http = http.map(|http| tracing::field::display(http.local_addr())),
        "serving"
    );
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {}", server.local_addr())?;
    out.flush()
}

/// Completes on the first of: interrupt, terminate, a store that fails.
///
/// Each arm may be dropped when another completes: none of them holds anything.
fn stop(aggregator: &Aggregator) -> std::io::Result<impl Future<Output = ()> + use<>> {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let aggregator = aggregator.clone();
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => tracing::info!("interrupted"),
            _ = terminate.recv() => tracing::info!("asked to stop"),
            fault = aggregator.fault().wait() => tracing::error!(fault, "stopping"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn work_that_goes_on_does_not_keep_the_process() {
        let (hold, held) = mpsc::channel::<()>();
        let runtime = Runtime::new().unwrap();
        let (begin, begun) = mpsc::channel();
        complete(runtime, async {
            tokio::task::spawn_blocking(move || begin.send(()).is_ok() && held.recv().is_ok());
            begun.recv().unwrap();
        });
        // The work still waits for this: the other end would be gone had it been waited for.
        hold.send(()).unwrap();
    }
}
