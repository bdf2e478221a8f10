//! Status: what the operator sees while a party's expert comes in.

use std::fs;
use std::process::Stdio;

use serde_json::Value;
use support::checkpoint::LARGE;
use support::federation::Federation;
use support::programs::program;
use support::waiting;

#[test]
fn an_upload_under_way_is_seen_with_its_party_its_rate_and_what_is_left() {
    let mut federation = Federation::with_parties(LARGE).unwrap();
    federation.slow_down(4_000_000).unwrap();
    federation.restart().unwrap();
    let expert = federation.expert("agency").unwrap();
    let size = fs::metadata(expert.join("model.safetensors")).unwrap().len();
    let idle = federation.operator(&["status"], &[]).succeeded();
    assert_eq!(idle["uploads"].as_array().map(Vec::len), Some(0), "{idle}");

    let mut push = program("potluck");
    push.args(federation.push_args("agency", &expert)).stdout(Stdio::null()).stderr(Stdio::null());
    let mut pushing = push.spawn().unwrap();
    let seen: Value = waiting::until(|| {
        let status = federation.operator(&["status"], &[]).succeeded();
        let upload = &status["uploads"][0];
        (upload["rate"].as_u64()? > 0 && upload["verified"].as_u64()? > 0).then_some(status)
    })
    .unwrap();
    let upload = &seen["uploads"][0];
    assert_eq!((&upload["party"], upload["size"].as_u64()), (&"agency".into(), Some(size)));
    let left = size - upload["verified"].as_u64().unwrap();
    let seconds = left / upload["rate"].as_u64().unwrap();
    assert!(upload["seconds_left"].as_u64().unwrap().abs_diff(seconds) <= 1, "{upload}");
    let agency = seen["peers"].as_array().unwrap().iter().find(|it| it["name"] == "agency");
    assert_eq!(agency.unwrap()["connections"], 1, "{seen}");
    assert_eq!(agency.unwrap()["quarantine"], size, "{seen}");
    let words = federation.operator_words(&["status"]);
    assert!(words.contains("agency") && words.contains("a second"), "{words}");
    pushing.kill().unwrap();
    pushing.wait().unwrap();
}
