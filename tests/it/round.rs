//! Rounds: sealed proposals that nobody sees before all are bound, and a deadline that one absent party cannot stop.

use std::fs;

use support::checkpoint::SMALL;
use support::federation::{Federation, PARTIES};
use support::programs::{Ended, potluck};
use support::waiting::until;

/// One with every party's expert in, under these rules of rounds.
fn federation(rules: &str) -> Federation {
    let federation = Federation::found_by(SMALL, &format!("[rounds]\n{rules}\n")).unwrap();
    for party in PARTIES {
        let key = federation.join(party, party);
        federation.operator(&["admit"], &[party, &key]).succeeded();
        federation.push(party, &federation.expert(party).unwrap()).succeeded();
    }
    federation.operator(&["round", "open"], &[]).succeeded();
    federation
}

fn round(federation: &Federation, party: &str, action: &str) -> Ended {
    let dir = federation.path(party).display().to_string();
    potluck(&["round", action, "--dir", &dir])
}

fn state(federation: &Federation) -> String {
    let status = federation.stranger(&["round", "status"], &[]).succeeded();
    status["state"].as_str().unwrap().to_owned()
}

#[test]
fn sealed_proposals_are_shown_when_all_are_bound() {
    let federation = federation("sealed = true");
    let wishes = [
        "agency=0.6,checkers=0.3,readers=0.1",
        "agency=0.1,checkers=0.8,readers=0.1",
        "agency=0.2,checkers=0.2,readers=0.6",
    ];
    let (first, rest) = (PARTIES[0], &PARTIES[1..]);
    // What could never be shown is not committed to.
    let nobody = federation.propose(first, "agency=0.5,nobody=0.5");
    assert_eq!(nobody.error_code(), "lambda-refused", "{nobody:?}");
    let committed = federation.propose(first, wishes[0]).succeeded();
    assert_eq!(committed["already"], false);
    let again = federation.propose(first, wishes[0]).succeeded();
    assert_eq!((&again["already"], &again["commitment"]), (&true.into(), &committed["commitment"]));
    // A second thought comes too late, and a first one too early.
    assert_eq!(federation.propose(first, wishes[1]).error_code(), "round-wrong");
    assert_eq!(round(&federation, first, "reveal").error_code(), "round-early");
    assert_eq!(round(&federation, first, "close").error_code(), "round-early");
    assert_eq!(state(&federation), "committing");
    // Nobody but its owner can read what is kept.
    let kept = committed["kept"].as_str().unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(fs::metadata(kept).unwrap().permissions().mode() & 0o077, 0);

    for (party, wish) in rest.iter().zip(&wishes[1..]) {
        federation.propose(party, wish).succeeded();
    }
    assert_eq!(state(&federation), "open");
    // Whoever lost its proposal cannot show another in its place.
    let drawer = fs::read(kept).unwrap();
    let other = String::from_utf8(drawer.clone()).unwrap().replace("600000", "500000");
    fs::write(kept, other.replace("300000", "400000")).unwrap();
    assert_eq!(round(&federation, first, "reveal").error_code(), "commitment-mismatch");
    fs::write(kept, drawer).unwrap();
    for party in PARTIES {
        round(&federation, party, "reveal").succeeded();
    }
    let again = round(&federation, first, "reveal").succeeded();
    assert_eq!(again["already"], true);
    assert_eq!(again["agreement"]["lambda_ppm"]["readers"], 350_000);
    federation.operator(&["publish"], &[]).succeeded();
    assert_eq!(federation.stranger(&["audit"], &[]).succeeded()["ok"], true);
}

#[test]
fn a_round_that_nobody_came_to_is_closed_and_another_opened() {
    let federation = federation("reveal_seconds = 1\nquorum_permille = 500");
    let closed = until(|| {
        let closed = round(&federation, "readers", "close");
        (closed.error_code() != "round-early").then_some(closed)
    });
    assert_eq!(closed.unwrap().succeeded()["agreement"], serde_json::Value::Null);
    assert_eq!(state(&federation), "void");
    let late = federation.propose("agency", "agency=1,checkers=0,readers=0");
    assert_eq!(late.error_code(), "round-wrong");
    federation.operator(&["round", "open"], &[]).succeeded();
    assert_eq!(federation.stranger(&["audit"], &[]).succeeded()["ok"], true);
}
