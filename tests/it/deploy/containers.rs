//! The container file: nobody runs as root, and the health check is a command that the program has.

use support::programs::{end, program};

use super::read;

/// The stages of the file, each with its lines.
fn stages() -> Vec<(String, Vec<String>)> {
    let text = read("Containerfile").replace("\\\n", " ");
    let mut stages: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        if let Some(from) = line.strip_prefix("FROM ") {
            stages.push((from.to_owned(), Vec::new()));
        } else if let Some((_, lines)) = stages.last_mut() {
            lines.push(line.to_owned());
        }
    }
    stages
}

#[test]
fn what_runs_is_a_user_by_number() {
    for (from, lines) in stages().iter().filter(|(from, _)| from.contains("runtime")) {
        let user = lines.iter().rfind(|line| line.starts_with("USER"));
        let inherits = from.starts_with("runtime AS");
        assert!(user.map_or(inherits, |user| user == "USER 65532:65532"), "{from}: {user:?}");
    }
}

#[test]
fn programs_are_built_as_the_lock_file_says() {
    let stages = stages();
    let builds = stages.iter().flat_map(|(_, lines)| lines);
    let builds: Vec<_> = builds.filter(|line| line.contains("cargo build")).collect();
    assert_eq!(builds.len(), 2);
    assert!(builds.iter().all(|line| line.contains("--release --locked")), "{builds:?}");
}

#[test]
fn the_health_check_is_a_command_of_the_program() {
    let (_, lines) = stages().pop().unwrap();
    let check = lines.iter().find(|line| line.starts_with("HEALTHCHECK")).unwrap();
    let (_, command) = check.split_once("CMD ").unwrap();
    let words: Vec<String> = serde_json::from_str(command).unwrap();
    assert_eq!(words[..2], ["potluck-aggregator", "ready"]);
    let empty = tempfile::tempdir().unwrap();
    let mut command = program(&words[0]);
    command.args(&words[1..3]).arg(empty.path());
    // Known arguments; there is no federation in the folder.
    assert_eq!(end(command).code, Some(3));
}
