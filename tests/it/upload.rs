//! Upload: what is sent arrives once, and verified.

use support::checkpoint::SMALL;
use support::federation::Federation;

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
}

#[test]
fn a_byte_flipped_on_the_way_is_refused_at_its_chunk() {
    let federation = Federation::with_parties(SMALL).unwrap();
    let expert = federation.expert("readers").unwrap();
    let before = federation.checkpoint();
    let mut hostile = support::programs::program("hostile");
    hostile
        .args(["flipped-upload", "--address", &federation.address])
        .args(["--log-key", &federation.log_key, "--party", "readers", "--key"])
        .arg(federation.path("readers/keys/party.pem"))
        .arg("--expert")
        .arg(expert.join("model.safetensors"));
    let ended = support::programs::end(hostile);
    assert_eq!(ended.error_code(), "content-corrupt", "{ended:?}");
    assert_eq!(federation.checkpoint(), before);
    // The honest upload that follows is taken in.
    federation.push("readers", &expert).succeeded();
}
