//! `potluck keygen`, and folders whose keys are other tools'.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{potluck, text};

const LOG_KEY: &str = "potluck/news+e03dbd2e+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";

fn json(dir: &Path, args: &[&str]) -> (Option<i32>, Value) {
    let said = potluck(dir, &[args, &["--json"]].concat());
    let last = text(&said.stdout).lines().last().unwrap_or_default().to_owned();
    (said.status.code(), serde_json::from_str(&last).unwrap())
}

#[test]
fn a_key_is_made_once_and_printed_by_its_public_half() {
    let home = tempfile::tempdir().unwrap();
    let args = ["keygen", "--role", "transport", "--out", "keys/transport.pem"];
    let (code, made) = json(home.path(), &args);
    assert_eq!(code, Some(0));
    assert_eq!((&made["role"], &made["encrypted"]), (&"transport".into(), &false.into()));
    assert!(made["key"].as_str().unwrap().starts_with("ed25519:"));
    assert_eq!(made["key_id"].as_str().unwrap().len(), 64);
    let path = home.path().join("keys/transport.pem");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let before = fs::read(&path).unwrap();
    let (code, refused) = json(home.path(), &args);
    assert_eq!((code, &refused["error"]["code"]), (Some(3), &"bad-input".into()));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_sealed_key_is_read_by_whoever_has_the_passphrase() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("secret"), "salt\n").unwrap();
    let args = ["keygen", "--out", "mine/keys/party.pem", "--passphrase-file", "secret"];
    let refused = potluck(home.path(), &args);
    assert!(text(&refused.stderr).contains("chmod 600 secret"));
    fs::set_permissions(home.path().join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    let (code, made) = json(home.path(), &args);
    assert_eq!((code, &made["encrypted"]), (Some(0), &true.into()));

    let join = ["join", "mine", "--party", "a", "--address", "h:1", "--log-key", LOG_KEY];
    let alone = potluck(home.path(), &join);
    assert_eq!(alone.status.code(), Some(3));
    assert!(text(&alone.stderr).contains("POTLUCK_PASSPHRASE_FILE"), "{}", text(&alone.stderr));
    let mut command = Command::new(env!("CARGO_BIN_EXE_potluck"));
    command.current_dir(home.path()).args(join).env("POTLUCK_PASSPHRASE_FILE", "secret");
    let joined = command.output().unwrap();
    assert!(joined.status.success(), "{}", text(&joined.stderr));
    assert!(text(&joined.stdout).contains(made["key"].as_str().unwrap()));
}

#[test]
fn a_folder_may_name_an_openssh_key() {
    let home = tempfile::tempdir().unwrap();
    let args = ["-q", "-t", "ed25519", "-N", "", "-f", "id"];
    let Ok(made) = Command::new("ssh-keygen").current_dir(home.path()).args(args).status() else {
        return eprintln!("not tried: there is no ssh-keygen here");
    };
    assert!(made.success());
    let join = ["join", "mine", "--party", "a", "--address", "h:1", "--log-key", LOG_KEY];
    assert!(potluck(home.path(), &join).status.success());
    let settings = home.path().join("mine/party.toml");
    let text_of = fs::read_to_string(&settings).unwrap() + "sign = '../id'\n";
    fs::write(&settings, text_of).unwrap();
    let (code, again) = json(home.path(), &join);
    assert_eq!((code, &again["already"]), (Some(0), &true.into()));
    // The last 32 bytes of what ssh-keygen calls the public key.
    let public = fs::read_to_string(home.path().join("id.pub")).unwrap();
    let decoded = Command::new("sh")
        .args(["-c", "printf %s \"$0\" | base64 -d | tail -c 32 | od -An -v -tx1 | tr -d ' \\n'"])
        .arg(public.split(' ').nth(1).unwrap())
        .output()
        .unwrap();
    assert_eq!(again["key"], format!("ed25519:{}", text(&decoded.stdout)));
}
