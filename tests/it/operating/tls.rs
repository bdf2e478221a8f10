//! The operator's own certificate: shown, renewed under connections that last, looked at before, and asked through.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use support::checkpoint::SMALL;
use support::federation::Federation;
use support::programs::{end, program};
use support::waiting::until;

use super::client::Client;
use super::{line, write_settings};

/// Writes a certificate for `fed.example` and its key into a folder; its text.
fn write_certificate(folder: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["fed.example".to_owned()]).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    fs::write(folder.join("fullchain.pem"), made.cert.pem()).unwrap();
    made.cert.pem()
}

const LINES: &str = "certificate = \"fullchain.pem\"\nkey = \"key.pem\"\nname = \"fed.example\"\n";

fn served() -> (Federation, SocketAddr, String) {
    let mut federation = Federation::found(SMALL).unwrap();
    let certificate = write_certificate(&federation.operator_dir());
    let address = write_settings(&federation, None, LINES);
    federation.restart().unwrap();
    (federation, address, certificate)
}

/// Runs a command of the aggregator's own program.
fn asked(federation: &Federation, command: &[&str]) -> (Option<i32>, String) {
    let mut asking = program("potluck-aggregator");
    asking.args(command).arg("--dir").arg(federation.operator_dir());
    let ended = end(asking);
    (ended.code, format!("{}{}", ended.stdout, ended.stderr))
}

#[test]
fn a_renewed_certificate_is_shown_and_no_connection_is_lost() {
    let (federation, address, first) = served();
    let mut lasting = Client::secured(address, &first).unwrap();
    assert_eq!(lasting.ask("/healthz", "").body, "ok\n");
    assert_eq!(asked(&federation, &["ready"]).0, Some(0), "it is asked by HTTPS");

    // Half of it is there: the one before stays.
    let dir = federation.operator_dir();
    let elsewhere = tempfile::tempdir().unwrap();
    let second = write_certificate(elsewhere.path());
    fs::copy(elsewhere.path().join("fullchain.pem"), dir.join("fullchain.pem")).unwrap();
    let told = line(&federation, &["a renewed certificate is wrong"]);
    assert!(
        told.contains("http.key names") && told.contains("the key of another certificate"),
        "{told}"
    );
    Client::secured(address, &first).unwrap();

    fs::copy(elsewhere.path().join("key.pem"), dir.join("key.pem")).unwrap();
    let shown = until(|| Client::secured(address, &second).ok());
    assert_eq!(shown.unwrap().ask("/healthz", "").status, 200);
    assert!(Client::secured(address, &first).is_err());
    assert_eq!(lasting.ask("/readyz", "").status, 200, "who is in notices nothing");
}

#[test]
fn what_is_wrong_with_a_certificate_is_told_with_file_and_key() {
    let (mut federation, _, _) = served();
    let dir = federation.operator_dir();
    let (code, found) = asked(&federation, &["doctor"]);
    assert_eq!(code, Some(0), "{found}");
    assert!(found.contains("is for fed.example, and holds"), "{found}");

    let text = fs::read_to_string(dir.join("aggregator.toml")).unwrap();
    fs::write(dir.join("aggregator.toml"), text.replace("name = \"fed", "name = \"other")).unwrap();
    let (code, found) = asked(&federation, &["doctor"]);
    assert_eq!(code, Some(6), "{found}");
    assert!(found.contains("not for other.example (http.name)"), "{found}");

    fs::write(dir.join("key.pem"), "no key").unwrap();
    let (code, found) = asked(&federation, &["doctor"]);
    assert_eq!(code, Some(6));
    assert!(
        found.contains("http.key names") && found.contains("is no PEM with a private key"),
        "{found}"
    );
    federation.stop().unwrap();
    let (code, said) = asked(&federation, &[]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("aggregator.toml: http.key names"), "{said}");
}

#[test]
fn curl_speaks_http_2_and_1_1_with_it() {
    if !crate::deploy::is_here("curl") {
        return;
    }
    let (federation, address, _) = served();
    for (version, told) in [("--http2", "2 200"), ("--http1.1", "1.1 200")] {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", version, "--cacert"]);
        curl.arg(federation.operator_dir().join("fullchain.pem"));
        curl.args(["--resolve", &format!("fed.example:{}:127.0.0.1", address.port())]);
        curl.args(["--output", "/dev/null", "--write-out", "%{http_version} %{http_code}"]);
        curl.arg(format!("https://fed.example:{}/api/v1/federation", address.port()));
        let ended = end(curl);
        assert_eq!(ended.stdout, told, "{}", ended.stderr);
    }
}
