//! Upload: what is sent arrives once, and verified.

use std::path::Path;

use support::checkpoint::SMALL;
use support::federation::Federation;
use support::programs::Ended;

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
