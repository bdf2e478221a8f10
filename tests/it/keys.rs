//! Keys: invited by one line, rotated, stolen, voted back.

use std::fs;

use serde_json::Value;
use support::checkpoint::SMALL;
use support::federation::Federation;
use support::programs::{Ended, potluck};

/// A federation in which two other members can vote a key back.
fn federation() -> Federation {
    Federation::found_by(SMALL, "[keys]\nrecovery = 2\n").unwrap()
}

fn invite(federation: &Federation, party: &str, more: &[&str]) -> String {
    let rest = [&["--party", party], more].concat();
    let invited = federation.operator(&["invite"], &rest).succeeded();
    invited["line"].as_str().unwrap().to_owned()
}

fn take_up(federation: &Federation, line: &str, dir: &str) -> Ended {
    let dir = federation.path(dir).display().to_string();
    potluck(&["join", line, &dir, "--address", &federation.address])
}

fn member(federation: &Federation, dir: &str, command: &[&str], rest: &[&str]) -> Ended {
    let dir = federation.path(dir).display().to_string();
    potluck(&[command, &["--dir", &dir, "--address", &federation.address], rest].concat())
}

#[test]
fn one_line_makes_a_party() {
    let federation = federation();
    let line = invite(&federation, "readers", &[]);
    let joined = take_up(&federation, &line, "readers").succeeded();
    assert_eq!(joined["party"], "readers");
    federation.push("readers", &federation.expert("readers").unwrap()).succeeded();
    let members = member(&federation, "readers", &["members"], &[]).succeeded();
    let reader = &members["members"][1];
    assert_eq!((&reader["author"], &reader["sign"]), (&"readers".into(), &joined["key"]));
    assert!(reader["witness"].is_string());
    // Nothing that others may read, and nothing else in it.
    let keys = federation.path("readers/keys");
    for entry in fs::read_dir(keys).unwrap() {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o077, 0);
    }
    assert_eq!(federation.stranger(&["audit"], &[]).code, Some(0));
}

#[test]
fn each_bad_invitation_has_its_own_code() {
    let federation = federation();
    let line = invite(&federation, "readers", &[]);
    // Mistyped, and of another federation.
    let mistyped = line.replacen('A', "B", 1);
    assert_eq!(take_up(&federation, &mistyped, "x").code, Some(3));
    let other = Federation::found_by(SMALL, "").unwrap();
    let foreign = invite(&other, "readers", &[]);
    let ended = take_up(&federation, &foreign, "x");
    assert_eq!(ended.error_code(), "wrong-server", "{ended:?}");
    // A thief was faster: the rightful owner hears it, and that it was another key.
    take_up(&federation, &line, "thief").succeeded();
    let late = take_up(&federation, &line, "readers");
    assert_eq!(late.error_code(), "invite-taken", "{late:?}");
    // Whoever joined and tries again, without its settings, is told that it is in.
    fs::remove_file(federation.path("thief/party.toml")).unwrap();
    let again = take_up(&federation, &line, "thief").succeeded();
    assert_eq!(again["already"], true);

    let key = key_of(&federation, "readers", "sign");
    let reason = ["--reason", "the invitation was stolen", &key];
    federation.operator(&["key", "revoke"], &reason).succeeded();
    let expert = federation.expert("readers").unwrap();
    let refused = federation.push("thief", &expert);
    assert_eq!(refused.error_code(), "key-revoked", "{refused:?}");
    let line = invite(&federation, "readers", &[]);
    fs::remove_dir_all(federation.path("readers")).unwrap();
    take_up(&federation, &line, "readers").succeeded();
    federation.push("readers", &expert).succeeded();
    assert_eq!(
        federation.operator(&["invite"], &["--party", "readers"]).error_code(),
        "party-refused"
    );
}

fn key_of(federation: &Federation, author: &str, role: &str) -> String {
    let members = federation.stranger(&["members"], &[]).succeeded();
    let all = members["members"].as_array().unwrap();
    let member = all.iter().find(|member| member["author"] == author).unwrap();
    member[role].as_str().unwrap().to_owned()
}

#[test]
fn a_rotated_key_signs_and_the_old_one_does_not() {
    let federation = federation();
    take_up(&federation, &invite(&federation, "agency", &[]), "agency").succeeded();
    let old = federation.path("old.pem");
    fs::copy(federation.path("agency/keys/party.pem"), &old).unwrap();
    let rotated = member(&federation, "agency", &["key", "rotate"], &[]).succeeded();
    federation.push("agency", &federation.expert("agency").unwrap()).succeeded();
    assert_eq!(key_of(&federation, "agency", "sign"), rotated["key"].as_str().unwrap());

    // The thief's copy.
    fs::create_dir_all(federation.path("thief/keys")).unwrap();
    fs::copy(federation.path("agency/party.toml"), federation.path("thief/party.toml")).unwrap();
    fs::copy(&old, federation.path("thief/keys/party.pem")).unwrap();
    let refused = federation.push("thief", &federation.expert("readers").unwrap());
    assert_eq!(refused.error_code(), "key-revoked", "{refused:?}");
    // Interrupted between the entry and the renaming: the same command goes on.
    let keys = federation.path("agency/keys");
    fs::rename(keys.join("party.pem"), keys.join("party.next.pem")).unwrap();
    fs::copy(&old, keys.join("party.pem")).unwrap();
    let again = member(&federation, "agency", &["key", "rotate"], &[]).succeeded();
    assert_eq!((&again["key"], &again["index"]), (&rotated["key"], &Value::Null));
    for role in ["witness", "transport"] {
        let role = ["--role", role];
        member(&federation, "agency", &["key", "rotate"], &role).succeeded();
    }
    federation.push("agency", &federation.expert("checkers").unwrap()).succeeded();
}

#[test]
fn a_lost_key_is_voted_back() {
    let federation = federation();
    for party in ["agency", "readers"] {
        take_up(&federation, &invite(&federation, party, &[]), party).succeeded();
    }
    federation.push("readers", &federation.expert("readers").unwrap()).succeeded();
    fs::remove_file(federation.path("readers/keys/party.pem")).unwrap();
    let asked = member(&federation, "readers", &["key", "request"], &[]).succeeded();
    let text = |name: &str| asked[name].as_str().unwrap().to_owned();
    let vote = [text("of"), text("key"), text("proof")];
    let vote: Vec<&str> = vote.iter().map(String::as_str).collect();
    let first = member(&federation, "agency", &["key", "recover"], &vote).succeeded();
    assert_eq!(first["in_force"], false);
    let refused = federation.push("readers", &federation.expert("checkers").unwrap());
    assert_eq!(refused.error_code(), "key-unknown", "{refused:?}");
    let second = federation.operator(&["key", "recover"], &vote).succeeded();
    assert_eq!(second["in_force"], true);
    federation.push("readers", &federation.expert("checkers").unwrap()).succeeded();
    assert_eq!(federation.stranger(&["audit"], &[]).code, Some(0));
}

#[test]
fn who_is_suspended_is_not_heard_until_it_is_reinstated() {
    let federation = federation();
    take_up(&federation, &invite(&federation, "agency", &[]), "agency").succeeded();
    let why = ["agency", "--reason", "under review"];
    federation.operator(&["suspend"], &why).succeeded();
    let expert = federation.expert("agency").unwrap();
    let refused = federation.push("agency", &expert);
    assert_eq!(refused.error_code(), "author-suspended", "{refused:?}");
    federation.operator(&["reinstate"], &["agency"]).succeeded();
    federation.push("agency", &expert).succeeded();
}
