//! A stop that was asked for, as by systemd or Kubernetes: what is nearly done is finished, and the rest is handed over to the
//! next start.

use std::fs;
use std::process::{Child, Stdio};

use support::checkpoint::LARGE;
use support::federation::Federation;
use support::programs::{Ended, program};

use crate::kill::reach;

/// Bytes that are there before the server is asked to stop.
const BEGUN: u64 = 4 << 20;

fn start(args: &[String]) -> Child {
    let mut command = program("potluck");
    command.args(args).arg("--json").stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the programs were built")
}

fn ended(child: Child) -> Ended {
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A federation whose server moves so many bytes a second, and a push to it that has begun.
fn pushing(rate: u64) -> (Federation, Child) {
    let mut federation = Federation::with_parties(LARGE).unwrap();
    federation.slow_down(rate).unwrap();
    federation.restart().unwrap();
    let expert = federation.expert("agency").unwrap();
    let mut push = start(&federation.push_args("agency", &expert));
    // Room is reserved for the whole file at its beginning; what has arrived, the server says.
    waiting_for_bytes(&federation, &mut push);
    (federation, push)
}

fn waiting_for_bytes(federation: &Federation, push: &mut Child) {
    let arrived = support::waiting::until(|| {
        assert!(push.try_wait().unwrap().is_none(), "the push ended before the stop");
        let status = federation.operator(&["status"], &[]).json();
        let verified = status["uploads"][0]["verified"].as_u64().unwrap_or(0);
        (verified >= BEGUN).then_some(())
    });
    assert!(arrived.is_some(), "nothing arrived");
}

#[test]
fn an_upload_that_needs_little_longer_is_finished_before_the_stop() {
    // Four seconds in all: well within the server's patience, however the moment falls.
    let (mut federation, push) = pushing(16 << 20);
    assert_eq!(federation.stop().unwrap(), Some(0));
    // The entry is recorded; the push may have begun its next request, for the receipt, too late.
    let first = ended(push);
    assert!(first.code == Some(0) || first.error_code() == "connection-lost", "{first:?}");
    federation.restart().unwrap();
    let again = federation.push("agency", &federation.path("outbox-agency")).succeeded();
    assert_eq!((&again["already"], &again["sent"]), (&true.into(), &0.into()));
}

#[test]
fn a_longer_upload_is_told_to_come_back_and_goes_on_where_it_was() {
    // More than a minute in all.
    let (mut federation, push) = pushing(1 << 20);
    assert_eq!(federation.stop().unwrap(), Some(0));
    let cut = ended(push);
    assert_eq!(cut.error_code(), "connection-lost", "{cut:?}");

    let settings = federation.operator_dir().join("aggregator.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text.replace("bytes_per_second_per_party = 1048576", "")).unwrap();
    federation.restart().unwrap();
    let pushed = federation.push("agency", &federation.path("outbox-agency")).succeeded();
    assert!(pushed["resumed_from"].as_u64() >= Some(BEGUN), "{pushed}");
}

#[test]
fn a_publication_that_a_stop_falls_into_is_done_once() {
    let mut federation = Federation::agreed(LARGE).unwrap();
    let dir = federation.operator_dir().display().to_string();
    let publish = ["publish", "--dir", &dir, "--address", &federation.address].map(str::to_owned);
    let mut publishing = start(&publish);
    reach(&federation.operator_dir().join("store"), 1 << 20, &mut publishing);
    assert_eq!(federation.stop().unwrap(), Some(0));
    // It is more than one request, of which the next may come too late.
    let first = ended(publishing);
    assert!(first.code == Some(0) || first.error_code() == "connection-lost", "{first:?}");
    federation.restart().unwrap();
    let again = federation.operator(&["publish"], &[]);
    assert_eq!(again.code, Some(0), "{again:?}");
    let audit = federation.stranger(&["audit"], &[]).succeeded();
    assert_eq!(audit["soups"].as_array().map(Vec::len), Some(1));
}
