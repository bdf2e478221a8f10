//! The units of systemd: systemd knows every word of them, and finds them shut in.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::{deployed, is_here, names, read};

/// The most that `systemd-analyze security` may find exposed, in tenths, of 100.
const EXPOSED: &str = "15";

fn units() -> Vec<String> {
    let mut units = names("");
    units.retain(|name| name.ends_with(".service") || name.ends_with(".timer"));
    assert_eq!(units.len(), 4, "{units:?}");
    units
}

/// The units as of an instance, in a folder with programs that are only there.
fn installed(folder: &Path) -> Vec<String> {
    for program in ["potluck", "potluck-aggregator", "train-and-hand-over"] {
        let path = folder.join(program);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let install = |unit: String| {
        let text = read(&unit).replace("/usr/local/bin", &folder.display().to_string());
        let path = folder.join(unit.replace("@.", "@news."));
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    units().into_iter().map(install).collect()
}

#[test]
fn systemd_knows_every_word_of_the_units() {
    if !is_here("systemd-analyze") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no", "--recursive-errors=no"]).args(installed(folder.path()));
    let output = verify.output().unwrap();
    // Unknown keys are warnings, with exit code 0.
    let said = String::from_utf8_lossy(&output.stderr);
    let about_ours = |line: &&str| line.contains(&*folder.path().to_string_lossy());
    assert_eq!(said.lines().filter(about_ours).collect::<Vec<_>>(), Vec::<&str>::new());
    assert!(output.status.success(), "{said}");
}

#[test]
fn systemd_finds_the_units_shut_in() {
    if !is_here("systemd-analyze") {
        return;
    }
    for unit in units().iter().filter(|unit| unit.ends_with(".service")) {
        let mut security = Command::new("systemd-analyze");
        security.args(["security", "--offline=true", "--no-pager", "--threshold", EXPOSED]);
        let output = security.arg(deployed(unit)).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{unit}: {}", said.lines().last().unwrap_or_default());
    }
}

#[test]
fn the_trainer_has_no_network() {
    let unit = read("potluck-train@.service");
    for wall in ["PrivateNetwork=yes", "IPAddressDeny=any", "RestrictAddressFamilies=none"] {
        assert!(unit.lines().any(|line| line == wall), "{wall}");
    }
}
