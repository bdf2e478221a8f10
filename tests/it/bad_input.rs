//! Wrong input ends in one line that says what, where and what to do, and in a fixed exit code.

use std::fs;

use support::checkpoint::SMALL;
use support::federation::Federation;
use support::programs::{Ended, Server, end, program};

/// `potluck` as people run it, without `--json`.
fn plain(args: &[&str]) -> Ended {
    let mut command = program("potluck");
    command.args(args);
    end(command)
}

#[track_caller]
fn fails(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    let lines: Vec<_> = ended.stderr.lines().filter(|line| line.starts_with("error:")).collect();
    assert_eq!(lines.len(), 1, "{ended:?}");
    assert!(ended.stderr.lines().count() <= 2, "{ended:?}");
    for word in words {
        assert!(ended.stderr.contains(word), "{word}: {ended:?}");
    }
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
}

#[test]
fn configurations_are_read_strictly() {
    let federation = Federation::found(SMALL).unwrap();
    let charter = federation.path("bad-charter.toml");
    fs::write(&charter, "name = 'n'\nruel = 'mean'\n[parties.a]\nweight = 1\n").unwrap();
    let (new, charter) =
        (federation.path("new").display().to_string(), charter.display().to_string());
    let base = federation.path("base").display().to_string();
    let made = plain(&["new", &new, "--charter", &charter, "--base", &base]);
    fails(&made, 3, &["ruel", "bad-charter.toml"]);
    let missing = plain(&["new", &new, "--charter", "nowhere.toml", "--base", &base]);
    fails(&missing, 3, &["nowhere.toml"]);

    let config = federation.operator_dir().join("aggregator.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("lisen = 1\n{text}")).unwrap();
    let error = Server::start(&federation.operator_dir(), "127.0.0.1:0").unwrap_err().to_string();
    assert!(error.contains("lisen") && error.contains("aggregator.toml"), "{error}");
}

#[test]
fn lambdas_are_read_strictly() {
    let federation = Federation::with_parties(SMALL).unwrap();
    let dir = federation.path("agency").display().to_string();
    for (lambda, words) in
        [("agency=0.5", "500000"), ("agency", "'agency'"), ("a=x", "weight of a"), ("", "''")]
    {
        fails(&plain(&["round", "propose", "--dir", &dir, lambda]), 3, &[words]);
    }
}

#[test]
fn addresses_that_answer_nothing_or_wrongly_are_told_apart() {
    let federation = Federation::found(SMALL).unwrap();
    let audit =
        |address: &str, key: &str| plain(&["audit", "--address", address, "--log-key", key]);
    fails(&audit("127.0.0.1:9", &federation.log_key), 5, &["127.0.0.1:9"]);
    fails(&audit("nonsense", &federation.log_key), 3, &["nonsense"]);
    fails(&audit(&federation.address, "nonsense"), 3, &["nonsense"]);
}

#[test]
fn a_port_in_use_is_named() {
    let federation = Federation::found(SMALL).unwrap();
    let mut other = Federation::found(SMALL).unwrap();
    other.kill();
    let error = Server::start(&other.operator_dir(), &federation.address).unwrap_err().to_string();
    assert!(error.contains(&federation.address), "{error}");
    assert!(error.contains("in use"), "{error}");
}

#[test]
fn a_second_server_over_one_store_is_refused() {
    let federation = Federation::found(SMALL).unwrap();
    let error = Server::start(&federation.operator_dir(), "127.0.0.1:0").unwrap_err().to_string();
    assert!(error.contains("another aggregator runs on the store"), "{error}");
}

#[test]
fn keys_are_demanded_and_must_be_private() {
    let federation = Federation::with_parties(SMALL).unwrap();
    let dir = federation.path("agency").display().to_string();
    let key = federation.path("agency/keys/party.pem");
    let lambda = "agency=1,checkers=0,readers=0";
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        fails(&plain(&["round", "propose", "--dir", &dir, lambda]), 3, &["chmod 600", "party.pem"]);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::write(&key, "nonsense").unwrap();
    fails(&plain(&["round", "propose", "--dir", &dir, lambda]), 3, &["party.pem"]);
    fs::remove_file(&key).unwrap();
    fails(&plain(&["round", "propose", "--dir", &dir, lambda]), 3, &["party.pem"]);
}

#[test]
fn a_truncated_checkpoint_is_found_before_it_is_sent() {
    let federation = Federation::with_parties(SMALL).unwrap();
    let expert = federation.expert("agency").unwrap();
    let weights = expert.join("model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    fs::write(&weights, &bytes[..100]).unwrap();
    let (dir, outbox) =
        (federation.path("agency").display().to_string(), expert.display().to_string());
    fails(&plain(&["push", "--dir", &dir, &outbox]), 3, &["model.safetensors"]);
    fs::remove_file(&weights).unwrap();
    fails(&plain(&["push", "--dir", &dir, &outbox]), 3, &["model.safetensors"]);
    let nowhere = federation.path("nowhere").display().to_string();
    fails(&plain(&["push", "--dir", &dir, &nowhere]), 3, &["nowhere"]);
}
