//! An aggregator as its operator has it: under TLS, with settings that change while it runs, with a log and traces that tell of
//! each request.

mod backup;
mod client;
mod reload;
mod telling;
mod tls;

use std::fs;
use std::net::{SocketAddr, TcpListener};

use support::federation::Federation;
use support::waiting::until;

/// Has an aggregator serve over HTTP from its next start on, with further lines of `[http]` and further tables; where.
fn write_settings(federation: &Federation, at: Option<SocketAddr>, rest: &str) -> SocketAddr {
    // Free a moment ago; nothing else here asks for one by its number.
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = at.unwrap_or_else(free);
    let config = federation.operator_dir().join("aggregator.toml");
    let text = fs::read_to_string(&config).unwrap();
    // What an earlier call wrote goes.
    let own = text.split("# of this test\n").next().unwrap();
    // Tables may stand but once.
    let own = own
        .replace("[log]\nlevel = \"info\"\n", "")
        .replace("[hub]\n", "")
        .replace("cache_bytes = 10_000_000_000\n", "");
    let http = format!("# of this test\n[http]\nlisten = \"{address}\"\n{rest}");
    fs::write(&config, own + &http).unwrap();
    address
}

/// Waits until the log has a line with all of this, which it gives.
fn line(federation: &Federation, parts: &[&str]) -> String {
    let found = until(|| {
        let log = federation.log();
        let line = log.lines().find(|line| parts.iter().all(|part| line.contains(part)));
        line.map(str::to_owned)
    });
    found.unwrap_or_else(|| panic!("no line with {parts:?} in {}", federation.log()))
}
