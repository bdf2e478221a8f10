//! From soup to soup: where the charter says so, the next experts start from the soup in force, and a push compares.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::checkpoint::{SMALL, write_expert};
use support::federation::{Federation, PARTIES};
use support::potluck;
use support::programs::Ended;

/// A federation with a published soup, by a charter that says from what experts start.
fn with_soup(training: &str) -> Federation {
    let federation = Federation::agreed_by(SMALL, training).unwrap();
    federation.operator(&["publish"], &[]).succeeded();
    federation
}

/// What `potluck charter show` tells.
fn shown(federation: &Federation) -> Value {
    federation.stranger(&["charter", "show"], &[]).succeeded()
}

/// An outbox whose card says with which weights its training began.
fn outbox(federation: &Federation, seed: u64, begun_from: Option<&str>) -> PathBuf {
    let outbox = federation.path(format!("second-{seed}"));
    write_expert(&outbox, SMALL, seed).unwrap();
    if let Some(begun_from) = begun_from {
        let card = json!({"v": 2, "begun_from_blake3": begun_from});
        fs::write(outbox.join("card.json"), card.to_string()).unwrap();
    }
    outbox
}

fn push(federation: &Federation, party: &str, outbox: &Path, more: &[&str]) -> Ended {
    let mut args = federation.push_args(party, outbox);
    args.extend(more.iter().map(|it| (*it).to_owned()));
    potluck(&args)
}

fn blake3(path: &Path) -> String {
    let pulled = fs::read(path.join("model.safetensors")).unwrap();
    potluck_core::Blake3::of(&pulled).to_string()
}

#[test]
fn experts_of_the_next_round_start_from_the_soup() {
    let rules = "[training]\nstart = 'soup'\notherwise = 'refuse'\n";
    // Before there is a soup, the base is where everybody starts.
    let federation = Federation::with_parties_by(SMALL, rules).unwrap();
    let base = blake3(&federation.path("base"));
    assert_eq!(shown(&federation)["start"], json!({"round": null, "blake3": base}));
    let refused = push(&federation, "agency", &outbox(&federation, 1, None), &[]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.error().contains("experts now start from the base"), "{refused:?}");
    for (seed, party) in (10..).zip(PARTIES) {
        push(&federation, party, &outbox(&federation, seed, Some(&base)), &[]).succeeded();
    }
    federation.agree();
    federation.operator(&["publish"], &[]).succeeded();

    // The soup is pulled, and a second training begins with it.
    let soup = federation.path("soup");
    federation.stranger(&["pull", "--out", soup.to_str().unwrap(), "soup"], &[]).succeeded();
    let soup = blake3(&soup);
    assert_eq!(shown(&federation)["start"], json!({"round": 1, "blake3": soup}));
    let again = push(&federation, "agency", &outbox(&federation, 20, Some(&base)), &[]);
    assert_eq!(again.code, Some(3), "{again:?}");
    assert!(again.error().contains("soup of round 1"), "{again:?}");
    assert!(again.stderr.is_empty() || again.stderr.contains("pull soup"), "{again:?}");
    // What is in already is in, whatever holds now.
    let before = push(&federation, "agency", &federation.path("second-10"), &[]).succeeded();
    assert_eq!(before["already"], true);
    let said = push(&federation, "agency", &outbox(&federation, 20, Some(&soup)), &[]);
    assert!(!said.stderr.contains("warning"), "{said:?}");
    said.succeeded();
    // Who has no card says it.
    push(&federation, "readers", &outbox(&federation, 21, None), &["--begun-from", &soup])
        .succeeded();

    // The second soup is recomputed by anybody as the first was.
    federation.agree();
    federation.operator(&["publish"], &[]).succeeded();
    let audit = federation.stranger(&["audit"], &[]).succeeded();
    assert_eq!((&audit["ok"], audit["soups"].as_array().map(Vec::len)), (&true.into(), Some(2)));
    assert_eq!(shown(&federation)["start"]["round"], 2);
}

#[test]
fn a_charter_may_only_warn() {
    let federation = with_soup("[training]\nstart = 'soup'\n");
    let base = blake3(&federation.path("base"));
    let said = push(&federation, "agency", &outbox(&federation, 30, Some(&base)), &[]);
    assert!(said.stderr.contains("experts now start from the soup of round 1"), "{said:?}");
    said.succeeded();
    let federation = with_soup("[training]\nstart = 'soup'\nfrom_round = 3\n");
    let said = push(&federation, "agency", &outbox(&federation, 30, Some(&base)), &[]);
    assert!(!said.stderr.contains("warning"), "{said:?}");
    said.succeeded();
    assert!(shown(&federation)["meaning"].to_string().contains("Experts of round 3 and later"));
}

#[test]
fn an_adapter_over_a_soup_is_not_merged_into_the_base() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/adapter");
    let limits = "[limits]\nexpert_bytes = 1000000\nchange_permille = 1000000\n";
    let rules = format!("{limits}[training]\nstart = 'base'\notherwise = 'refuse'\n");
    let federation = Federation::over(&vectors.join("base"), &rules).unwrap();
    // An adapter is one of the base, unless somebody says otherwise.
    federation.push_foreign("agency", &vectors.join("ranks/a")).succeeded();
    let adapter = federation.path("adapter");
    fs::create_dir(&adapter).unwrap();
    for file in fs::read_dir(vectors.join("ranks/b")).unwrap().map(|it| it.unwrap()) {
        fs::copy(file.path(), adapter.join(file.file_name())).unwrap();
    }
    let card = json!({"begun_from_blake3": "5".repeat(64)});
    fs::write(adapter.join("card.json"), card.to_string()).unwrap();
    let refused = federation.push_foreign("readers", &adapter);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.error().contains("trained over other weights"), "{refused:?}");
}
