//! Federations that could be served, and what keeps others from it.

use std::fs;
use std::net::{TcpListener, UdpSocket};

use clap::Parser as _;

use super::*;
use crate::fixture::Folder;

/// What is found of the folder with these lines as its settings.
fn found(folder: &Folder, settings: &str) -> Vec<Finding> {
    let dir = folder.settings().dir;
    fs::write(dir.join("aggregator.toml"), settings).unwrap();
    let dir = dir.to_str().unwrap();
    examine(&Arguments::try_parse_from(["potluck-aggregator", "--dir", dir]).unwrap())
}

fn of<'a>(findings: &'a [Finding], subject: &str) -> &'a Finding {
    let found = findings.iter().find(|finding| finding.subject == subject);
    found.unwrap_or_else(|| panic!("nothing on {subject} in {findings:#?}"))
}

#[test]
fn a_sound_folder_can_be_served_and_is_left_as_it_was() {
    let folder = Folder::new();
    let findings = found(&folder, "listen = '127.0.0.1:0'");
    assert!(findings.iter().all(|it| it.verdict != Verdict::Wrong), "{findings:#?}");
    assert!(of(&findings, "folder").seen.contains("news"));
    assert!(of(&findings, "base").seen.contains("first start"));
    assert!(!folder.store().exists(), "a look leaves no store");
    drop(folder.open());
    let findings = found(&folder, "listen = '127.0.0.1:0'");
    assert!(of(&findings, "base").seen.contains("in the store"));
    assert!(of(&findings, "store").seen.ends_with("is free"));
}

#[test]
fn addresses_are_taken_by_others_or_by_the_aggregator_itself() {
    let folder = Folder::new();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let (udp, tcp_address) = (udp.local_addr().map(|it| (udp, it)).unwrap(), tcp.local_addr());
    let settings = format!("listen = '{}'\n[http]\nlisten = '{}'", udp.1, tcp_address.unwrap());
    let findings = found(&folder, &settings);
    for subject in ["address", "http address"] {
        let finding = of(&findings, subject);
        assert_eq!(finding.verdict, Verdict::Wrong);
        assert!(finding.seen.contains("another program"), "{}", finding.seen);
    }
    let _running = folder.open();
    let findings = found(&folder, &settings);
    assert_eq!(of(&findings, "address").verdict, Verdict::Well);
    assert!(of(&findings, "store").seen.contains("an aggregator runs"));
}

#[test]
fn what_is_wrong_comes_with_what_to_do() {
    let folder = Folder::new();
    let wrong = |findings: &[Finding], subject: &str, seen: &str| {
        let finding = of(findings, subject);
        assert_eq!(finding.verdict, Verdict::Wrong, "{finding:?}");
        assert!(finding.seen.contains(seen) && finding.cure.is_some(), "{finding:?}");
    };
    wrong(&found(&folder, "listen = 1"), "settings", "aggregator.toml, line 1: invalid type");
    let strange = found(&folder, "listen = '203.0.113.1:4433'");
    wrong(&strange, "address", "no address of this machine");
    let full = format!("listen = '127.0.0.1:0'\n[limits]\ndisk_spare_bytes = {}", i64::MAX);
    wrong(&found(&folder, &full), "room", "0.0 GB left");

    let dir = folder.settings().dir;
    fs::write(dir.join("keys/operator.pem"), "").unwrap();
    let findings = found(&folder, "listen = '127.0.0.1:0'");
    assert_eq!(of(&findings, "operator key").verdict, Verdict::Warning);
    fs::write(dir.join("base/config.json"), "{ }").unwrap();
    wrong(&found(&folder, "listen = '127.0.0.1:0'"), "base", "has 3 bytes, not 2");
    fs::write(dir.join("genesis.json"), "{}").unwrap();
    wrong(&found(&folder, "listen = '127.0.0.1:0'"), "folder", "genesis.json");
}
