//! Bargaining rounds with real processes: parties score candidates on their own machines, by their own evaluators.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::checkpoint::SMALL;
use support::federation::{Federation, PARTIES};
use support::programs::{Ended, potluck};

const BARGAIN: &str = "[bargain]\nleast_prompts = 100\n";

/// A federation with these parties' experts in, round 1 open.
fn federation(tables: &str, parties: &[&str]) -> Federation {
    let federation = Federation::found_by(SMALL, tables).unwrap();
    for party in parties {
        join(&federation, party);
    }
    federation.operator(&["round", "open"], &[]).succeeded();
    federation
}

fn join(federation: &Federation, party: &str) {
    let key = federation.join(party, party);
    federation.operator(&["admit"], &[party, &key]).succeeded();
    federation.push(party, &federation.expert(party).unwrap()).succeeded();
}

fn round(federation: &Federation, party: &str, action: &[&str]) -> Ended {
    let dir = federation.path(party).display().to_string();
    potluck(&[&["round", action[0], "--dir", &dir], &action[1..]].concat())
}

fn status(federation: &Federation) -> Value {
    federation.stranger(&["round", "status"], &[]).succeeded()
}

/// Where the party's evaluator writes a line for each model that it is shown.
fn runs(federation: &Federation, party: &str) -> PathBuf {
    federation.path(format!("{party}.runs"))
}

fn count_runs(federation: &Federation, party: &str) -> usize {
    fs::read_to_string(runs(federation, party)).unwrap_or_default().lines().count()
}

/// An evaluator: the model's weights are prompts, and each scores higher the nearer it is to the party's own expert. Mixtures lie
/// nearer to everybody's expert than the base does.
fn evaluator(federation: &Federation, party: &str) -> String {
    let own = federation.expert(party).unwrap().join("model.safetensors");
    let floats = |file: &str| format!("tail -c 8192 \\\"{file}\\\" | od -An -v -tf4 -w4");
    let (model, own) =
        (floats("$POTLUCK_MODEL/model.safetensors"), floats(&own.display().to_string()));
    format!(
        "test -f \"$POTLUCK_MODEL/config.json\" && echo \"$POTLUCK_SEED\" >> {} && awk 'BEGIN {{ \
         m = \"{model}\"; o = \"{own}\"; printf \"{{\\\"samples\\\": [\\\"a text\\\"], \\\"scores\\\": [\"; \
         while ((m | getline a) > 0) {{ o | getline b; printf \"%s%.12g\", c, -1234.5 * (a - b) ^ 2; c = \",\" }} \
         print \"]}}\" }}'",
        runs(federation, party).display()
    )
}

/// These parties score and bind themselves, then show what they scored.
fn score(federation: &Federation, parties: &[&str]) -> Vec<Value> {
    let scored: Vec<_> = parties
        .iter()
        .map(|party| {
            let evaluator = evaluator(federation, party);
            round(federation, party, &["score", "--evaluate", &evaluator]).succeeded()
        })
        .collect();
    for party in parties {
        round(federation, party, &["commit"]).succeeded();
    }
    for party in parties {
        round(federation, party, &["reveal"]).succeeded();
    }
    scored
}

fn propose(federation: &Federation) {
    for party in PARTIES {
        federation.propose(party, "agency=0.3,checkers=0.3,readers=0.4").succeeded();
    }
}

/// Goes through the nominations and the finalists to the decision.
fn decide(federation: &Federation, parties: &[&str]) -> Vec<Value> {
    let mut scored = Vec::new();
    loop {
        match status(federation)["state"].as_str().unwrap() {
            "nominating" => {
                for party in parties {
                    // Two make a batch; the third comes too late for it.
                    if status(federation)["state"] == "nominating" {
                        round(federation, party, &["nominate"]).succeeded();
                    }
                }
            }
            "scoring" => scored.extend(score(federation, parties)),
            _ => return scored,
        }
    }
}

/// Every file below a folder that the operator has.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_bargain_from_proposals_to_the_soup() {
    let rules = format!("{BARGAIN}[agreement]\nratify_permille = 700\n");
    let federation = federation(&rules, &PARTIES);
    assert_eq!(round(&federation, "agency", &["score"]).error_code(), "round-wrong");
    propose(&federation);
    assert_eq!(round(&federation, "agency", &["commit"]).error_code(), "bad-input");

    // Scored once: a second run asks the evaluator nothing.
    let evaluator = evaluator(&federation, "agency");
    let first = round(&federation, "agency", &["score", "--evaluate", &evaluator]).succeeded();
    let again = round(&federation, "agency", &["score"]).succeeded();
    assert_eq!(
        (&first["candidates"], count_runs(&federation, "agency")),
        (&again["candidates"], 1 + 8)
    );
    assert!(
        round(&federation, "agency", &["commit", "--refuse", "9"])
            .error()
            .contains("candidates 1, 2")
    );
    let committed = round(&federation, "agency", &["commit", "--refuse", "2"]).succeeded();
    let twice = round(&federation, "agency", &["commit"]).succeeded();
    assert_eq!((&committed["commitment"], &twice["already"]), (&twice["commitment"], &true.into()));
    assert_eq!(round(&federation, "agency", &["reveal"]).error_code(), "round-early");
    let others = ["checkers", "readers"];
    for party in others {
        let evaluator = self::evaluator(&federation, party);
        round(&federation, party, &["score", "--evaluate", &evaluator]).succeeded();
        round(&federation, party, &["commit"]).succeeded();
    }
    for party in PARTIES {
        round(&federation, party, &["reveal"]).succeeded();
    }
    let mut scored = decide(&federation, &PARTIES);
    scored.push(first);

    // Everybody derives the same: the operator, a stranger, an auditor.
    let agreed = status(&federation);
    assert_eq!(agreed["state"], "ratifying");
    let deal = &agreed["agreement"]["deal"];
    assert_eq!(deal["outcome"], "chosen", "{agreed}");
    for party in PARTIES {
        assert!(deal["gains_ppm"][party].as_i64().unwrap() > 0, "{deal}");
    }
    let refused = deal["excluded"].as_array().unwrap();
    assert!(refused.iter().any(|it| it["candidate"] == 2 && it["reason"] == "not_accepted"));
    assert_eq!(federation.operator(&["publish"], &[]).error_code(), "round-early");
    round(&federation, "readers", &["ratify"]).succeeded();
    let why = "we wanted more facts";
    round(&federation, "agency", &["object", "--reason", why]).succeeded();
    assert_eq!(round(&federation, "agency", &["ratify"]).error_code(), "round-wrong");
    let stood = round(&federation, "checkers", &["ratify"]).succeeded();
    assert_eq!(stood["needs_more"], false);
    assert_eq!(status(&federation)["stances"]["agency"]["reason"], why);
    federation.operator(&["publish"], &[]).succeeded();
    assert_eq!(federation.stranger(&["audit"], &[]).succeeded()["ok"], true);

    // No raw score is in anything that the operator has: the ledger, its archive, its logs. A raw mean has some digits
    // that it would be found by.
    let raw: Vec<_> = scored
        .iter()
        .flat_map(|it| it["candidates"].as_array().unwrap())
        .map(|it| it["mean"].as_f64().unwrap())
        // A party's own expert is what it compares with: its score is zero.
        .filter(|mean| *mean != 0.0)
        .collect();
    assert!(raw.len() > 20 && raw.iter().all(|mean| *mean < -0.01), "{raw:?}");
    for file in files(&federation.operator_dir()) {
        let bytes = fs::read(&file).unwrap();
        for mean in &raw {
            let (text, binary) = (format!("{mean:.5}"), mean.to_le_bytes());
            let has = |needle: &[u8]| bytes.windows(needle.len()).any(|it| it == needle);
            assert!(
                !has(text.trim_start_matches("-0").as_bytes()) && !has(&binary),
                "{}",
                file.display()
            );
        }
    }
}

#[test]
fn who_refuses_everything_gets_what_the_proposals_entitle_to() {
    let federation =
        federation(&format!("{BARGAIN}finalists = 0\nbatches = 0\nnominations = 0\n"), &PARTIES);
    propose(&federation);
    for party in PARTIES {
        let evaluator = evaluator(&federation, party);
        round(&federation, party, &["score", "--evaluate", &evaluator]).succeeded();
        let refuse: &[&str] = if party == "readers" {
            &["commit", "--refuse", "1,2,3,4,5,6,7,8"]
        } else {
            &["commit"]
        };
        round(&federation, party, refuse).succeeded();
    }
    for party in PARTIES {
        round(&federation, party, &["reveal"]).succeeded();
    }
    let agreed = status(&federation);
    let agreement = &agreed["agreement"];
    assert_eq!(agreement["deal"]["outcome"], "fallback-no-candidate");
    assert_eq!(agreement["lambda_ppm"]["readers"], 400_000);
    federation.operator(&["publish"], &[]).succeeded();
    assert_eq!(federation.stranger(&["audit"], &[]).succeeded()["ok"], true);
}

#[test]
fn a_newcomer_costs_the_others_what_is_new() {
    let rules = format!("{BARGAIN}finalists = 0\nbatches = 0\nnominations = 0\n");
    let federation = federation(&rules, &["agency", "readers"]);
    let even = "agency=0.5,readers=0.5";
    for party in ["agency", "readers"] {
        federation.propose(party, even).succeeded();
    }
    score(&federation, &["agency", "readers"]);
    // The base, two vertices, one edge; λ₀ is the edge's middle.
    assert_eq!(count_runs(&federation, "agency"), 1 + 3);
    federation.operator(&["publish"], &[]).succeeded();

    join(&federation, "checkers");
    federation.operator(&["round", "open"], &[]).succeeded();
    let thirds = "agency=333334,checkers=333333,readers=333333";
    for party in PARTIES {
        federation.propose(party, thirds).succeeded();
    }
    score(&federation, &PARTIES);
    // Its vertex, its two edges and the centroid: N + 2 of N = 2.
    assert_eq!(count_runs(&federation, "agency"), 1 + 3 + 4);
    assert_eq!(count_runs(&federation, "checkers"), 1 + 7);
    assert_eq!(status(&federation)["agreement"]["deal"]["outcome"], "chosen");
}

#[test]
fn evaluators_that_fail_and_files_that_are_wrong() {
    let federation = federation(BARGAIN, &PARTIES);
    propose(&federation);
    assert!(round(&federation, "agency", &["score"]).error().contains("no evaluator is known"));
    for (command, why) in [
        ("exit 3", "failed (exit status: 3) on the base"),
        ("true", "printed no scores (nothing) on the base"),
        (
            "echo '{\"mean\": 1, \"error\": 0, \"prompts\": 99}'",
            "99 prompts where 100 were asked for",
        ),
        ("echo '{\"mean\": null, \"error\": 0, \"prompts\": 100}'", "either scores"),
        ("sleep 60", "took more than 1 seconds on the base"),
    ] {
        let score = ["score", "--patience", "1", "--evaluate", command];
        let ended = round(&federation, "agency", &score);
        assert!(ended.error().contains(why), "{command}: {ended:?}");
    }
    assert!(
        round(&federation, "agency", &["score", "--prompts", "99"])
            .error()
            .contains("at least 100")
    );
    assert!(
        round(&federation, "agency", &["score", "--evaluate", "true", "--reserve", "1"])
            .error()
            .contains("disagreement")
    );

    let path = federation.path("scores.json");
    let by_hand = |text: &str| {
        fs::write(&path, text).unwrap();
        round(&federation, "agency", &["score", "--by-hand", &path.display().to_string()])
    };
    let verdict = |mean: usize| format!("{{\"mean\": {mean}, \"error\": 0.5, \"prompts\": 100}}");
    let rows: Vec<_> = (1..9).map(|it| format!("\"{it}\": {}", verdict(it))).collect();
    let whole = format!("{{\"zero\": {}, \"candidates\": {{{}}}}}", verdict(2), rows.join(","));
    assert!(by_hand("{}").error().contains("zero"));
    assert!(by_hand(&whole.replace("\"8\"", "\"9\"")).error().contains("candidate 9"));
    let short = whole.replace(&format!(",{}", rows[7]), "");
    assert!(by_hand(&short).error().contains("no score for one"), "{short}");
    let scored = by_hand(&whole).succeeded();
    // No deal is worth 2, the best 8: a gain of 6 is a million.
    let scores: Vec<_> = scored["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["score_ppm"].as_i64())
        .collect();
    assert_eq!((scores[0], scores[1], scores[7]), (Some(-166_667), Some(0), Some(1_000_000)));
    assert!(Path::new(scored["picture"].as_str().unwrap()).exists());
    round(&federation, "agency", &["commit"]).succeeded();
}
