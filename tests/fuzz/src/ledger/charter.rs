//! The promises of the reader of charters.

use potluck_core::Charter;
use toml::Table;

/// Reads a charter.
pub fn charter(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(charter) = Charter::from_toml(text) else { return };
    // As it stands in a genesis: one text, which means the same.
    let json = serde_json::to_string(&charter).unwrap();
    let again: Charter = serde_json::from_str(&json).unwrap();
    assert_eq!((&again, serde_json::to_string(&again).unwrap()), (&charter, json));
    within_bounds(&charter);
    toml_agrees(&text.parse().unwrap(), &charter);
}

fn within_bounds(charter: &Charter) {
    let parties = charter.parties();
    assert!(!parties.is_empty() && parties.values().all(|seat| seat.weight > 0));
    let witnesses = charter.witnesses();
    assert!(witnesses.quorum as usize <= parties.len() + witnesses.outside.len());
    assert!(charter.keys().recovery as usize <= parties.len());
    assert!(charter.limits().expert_bytes > 0 && charter.limits().change_permille > 0);
    for name in witnesses.outside.keys() {
        // A note can carry it.
        assert!(name.parse::<potluck_log::Origin>().is_ok(), "{name:?}");
    }
}

/// What a reader without suspicion finds.
fn toml_agrees(theirs: &Table, charter: &Charter) {
    assert_eq!(theirs["name"].as_str(), Some(charter.name().as_str()));
    let parties = theirs["parties"].as_table().unwrap();
    assert_eq!(parties.len(), charter.parties().len());
    for (party, seat) in charter.parties() {
        let theirs = &parties[party.as_str()];
        assert_eq!(theirs["weight"].as_integer(), Some(seat.weight.into()));
        let reason = theirs.get("reason").and_then(|reason| reason.as_str());
        assert_eq!(reason.unwrap_or_default(), seat.reason);
    }
    let quorum = theirs.get("witnesses").and_then(|it| it.get("quorum"));
    let quorum = quorum.and_then(|quorum| quorum.as_integer()).unwrap_or(0);
    assert_eq!(quorum, i64::from(charter.witnesses().quorum));
}
