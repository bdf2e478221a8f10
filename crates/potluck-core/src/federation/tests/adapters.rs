//! Federations whose experts are adapters: what is taken in, by what rule it is mixed, and that this stays.

use super::*;
use crate::entry::Amend;
use crate::manifest::ADAPTER;

/// A charter of adapters that three quarters of the weight can change.
fn charter(adapters: &str) -> String {
    CHARTER.replacen("[limits]", &format!("[amendment]\npermille = 750\n{adapters}[limits]"), 1)
}

fn adapter(content: &[u8]) -> FileEntry {
    FileEntry { path: ADAPTER.into(), ..weights(content) }
}

fn hand_in(ledger: &mut Ledger, party: &str, file: FileEntry) -> Result<Vec<Effect>, Refusal> {
    let manifest = Manifest::new(vec![file]).unwrap();
    let base = weights(b"base").blake3;
    ledger.say(party, Body::Submit(Submission { base, manifest, reward_commitment: None }))
}

fn of(text: &str) -> Ledger {
    let genesis = genesis_of(text, 0);
    let federation = Federation::found(&genesis).unwrap();
    let mut ledger = Ledger { federation, entries: vec![genesis], now: 0 };
    for party in PARTIES {
        ledger.admit(party).unwrap();
    }
    ledger
}

#[test]
fn adapters_are_handed_in_agreed_on_and_published() {
    let mut ledger = of(&charter("[adapters]\nmax_rank = 8\n"));
    let refused = hand_in(&mut ledger, "agency", weights(b"whole")).unwrap_err();
    assert_eq!(refused.code, Code::ManifestRefused);
    assert!(refused.sentence.contains("push the folder with the adapter"), "{refused}");
    for party in PARTIES {
        hand_in(&mut ledger, party, adapter(party.as_bytes())).unwrap();
    }
    ledger.say("operator", Body::OpenRound(OpenRound { round: 1 })).unwrap();
    for party in PARTIES {
        ledger.propose(party, 1, "agency=0.5,checkers=0,readers=0.5").unwrap();
    }
    let recipe = ledger.federation.recipe(&ledger.federation.rounds()[0]).unwrap();
    assert_eq!(recipe.arithmetic(), Arithmetic::AdapterLinear2);
    let publish = |soup| Body::Publish(Publish { round: 1, recipe: recipe.clone(), soup });
    assert_eq!(code(ledger.say("operator", publish(weights(b"soup")))), Code::ManifestRefused);
    ledger.say("operator", publish(adapter(b"soup"))).unwrap();
    assert_eq!(ledger.replay(), ledger.federation);
    let read = Federation::from_snapshot(&ledger.federation.snapshot()).unwrap();
    assert_eq!(read, ledger.federation);
}

#[test]
fn full_weights_take_no_adapter_and_no_recipe_of_adapters() {
    let mut ledger = of(CHARTER);
    let refused = hand_in(&mut ledger, "agency", adapter(b"adapter"));
    assert_eq!(code(refused), Code::ManifestRefused);
    // A charter without a word about adapters has the text that it always had.
    assert!(!String::from_utf8(ledger.federation.snapshot()).unwrap().contains("adapters"));
}

#[test]
fn what_an_expert_is_cannot_be_amended() {
    let mut ledger = of(&charter("[adapters]\nmax_rank = 8\n"));
    let put = |ledger: &mut Ledger, text: &str| {
        let charter = Charter::from_toml(text).unwrap();
        ledger.say("agency", Body::Amend(Box::new(Amend { version: 2, charter })))
    };
    assert_eq!(code(put(&mut ledger, &charter(""))), Code::AmendmentRefused);
    put(&mut ledger, &charter("[adapters]\nmax_rank = 16\n")).unwrap();
    let mut whole = of(&charter(""));
    let adapters = charter("[adapters]\n");
    assert_eq!(code(put(&mut whole, &adapters)), Code::AmendmentRefused);
}

#[test]
fn where_parties_share_a_their_soups_are_means_and_the_seed_stays() {
    let mut ledger = of(&charter("[adapters]\nshared_a = 7\n"));
    assert_eq!(ledger.federation.charter().arithmetic(), Arithmetic::AdapterSharedA1);
    let put = |ledger: &mut Ledger, text: &str| {
        let charter = Charter::from_toml(text).unwrap();
        ledger.say("agency", Body::Amend(Box::new(Amend { version: 2, charter })))
    };
    for other in ["[adapters]\nshared_a = 8\n", "[adapters]\n"] {
        assert_eq!(code(put(&mut ledger, &charter(other))), Code::AmendmentRefused, "{other}");
    }
    put(&mut ledger, &charter("[adapters]\nshared_a = 7\nmax_rank = 16\n")).unwrap();
    for seed in ["-1", "4294967296", "true"] {
        let text = charter(&format!("[adapters]\nshared_a = {seed}\n"));
        assert!(Charter::from_toml(&text).is_err(), "{seed}");
    }
}

#[test]
fn a_rank_that_no_adapter_has_is_no_cap() {
    for rank in ["0", "1025"] {
        let text = charter(&format!("[adapters]\nmax_rank = {rank}\n"));
        let refused = Charter::from_toml(&text).unwrap_err().to_string();
        assert!(refused.contains("adapters.max_rank"), "{refused}");
    }
    let usual = Charter::from_toml(&charter("[adapters]\n")).unwrap();
    assert_eq!(usual.adapters().unwrap().max_rank, 64);
}
