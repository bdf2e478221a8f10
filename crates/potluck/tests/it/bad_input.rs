//! Wrong input ends in one line that says what and where, perhaps a hint, and in a fixed exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{assert_snapshot, potluck, text};

const LOG_KEY: &str = "potluck/news+e03dbd2e+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";

/// A folder with something wrong in every corner.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let write = |path: &str, bytes: &[u8]| {
        let path = home.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let charter = "name = 'news'\nrule = 'mean'\n[parties.a]\nweight = 1\n";
    write("charter.toml", charter.as_bytes());
    write("misspelt.toml", charter.replace("rule", "ruel").as_bytes());
    write("weightless.toml", charter.replace("weight = 1", "weight = 0").as_bytes());
    write("base/model.safetensors", b"\x02\0\0\0\0\0\0\0{}");
    write("truncated/model.safetensors", b"\xff\0\0\0\0\0\0\0{\"a\"");
    write("short/model.safetensors", b"\xff\0");
    write("empty/nothing", b"");
    let party = format!("party = 'a'\naddress = '127.0.0.1:9'\nlog_key = '{LOG_KEY}'\n");
    write("keyless/party.toml", party.as_bytes());
    write("misspelt/party.toml", party.replace("address", "adress").as_bytes());
    write("open/party.toml", party.as_bytes());
    write("open/keys/party.pem", b"a secret");
    write("broken/party.toml", party.as_bytes());
    write("broken/keys/party.pem", b"a secret");
    let mode = |path: &str, mode| {
        fs::set_permissions(home.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("open/keys/party.pem", 0o644);
    mode("broken/keys/party.pem", 0o600);
    home
}

/// What a command says where it fails, with its exit code.
fn failure(home: &Path, args: &[&str]) -> String {
    let said = potluck(home, args);
    let (code, stderr) = (said.status.code().unwrap(), text(&said.stderr));
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert!(!stderr.contains("a secret"), "{stderr}");
    // Clap's own texts have several lines.
    if code != 2 {
        assert!(stderr.starts_with("error: ") && stderr.lines().count() <= 2, "{stderr}");
    }
    format!("$ potluck {}\n{}{stderr}[exit {code}]\n\n", args.join(" "), text(&said.stdout))
}

#[test]
fn errors_are_as_they_were() {
    let home = home();
    let stranger = |command: &'static str, address: &'static str, key: &'static str| {
        vec![command, "--address", address, "--log-key", key]
    };
    let mix = |experts: &[&'static str], lambda: &'static str| {
        let experts = experts.iter().flat_map(|expert| ["--expert", *expert]);
        let rest = ["--lambda", lambda, "--out", "out.safetensors"];
        std::iter::once("mix").chain(experts).chain(rest).collect::<Vec<_>>()
    };
    let new = |charter: &'static str, base: &'static str| {
        vec!["new", "made", "--charter", charter, "--base", base]
    };
    let all: Vec<Vec<&str>> = vec![
        new("nowhere.toml", "base"),
        new("misspelt.toml", "base"),
        new("weightless.toml", "base"),
        new("charter.toml", "nowhere"),
        new("charter.toml", "empty"),
        new("charter.toml", "truncated"),
        vec!["new", "base", "--charter", "charter.toml", "--base", "base"],
        vec!["join", "x", "--party", "No Name", "--address", "h:1", "--log-key", LOG_KEY],
        vec!["join", "x", "--party", "a", "--address", "h:1", "--log-key", "potluck/news"],
        vec!["join", "keyless", "--party", "b", "--address", "h:1", "--log-key", LOG_KEY],
        vec!["admit", "--dir", "keyless", "a", "ed25519:00"],
        vec!["push", "--dir", "nowhere", "base"],
        vec!["push", "--dir", "misspelt", "base"],
        vec!["push", "--dir", "keyless", "base"],
        vec!["push", "--dir", "open", "base"],
        vec!["push", "--dir", "broken", "base"],
        vec!["push", "--dir", "keyless", "empty"],
        vec!["push", "--dir", "keyless", "short"],
        vec!["push", "--dir", "keyless", "truncated"],
        vec!["push", "--dir", "keyless", "--base", "short", "base"],
        vec!["push", "--dir", "keyless", "--base", "nothing", "base"],
        vec!["round", "propose", "--dir", "keyless", "a=0.5"],
        vec!["round", "propose", "--dir", "keyless", "a=half"],
        vec!["round", "propose", "--dir", "keyless", ""],
        vec!["round", "status", "--address", "127.0.0.1:9"],
        stranger("audit", "nonsense", LOG_KEY),
        stranger("audit", "127.0.0.1:9", "nonsense"),
        vec!["audit", "--dir", "keyless", "--log-key", "nonsense"],
        mix(&["a=truncated", "b=base"], "a=0.5,b=0.5"),
        mix(&["a=nowhere"], "a=1"),
        mix(&["a=base"], "a=0.9"),
        mix(&["a=base"], "b=1"),
        mix(&["a"], "a=1"),
        vec!["verify", "--log-key", LOG_KEY, "charter.toml"],
        vec!["verify", "--log-key", LOG_KEY, "nowhere.json"],
        vec!["pull", "--dir", "keyless", "expert"],
        vec!["audit", "--dir", "keyless", "--json"],
        vec!["push", "--json"],
        vec!["round", "propose", "--json", "--dir", "keyless", "a=0.5"],
    ];
    let all: String = all.iter().map(|args| failure(home.path(), args)).collect();
    assert_snapshot("bad-input", &all);
    assert!(!home.path().join("made").exists());
}

#[test]
fn nothing_at_an_address_is_said_so() {
    let home = home();
    let args = ["ledger", "--address", "127.0.0.1:9", "--log-key", LOG_KEY];
    let said = potluck(home.path(), &args);
    assert_eq!(said.status.code(), Some(5), "{}", text(&said.stderr));
    assert!(text(&said.stderr).starts_with("error: nobody answers at 127.0.0.1:9"));
    let said = potluck(home.path(), &[&args[..], &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(json["error"]["code"], "unreachable");
}
