//! An audit of a folder: what is right passes, and each damage is found at its step.

use std::fs;
use std::path::Path;

use super::*;
use crate::samples::{Story, block_on_threads, mirror_of};

fn args(folder: &Path) -> Args {
    Args {
        place: Some(folder.display().to_string()),
        reader: Reader { dir: None, address: None, log_key: Some(Story::log_key().to_string()) },
        from: None,
        recompute: Which::All,
        offline: true,
        out: None,
        report: None,
    }
}

/// Audits, and gives the steps with how it ended.
fn audited(args: &Args) -> (serde_json::Value, Result<(), Failure>) {
    let output = Output::new(true);
    let mut trail = Trail::new(&output);
    let ended = block_on_threads(audit(args, &mut trail));
    let verdict = trail.finish(ended.as_ref().err());
    (verdict.as_json(), ended.map_err(|failure| trail.blame(&failure)))
}

fn failed_at(folder: &Path) -> (String, String) {
    let (verdict, ended) = audited(&args(folder));
    let failed = &verdict["failed"];
    assert_eq!(verdict["ok"], false, "{verdict}");
    assert!(ended.is_err());
    let text = |name: &str| failed[name].as_str().unwrap().to_owned();
    (text("step"), text("code"))
}

#[test]
fn a_mirror_is_audited_without_a_network() {
    let home = tempfile::tempdir().unwrap();
    mirror_of(&Story::published(), home.path());
    let (verdict, ended) = audited(&args(home.path()));
    ended.unwrap();
    assert_eq!((&verdict["ok"], &verdict["entries"]), (&true.into(), &9.into()));
    let steps: Vec<_> = verdict["steps"].as_array().unwrap().iter().map(|it| &it["step"]).collect();
    let passed =
        ["source", "ledger", "replay", "checkpoint", "state", "tiles", "times", "keys", "bundles"];
    assert_eq!(steps[..9], passed);
    // No expert was copied, so no soup is made again, and the verdict says so.
    assert_eq!(verdict["skipped_rounds"], serde_json::json!([1]));

    // Where there is no mirror, --offline touches no network.
    let elsewhere = Args { place: Some("kitchen.example:4433".to_owned()), ..args(home.path()) };
    assert_eq!(audited(&elsewhere).1.unwrap_err().code(), "bad-input");
}

#[test]
fn an_audit_goes_on_from_a_snapshot_that_the_log_signed() {
    let home = tempfile::tempdir().unwrap();
    let (copy, story) = (home.path().join("copy"), Story::published());
    mirror_of(&story, &copy);
    let kept = Args { out: Some(home.path().join("kept")), ..args(&copy) };
    audited(&kept).1.unwrap();
    let snapshot = home.path().join("kept/state/snapshot");
    let from = Args { from: Some(snapshot.clone()), ..args(&copy) };
    let (verdict, ended) = audited(&from);
    ended.unwrap();
    assert!(verdict["steps"][1]["what"].as_str().unwrap().contains("over 9 entries"));

    let lie = fs::read_to_string(&snapshot).unwrap().replacen(r#""weight":1"#, r#""weight":9"#, 1);
    fs::write(&snapshot, lie).unwrap();
    let (verdict, ended) = audited(&from);
    assert_eq!(ended.unwrap_err().code(), "snapshot-refused");
    assert_eq!(verdict["failed"]["step"], "ledger");
}

#[test]
fn each_damage_is_found_at_its_step() {
    let home = tempfile::tempdir().unwrap();
    let story = Story::published();
    let damaged = |name: &str, damage: &dyn Fn(Vec<u8>) -> Option<Vec<u8>>| {
        let copy = home.path().join(name.replace('/', "-"));
        let _ = fs::remove_dir_all(&copy);
        mirror_of(&story, &copy);
        let path = copy.join(name);
        match damage(fs::read(&path).unwrap()) {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        failed_at(&copy)
    };
    let flip = |mut bytes: Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        Some(bytes)
    };
    let cut = |bytes: Vec<u8>| Some(bytes[..bytes.len() - 1].to_vec());
    let gone = |_: Vec<u8>| None;
    let is = |step: &str, code: &str| (step.to_owned(), code.to_owned());
    let hashes = "tile/0/000.p/9";
    for damage in [&flip as &dyn Fn(Vec<u8>) -> Option<Vec<u8>>, &cut, &gone] {
        assert_eq!(damaged(hashes, damage), is("tiles", "tile-differs"));
    }
    let records = "tile/entries/000.p/9";
    assert_eq!(damaged(records, &cut), is("ledger", "mirror-damaged"));
    assert_eq!(damaged(records, &gone), is("ledger", "mirror-damaged"));
    assert_eq!(damaged("checkpoint", &flip).0, "checkpoint");
    let envelope = story.entries[6].envelope().sha256().to_string();
    let envelope = format!("envelope/{}/{envelope}", &envelope[..2]);
    assert_eq!(damaged(&envelope, &gone), is("ledger", "mirror-damaged"));
    assert_eq!(damaged(&envelope, &cut), is("ledger", "mirror-damaged"));
    let (step, _) = damaged(&envelope, &flip);
    assert!(step == "replay" || step == "ledger", "{step}");
}

#[test]
fn what_was_seen_before_is_not_taken_back_by_a_mirror() {
    let home = tempfile::tempdir().unwrap();
    let (long, short) = (home.path().join("long"), home.path().join("short"));
    mirror_of(&Story::published(), &long);
    mirror_of(&Story::with_round(), &short);
    let out = Some(home.path().join("kept"));
    audited(&Args { out: out.clone(), ..args(&long) }).1.unwrap();
    let (verdict, ended) = audited(&Args { out, ..args(&short) });
    let failure = ended.unwrap_err();
    assert_eq!((failure.kind(), failure.code()), (Kind::Forked, "rollback"));
    assert_eq!(verdict["failed"]["step"], "memory");
}

#[test]
fn a_soup_that_too_few_witness_is_no_soup() {
    let home = tempfile::tempdir().unwrap();
    mirror_of(&Story::published_with(crate::samples::WITNESSED), home.path());
    let (verdict, ended) = audited(&args(home.path()));
    assert_eq!(ended.unwrap_err().kind(), Kind::Unwitnessed);
    assert_eq!(verdict["failed"]["step"], "witnesses");
    let without = Args { recompute: Which::Nothing, ..args(home.path()) };
    let (verdict, ended) = audited(&without);
    ended.unwrap();
    let witnesses =
        verdict["steps"].as_array().unwrap().iter().find(|it| it["step"] == "witnesses");
    assert_eq!(witnesses.unwrap()["mark"], "warned");
}

#[test]
fn a_log_from_the_future_is_remarked() {
    let home = tempfile::tempdir().unwrap();
    let mut story = Story::published();
    story.time = now().unwrap() + TOLERANCE + 60;
    story.signed_at = story.time;
    story.submit("agency", "another");
    mirror_of(&story, home.path());
    let (verdict, ended) = audited(&args(home.path()));
    ended.unwrap();
    let times = verdict["steps"].as_array().unwrap().iter().find(|it| it["step"] == "times");
    assert_eq!(times.unwrap()["mark"], "warned");
}

#[test]
fn a_bundle_that_other_tools_would_refuse_is_found() {
    let home = tempfile::tempdir().unwrap();
    let mut story = Story::published();
    // The short-lived key ended before the log took the expert in.
    story.time += 2 * potluck_interchange::certificate::LIFETIME;
    story.submit("agency", "another");
    mirror_of(&story, home.path());
    let (step, code) = failed_at(home.path());
    assert_eq!((step.as_str(), code.as_str()), ("bundles", "bundle-refused"));
    let (_, ended) = audited(&args(home.path()));
    assert!(ended.unwrap_err().to_string().contains("entry 9, the expert of agency"));
}

#[test]
fn an_expert_that_is_not_the_signed_one_is_found() {
    let home = tempfile::tempdir().unwrap();
    let story = Story::published();
    mirror_of(&story, home.path());
    let party = "agency".parse().unwrap();
    let weights = story.federation().experts()[&party].manifest.weights().unwrap().clone();
    let blob = crate::ledger::blob_path(home.path(), weights.blake3);
    fs::create_dir_all(blob.parent().unwrap()).unwrap();
    fs::write(&blob, "not agency").unwrap();
    assert_eq!(failed_at(home.path()), ("experts".to_owned(), "stored-content-corrupt".to_owned()));
}
