//! What was agreed, for those who read it, ask what if, change the rules, or take their expert back: with real processes.

use std::fs;

use serde_json::Value;
use support::checkpoint::SMALL;
use support::federation::{Federation, PARTIES};
use support::programs::{Ended, potluck};

/// One batch, decided by its first scores.
const RULES: &str = "[bargain]\nleast_prompts = 100\nfinalists = 0\nbatches = 0\nnominations = 0\n\
                     [agreement]\nratify_permille = 700\n[amendment]\npermille = 750\n";

fn by(federation: &Federation, party: &str, command: &[&str], rest: &[&str]) -> Ended {
    let dir = federation.path(party).display().to_string();
    potluck(&[command, &["--dir", &dir], rest].concat())
}

/// Everybody likes candidate 7, the centroid, best of what all gain by.
fn bargained() -> Federation {
    let federation = Federation::found_by(SMALL, RULES).unwrap();
    for party in PARTIES {
        let key = federation.join(party, party);
        federation.operator(&["admit"], &[party, &key]).succeeded();
        federation.push(party, &federation.expert(party).unwrap()).succeeded();
    }
    federation.operator(&["round", "open"], &[]).succeeded();
    assert_eq!(agreement(&federation, "early").error(), "no round has an agreement yet");
    for party in PARTIES {
        federation.propose(party, "agency=0.3,checkers=0.3,readers=0.4").succeeded();
    }
    let scores = federation.path("scores.json");
    let row = |mean: u32| format!("{{\"mean\": {mean}, \"error\": 0.5, \"prompts\": 100}}");
    let rows: Vec<_> = (1..9)
        .map(|number| format!("\"{number}\": {}", row(if number == 7 { 20 } else { 3 + number })))
        .collect();
    let text = format!("{{\"zero\": {}, \"candidates\": {{{}}}}}", row(2), rows.join(","));
    fs::write(&scores, text).unwrap();
    let scores = scores.display().to_string();
    for party in PARTIES {
        by(&federation, party, &["round", "score"], &["--by-hand", &scores]).succeeded();
        by(&federation, party, &["round", "commit"], &[]).succeeded();
    }
    for party in PARTIES {
        by(&federation, party, &["round", "reveal"], &[]).succeeded();
    }
    federation
}

fn agreement(federation: &Federation, out: &str) -> Ended {
    let out = federation.path(out).display().to_string();
    federation.stranger(&["agreement"], &["--out", &out])
}

#[test]
fn an_agreement_is_read_explored_amended_and_ended() {
    let federation = bargained();
    let text = |name: &str| fs::read_to_string(federation.path(name)).unwrap();

    let written = agreement(&federation, "draft").succeeded();
    assert_eq!(written["standing"], "unratified");
    assert_eq!(written["files"].as_array().unwrap().len(), 4);
    let explored = federation.stranger(&["round", "explore"], &[]).succeeded();
    assert_eq!(explored["without_force"], true);
    let nash = &explored["variations"][0];
    assert_eq!((&nash["name"], &nash["candidate"]), (&"nash".into(), &6.into()));
    for party in PARTIES {
        assert_eq!(nash["regret_ppm"][party], 0);
    }

    for party in ["agency", "readers"] {
        by(&federation, party, &["round", "ratify"], &[]).succeeded();
    }
    let why = "=1+1: too little of ours";
    by(&federation, "checkers", &["round", "object"], &["--reason", why]).succeeded();
    federation.operator(&["publish"], &[]).succeeded();
    let written = agreement(&federation, "agreed").succeeded();
    assert_eq!(
        (&written["standing"], written["files"].as_array().unwrap().len()),
        (&"in_force".into(), 6)
    );
    let page = text("agreed/agreement.md");
    assert!(page.contains("These shares are a bargain") && page.contains("too little of ours"));

    // From a copy of the log, without a network, the same comes out.
    let (copy, again) = (federation.path("copy"), federation.path("again"));
    let (copy, again) = (copy.display().to_string(), again.display().to_string());
    federation.stranger(&["mirror"], &["--out", &copy]).succeeded();
    let offline =
        ["agreement", &copy, "--log-key", &federation.log_key, "--offline", "--out", &again];
    potluck(&offline).succeeded();
    for name in ["decision.csv", "decision.json", "spdx.json"] {
        assert_eq!(text(&format!("agreed/{name}")), text(&format!("again/{name}")), "{name}");
    }
    let explore = ["round", "explore", &copy, "--log-key", &federation.log_key, "--offline"];
    let terms = ["--rule", "leximin", "--weight", "checkers=3", "--without", "agency"];
    let explored = potluck(&[&explore[..], &terms[..]].concat()).succeeded();
    assert_eq!(explored["variations"].as_array().unwrap().len(), 1);

    amended(&federation);
    let told: Value = {
        agreement(&federation, "later").succeeded();
        serde_json::from_str(&text("later/decision.json")).unwrap()
    };
    assert_eq!(told["charter"]["version"], 1, "the round went by the charter that it had");

    ended(&federation);
}

/// A new charter: shown, asked for, endorsed by its first digits, in force.
fn amended(federation: &Federation) {
    let charter = fs::read_to_string(federation.path("charter.toml")).unwrap();
    let path = federation.path("charter-2.toml");
    fs::write(&path, charter.replace("weight = 2", "weight = 1")).unwrap();
    let path = path.display().to_string();
    let asked = federation.operator(&["charter", "amend"], &[&path]);
    assert!(asked.error().contains("no terminal"), "{asked:?}");
    let put = federation.operator(&["charter", "amend"], &["--yes", &path]).succeeded();
    assert_eq!((&put["version"], &put["is_in_force"]), (&2.into(), &false.into()));
    assert!(put["changes"].to_string().contains("parties.readers.weight = 1 (was 2)"));
    let digest = put["digest"].as_str().unwrap();
    let shown = federation.stranger(&["charter", "show"], &[]).succeeded();
    assert_eq!(shown["amendments"][0]["digest"], digest);
    for (party, is_in_force) in [("readers", false), ("agency", false), ("checkers", true)] {
        let endorse = ["--yes", &digest[..8]];
        let said = by(federation, party, &["charter", "endorse"], &endorse).succeeded();
        assert_eq!(said["is_in_force"], is_in_force, "{party}");
    }
    assert_eq!(federation.stranger(&["charter", "show"], &[]).succeeded()["version"], 2);
}

/// A party takes its expert back: everybody who reads the ledger is told.
fn ended(federation: &Federation) {
    let out = federation.path("soup").display().to_string();
    let pull = || federation.stranger(&["pull"], &["soup", "--out", &out]);
    assert!(!pull().stderr.contains("no longer in force"));
    let reason = ["--reason", "our sources asked for it"];
    let asked = by(federation, "agency", &["withdraw"], &reason);
    assert!(asked.error().contains("no terminal"));
    let taken = [&reason[..], &["--yes"]].concat();
    let taken = by(federation, "agency", &["withdraw"], &taken).succeeded();
    assert_eq!(taken["rounds"], serde_json::json!([1]));
    let status = federation.stranger(&["round", "status"], &[]).succeeded();
    assert_eq!((&status["in_force"], &status["withdrawn"]), (&Value::Null, &taken["index"]));
    let pulled = pull();
    assert!(pulled.stderr.contains("the soup of round 1 is no longer in force"), "{pulled:?}");
    pulled.succeeded();
    let written = agreement(federation, "ended").succeeded();
    assert_eq!(written["standing"], "withdrawn");
    let page = fs::read_to_string(federation.path("ended/agreement.md")).unwrap();
    assert!(
        page.contains("agency took its expert back") && page.contains("our sources asked for it")
    );
    assert_eq!(federation.stranger(&["audit"], &[]).succeeded()["ok"], true);
}
