//! Verify: each bad expert is refused by its own code, and the ledger stays as it was.

use std::fs;
use std::path::{Path, PathBuf};

use support::checkpoint::{SMALL, Shape, weights};
use support::federation::Federation;

/// An expert in a folder of its own, made by `write` from the party's good weights.
fn bad_expert(federation: &Federation, name: &str, write: impl FnOnce(&Path, Vec<u8>)) -> PathBuf {
    let good = federation.expert("readers").unwrap();
    let bad = federation.path(name);
    fs::create_dir_all(&bad).unwrap();
    write(&bad.join("model.safetensors"), fs::read(good.join("model.safetensors")).unwrap());
    bad
}

fn refused(federation: &Federation, party: &str, expert: &Path) -> String {
    let before = federation.checkpoint();
    let ended = federation.push(party, expert);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert_eq!(federation.checkpoint(), before);
    ended.error_code()
}

#[test]
fn bad_experts_are_refused_by_distinct_codes() {
    let federation = Federation::with_parties(SMALL).unwrap();
    let last_weight = |bytes: &mut Vec<u8>, weight: f32| {
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&weight.to_le_bytes());
    };
    let not_a_number = bad_expert(&federation, "nan", |path, mut bytes| {
        last_weight(&mut bytes, f32::NAN);
        fs::write(path, bytes).unwrap();
    });
    assert_eq!(refused(&federation, "readers", &not_a_number), "weights-not-finite");
    let huge = bad_expert(&federation, "huge", |path, mut bytes| {
        last_weight(&mut bytes, 1e30);
        fs::write(path, bytes).unwrap();
    });
    assert_eq!(refused(&federation, "readers", &huge), "change-too-large");
    let truncated = bad_expert(&federation, "truncated", |path, bytes| {
        fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
    });
    assert_eq!(refused(&federation, "readers", &truncated), "header-invalid");
    let reshaped = bad_expert(&federation, "reshaped", |path, _| {
        let other = Shape { rows: SMALL.rows + 1, tensors: SMALL.tensors };
        fs::write(path, weights(other, 1, 0.1, 10).unwrap()).unwrap();
    });
    assert_eq!(refused(&federation, "readers", &reshaped), "tensors-differ");
    let foreign = bad_expert(&federation, "foreign", |path, bytes| {
        let card = format!("{{\"base_blake3\":\"{}\"}}", "00".repeat(32));
        fs::write(path.with_file_name("card.json"), card).unwrap();
        fs::write(path, bytes).unwrap();
    });
    assert_eq!(refused(&federation, "readers", &foreign), "base-mismatch");
}

#[test]
fn a_stranger_is_refused_under_anybodys_name() {
    let federation = Federation::with_parties(SMALL).unwrap();
    federation.join("stranger", "readers");
    let expert = federation.expert("readers").unwrap();
    assert_eq!(refused(&federation, "stranger", &expert), "key-unknown");
}

#[test]
fn nobody_but_the_operator_admits_or_publishes() {
    let federation = Federation::found(SMALL).unwrap();
    let key = federation.join("agency", "agency");
    let dir = federation.path("agency").display().to_string();
    let before = federation.checkpoint();
    let ended = support::potluck(&["admit", "--dir", &dir, "agency", &key]);
    assert_ne!(ended.code, Some(0));
    assert_eq!(federation.checkpoint(), before);
}
