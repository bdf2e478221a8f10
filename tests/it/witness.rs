//! Witnesses, forks, mirrors: nobody is told two stories, and what was told once can be kept.

use std::fs;
use std::path::Path;

use support::checkpoint::SMALL;
use support::federation::{Federation, PARTIES};
use support::programs::{Ended, Server, potluck};

fn join(federation: &Federation, party: &str) {
    let invited = federation.operator(&["invite"], &["--party", party]).succeeded();
    let dir = federation.path(party).display().to_string();
    let line = invited["line"].as_str().unwrap();
    potluck(&["join", line, &dir, "--address", &federation.address]).succeeded();
}

/// A published soup in a federation that asks for two witnesses.
fn published() -> Federation {
    let federation = Federation::found_by(SMALL, "[witnesses]\nquorum = 2\n").unwrap();
    for party in PARTIES {
        join(&federation, party);
        federation.push(party, &federation.expert(party).unwrap()).succeeded();
    }
    federation.operator(&["round", "open"], &[]).succeeded();
    for party in PARTIES {
        federation.propose(party, "agency=0.25,checkers=0.25,readers=0.5").succeeded();
    }
    federation.operator(&["publish"], &[]).succeeded();
    federation
}

fn witness(federation: &Federation, party: &str) -> Ended {
    let dir = federation.path(party).display().to_string();
    potluck(&["witness", "--dir", &dir, "--address", &federation.address])
}

fn pull_soup(federation: &Federation, to: &str) -> Ended {
    let out = federation.path(to).display().to_string();
    federation.stranger(&["pull", "soup"], &["--out", &out])
}

#[test]
fn a_soup_is_taken_once_enough_witnesses_vouch_for_it() {
    let federation = published();
    let early = pull_soup(&federation, "early");
    assert_eq!(early.error_code(), "not-witnessed", "{early:?}");
    assert!(!federation.path("early/model.safetensors").exists());
    let audit = federation.stranger(&["audit"], &[]);
    assert_eq!(audit.code, Some(7), "{audit:?}");

    witness(&federation, "agency").succeeded();
    assert_eq!(pull_soup(&federation, "early").error_code(), "not-witnessed");
    witness(&federation, "readers").succeeded();
    pull_soup(&federation, "soup").succeeded();
    assert!(federation.path("soup/model.safetensors").exists());
    federation.stranger(&["audit"], &[]).succeeded();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn an_operator_that_tells_two_stories_is_caught_and_can_be_proved_guilty() {
    let mut federation = Federation::found(SMALL).unwrap();
    for party in ["agency", "readers"] {
        join(&federation, party);
    }
    // The operator copies everything, and goes on differently in the two places.
    federation.kill();
    let twin = federation.path("twin");
    copy(&federation.operator_dir(), &twin);
    federation.restart().unwrap();
    federation.push("agency", &federation.expert("agency").unwrap()).succeeded();
    let second = Server::start(&twin, "127.0.0.1:0").unwrap();
    let expert = federation.expert("readers").unwrap().display().to_string();
    let dir = federation.path("readers").display().to_string();
    potluck(&["push", "--dir", &dir, "--address", &second.address, "--no-check", &expert])
        .succeeded();

    // Each of the two readers is content by itself; together they hold the proof.
    let [mine, theirs] = ["agency", "readers"].map(|it| federation.path(it).display().to_string());
    let fork = federation.path("fork.json").display().to_string();
    let key = ["--log-key", federation.log_key.as_str()];
    let compared =
        potluck(&[&["evidence", "compare", &mine, &theirs, "--out", &fork], &key[..]].concat());
    assert_eq!(compared.code, Some(4), "{compared:?}");
    let proof = potluck(&[&["evidence", "verify", &fork], &key[..]].concat()).succeeded();
    assert!(proof.to_string().contains("two"), "{proof}");

    // A reader who comes from the one to the other is told at once, and keeps the evidence.
    let turned = potluck(&["ledger", "--dir", &mine, "--address", &second.address]);
    assert_eq!((turned.code, turned.error_code().as_str()), (Some(4), "fork"), "{turned:?}");
    let kept = fs::read_dir(federation.path("agency/state/evidence")).unwrap().next();
    let kept = kept.unwrap().unwrap().path().display().to_string();
    potluck(&[&["evidence", "verify", &kept], &key[..]].concat()).succeeded();
    // Evidence that was tampered with proves nothing.
    let text = fs::read_to_string(&fork).unwrap();
    let digit = text.find("potluck/news").unwrap() + 20;
    let mut bytes = text.into_bytes();
    bytes[digit] ^= 1;
    fs::write(&fork, bytes).unwrap();
    assert_ne!(potluck(&[&["evidence", "verify", &fork], &key[..]].concat()).code, Some(0));
}

#[test]
fn a_mirror_is_audited_without_a_network_and_every_damage_is_found() {
    let mut federation = Federation::agreed(SMALL).unwrap();
    federation.operator(&["publish"], &[]).succeeded();
    let copied = federation.path("copy").display().to_string();
    federation.stranger(&["mirror"], &["--out", &copied, "--experts"]).succeeded();
    federation.kill();
    let key = federation.log_key.clone();
    let report = federation.path("report.html");
    let shown = report.display().to_string();
    let audit = || potluck(&["audit", &copied, "--log-key", &key, "--offline", "--report", &shown]);
    audit().succeeded();
    let html = fs::read_to_string(&report).unwrap();
    assert!(html.contains("Everything is as the ledger says.") && !html.contains("<script"));

    for file in ["tile/0/000.p", "tile/entries/000.p", "envelope"] {
        let path = any_file(&federation.path("copy").join(file));
        let good = fs::read(&path).unwrap();
        let mut flipped = good.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        for bad in [&flipped[..], &good[..good.len() - 1]] {
            fs::write(&path, bad).unwrap();
            assert_eq!(audit().code, Some(4), "{}", path.display());
        }
        fs::remove_file(&path).unwrap();
        assert_ne!(audit().code, Some(0), "{}", path.display());
        fs::write(&path, &good).unwrap();
    }
    audit().succeeded();
}

fn any_file(folder: &Path) -> std::path::PathBuf {
    let first = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).min().unwrap();
    if first.is_dir() { any_file(&first) } else { first }
}
