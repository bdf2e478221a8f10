//! Upload: what is sent arrives once, and verified.

use std::fs;
use std::path::Path;

use support::checkpoint::{LARGE, SMALL, Shape};
use support::federation::Federation;
use support::programs::Ended;
use support::random::Random;

use crate::kill::{cut_off, reach, start};

#[test]
fn a_push_told_twice_is_recorded_once() {
    let federation = Federation::with_parties(SMALL).unwrap();
    let expert = federation.expert("agency").unwrap();
    let first = federation.push("agency", &expert).succeeded();
    let before = federation.checkpoint();
    let second = federation.push("agency", &expert).succeeded();
    assert_eq!(first["index"], second["index"]);
    assert_eq!(federation.checkpoint(), before);
}

#[test]
fn two_parties_may_push_the_same_bytes() {
    let federation = Federation::with_parties(SMALL).unwrap();
    let expert = federation.expert("agency").unwrap();
    let first = federation.push("agency", &expert).succeeded();
    let second = federation.push("readers", &expert).succeeded();
    assert_ne!(first["index"], second["index"]);
    // The store has them, and every party may read them: they are not sent twice.
    assert_eq!((&first["sent"], &second["sent"]), (&first["size"], &0.into()));
}

/// The tensors of an expert, with one of another's in their midst.
fn with_tensor_of(shape: Shape, own: &[u8], other: &[u8]) -> Vec<u8> {
    let header = 8 + u64::from_le_bytes(*own.first_chunk().unwrap()) as usize;
    let tensor = (own.len() - header) / shape.tensors;
    let third = header + 2 * tensor..header + 3 * tensor;
    [&own[..third.start], &other[third.clone()], &own[third.end..]].concat()
}

#[test]
fn of_a_new_version_only_the_tensor_that_changed_is_sent() {
    let mut federation = Federation::with_parties(LARGE).unwrap();
    let outbox = federation.expert("agency").unwrap();
    let first = federation.push("agency", &outbox).succeeded();
    assert_eq!(first["sent"], first["size"], "the base has nothing of it");

    let path = outbox.join("model.safetensors");
    let own = fs::read(&path).unwrap();
    let other = fs::read(federation.expert("readers").unwrap().join("model.safetensors")).unwrap();
    let new = with_tensor_of(LARGE, &own, &other);
    fs::write(&path, &new).unwrap();
    let second = federation.push("agency", &outbox).succeeded();
    assert_eq!(second["size"], new.len() as u64);
    let (sent, tensor) = (second["sent"].as_u64().unwrap(), (LARGE.rows * 1024) as u64);
    assert!((tensor..tensor + tensor / 100).contains(&sent), "{sent} bytes of {tensor}");
    let kept = second["blake3"].as_str().unwrap();
    let kept = federation.blob(kept);
    assert!(fs::read(kept).unwrap() == new);

    // Of the base, what did not change; and of what another party has, nothing.
    let base = fs::read(federation.path("base/model.safetensors")).unwrap();
    let readers = federation.path("outbox-readers");
    fs::write(readers.join("model.safetensors"), with_tensor_of(LARGE, &base, &own)).unwrap();
    let third = federation.push("readers", &readers).succeeded();
    assert!(third["sent"].as_u64().unwrap() < tensor + tensor / 100, "{third}");
    let checkers = federation.expert("checkers").unwrap();
    fs::write(checkers.join("model.safetensors"), with_tensor_of(LARGE, &own, &base)).unwrap();
    let fourth = federation.push("checkers", &checkers).succeeded();
    let of_base = third["sent"].as_u64().unwrap();
    assert!(fourth["sent"].as_u64().unwrap() > new.len() as u64 - of_base, "{fourth}");

    federation.restart().unwrap();
    let audit = federation.stranger(&["audit"], &[]).succeeded();
    assert_eq!(audit["ok"], true, "{audit}");
}

#[test]
fn a_new_version_survives_kills_of_either_side() {
    let mut federation = Federation::with_parties(LARGE).unwrap();
    let outbox = federation.expert("agency").unwrap();
    federation.push("agency", &outbox).succeeded();
    let path = outbox.join("model.safetensors");
    let other = fs::read(federation.expert("readers").unwrap().join("model.safetensors")).unwrap();
    let new = with_tensor_of(LARGE, &fs::read(&path).unwrap(), &other);
    fs::write(&path, &new).unwrap();
    let quarantine = federation.operator_dir().join("store/quarantine");
    let mut random = Random::new(9);
    for moment in 0..10 {
        let mut push = start(&federation.push_args("agency", &outbox));
        reach(&quarantine, (random.unit() * new.len() as f64) as u64, &mut push);
        if moment % 2 == 0 {
            federation.kill();
            cut_off(push);
            federation.restart().unwrap();
        } else {
            cut_off(push);
        }
    }
    let pushed = federation.push("agency", &outbox).succeeded();
    let kept = pushed["blake3"].as_str().unwrap();
    let kept = federation.blob(kept);
    assert!(fs::read(kept).unwrap() == new);
    assert!(pushed["sent"].as_u64().unwrap() <= (LARGE.rows * 1024 * 102 / 100) as u64, "{pushed}");
    let audit = federation.stranger(&["audit"], &[]).succeeded();
    assert_eq!(audit["ok"], true, "{audit}");
}

fn hostile(federation: &Federation, attack: &str, expert: &Path) -> Ended {
    let mut hostile = support::programs::program("hostile");
    hostile
        .args([attack, "--address", &federation.address])
        .args(["--log-key", &federation.log_key, "--party", "readers", "--key"])
        .arg(federation.path("readers/keys/party.pem"))
        .arg("--expert")
        .arg(expert.join("model.safetensors"));
    support::programs::end(hostile)
}

#[test]
fn a_client_of_another_version_is_told_which_one_is_spoken() {
    let federation = Federation::with_parties(SMALL).unwrap();
    let ended = hostile(&federation, "other-version", &federation.path("base"));
    assert_eq!(ended.json()["error"]["message"], "potluck/1", "{ended:?}");
    // Those of its own version are served.
    federation.push("readers", &federation.expert("readers").unwrap()).succeeded();
}

#[test]
fn a_byte_flipped_on_the_way_is_refused_at_its_chunk() {
    let federation = Federation::with_parties(SMALL).unwrap();
    let expert = federation.expert("readers").unwrap();
    let before = federation.checkpoint();
    let ended = hostile(&federation, "flipped-upload", &expert);
    assert_eq!(ended.error_code(), "content-corrupt", "{ended:?}");
    assert_eq!(federation.checkpoint(), before);
    // The honest upload that follows is taken in.
    federation.push("readers", &expert).succeeded();
}
