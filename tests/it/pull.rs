//! Pull: from several places, whatever one of them does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use support::checkpoint::LARGE;
use support::federation::Federation;
use support::programs::{Server, end, program};
use support::waiting;

/// A stand-by of the aggregator: the same store and the same keys in another folder.
fn stand_by(federation: &Federation, name: &str) -> (PathBuf, Server) {
    let folder = federation.path(name);
    let copied =
        Command::new("cp").arg("-r").arg(federation.operator_dir()).arg(&folder).status().unwrap();
    assert!(copied.success());
    let server = Server::start(&folder, "127.0.0.1:0").unwrap();
    (folder, server)
}

/// Pulls the base from these places into `out`.
fn pull(federation: &Federation, from: &[&str], out: &str) -> Command {
    let mut pull = program("potluck");
    pull.args(["pull", "--json", "--log-key", &federation.log_key]);
    for address in from {
        pull.args(["--from", address]);
    }
    pull.arg("--out").arg(federation.path(out)).arg("base");
    pull
}

fn is_the_base(federation: &Federation, out: &str) -> bool {
    let weights = |folder: &str| fs::read(federation.path(folder).join("model.safetensors"));
    weights(out).unwrap() == weights("base").unwrap()
}

/// The base's weights in a store.
fn stored(federation: &Federation, folder: &Path, pulled: &Value) -> PathBuf {
    let blake3 = pulled["blake3"].as_str().unwrap();
    assert!(is_the_base(federation, "whole"));
    folder.join("store/blobs").join(&blake3[..2]).join(blake3)
}

#[test]
fn a_source_that_is_down_or_holds_other_bytes_is_left_for_the_next() {
    let federation = Federation::found(LARGE).unwrap();
    let (folder, rotten) = stand_by(&federation, "rotten");
    let whole = end(pull(&federation, &[&federation.address], "whole")).succeeded();
    assert_eq!(whole["changes_of_source"], 0);
    // One byte in the middle is another.
    let stored = stored(&federation, &folder, &whole);
    let mut bytes = fs::read(&stored).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&stored, bytes).unwrap();
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let from = [&nobody.to_string(), &rotten.address, &federation.address];
    let ended = end(pull(&federation, &from.map(String::as_str), "pulled"));
    // Whoever is asked for that byte first brings it, or shows that its store is damaged.
    let is_found_out = ended.stderr.contains("other bytes");
    assert_eq!(ended.succeeded()["changes_of_source"], u64::from(is_found_out));
    assert!(is_the_base(&federation, "pulled"));
    // Where every one of them is so, it is said, and what was verified is kept.
    let ended = end(pull(&federation, &[&rotten.address, &rotten.address], "half"));
    assert_eq!(ended.error_code(), "stored-content-corrupt", "{ended:?}");
    let part = federation.path("half").join("model.safetensors.part");
    assert!(fs::metadata(part).unwrap().len() > middle as u64 / 2);
}

#[test]
fn a_source_that_dies_half_way_is_left_and_the_rest_comes_from_the_next() {
    let federation = Federation::found(LARGE).unwrap();
    federation.slow_down(8_000_000).unwrap();
    let (_, slow) = stand_by(&federation, "slow");
    let from = [slow.address.clone(), federation.address.clone()];
    let mut pull = pull(&federation, &[&from[0], &from[1]], "pulled");
    let pulling = pull.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let part = federation.path("pulled").join("model.safetensors.part");
    waiting::until(|| (fs::metadata(&part).ok()?.len() > 1 << 20).then_some(())).unwrap();
    slow.kill();
    let output = pulling.wait_with_output().unwrap();
    let (said, warned) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{said}{warned}");
    assert!(warned.contains(&format!("going on with {}", federation.address)), "{warned}");
    assert!(is_the_base(&federation, "pulled"));
}
