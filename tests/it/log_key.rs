//! The log's own key: handed over while members read on, followed by them, and void when the old one is stolen.

use std::fs;

use support::checkpoint::SMALL;
use support::federation::Federation;
use support::programs::{Ended, Server, potluck};

fn of(federation: &Federation, who: &str, command: &[&str], rest: &[&str]) -> Ended {
    let dir = federation.path(who).display().to_string();
    potluck(&[command, &["--dir", &dir, "--address", &federation.address], rest].concat())
}

fn stranger(federation: &Federation, log_key: &str, command: &str) -> Ended {
    potluck(&[command, "--address", &federation.address, "--log-key", log_key])
}

#[test]
fn the_log_hands_over_and_its_members_follow() {
    let mut federation = Federation::with_parties(SMALL).unwrap();
    let expert = federation.expert("agency").unwrap();
    let first = federation.push("agency", &expert).succeeded();
    let old = federation.log_key.clone();

    // A party has no log, and what the aggregator does not hold it does not take.
    assert_eq!(of(&federation, "agency", &["key", "rotate"], &["--role", "log"]).code, Some(3));
    let operator = federation.operator_dir();
    let keys = operator.join("keys");
    let rotated = federation.operator(&["key", "rotate"], &["--role", "log"]).succeeded();
    let settings = fs::read_to_string(operator.join("operator.toml")).unwrap();
    let new = settings.split('"').find(|it| it.starts_with("potluck/news+")).unwrap().to_owned();
    assert_ne!(new, old);
    assert!(!settings.contains(&old));

    // Both keys sign: who pinned the old one reads on, and who pins the new one may.
    for key in [&old, &new] {
        let audited = stranger(&federation, key, "audit").succeeded();
        assert_eq!(audited["ok"], true);
    }
    let members = stranger(&federation, &old, "members").succeeded();
    assert_eq!(members["log_keys"][1]["key"], rotated["key"]);
    federation.push("agency", &federation.expert("readers").unwrap()).succeeded();
    let pinned = of(&federation, "agency", &["key", "pin"], &[]).succeeded();
    assert_eq!((&pinned["log_key"], &pinned["changed"]), (&new.as_str().into(), &true.into()));
    let again = of(&federation, "agency", &["key", "pin"], &[]).succeeded();
    assert_eq!(again["changed"], false);
    // A receipt from before is one under the key of then.
    let receipt = first["receipt"].as_str().unwrap();
    potluck(&["verify", receipt, "--log-key", &old]).succeeded();
    assert_eq!(potluck(&["verify", receipt, "--log-key", &new]).code, Some(4));

    // The old key is gone: it is no identity any more, and its last holders are told the new one.
    federation.kill();
    let mut files = fs::read_dir(&keys).unwrap().map(|it| it.unwrap().path());
    let kept = files.find(|path| path.to_string_lossy().contains("log.old-")).unwrap();
    fs::rename(&kept, federation.path("safe.pem")).unwrap();
    federation.restart().unwrap();
    let late = of(&federation, "readers", &["members"], &[]);
    assert_eq!(late.error_code(), "wrong-server", "{late:?}");
    let told = ["--log-key", new.as_str()];
    of(&federation, "readers", &["key", "pin"], &told).succeeded();
    federation.push("readers", &federation.expert("checkers").unwrap()).succeeded();
    assert_eq!(stranger(&federation, &new, "audit").succeeded()["ok"], true);

    // A federation is told by another's key: it is no successor.
    let other = Federation::found(SMALL).unwrap();
    let dir = federation.path("checkers").display().to_string();
    let foreign = ["key", "pin", "--dir", &dir, "--address", &other.address, "--log-key"];
    let foreign = potluck(&[&foreign[..], &[other.log_key.as_str()]].concat());
    assert_eq!(foreign.code, Some(4), "{foreign:?}");

    // Without the key in force there is nothing to serve.
    federation.kill();
    fs::rename(keys.join("log.pem"), federation.path("lost.pem")).unwrap();
    fs::rename(federation.path("safe.pem"), keys.join("log.pem")).unwrap();
    let refused = Server::start(&operator, "127.0.0.1:0").unwrap_err().to_string();
    assert!(refused.contains("is not held here"), "{refused}");
}
