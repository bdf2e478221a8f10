//! Settings that are read again at SIGHUP: all that can change does, or nothing.

use support::checkpoint::SMALL;
use support::federation::Federation;

use super::client::Client;
use super::{line, write_settings};

#[test]
fn what_can_change_does_and_what_cannot_is_named() {
    let mut federation = Federation::found(SMALL).unwrap();
    let address = write_settings(&federation, None, "burst = 1000\n");
    federation.restart().unwrap();
    let mut client = Client::plain(address);
    let origin = "origin: https://board.example\r\n";
    let answer = client.ask("/checkpoint", origin);
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None));

    let more = "burst = 1\nrequests_per_second = 1\ncors = [\"https://board.example\"]\n\
        [hub]\ncache_bytes = 1\n[log]\nlevel = \"debug\"\n[traces]\nendpoint = \"http://127.0.0.1:9\"\n";
    write_settings(&federation, Some(address), more);
    federation.signal("-HUP").unwrap();
    let told = line(&federation, &["the settings were read again"]);
    for key in
        ["http.burst", "http.cors", "http.requests_per_second", "hub.cache_bytes", "log.level"]
    {
        assert!(told.split("needs_restart").next().unwrap().contains(key), "{key}: {told}");
    }
    assert!(told.contains("needs_restart=\"traces.endpoint\""), "{told}");
    // The same connection, on which nothing was lost.
    let answer = client.ask("/checkpoint", &format!("{origin}x-request-id: build-7\r\n"));
    let allowed = answer.header("access-control-allow-origin");
    assert_eq!((answer.status, allowed), (200, Some("https://board.example")));
    assert_eq!(client.ask("/checkpoint", "").status, 429, "one at once");
    line(&federation, &["DEBUG", "request_id=\"build-7\"", "answered"]);
}

#[test]
fn a_file_that_is_wrong_changes_nothing() {
    let mut federation = Federation::found(SMALL).unwrap();
    let address = write_settings(&federation, None, "");
    federation.restart().unwrap();
    let mut client = Client::plain(address);
    for (wrong, told) in [
        ("burst = 1\nrequests_per_second = 1\nbusrt = 2\n", "unknown field `busrt`"),
        (
            "burst = 1\nrequests_per_second = 1\ncors = [\"x\"]\n",
            "aggregator.toml: http.cors \\\"x\\\" is no origin",
        ),
        (
            "burst = 1\nrequests_per_second = 1\ncertificate = \"no.pem\"\nkey = \"no.pem\"\n",
            "http.certificate names",
        ),
        ("burst = 1\nrequests_per_second = 1\n[log]\nlevel = \"a=b=c\"\n", "log.level is"),
    ] {
        write_settings(&federation, Some(address), wrong);
        federation.signal("-HUP").unwrap();
        line(&federation, &["nothing was changed", told]);
        assert!((0..3).all(|_| client.ask("/checkpoint", "").status == 200), "{wrong}");
    }
}
