//! Serving, from the sockets to the last span that is sent.

use std::io::Write as _;
use std::sync::Arc;

use potluck_aggregator::config::Keys;
use potluck_aggregator::http::HttpServer;
use potluck_aggregator::log_keys::LogKeys;
use potluck_aggregator::outside::ask_witnesses;
use potluck_aggregator::reload::{Parts, Reload};
use potluck_aggregator::sweep::keep_sweeping;
use potluck_aggregator::telling::Telling;
use potluck_aggregator::{Aggregator, Arguments, Settings};
use potluck_core::PrivateKey;
use potluck_net::tcp::tls::Certificate;
use potluck_net::{Pki, Server};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::failure::Failure;

/// Serves until it is asked to stop, or the store fails.
pub(crate) async fn serve(
    arguments: Arguments,
    (settings, keys): (Settings, Keys),
    certificate: Option<Certificate>,
    aggregator: Aggregator,
    telling: Telling,
) -> Result<(), Failure> {
    let (server, http) = bind(&settings, certificate.as_ref(), &aggregator).await?;
    // Signals are listened for before anybody hears that there is something to stop, or to read again.
    let stop = stop(&aggregator)?;
    let hangup = signal(SignalKind::hangup())?;
    announce(&server, http.as_ref(), &settings, &aggregator)?;
    let (end, ended) = watch::channel(());
    let (limits, swept_by) = watch::channel(settings.limits);
    let (witnesses, asked) = watch::channel(settings.witnesses.clone());
    let asking = ask_witnesses(aggregator.clone(), asked, ended.clone());
    let sweeping = keep_sweeping(aggregator.clone(), swept_by, ended.clone());
    let parts = Parts {
        aggregator,
        server: server.watch(),
        http: http.as_ref().map(HttpServer::control),
        telling,
        limits,
        witnesses,
    };
    let reading = Reload::new(arguments, settings, keys, parts).keep(hangup, ended.clone());
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
    let ((), (), (), (), telling) = tokio::join!(parties, files, asking, sweeping, reading);
    // Last, as what ended before has spans too.
    let farewell = spawn_blocking(move || telling.traces().map(|traces| traces.end()));
    drop(farewell.await);
    Ok(())
}

async fn bind(
    settings: &Settings,
    certificate: Option<&Certificate>,
    aggregator: &Aggregator,
) -> Result<(Server, Option<HttpServer>), Failure> {
    let service = Arc::new(aggregator.clone());
    let keys = aggregator.log_keys();
    let server = Server::bind(settings.listen, keys.identities(), service, settings.network())?;
    let server = match &settings.x509 {
        Some(x509) => {
            let pki = x509.read()?;
            server.with_x509(x509.listen, &certified(keys, &pki), &pki)?
        }
        None => server,
    };
    let Some(http) = &settings.http else { return Ok((server, None)) };
    let http = HttpServer::bind(http, aggregator, &settings.kept_soups(), certificate).await?;
    http.tell_of(server.watch());
    Ok((server, Some(http)))
}

/// The key whose certificate it is; else the latest, which is then said to be another.
fn certified(keys: &LogKeys, pki: &Pki) -> Arc<PrivateKey> {
    let mut held = keys.held();
    let own = held.iter().position(|key| pki.certifies(&key.public()).is_ok());
    // Nothing is served without a key.
    held.swap_remove(own.unwrap_or(held.len().saturating_sub(1)))
}

/// Says on standard output that the server can be reached; nothing else ever stands there.
fn announce(
    server: &Server,
    http: Option<&HttpServer>,
    settings: &Settings,
    aggregator: &Aggregator,
) -> std::io::Result<()> {
    let standing = aggregator.standing();
    tracing::info!(
        federation = %standing.federation.charter().name(),
        entries = standing.federation.size(),
        log = aggregator.verifier_key(),
        x509 = server.x509_addr().map(tracing::field::display),
        http = http.map(|http| tracing::field::display(http.local_addr())),
        tls = settings.http.as_ref().map(|http| http.files().is_some()),
        traces = settings.traces.as_ref().map(|traces| traces.endpoint.as_str()),
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
