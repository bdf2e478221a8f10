//! How others reach the aggregator, and whom it asks itself.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, SystemTime};

use super::Finding;
use crate::config::{Settings, Traces};
use crate::url::PlainUrl;

/// A witness that needs longer would hold up no checkpoint, but rarely cosign one.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn examine(settings: &Settings, is_running: bool) -> Vec<Finding> {
    let mut findings = udp("address", settings.listen, is_running);
    if let Some(x509) = &settings.x509 {
        findings.extend(udp("x509 address", x509.listen, is_running));
        findings.push(match x509.read() {
            Ok(_) => Finding::well("certificates", "can be read"),
            Err(error) => Finding::wrong(
                "certificates",
                crate::in_full(&error),
                "certs/README.md says how they are made",
            ),
        });
    }
    findings.extend(settings.http.as_ref().map(|http| tcp(http.listen, is_running)));
    findings.extend(super::tls::examine(settings, SystemTime::now()));
    findings.extend(settings.witnesses.iter().map(|url| {
        asked("witness", url, "checkpoints would go without its cosignature until it can")
    }));
    let collector = settings.traces.as_ref().and_then(Traces::url);
    findings.extend(collector.map(|url| {
        asked("collector", &url, "traces are dropped until it can; nothing else is slower for it")
    }));
    findings
}

fn udp(subject: &'static str, listen: SocketAddr, is_running: bool) -> Vec<Finding> {
    match potluck_net::probe(listen) {
        Ok(shortfall) => {
            let mut findings = vec![Finding::well(subject, format!("UDP {listen} is free"))];
            findings.extend(shortfall.map(|shortfall| {
                let cure = "docs/operators.md says how to set it for good";
                Finding::warning("buffers", shortfall.to_string(), cure)
            }));
            findings
        }
        Err(error) => vec![taken(subject, format!("UDP {listen}"), &error, is_running)],
    }
}

fn tcp(listen: SocketAddr, is_running: bool) -> Finding {
    match TcpListener::bind(listen) {
        Ok(_) => Finding::well("http address", format!("TCP {listen} is free")),
        Err(error) => taken("http address", format!("TCP {listen}"), &error, is_running),
    }
}

fn taken(subject: &'static str, name: String, error: &io::Error, is_running: bool) -> Finding {
    match error.kind() {
        io::ErrorKind::AddrInUse if is_running => {
            Finding::well(subject, format!("{name} is taken, as the aggregator runs"))
        }
        io::ErrorKind::AddrInUse => Finding::wrong(
            subject,
            format!("{name} is taken by another program"),
            "stop it, or listen elsewhere (`listen` in aggregator.toml)",
        ),
        io::ErrorKind::PermissionDenied => Finding::wrong(
            subject,
            format!("{name} needs privileges"),
            "take a port above 1023, or give the service CAP_NET_BIND_SERVICE",
        ),
        io::ErrorKind::AddrNotAvailable => Finding::wrong(
            subject,
            format!("{name} is no address of this machine"),
            "listen on one that `ip address` shows, or on [::] for all",
        ),
        _ => Finding::wrong(subject, format!("{name}: {error}"), "listen elsewhere"),
    }
}

/// One whom the aggregator asks by itself.
fn asked(subject: &'static str, url: &PlainUrl, cost: &str) -> Finding {
    let reached = url.place().to_socket_addrs().and_then(|mut addresses| {
        let address = addresses.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
        TcpStream::connect_timeout(&address, PATIENCE)
    });
    match reached {
        Ok(_) => Finding::well(subject, format!("{url} can be reached")),
        Err(error) => Finding::warning(subject, format!("{url} cannot be reached: {error}"), cost),
    }
}
