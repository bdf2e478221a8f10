//! Compose: which service sees which volume, and which network.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{read, yaml};

const PARTIES: [&str; 3] = ["agency", "checkers", "readers"];

fn compose() -> Value {
    let mut documents = yaml::documents(&read("compose.yaml"));
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

/// The named volumes of a service, each with whether it may be written.
fn volumes(service: &Value) -> BTreeSet<(String, bool)> {
    let volume = |text: &Value| {
        let parts: Vec<_> = text.as_str().unwrap().split(':').collect();
        (parts[0].to_owned(), parts.get(2) != Some(&"ro"))
    };
    service["volumes"].as_array().unwrap().iter().map(volume).collect()
}

fn these<const N: usize>(volumes: [(String, bool); N]) -> BTreeSet<(String, bool)> {
    volumes.into()
}

#[test]
fn a_trainer_has_no_network_and_shares_its_outbox_alone() {
    let compose = compose();
    for party in PARTIES {
        let pusher = &compose["services"][party];
        let trainer = &compose["services"][format!("{party}-trainer")];
        assert_eq!(
            (&trainer["network_mode"], &trainer["networks"]),
            (&"none".into(), &Value::Null)
        );
        let (own, outbox) = (party.to_owned(), format!("{party}-outbox"));
        let private = format!("{party}-private");
        assert_eq!(volumes(pusher), these([(own, true), (outbox.clone(), false)]));
        assert_eq!(volumes(trainer), these([(private, true), (outbox, true)]));
    }
}

#[test]
fn every_container_is_shut_in_and_every_volume_is_named() {
    let compose = compose();
    let named = compose["volumes"].as_object().unwrap();
    for (name, service) in compose["services"].as_object().unwrap() {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
        assert_eq!(service["security_opt"][0], "no-new-privileges:true", "{name}");
        let own = volumes(service).into_iter().map(|(volume, _)| volume);
        for volume in own.filter(|volume| !volume.starts_with(['.', '/', '$'])) {
            assert!(named.contains_key(&volume), "{name}: {volume}");
        }
    }
}

#[test]
fn every_image_is_a_target_of_the_container_file() {
    let compose = compose();
    let containers = read("Containerfile");
    for service in compose["services"].as_object().unwrap().values() {
        let target = service["image"].as_str().unwrap().strip_prefix("potluck-").unwrap();
        assert!(containers.contains(&format!(" AS {target}\n")), "{target}");
        let build = service.get("build").map(|build| build["target"].as_str().unwrap());
        assert!(build.is_none_or(|build| build == target), "{target}");
    }
}
