//! Every help text, whole.

use super::{assert_snapshot, potluck, text};

const COMMANDS: [&[&str]; 38] = [
    &["charter", "check"],
    &["charter", "show"],
    &["charter", "amend"],
    &["charter", "endorse"],
    &["new"],
    &["status"],
    &["token", "create"],
    &["token", "list"],
    &["token", "revoke"],
    &["keygen"],
    &["join"],
    &["admit"],
    &["pull"],
    &["push"],
    &["round"],
    &["round", "open"],
    &["round", "propose"],
    &["round", "status"],
    &["round", "explore"],
    &["withdraw"],
    &["publish"],
    &["ledger"],
    &["agreement"],
    &["audit"],
    &["verify"],
    &["bundle"],
    &["reward", "commit"],
    &["reward", "prove"],
    &["reward", "verify"],
    &["reward-bridge"],
    &["mirror"],
    &["witness"],
    &["evidence", "verify"],
    &["evidence", "compare"],
    &["mix"],
    &["completions"],
    &["man"],
    &[],
];

#[test]
fn helps_are_as_they_were() {
    let home = tempfile::tempdir().unwrap();
    let mut all = String::new();
    for command in COMMANDS {
        let said = potluck(home.path(), &[command, &["--help"]].concat());
        assert!(said.status.success(), "{command:?}");
        all += &format!("$ potluck {} --help\n{}\n", command.join(" "), text(&said.stdout));
    }
    // These pass `--help` on to the program that they run.
    for command in ["serve", "store", "train", "eval"] {
        let said = potluck(home.path(), &["help", command]);
        all += &format!("$ potluck help {command}\n{}\n", text(&said.stdout));
    }
    assert_snapshot("help", &all);
}

#[test]
fn every_command_shows_an_example() {
    let home = tempfile::tempdir().unwrap();
    for command in COMMANDS.iter().filter(|command| !command.is_empty() && **command != ["round"]) {
        let help = text(&potluck(home.path(), &[command, &["--help"][..]].concat()).stdout);
        assert!(
            help.contains("Example") && help.contains(&format!("potluck {}", command.join(" ")))
        );
    }
}
