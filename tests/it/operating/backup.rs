//! The backup of `docs/operators.md`, step by step as it stands there, from a server that runs; and its restoring.

use std::path::Path;
use std::process::Command;

use support::checkpoint::SMALL;
use support::federation::Federation;
use support::programs::{end, potluck, program};
use support::{Server, potluck as run};

/// Runs the lines of a shell in the federation's home, in which its folder is called `fed`.
fn shell(home: &Path, lines: &str) {
    let mut shell = Command::new("sh");
    shell.current_dir(home).args(["-euc", lines]);
    let ended = end(shell);
    assert_eq!(ended.code, Some(0), "{lines}: {}{}", ended.stdout, ended.stderr);
}

#[test]
fn what_was_copied_while_it_served_is_checked_restored_and_audited() {
    let mut federation = Federation::agreed(SMALL).unwrap();
    federation.operator(&["publish"], &[]).succeeded();
    let dir = federation.operator_dir().display().to_string();
    run(&["token", "create", "--dir", &dir, "--scope", "soups"]).succeeded();
    let before = federation.checkpoint();
    let home = federation.path("");
    std::os::unix::fs::symlink(federation.operator_dir(), home.join("fed")).unwrap();

    let page = include_str!("../../../docs/operators.md");
    let (_, section) = page.split_once("## Back up and restore").unwrap();
    let blocks = |text: &'static str| text.lines().filter_map(|line| line.strip_prefix("    "));
    let (backup, rest) = section.split_once("**Restore**").unwrap();
    let lines: Vec<_> = blocks(backup).collect();
    let (check, copying) = lines.split_last().unwrap();
    assert_eq!(*check, "potluck store check --dir copy");
    shell(&home, &copying.join("\n"));
    let copy = home.join("copy").display().to_string();
    let checked = potluck(&["store", "check", "--dir", &copy]).succeeded();
    assert_eq!(checked["damage"].as_array().map(Vec::len), Some(0), "{checked}");

    // The machine is gone.
    federation.kill();
    shell(&home, "rm fed && rm -r operator");
    let restored: Vec<_> = blocks(rest).collect();
    assert_eq!(restored[0], "cp -a copy fed");
    shell(&home, restored[0]);
    let mut doctor = program("potluck-aggregator");
    doctor.args(["doctor", "--dir"]).arg(home.join("fed"));
    let doctor = end(doctor);
    assert_eq!(doctor.code, Some(0), "{}", doctor.stdout);
    let _server = Server::start(&home.join("fed"), &federation.address).unwrap();
    let audit = federation.stranger(&["audit"], &[]).succeeded();
    assert_eq!(audit["ok"], true, "{audit}");
    assert_eq!(federation.checkpoint(), before);
    let dir = home.join("fed").display().to_string();
    let tokens = run(&["token", "list", "--dir", &dir]).succeeded();
    assert_eq!(tokens["tokens"].as_array().map(Vec::len), Some(1));
}
